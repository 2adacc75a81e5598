"""`liuhen admin officer`: the list of officers with their certificates (REC-CERTIFIED), from the server's console."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.officers import Officers

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
Login = Annotated[str, typer.Argument(help="登录名 · login")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="有效期 · validity, such as 2027-02-28")]
Word = Annotated[str | None, typer.Option(help="不填则不变 · left out: as it is")]


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True)
    cli.command("list")(list_officers)
    cli.command("certify")(certify)
    return cli


def list_officers(
    data: Data = None, as_json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False
) -> None:
    """执法人员名录：证号、有效期、职务、类别、区域、佩戴的设备 · The list of officers."""
    from storage.clock import now

    with _officers(data) as (officers, warn):
        rows = officers.all()
        today = now().astimezone(officers.zone).date()
    lines = [
        {
            "login": each.user.login,
            "name": each.user.name,
            "disabled": each.user.disabled,
            **each.licence.as_json(),
            "state": each.licence.validity.on(today, warn).value,
            "devices": list(each.devices),
        }
        for each in rows
    ]
    if as_json:
        typer.echo(json.dumps(lines, ensure_ascii=False, indent=1))
        return
    for line in lines:
        shown = ("login", "name", "unit", "post", "certificate", "category", "area", "valid_until", "state")
        typer.echo("\t".join(str(line[name] or "—") for name in shown))


def certify(
    login: Login,
    *,
    certificate: Word = None,
    valid_from: Day = None,
    valid_until: Day = None,
    unit: Word = None,
    post: Word = None,
    category: Word = None,
    area: Word = None,
    data: Data = None,
) -> None:
    """登记执法证：证号、有效期、职务、类别、区域 · Put an officer's certificate on record."""
    from dataclasses import replace

    from storage.errors import NotFound
    from storage.records import Actor

    days: dict[str, date | None] = {"valid_from": _day(valid_from), "valid_until": _day(valid_until)}
    words = {"certificate": certificate, "unit": unit, "post": post, "category": category, "area": area}
    given = {name: value for name, value in {**days, **words}.items() if value is not None}
    with _officers(data) as (officers, _):
        held = next((each for each in officers.all() if each.user.login == login), None)
        if held is None:
            raise NotFound(f"没有执法人员 {login}。", f"there is no officer {login}")
        officers.certify(login, replace(held.licence, **given), by=Actor("service", "console"))  # type: ignore[arg-type]
    typer.echo(f"{login} 的执法证信息已保存 · the certificate of {login} is recorded", err=True)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


@contextmanager
def _officers(data: Path | None) -> Iterator[tuple[Officers, timedelta]]:
    """The officers, and how long before its end a certificate is said to run out soon."""
    from zoneinfo import ZoneInfo

    from pipeline.bootstrap import open_catalogue, read_settings
    from pipeline.officers import Officers
    from pipeline.policy import load
    from storage.clock import now

    settings = read_settings(data=data)
    catalogue = open_catalogue(settings)
    try:
        warn = timedelta(days=load(settings.policy).officers.warn_days)
        yield Officers(catalogue, now, ZoneInfo(settings.timezone)), warn
    finally:
        catalogue.close()
