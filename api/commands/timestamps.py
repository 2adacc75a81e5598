"""`liuhen log timestamp` and `liuhen log timestamps`: stamp the newest checkpoint now; list the stamps there are."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.log_place import AsJson, Data, Key, Log, find

if TYPE_CHECKING:
    from cryptography import x509

    from pipeline.settings import Settings
    from storage.ledger.time.stamps import Examined

Roots = Annotated[
    list[Path] | None,
    typer.Option(help="信任的时间戳根证书（PEM），可多次给出 · trusted roots of time-stamping authorities (PEM)"),
]


def stamp(data: Data = None) -> None:
    """立即为最新检查点加盖时间戳 · Stamp the newest checkpoint now, at every authority that has not stamped it.

    服务运行时也可使用 · The service may be running. 退出码 · exit code: 0 done, 2 error.
    """
    from api.logs import configure
    from pipeline.bootstrap import open_catalogue, open_timestamps, passphrase, read_settings
    from pipeline.policy import load
    from pipeline.signing import own_vkey
    from storage.clock import now
    from storage.errors import Refused
    from storage.ledger import note

    configure(logging.CRITICAL)  # what was made is told below
    settings = read_settings(data=data)
    policy = load(settings.policy)
    if not policy.time.tsa:
        raise Refused(
            f"尚未设置时间戳服务。请在 {settings.policy} 的 time: 中填写 tsa 与 roots（见 docs/operations.md）。",
            f"no TSA is set: fill in tsa and roots under time: in {settings.policy} (docs/operations.md)",
        )
    key = note.parse_vkey(own_vkey(settings, passphrase(settings)))
    catalogue = open_catalogue(settings)
    try:
        made = open_timestamps(settings, policy, catalogue, key, now).stamp()
    finally:
        catalogue.close()
    for kept in made:
        typer.echo(f"{_local(settings, kept.stamp.time)}  {kept.stamp.tsa}  {kept.path}")
    if not made:
        typer.echo("最新检查点已加盖，没有新内容 · nothing new: the checkpoint has been stamped")


def show(log: Log = None, *, data: Data = None, key: Key = None, roots: Roots = None, as_json: AsJson = False) -> None:
    """列出时间戳并逐一核验 · List the timestamps, each verified: entries, local time, authority, valid until, renewed.

    退出码 · exit code: 0 全部有效 all hold, 1 有不符 something is wrong, 2 error.
    """
    from pipeline.bootstrap import read_settings
    from pipeline.timestamp_check import check_stamps
    from storage.clock import now

    place, settings = find(log, data, key), read_settings(data=data or log)
    trusted = anchors(roots, settings)
    found = check_stamps(place.folder.root, place.believed(), trusted, now())
    rows = list(_rows(found.examined)) if found.examined else []
    if as_json:
        wrong = [each.as_json() for each in found.wrong]
        answer = {"key": place.vkey, "trusted_roots": trusted is not None, "timestamps": rows, "wrong": wrong}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        _print(settings, rows)
        for zh, en in [*place.warning, *(warning(trusted) if rows else [])]:
            typer.echo(f"{zh}\n{en}")
        for each in found.wrong:
            typer.echo(f"✗ 不符：{each.zh}\n  wrong: {each.en}")
    raise typer.Exit(1 if found.wrong else 0)


def anchors(roots: list[Path] | None, settings: Settings) -> list[x509.Certificate] | None:
    """The trusted roots: those given, else the policy's, else None."""
    from pipeline.timestamp_check import trusted_roots
    from pipeline.timestamps import read_roots

    return read_roots(roots) if roots else trusted_roots(settings)


def warning(trusted: Sequence[x509.Certificate] | None) -> list[tuple[str, str]]:
    """What is to be said where nobody named a root."""
    if trusted is not None:
        return []
    zh = "提示：未给出信任的时间戳根证书，所用为随时间戳存档的根证书；请用 --roots 给出独立取得的根证书。"
    en = "note: no roots of time-stamping authorities were given, those kept with the timestamps were used"
    return [(zh, f"{en}; give some with --roots")]


def _rows(examined: Examined) -> Iterator[dict[str, Any]]:
    """What is known of each stamp; `valid_until` with its renewals."""
    from storage.clock import iso, now
    from storage.ledger.time.renewal import valid_until

    spans = [each.span for each in examined.kept]
    until = valid_until(spans, max((each.end for each in spans), default=now()))
    for kept in examined.kept:
        yield {
            "path": kept.path,
            "entries": kept.head.size if kept.head else None,
            "renews": len(kept.lines) or None,
            "time": iso(kept.stamp.time),
            "tsa": kept.stamp.tsa,
            "serial": kept.stamp.serial,
            "policy": kept.stamp.policy,
            "accuracy": kept.stamp.accuracy,
            "revocation_checked": kept.stamp.checked,
            "valid_until": iso(until[kept.path]),
            "renewed": until[kept.path] > kept.stamp.valid_until,
            "recorded": kept.index is not None,
        }


def _print(settings: Settings, rows: list[dict[str, Any]]) -> None:
    if not rows:
        typer.echo("没有时间戳 · no timestamps")
        return
    typer.echo("条目 entries  时间 local time      有效至 valid until  时间戳服务 authority")
    for row in rows:
        what = str(row["entries"]) if row["entries"] is not None else f"续期 renews {row['renews']}"
        end = _local(settings, datetime.fromisoformat(row["valid_until"]))[:10]
        marks = "  已续期 renewed" if row["renewed"] else ""
        marks += "" if row["recorded"] else "  待记入 not recorded yet"
        when = _local(settings, datetime.fromisoformat(row["time"]))
        typer.echo(f"{what:>12}  {when}  {end:<18}  {row['tsa']}{marks}")


def _local(settings: Settings, moment: datetime) -> str:
    from zoneinfo import ZoneInfo

    return f"{moment.astimezone(ZoneInfo(settings.timezone)):%Y-%m-%d %H:%M:%S}"
