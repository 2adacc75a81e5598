"""Proving a part of an original without the rest: `liuhen log prove-bytes`, and `liuhen verify` of what it wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.commands.verify import Asked, Outcome
    from pipeline.bootstrap import Services
    from storage.catalogue.tables import Original
    from storage.ledger.chunks import ChunkProof
    from storage.ledger.proof import VerifiedReceipt

HEADER = b"liuhen/chunk-proof@"


def prove_bytes(
    what: Annotated[
        str,
        typer.Argument(metavar="RECORDING|SHA256", help="音像记录编号或原件摘要 · recording, or an original's SHA-256"),
    ],
    span: Annotated[str, typer.Option("--bytes", metavar="A-B", help="首末字节，从0起 · first and last byte, from 0")],
    out: Annotated[Path, typer.Option(help="写入的目录 · folder to write to")],
    data: Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")] = None,
) -> None:
    """证明原件的一段而不出示其余 · Prove a part of an original without showing the rest.

    写出该段（整块）、证明和回执，用 liuhen verify 证明文件 数据文件 核验 · writes the piece (whole chunks), the proof
    and the receipt; verify with: liuhen verify PROOF PIECE.
    """
    from pipeline.bootstrap import read_settings, wire

    services = wire(read_settings(data=data))
    try:
        original = _original(services, what.lower())
        files = _prove(services, original, _span(span), out)
    finally:
        services.catalogue.close()
    typer.echo("\n".join(str(file) for file in files))


def is_proof(path: Path) -> bool:
    """Whether the file begins as a chunk proof does."""
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER


def outcome(path: Path, piece: Path | None, asked: Asked) -> Outcome:
    """What `liuhen verify PROOF PIECE` says."""
    from api.commands.verify import Outcome, _pinned, known_keys
    from storage.errors import IntegrityError, Refused
    from storage.ledger import chunks

    if piece is None:
        raise Refused("请同时给出被证明的数据文件。", "give the file with the bytes that are proved too")
    vkey, said = _pinned(asked)
    try:
        proof = chunks.parse(path.read_bytes())
        receipt = _check(proof, piece, known_keys(vkey, asked))
    except IntegrityError as error:
        return Outcome("bytes", [(error.zh, error.en)], said, {"key": vkey})
    event = receipt.entry.event
    sha256 = event.payload["sha256"]
    first, last = proof.start, max(proof.end - 1, proof.start)
    said.append(
        (
            f"{piece} 是原件 {sha256}（{event.subject}，共 {proof.size} 字节）的第 {first}–{last} 字节",
            f"{piece} is bytes {first}-{last} of the original {sha256} ({event.subject}, {proof.size} bytes)",
        )
    )
    facts = {"key": vkey, "subject": event.subject, "sha256": sha256, "first": first, "last": last, "size": proof.size}
    return Outcome("bytes", [], said, facts)


def _check(proof: ChunkProof, piece: Path, keys: object) -> VerifiedReceipt:
    from storage.errors import IntegrityError
    from storage.ledger import chunks
    from storage.ledger.proof import verify_receipt

    receipt = verify_receipt(proof.receipt, keys)  # type: ignore[arg-type]
    payload = receipt.entry.event.payload
    root, size = payload.get("root"), payload.get("size")
    if receipt.entry.event.event != "original.received" or not isinstance(root, str) or not isinstance(size, int):
        raise IntegrityError("证明所附回执不是原件入库的回执。", "the proof's receipt is not that of an original")
    leaves, length = _leaves(piece)
    chunks.verify(proof, leaves, length, root=bytes.fromhex(root), size=size)
    return receipt


def _leaves(piece: Path) -> tuple[list[bytes], int]:
    from storage.ledger.merkle import HASH_SIZE, ChunkHasher

    hasher, length = ChunkHasher(), 0
    with piece.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
            length += len(block)
    hasher.finish()
    return [bytes(hasher.leaves[at : at + HASH_SIZE]) for at in range(0, len(hasher.leaves), HASH_SIZE)], length


def _span(text: str) -> tuple[int, int]:
    from storage.errors import Refused

    match = re.fullmatch(r"(\d{1,18})-(\d{1,18})", text)
    if match is None:
        raise Refused("--bytes 应写作 首-末，如 0-1048575。", "--bytes is FIRST-LAST, such as 0-1048575")
    return int(match[1]), int(match[2])


def _original(services: Services, what: str) -> Original:
    from sqlalchemy import select

    from storage.catalogue.tables import Original
    from storage.errors import NotFound, Refused

    with services.catalogue.read() as session:
        found = session.get(Original, what)
        rows = [found] if found else list(session.scalars(select(Original).where(Original.recording_id == what)))
    if not rows:
        raise NotFound(f"没有音像记录或原件 {what}。", f"there is no recording or original {what}")
    if len(rows) > 1:
        digests = " ".join(row.sha256 for row in rows)
        raise Refused(
            f"该音像记录有多个分段，请指明原件：{digests}", f"the recording has several segments, name one: {digests}"
        )
    return rows[0]


def _prove(services: Services, original: Original, span: tuple[int, int], out: Path) -> list[Path]:
    """Write piece, proof and receipt; what was written is verified from the disk before this returns."""
    from pipeline.intake import chunks_key, original_key
    from storage import durable
    from storage.errors import IntegrityError
    from storage.ledger import chunks
    from storage.ledger.merkle import CHUNK_SIZE, HASH_SIZE

    store = services.tiers[original.tier]
    start, end = chunks.covering(original.size, *span)
    kept = b"".join(store.open(chunks_key(original.sha256)))
    leaves = [kept[at : at + HASH_SIZE] for at in range(0, len(kept), HASH_SIZE)]
    receipt = services.sequencer.receipt(original.event_id)
    if len(leaves) != -(-original.size // CHUNK_SIZE):
        raise IntegrityError("原件的分块摘要表已损坏。", "the original's chunk list is damaged")
    made = chunks.make(original.size, leaves, start, end)
    proof = chunks.ChunkProof(made.size, made.start, made.end, made.hashes, receipt)
    name = f"{original.sha256[:16]}_{start}-{end - 1}"
    piece, proved, got = (out / f"{name}.{ending}" for ending in ("bytes", "chunk-proof", "receipt"))
    durable.make_directory(out.absolute())
    with piece.open("wb") as file:
        for block in store.open(original_key(original.sha256), start=start, length=end - start):
            file.write(block)
    durable.write(proved, proof.encode())
    durable.write(got, receipt)
    _check(chunks.parse(proved.read_bytes()), piece, services.sequencer.keys())
    return [piece, proved, got]
