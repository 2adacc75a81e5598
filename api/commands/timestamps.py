"""`liuhen log timestamp` and `liuhen log timestamps`: stamp the newest checkpoint now; list the stamps there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from storage.ledger.stamps import Examined

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]


def stamp(data: Data = None) -> None:
    """立即为最新检查点加盖时间戳 · Stamp the newest checkpoint now, at every authority that has not stamped it.

    服务运行时也可使用 · The service may be running. 退出码 · exit code: 0 done, 2 error.
    """
    from pipeline.bootstrap import open_catalogue, open_timestamps, passphrase, read_settings
    from pipeline.policy import load
    from pipeline.signing import own_vkey
    from storage.clock import now
    from storage.errors import Refused
    from storage.ledger import note

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


def show(
    data: Data = None,
    key: Annotated[str | None, typer.Option(help="存证链公钥 · the ledger's public key, one line")] = None,
    roots: Annotated[
        list[Path] | None, typer.Option(help="信任的时间戳根证书（PEM）· trusted roots; else those of the policy file")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """列出时间戳并逐一核验 · List the timestamps, each verified: entries, local time, authority, valid until, renewed.

    退出码 · exit code: 0 全部有效 all hold, 1 有不符 something is wrong, 2 error.
    """
    from pipeline.bootstrap import passphrase, read_settings
    from pipeline.signing import own_vkey
    from pipeline.timestamp_check import check_stamps, trusted_roots
    from pipeline.timestamps import read_roots
    from storage.clock import now

    settings = read_settings(data=data)
    vkey = key or own_vkey(settings, passphrase(settings))
    anchors = read_roots(roots) if roots else trusted_roots(settings)
    found = check_stamps(settings.ledger, vkey, anchors, now())
    rows = list(_rows(found.examined)) if found.examined else []
    if as_json:
        wrong = [each.as_json() for each in found.wrong]
        answer = {"trusted_roots": anchors is not None, "timestamps": rows, "wrong": wrong}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        _print(settings, rows)
        for each in found.wrong:
            typer.echo(f"✗ 不符：{each.zh}\n  wrong: {each.en}")
        if rows and anchors is None:
            typer.echo(
                "提示：未给出信任的根证书，所用为随时间戳存档的根证书；请用 --roots 给出独立取得的根证书。\n"
                "note: no roots were given, those kept with the timestamps were used; give some with --roots"
            )
    raise typer.Exit(1 if found.wrong else 0)


def _rows(examined: Examined) -> Iterator[dict[str, Any]]:
    """What is known of each stamp; `valid_until` with its renewals."""
    from storage.clock import iso, now
    from storage.ledger.renewal import valid_until

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
