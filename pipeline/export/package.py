"""The disc's content as a folder: originals, access copies, report, proofs, papers, verifier, BagIt lists.

Layout in docs/export.md. Media is not copied: the folder has symbolic links to the blobs, which the image program
follows. Each blob is hashed on the way and compared with what the catalogue and the ledger say of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.export import bag, names, paper
from pipeline.export.bag import Listed
from pipeline.export.chain import ProvenChain
from pipeline.export.dossier import Dossier
from pipeline.export.explanation import Imprint, Places, explain
from pipeline.intake import original_key
from pipeline.jobs import Progress
from pipeline.tier import derivative_key
from storage.blobs.contract import BlobStore
from storage.errors import IntegrityError
from storage.ledger.merkle import CHUNK_SIZE, ChunkHasher

VERIFIERS = Path(__file__).parent / "verifier"


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished folder. `bag_sha256`: SHA-256 of the tag manifest, which stands for every byte of the bag."""

    folder: Path
    files: int
    size: int
    bag_sha256: str


class Package:
    """Fills an empty `folder`. The links need `stack` open until the image is made."""

    def __init__(self, folder: Path, tiers: Mapping[str, BlobStore], stack: ExitStack, progress: Progress) -> None:
        self._folder, self._tiers, self._stack, self._progress = folder, tiers, stack, progress
        self._payload: list[Listed] = []
        self._tags: list[Listed] = []
        self._hashed = self._expected = 0

    def fill(self, dossier: Dossier, chain: ProvenChain, imprint: Imprint) -> Packed:
        """Write everything. Raises IntegrityError when a blob or a report is not what was recorded."""
        _check_agreement(dossier, chain)
        self._expected = dossier.size
        places = place(dossier)
        self._media(dossier, places)
        self._report(dossier, chain)
        self._ledger(chain)
        self._papers(explain(dossier, chain, places, imprint))
        return self._bag(dossier, imprint)

    def _media(self, dossier: Dossier, places: Places) -> None:
        for row in dossier.originals:
            hasher = self._link(places.originals[row.sha256], row.tier, original_key(row.sha256), row.sha256)
            if hasher.finish().hex() != row.root:
                raise _damaged(row.name)
            self._tag(f"chunks/{row.sha256}", bytes(hasher.leaves))
        for copy in dossier.access:
            self._link(places.access[copy.sha256], copy.tier, derivative_key(copy.sha256), copy.sha256)

    def _link(self, path: str, tier: str, key: str, sha256: str) -> ChunkHasher:
        source = self._stack.enter_context(self._tiers[tier].local_path(key))
        whole, chunks, size = hashlib.sha256(), ChunkHasher(), 0
        for piece in _pieces(source):
            whole.update(piece)
            chunks.update(piece)
            size += len(piece)
            self._hashed += len(piece)
            self._progress(min(1.0, self._hashed / max(1, self._expected)))
        if whole.hexdigest() != sha256:
            raise _damaged(path)
        self._target(path).symlink_to(source.absolute())
        self._payload.append(Listed(path, sha256, size))
        return chunks

    def _report(self, dossier: Dossier, chain: ProvenChain) -> None:
        if dossier.analysis is None:
            return
        content = report_bytes(dossier.analysis.report)
        logged = chain.payloads("analysis.made")
        if not logged or logged[-1].get("report_sha256") != hashlib.sha256(content).hexdigest():
            raise _disagreement("检测报告", "the report")
        self._payload.append(self._write("data/report.json", content))

    def _ledger(self, chain: ProvenChain) -> None:
        self._tag("ledger/checkpoint", chain.signed)
        self._tag("ledger/log.vkey", f"{chain.key}\n".encode())
        if chain.rotations:
            self._tag("ledger/rotations", chain.rotations)
        for number, entry in enumerate(chain.entries, start=1):
            self._tag(f"ledger/proofs/{number:04d}.tlog-proof", entry.proof)

    def _papers(self, explanation: Mapping[str, Any]) -> None:
        pdf = paper.render_pdf(explanation)
        self._tag("制作说明.pdf", pdf)
        self._tag("EXPLANATION.pdf", pdf)
        self._tag("explanation.json", json.dumps(explanation, ensure_ascii=False, indent=1).encode() + b"\n")
        self._tag("INDEX.html", paper.render_index(explanation))
        self._tag("README.txt", paper.render_readme(explanation))
        for name in ("verify.py", "verify_short.py"):
            self._tag(name, (VERIFIERS / name).read_bytes())

    def _bag(self, dossier: Dossier, imprint: Imprint) -> Packed:
        self._tag("bagit.txt", bag.DECLARATION)
        self._tag("bag-info.txt", bag.info(_bag_fields(dossier, imprint), self._payload))
        self._tag(bag.MANIFEST, bag.manifest(self._payload))
        tags = bag.manifest(self._tags)
        last = self._write(bag.TAG_MANIFEST, tags)
        everything = [*self._payload, *self._tags, last]
        return Packed(self._folder, len(everything), sum(each.size for each in everything), last.sha256)

    def _tag(self, path: str, content: bytes) -> None:
        self._tags.append(self._write(path, content))

    def _write(self, path: str, content: bytes) -> Listed:
        self._target(path).write_bytes(content)
        return Listed(path, hashlib.sha256(content).hexdigest(), len(content))

    def _target(self, path: str) -> Path:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def place(dossier: Dossier) -> Places:
    """A name on the disc for each file: numbered in order, so that no two can be the same."""
    originals = {
        row.sha256: f"data/originals/{names.on_disc(number, row.name)}"
        for number, row in enumerate(dossier.originals, start=1)
    }
    access = {
        row.sha256: f"data/access/{Path(originals[row.original_sha256]).stem}{_extension(row.media_type)}"
        for row in dossier.access
    }
    return Places(originals, access)


def report_bytes(report: Mapping[str, Any]) -> bytes:
    """The report's one JSON form, whose SHA-256 the entry analysis.made has."""
    return json.dumps(report, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _check_agreement(dossier: Dossier, chain: ProvenChain) -> None:
    """The ledger, not the database, says that the export was approved, which files there are, and the verdict."""
    decided = chain.payloads("request.decided")
    if not any(each.get("request") == dossier.request.id and each.get("approved") is True for each in decided):
        raise _disagreement("导出申请的批准", "the approval of the request")
    received = {
        (each.get("sha256"), each.get("root"), each.get("size")) for each in chain.payloads("original.received")
    }
    if received != {(row.sha256, row.root, row.size) for row in dossier.originals}:
        raise _disagreement("原件", "the originals")
    verdict = [each.get("verdict") for each in chain.payloads("analysis.made")][-1:]
    if verdict != ([dossier.analysis.verdict] if dossier.analysis else []):
        raise _disagreement("检测结论", "the verdict")


def _disagreement(zh: str, en: str) -> IntegrityError:
    return IntegrityError(
        f"数据库中的{zh}与存证链所记不符，未制作光盘。",
        f"{en} in the database is not what the ledger recorded; no disc was made",
    )


def _bag_fields(dossier: Dossier, imprint: Imprint) -> dict[str, str]:
    return {
        "Source-Organization": imprint.unit,
        "Bagging-Date": imprint.made.date().isoformat(),
        "External-Identifier": f"recording:{dossier.recording.id}",
        "Internal-Sender-Identifier": f"request:{dossier.request.id}",
        "Bag-Software-Agent": imprint.program,
    }


def _extension(media_type: str) -> str:
    known = {"video/mp4": ".mp4", "audio/mp4": ".m4a", "image/jpeg": ".jpg", "video/x-matroska": ".mkv"}
    return known.get(media_type, ".bin")


def _pieces(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while piece := file.read(CHUNK_SIZE):
            yield piece


def _damaged(name: str) -> IntegrityError:
    return IntegrityError(
        f"{name} 的存储内容与入库时不符，未制作光盘；请立即核查存储。",
        f"the stored bytes of {name} are not those received; no disc was made: examine the store at once",
    )
