"""A station's side of the protocol in plain HTTP, for tests that must be able to do it wrongly."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ingest import manifest as manifests
from ingest import station
from storage.clock import iso, now
from storage.ledger.merkle import ChunkHasher
from storage.ledger.proof import VerifiedReceipt, verify_receipt

BODY = "application/offset+octet-stream"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def root(data: bytes) -> str:
    chunks = ChunkHasher()
    chunks.update(data)
    return chunks.finish().hex()


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def manifest_of(station_name: str, contents: dict[str, bytes], /, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "schema": "liuhen.docking/1",
        "station": station_name,
        "device": {"serial": "LH00012", "model": "LH-1"},
        "time": iso(now()),
        "nonce": secrets.token_hex(16),
        "files": [
            {"path": path, "size": len(data), "modified": iso(now()), "sha256": sha256(data), "root": root(data)}
            for path, data in contents.items()
        ],
    }
    return fields | changes


@dataclass
class PlainStation:
    """Holds a key and, after `dock`, a token."""

    http: httpx.Client
    key: station.StationKey
    token: str = ""

    def post_manifest(self, content: bytes, signature: str | None = None) -> httpx.Response:
        signature = manifests.sign(content, self.key.key) if signature is None else signature
        return self.http.post("/api/dockings", content=content, headers={"Liuhen-Signature": signature})

    def dock(self, files: dict[str, bytes], **changes: Any) -> dict[str, Any]:
        content = json.dumps(manifest_of(self.key.station, files, **changes), ensure_ascii=False).encode()
        answer = self.post_manifest(content)
        assert answer.status_code == 201, answer.text
        docked: dict[str, Any] = answer.json()
        self.token = docked["token"]
        return docked

    def headers(self, **more: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {self.token}", **named}

    def create(self, path: str, length: int, **more: str) -> httpx.Response:
        headers = self.headers(Upload_Length=str(length), Upload_Metadata=f"path {b64(path)}", **more)
        return self.http.post("/api/uploads", headers=headers)

    def begin(self, path: str, length: int) -> str:
        """Dock is done: create the upload and return its address."""
        answer = self.create(path, length)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def patch(self, url: str, offset: int, data: Any, **more: str) -> httpx.Response:
        headers = {"Content_Type": BODY, "Upload_Offset": str(offset)} | more
        return self.http.patch(url, content=data, headers=self.headers(**headers))

    def head(self, url: str) -> httpx.Response:
        return self.http.head(url, headers=self.headers())

    def offset(self, url: str) -> int:
        return int(self.head(url).headers["Upload-Offset"])

    def receipt(self, data: bytes) -> VerifiedReceipt:
        """Fetch and verify the receipt of `data`."""
        answer = self.http.get(f"/api/receipts/{sha256(data)}", headers=self.headers())
        assert answer.status_code == 200, answer.text
        verified = verify_receipt(answer.content, self.key.log)
        assert verified.entry.event.payload["sha256"] == sha256(data)
        assert verified.entry.event.payload["size"] == len(data)
        return verified


def stored(data_folder: Path, data: bytes) -> bytes:
    """The original as the blob store has it."""
    digest = sha256(data)
    return (data_folder / "blobs" / "five_years" / "originals" / digest[:2] / digest).read_bytes()


def spooled(data_folder: Path) -> list[str]:
    return sorted(path.name for path in (data_folder / "spool" / "uploads").iterdir())
