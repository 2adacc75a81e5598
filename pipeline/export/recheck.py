"""The ledger's files of a disc under test, by the library that the service itself uses.

`verifier/verify.py` has checked them with code of its own; whoever runs Liuhen gets both answers.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.export.chain import ProvenEntry, check_links
from storage.errors import IntegrityError
from storage.ledger import proof, rotation
from storage.ledger.folder import LedgerFolder


def recheck(disc: Path) -> int:
    """Keys over time, checkpoint, each proof and the custody chain. How many entries; raises IntegrityError."""
    folder = LedgerFolder(disc / "ledger")
    vkey = folder.read("log.vkey").decode().strip()
    keys = rotation.learn(vkey, folder.rotations())
    signed = folder.read("checkpoint")
    head = keys.verify(signed)
    entries = []
    for path in sorted((disc / "ledger" / "proofs").iterdir(), key=lambda each: (len(each.name), each.name)):
        content = path.read_bytes()
        entries.append(ProvenEntry(proof.verify_receipt(content, keys), content))
        if proof.parse(content).checkpoint != signed:
            raise IntegrityError(
                f"{path.name} 的检查点与光盘的不同。", f"{path.name} does not carry the disc's checkpoint"
            )
    if str(keys.key_of(head.size)) != vkey:
        raise IntegrityError("公钥不是签署检查点的那把。", "ledger/log.vkey is not the key that signed the checkpoint")
    check_links(entries)
    return len(entries)
