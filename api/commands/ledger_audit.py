"""`liuhen log audit`: the whole log checked from its folder alone. Exit 0 sound, 1 wrong, 2 error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.bar import Tell, bar
from api.commands.log_place import VKEY_FILE, AsJson, Data, Key, Log, Place, find, kept_checkpoint, reading
from api.commands.timestamps import Roots, anchors, warning

if TYPE_CHECKING:
    from cryptography import x509

    from pipeline.timestamp_check import StampCheck
    from storage.ledger.auditing.fault import Fault
    from storage.ledger.auditing.verify import Audited

KNOWN = (VKEY_FILE, "README.txt", "witnessed", "timestamps/")
"""What a log's folder may hold beside what its checkpoint covers."""


def audit(
    log: Log = None,
    *,
    data: Data = None,
    key: Key = None,
    since: Annotated[
        Path | None,
        typer.Option(
            help="以前保存的检查点或回执 · a checkpoint or receipt kept from earlier: nothing before it changed"
        ),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="进度文件：中断后从此继续 · where an interrupted audit goes on (a file)")
    ] = None,
    roots: Roots = None,
    as_json: AsJson = False,
) -> None:
    """审计整条存证链，不用数据库 · Audit the whole log from its files alone.

    退出码 · exit code: 0 相符 sound, 1 不符 wrong, 2 出错 error.
    """
    from pipeline.bootstrap import read_settings
    from storage.ledger.auditing.fault import Fault

    place = find(log, data, key)
    place.believed()
    kept = kept_checkpoint(since) if since else None
    try:
        with reading(), bar("审计 auditing", show=not as_json) as tell:
            audited = run(place, kept, state, tell)
            trusted = anchors(roots, read_settings(data=data or log))
            stamps = timestamps(place, trusted)
            _check(stamps)
    except Fault as fault:
        _say_wrong(fault, as_json)
        raise typer.Exit(1) from fault
    except KeyboardInterrupt:
        if state is not None and state.exists():
            zh, en = "已中断；再次执行同一命令即从此继续。", f"interrupted: the same command goes on from {state}"
            typer.echo(f"{zh}\n{en}", err=True)
        raise
    _say_sound(audited, place, [*words(audited, since), *stamp_words(stamps, trusted)], as_json)


def run(place: Place, kept: bytes | None, state: Path | None, tell: Tell) -> Audited:
    """Audit with progress. Raises Fault at the first wrong thing."""
    from storage.ledger.auditing.audit import Plan, audit_folder
    from storage.ledger.auditing.verify import finish

    steps = audit_folder(place.folder, place.believed(), Plan(older=[kept] if kept else [], state=state))
    return finish(steps, lambda progress: tell("", progress.done, progress.total))


def timestamps(place: Place, trusted: Sequence[x509.Certificate] | None) -> StampCheck:
    """The log's timestamps, held against its entries, as of now."""
    from pipeline.timestamp_check import check_stamps
    from storage.clock import now

    return check_stamps(place.folder.root, place.believed(), trusted, now())


def stamp_words(stamps: StampCheck, trusted: Sequence[x509.Certificate] | None) -> list[tuple[str, str]]:
    """What was found, (zh, en) each: nothing where there are none."""
    return [*stamps.said, *warning(trusted)] if stamps.said else []


def _check(stamps: StampCheck) -> None:
    from storage.ledger.auditing.fault import Fault, Proves

    if stamps.wrong:
        raise Fault(stamps.wrong[0].zh, stamps.wrong[0].en, Proves.TIME, stamps.path)


def facts(audited: Audited) -> dict[str, Any]:
    head = audited.checkpoint
    return {
        "entries": head.size,
        "root": head.root.hex(),
        "chains": audited.subjects,
        "resumed": audited.resumed,
        "unchecked": [each for each in audited.unchecked if not each.startswith(KNOWN)],
    }


def words(audited: Audited, since: Path | None) -> list[tuple[str, str]]:
    """What was found, (zh, en) each."""
    head, others = audited.checkpoint, facts(audited)["unchecked"]
    zh = f"{head.origin}：{head.size} 条、{audited.subjects} 条保管链，逐条相符，且均在签名之下。"
    en = f"{head.origin}: all {head.size} entries in {audited.subjects} custody chains hold, under its signature"
    said = [(zh, en)]
    if since:
        said.append((f"{since} 之前的历史未被改动。", f"nothing that {since} covers was changed or cut off"))
    if audited.resumed:
        zh = f"其中前 {audited.resumed} 条由中断前的审计读取，此次只重新核对了其哈希。"
        en = f"the first {audited.resumed} were read before the interruption; this time only their hashes were"
        said.append((zh, en))
    if others:
        names = "、".join(others[:5]) + ("…" if len(others) > 5 else "")
        said.append((f"检查点未涉及的文件：{names}", f"{len(others)} files that the checkpoint says nothing about"))
    return said


def _say_sound(audited: Audited, place: Place, said: list[tuple[str, str]], as_json: bool) -> None:
    if as_json:
        answer = {"sound": True, "wrong": None, "key": place.vkey, **facts(audited)}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    for zh, en in [*place.warning, *said]:
        typer.echo(f"{zh}\n{en}")
    typer.echo("✓ 审计通过\n  sound: the whole log is as it was signed")


def _say_wrong(fault: Fault, as_json: bool) -> None:
    if as_json:
        wrong: dict[str, Any] = {
            "zh": fault.zh,
            "en": fault.en,
            "proves": fault.proves.name.lower(),
            "path": fault.path,
            "span": fault.span,
            "index": fault.index,
        }
        typer.echo(json.dumps({"sound": False, "wrong": wrong}, ensure_ascii=False, indent=2))
        return
    typer.echo(f"✗ 不符：{fault.zh}\n  wrong: {fault.en}")
