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
    cli.command("add")(add)
    cli.command("list")(list_stations)
    cli.command("revoke")(revoke)
    return cli


def add(
    name: Name,
    out: Annotated[Path, typer.Option(help="密钥文件 · where to write the station's key file (mode 0600)")],
    place: Annotated[str, typer.Option(help="所在地点 · where it stands")] = "",
    data: Data = None,
) -> None:
    """登记采集站并生成密钥 · Enrol a station and make its key file. The private key is nowhere else."""
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
