"""`liuhen admin station`: enrol, list and revoke docking stations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from storage.catalogue.catalogue import Catalogue

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
Name = Annotated[str, typer.Argument(help="采集站名称 · the station's name, such as ST-01")]


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True)
    cli.command("invite")(invite)
    cli.command("add")(add)
    cli.command("keys")(keys)
    cli.command("list")(list_stations)
    cli.command("revoke")(revoke)
    return cli


def invite(
    name: Name,
    *,
    place: Annotated[str, typer.Option(help="所在地点 · where it stands")] = "",
    hours: Annotated[int, typer.Option(help="有效期（小时）· hours for which the code is good")] = 24,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """生成一次性登记码：新站登记，或已登记的站换新密钥（密钥丢失、停用后） · Make a one-time code for a station.

    For a new station, or for a new key of one that is enrolled (lost, stolen, revoked). It is shown once.
    """
    import json

    from ingest.enrolment import Enrolment
    from ingest.invitation import fingerprint
    from pipeline.bootstrap import log_vkey
    from storage.clock import iso, now

    with _catalogue(data) as (settings, catalogue):
        made = Enrolment(catalogue, now).invite(name, place, log_vkey(settings, catalogue), hours=hours)
    if as_json:
        fields = {"station": name, "code": made.code, "expires": iso(made.expires), "ledger": fingerprint(made.log)}
        typer.echo(json.dumps(fields, ensure_ascii=False))
        return
    typer.echo(f"采集站 {name} 的登记码（只显示这一次）· one-time code, shown only now:   {made.code}")
    typer.echo(f"有效至 good until: {iso(made.expires)}")
    typer.echo(f"存证链指纹 ledger: {fingerprint(made.log)}   采集站应显示同样的 · the station must show the same")
    typer.echo(f"在采集站运行 at the station: liuhen station enrol --server URL --code {made.code} --out {name}.json")


def keys(name: Name, data: Data = None) -> None:
    """列出采集站的历次密钥 · List the keys that a station has had."""
    from storage.catalogue import stations

    with _catalogue(data) as (_, catalogue), catalogue.read() as session:
        rows = stations.keys(session, name)
    for each in rows:
        state = f"至 until {_iso(each.until)}" if each.until else "在用 in use"
        typer.echo(f"{each.public_key}\t{_iso(each.since)}\t{state}")


def add(
    name: Name,
    out: Annotated[Path, typer.Option(help="密钥文件 · where to write the station's key file (mode 0600)")],
    place: Annotated[str, typer.Option(help="所在地点 · where it stands")] = "",
    data: Data = None,
) -> None:
    """登记采集站并在此生成密钥文件 · Enrol a station and make its key file here."""
    from ingest.enrolment import Enrolment
    from pipeline.bootstrap import log_vkey
    from storage.clock import now

    with _catalogue(data) as (settings, catalogue):
        Enrolment(catalogue, now).add(name, place, out, log_vkey(settings, catalogue))
    typer.echo(f"采集站 {name} 已登记，密钥文件：{out}\nstation {name} is enrolled, its key file is {out}", err=True)


def list_stations(
    data: Data = None, as_json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False
) -> None:
    """列出采集站 · List the stations."""
    import json

    from ingest.enrolment import Enrolment
    from storage.clock import now

    with _catalogue(data) as (_, catalogue):
        stations = Enrolment(catalogue, now).all()
    if as_json:
        rows = [
            {"station": each.id, "place": each.place, "created": _iso(each.created), "revoked": _iso(each.revoked)}
            for each in stations
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for each in stations:
        state = f"已停用 revoked {_iso(each.revoked)}" if each.revoked else "在用 enrolled"
        typer.echo(f"{each.id}\t{each.place}\t{_iso(each.created)}\t{state}")


def revoke(name: Name, data: Data = None) -> None:
    """停用采集站：其密钥与令牌立即失效 · Revoke a station: its key and its tokens are refused from now on."""
    from ingest.enrolment import Enrolment
    from storage.clock import now

    with _catalogue(data) as (_, catalogue):
        Enrolment(catalogue, now).revoke(name)
    typer.echo(f"采集站 {name} 已停用 · station {name} is revoked", err=True)


@contextmanager
def _catalogue(data: Path | None) -> Iterator[tuple[Settings, Catalogue]]:
    from pipeline.bootstrap import open_catalogue, read_settings

    settings = read_settings(data=data)
    catalogue = open_catalogue(settings)
    try:
        yield settings, catalogue
    finally:
        catalogue.close()


def _iso(moment: datetime | None) -> str | None:
    from storage.clock import iso

    return iso(moment) if moment else None
