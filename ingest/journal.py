"""The station's journal: each manifest sent and each receipt verified, written durably before anything is said.

`<folder>/<station>/dockings/<docking>.json` is the manifest as signed; `…/receipts/<sha256>.tlog-proof` a receipt that
has been verified; `…/rotations` the ledger's key rotations, verified, so that its later keys are known. A receipt on a
station's disk is the bureau's second copy of the promise.
"""

from __future__ import annotations

from pathlib import Path

from storage import durable


class Journal:
    def __init__(self, folder: Path, station: str) -> None:
        self._folder = folder.absolute() / station.replace("/", "_")

    def keep_manifest(self, docking: str, content: bytes) -> None:
        durable.write(self._folder / "dockings" / f"{docking}.json", content)

    def rotations(self) -> bytes:
        """What was kept last; empty at first."""
        path = self._folder / "rotations"
        return path.read_bytes() if path.exists() else b""

    def keep_rotations(self, content: bytes) -> None:
        durable.write(self._folder / "rotations", content)

    def keep_receipt(self, sha256: str, receipt: bytes) -> Path:
        path = self._folder / "receipts" / f"{sha256}.tlog-proof"
        if not path.exists() or path.read_bytes() != receipt:
            durable.write(path, receipt)
        return path
