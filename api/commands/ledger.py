"""`liuhen log`: look at the ledger's folder, offline, without the service or the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.ledger.folder import LedgerFolder

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True)
    cli.command("show")(show)
    cli.command("entries")(entries)
    return cli


def show(data: Data = None) -> None:
    """检查点：长度、根、签名 · The published checkpoint, as it is signed."""
    typer.echo(_ledger(data).read("checkpoint").decode())


def entries(
    data: Data = None,
    subject: Annotated[
        str | None, typer.Option(help='只看一条保管链 · one custody chain, e.g. "recording:01k…"')
    ] = None,
    event: Annotated[str | None, typer.Option(help="只看一种事件 · one kind of event, e.g. original.received")] = None,
    start: Annotated[int, typer.Option(min=0, help="起始序号 · first index")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="每行一条原始记录 · the exact bytes, one entry a line")
    ] = False,
) -> None:
    """列出记录 · List entries in order."""
    for index, body in _entries(_ledger(data), start):
        entry = json.loads(body)
        if (subject and entry["subject"] != subject) or (event and entry["event"] != event):
            continue
        actor = f"{entry['actor']['kind']}:{entry['actor']['id']}"
        line = f"{index:>8}  {entry['time']}  {entry['event']:<20} {actor:<18} {entry['subject']}"
        typer.echo(body.decode() if as_json else line)


def _ledger(data: Path | None) -> LedgerFolder:
    from pipeline.bootstrap import read_settings
    from storage.errors import NotFound
    from storage.ledger.folder import LedgerFolder

    folder = LedgerFolder(read_settings(data=data).ledger)
    if folder.checkpoint() is None:
        raise NotFound(
            "此数据目录中没有存证链；请用 --data 指定。", "there is no ledger in this data directory: give --data"
        )
    return folder


def _entries(folder: LedgerFolder, start: int) -> Iterator[tuple[int, bytes]]:
    """(index, exact bytes) from `start` to the end of the published log."""
    from storage.ledger import checkpoint, note, tiles

    size = checkpoint.parse(note.parse(folder.read("checkpoint")).text).size
    for tile in tiles.written(0, size):
        if tile.level != tiles.ENTRIES:
            return
        first = tile.index * tiles.WIDTH
        if first + tile.width > start:
            bodies = tiles.decode_bundle(folder.read(tile.path), tile)
            yield from ((index, body) for index, body in enumerate(bodies, start=first) if index >= start)
