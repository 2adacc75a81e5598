"""`liuhen log`: the ledger's folder looked at, proved from, audited and copied, without the service or the database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands import chunkproof, ledger_audit, ledger_copy, ledger_prove, ledger_restore
from api.commands.bar import plain
from api.commands.log_place import AsJson, Data, Key, Log, Place, find, reading

if TYPE_CHECKING:
    from storage.ledger.folder import LedgerFolder
    from storage.ledger.logkeys import LogKeys
    from storage.ledger.note import Note, Verifier

TABLE = 1000  # rows; more are printed line by line, as they are found


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True)
    cli.command("show")(show)
    cli.command("entries")(entries)
    cli.command("prove")(ledger_prove.prove)
    cli.command("prove-bytes")(chunkproof.prove_bytes)
    cli.command("audit")(ledger_audit.audit)
    cli.command("export")(ledger_copy.export)
    cli.command("restore")(ledger_restore.restore)
    return cli


def show(log: Log = None, *, data: Data = None, key: Key = None, as_json: AsJson = False) -> None:
    """检查点：长度、根、签名 · The published checkpoint, in words and as it is signed."""
    with reading():
        facts = _facts(find(log, data, key))
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    typer.echo(
        f"存证链 log        {facts['origin']}\n条数 entries      {facts['size']}\n根哈希 root       {facts['root']}"
    )
    if facts["last_entry"]:
        typer.echo(f"最后一条 last     {local(facts['last_entry'])}")
    for each in facts["keys"]:
        typer.echo(f"公钥 key          {each}")
    for each in facts["signatures"]:
        typer.echo(f"签名 signature    {each['name']}+{each['key_id']}  {each['zh']} {each['en']}")
    typer.echo(f"\n{facts['checkpoint']}", nl=False)


def _facts(place: Place) -> dict[str, Any]:
    from storage.ledger import checkpoint, note

    signed = place.folder.read("checkpoint")
    parsed = note.parse(signed)
    head = checkpoint.parse(parsed.text)
    known = _known(place)
    last = next(bodies(place.folder, head.size - 1, head.size), None) if head.size else None
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "last_entry": json.loads(last[1])["time"] if last else None,
        "keys": [str(each) for each in known.keys] if known else [],
        "signatures": _signatures(parsed, known.keys if known else ()),
        "checkpoint": signed.decode(),
    }


def _known(place: Place) -> LogKeys | None:
    """The log's keys over time, None where no key is at hand or it is not this log's."""
    from storage.errors import LiuhenError

    try:
        return place.keys()
    except LiuhenError:
        return None


def _signatures(parsed: Note, known: Sequence[Verifier]) -> list[dict[str, Any]]:
    """Each signature line with what is known of it: by a key of the log's and valid, wrong, or of a key not known here.

    Where one key hands over to the next, both have signed.
    """
    keys = {(key.name, key.key_id): key for key in known}
    lines = []
    for line in parsed.signatures:
        expected = keys.get((line.name, line.key_id))
        if expected is None:
            state, zh, en = "unknown", "未知密钥", "unknown key"
        elif expected.accepts(parsed.text, line.value):
            state, zh, en = "valid", "有效", "valid"
        else:
            state, zh, en = "invalid", "无效", "NOT valid"
        lines.append({"name": line.name, "key_id": line.key_id.hex(), "state": state, "zh": zh, "en": en})
    return lines


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: None for any. `since`: with a time zone."""

    subject: str | None
    event: str | None
    actor: str | None
    since: datetime | None

    def takes(self, entry: dict[str, Any]) -> bool:
        actor = f"{entry['actor']['kind']}:{entry['actor']['id']}"
        return (
            self.subject in (None, entry["subject"])
            and self.event in (None, entry["event"])
            and self.actor in (None, actor, entry["actor"]["id"])
            and (self.since is None or datetime.fromisoformat(entry["time"]) >= self.since)
        )


def entries(
    log: Log = None,
    *,
    data: Data = None,
    subject: Annotated[
        str | None, typer.Option(help='只看一条保管链 · one custody chain, e.g. "recording:01k…"')
    ] = None,
    event: Annotated[str | None, typer.Option(help="只看一种事件 · one kind of event, e.g. original.received")] = None,
    actor: Annotated[str | None, typer.Option(help="只看一位经手者 · one actor, e.g. station:st-01")] = None,
    first: Annotated[int, typer.Option("--from", "--start", min=0, help="起始序号 · first index")] = 0,
    end: Annotated[int | None, typer.Option("--to", min=0, help="截止序号（不含）· index to stop before")] = None,
    since: Annotated[
        str | None, typer.Option(help="此时刻之后（本地时间）· from this time on (local), e.g. 2026-11-20T08:00")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="每行一条原始记录 · the exact bytes, one entry a line")
    ] = False,
) -> None:
    """列出记录 · List entries in order."""
    from storage.ledger import checkpoint, note

    folder = find(log, data, key="").folder
    size = checkpoint.parse(note.parse(folder.read("checkpoint")).text).size
    wanted = Wanted(subject, event, actor, _moment(since))
    found = (
        (index, body, entry)
        for index, body in bodies(folder, first, size if end is None else min(end, size))
        if wanted.takes(entry := json.loads(body))
    )
    with reading():
        if not as_json:
            _list((index, entry) for index, _, entry in found)
            return
        for _, body, _ in found:
            typer.echo(body)


def _list(found: Iterator[tuple[int, dict[str, Any]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console, rows = Console(), list(islice(found, TABLE + 1))
    if not console.is_terminal or len(rows) > TABLE:
        for index, entry in chain(rows, found):
            actor = f"{entry['actor']['kind']}:{entry['actor']['id']}"
            typer.echo(plain(f"{index:>8}  {entry['time']}  {entry['event']:<20} {actor:<18} {entry['subject']}"))
        return
    table = Table("序号 index", "时间 local time", "事件 event", "经手 actor", "对象 subject")
    for index, entry in rows:
        actor = f"{entry['actor']['kind']}:{entry['actor']['id']}"
        cells = (local(entry["time"]), entry["event"], actor, entry["subject"])
        table.add_row(str(index), *(plain(cell) for cell in cells))
    console.print(table, markup=False)


def bodies(folder: LedgerFolder, first: int, end: int) -> Iterator[tuple[int, bytes]]:
    """(index, exact bytes) from `first` up to `end` (not included), which is within the published log."""
    from storage.ledger import checkpoint, note, tiles

    size = checkpoint.parse(note.parse(folder.read("checkpoint")).text).size
    for begin in range(first // tiles.WIDTH * tiles.WIDTH, min(end, size), tiles.WIDTH):
        bundle = tiles.covering(tiles.ENTRIES, begin, size)
        decoded = tiles.decode_bundle(tiles.read_tile(bundle, folder.read), bundle)
        yield from ((index, body) for index, body in enumerate(decoded, start=begin) if first <= index < end)


def local(time: str) -> str:
    """An entry's time as the clock on the wall here shows it, with its offset."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S %z}"


def _moment(text: str | None) -> datetime | None:
    from storage.errors import Refused

    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise Refused(
            f"无法识别时间 {text}；请写成 2026-11-20 或 2026-11-20T08:00。",
            f"{text} is no time: write it as 2026-11-20 or 2026-11-20T08:00",
        ) from None
