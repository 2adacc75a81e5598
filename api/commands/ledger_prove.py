"""`liuhen log prove`: proofs from the log's folder, for people who have only the public key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.log_place import Data, Key, Place, find, kept_checkpoint, reading

if TYPE_CHECKING:
    from storage.ledger.checkpoint import Checkpoint


def prove(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]",
            help="条目序号、事件编号或音像记录编号 · an entry's index, an event's or a recording's identifier",
        ),
    ] = None,
    *,
    log: Annotated[Path | None, typer.Option(help="存证链目录或其副本 · a log's folder or a copy of it")] = None,
    data: Data = None,
    key: Key = None,
    older: Annotated[
        str | None,
        typer.Option(
            "--from", help="一致性证明的起点：条数、检查点或回执 · consistency from this size, checkpoint or receipt"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="写到此文件或目录，- 为标准输出 · file or folder to write to, - for standard output"),
    ] = None,
) -> None:
    """制作包含性或一致性证明 · Make inclusion proofs (tlog-proof files), or with --from a consistency proof.

    核验 · to verify: liuhen verify FILE --key …, liuhen verify FILE OLDER-CHECKPOINT --key …
    """
    from storage.errors import Refused

    place = find(log, data, key)
    if (what is None) == (older is None):
        raise Refused("请给出要证明的条目，或用 --from 给出起点。", "name what is to be proved, or a start with --from")
    with reading():
        made = _make(place, what, older)
    _write(made, out)


def _make(place: Place, what: str | None, older: str | None) -> dict[str, bytes]:
    """The proofs by the names of their files."""
    signed, head = place.head()
    if older is not None:
        return {f"consistency-{head.size}.txt": _consistency(place, signed, head, older)}
    found = _indexes(place, head.size, str(what))
    return {f"entry-{index}.tlog-proof": _inclusion(place, signed, head, index) for index in found}


def _consistency(place: Place, signed: bytes, head: Checkpoint, older: str) -> bytes:
    """The proof from an older size to the published checkpoint, verified where the older checkpoint is at hand."""
    from storage.errors import Refused
    from storage.ledger import consistency
    from storage.ledger.auditing import heads

    if older.isascii() and older.isdigit():
        size, kept = int(older), None
    else:
        kept = heads.older(kept_checkpoint(Path(older)), place.keys(), head)
        size = kept.size
    if not 0 < size <= head.size:
        raise Refused(
            f"起点须在 1 与 {head.size} 之间。", f"the start must be between 1 and {head.size}, the log's present size"
        )
    made = consistency.make(size, signed, place.folder.read)
    if kept is not None:
        consistency.verify(made, kept, place.keys())
    return made


def _inclusion(place: Place, signed: bytes, head: Checkpoint, index: int) -> bytes:
    """A tlog-proof with the entry in it: a receipt. It has been verified when this returns."""
    from storage.ledger import merkle, tiles
    from storage.ledger.proof import Proof

    bundle = tiles.covering(tiles.ENTRIES, index, head.size)
    body = tiles.decode_bundle(tiles.read_tile(bundle, place.folder.read), bundle)[index % tiles.WIDTH]
    path = merkle.inclusion_proof(index, head.size, tiles.TileTree(place.folder.read).reader(head.size))
    merkle.verify_inclusion(index, head.size, merkle.leaf_hash(body), path, head.root)
    return Proof(index, tuple(path), signed, body).encode()


def _indexes(place: Place, size: int, what: str) -> list[int]:
    """Where to find what was named: an index, one event, or all files that a recording received. Raises NotFound."""
    import json

    from api.commands.ledger import bodies
    from storage.errors import NotFound

    if what.isascii() and what.isdigit() and len(what) < 20:
        if int(what) < size:
            return [int(what)]
        zh = f"存证链只有 {size} 条，没有第 {what} 条。"
        raise NotFound(zh, f"the log has {size} entries, there is no entry {what}")
    name = what.lower().removeprefix("recording:")
    found = []
    for index, body in bodies(place.folder, 0, size):
        if name.encode() not in body:
            continue
        entry = json.loads(body)
        if entry["id"] == name:
            return [index]
        if (entry["subject"], entry["event"]) == (f"recording:{name}", "original.received"):
            found.append(index)
    if not found:
        raise NotFound(f"存证链中找不到 {what}。", f"there is no {what} in the log")
    return found


def _write(made: dict[str, bytes], out: Path | None) -> None:
    from storage.errors import Refused

    if out is not None and str(out) == "-":
        typer.echo(b"\n".join(made.values()), nl=False)
        return
    single = out is not None and not out.is_dir()
    if single and len(made) > 1:
        raise Refused(
            f"有 {len(made)} 份证明；请用 --out 给出一个目录。",
            f"there are {len(made)} proofs: give a folder with --out",
        )
    for name, content in made.items():
        target = out if single and out else (out or Path()) / name
        try:
            target.write_bytes(content)
        except OSError as error:
            raise Refused(f"无法写入 {target}：{error.strerror}。", f"{target} can't be written: {error}") from error
        typer.echo(str(target))
