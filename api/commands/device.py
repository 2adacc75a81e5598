"""`liuhen admin device`: the devices and their profiles, learned from genuine files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

if TYPE_CHECKING:
    from pipeline.continuity.profile import Profile
    from pipeline.continuity.thresholds import Thresholds
    from pipeline.profiles import Lesson, Profiles
    from pipeline.reading import Progress
    from pipeline.settings import Settings
    from storage.catalogue.catalogue import Catalogue

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")]
Serial = Annotated[str, typer.Argument(help="设备编号 · the device's serial number")]
Files = Annotated[list[Path], typer.Argument(help="真实文件或文件夹 · genuine files or folders", metavar="FILE…")]
Out = Annotated[Path | None, typer.Option(help="不用数据库，写入此文件 · use no database: write (or add to) this file")]
Anyway = Annotated[bool, typer.Option(help="检测出违规的文件也学习 · learn files in which violations are found, too")]


def make() -> typer.Typer:
    cli = typer.Typer(no_args_is_help=True, help="设备及其特征档案 · devices and their profiles")
    cli.command("list")(list_devices)
    cli.command("assign")(assign)
    cli.command("history")(history)
    cli.command("identify")(identify)
    cli.command("learn")(learn)
    cli.command("show")(show)
    cli.command("forget")(forget)
    return cli


def list_devices(data: Data = None, as_json: AsJson = False) -> None:
    """列出登记的设备：型号、已学习的文件数、清单中有而未入库的文件数 · List the registered devices."""
    from pipeline.devices import overview
    from pipeline.policy import load
    from storage.clock import now

    with _catalogue(data) as (settings, catalogue):
        hours = load(settings.policy).deadlines.upload_hours
        rows = overview(catalogue, now, hours=hours)
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows], ensure_ascii=False, indent=1))
        return
    for row in rows:
        learned = f"已学习 {row.learned} 个文件 learned" if row.learned else "未学习 not learned"
        late = f"  未入库 {row.vanished} 个文件 never arrived" if row.vanished else ""
        typer.echo(f"{row.serial}\t{row.model}\t{learned}{late}")


def assign(
    serial: Serial,
    login: Annotated[str | None, typer.Argument(help="登录名，不填为收回 · the officer; left out: nobody")] = None,
    *,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="自（当地时间），不填为现在 · since, local; now"),
    ] = None,
    data: Data = None,
) -> None:
    """配发设备：音像记录按录制时间归于当时佩戴的人员 · Assign a camera to an officer, also with an earlier date."""
    from pipeline.accounts import Accounts
    from pipeline.devices import assign as put
    from storage.clock import now
    from storage.errors import NotFound
    from storage.records import Actor

    with _catalogue(data) as (settings, catalogue):
        user = Accounts(catalogue, now).find(login) if login else None
        if login and user is None:
            raise NotFound(f"没有用户 {login}。", f"there is no user {login}")
        begin = since.replace(tzinfo=ZoneInfo(settings.timezone)) if since else None
        put(catalogue, now, serial, user.id if user else None, by=Actor("service", "console"), since=begin)
    typer.echo(f"设备 {serial} 已登记给 {login or '（无人）'} · device {serial}: {login or 'nobody'}", err=True)


def history(serial: Serial, data: Data = None) -> None:
    """设备的配发历史，最近的在前 · Who wore the device, newest first."""
    from storage.catalogue import assignments
    from storage.catalogue.recordings import user_names
    from storage.clock import iso

    with _catalogue(data) as (_, catalogue), catalogue.read() as session:
        rows, names = assignments.history(session, [serial]).get(serial, []), user_names(session)
    for row in rows:
        who = names.get(row.officer_id or "", "—")
        typer.echo(f"{iso(row.since)}\t{who}\t{iso(row.made)}\t{row.made_by}")


def identify(
    unknown: Annotated[str, typer.Argument(help="存储卡 · the card, UNKNOWN-…")],
    serial: Serial,
    data: Data = None,
) -> None:
    """指认未识别的存储卡属于哪台设备 · Say which device a card that nobody could name belongs to."""
    from pipeline.devices import identify as name
    from storage.clock import now
    from storage.records import Actor

    with _catalogue(data) as (_, catalogue):
        moved = name(catalogue, now, unknown, serial, by=Actor("service", "console"))
    typer.echo(f"{unknown} → {serial}: {moved} 份音像记录 recordings", err=True)


def learn(
    serial: Serial, files: Files, *, data: Data = None, out: Out = None, anyway: Anyway = False, as_json: AsJson = False
) -> None:
    """从设备的真实文件学习其特征（至少 3 个为宜）· Learn the device from genuine files of it (3 at least)."""
    from api.commands.bar import bar

    with bar("学习中 · learning", show=not as_json) as tell:

        def progress(share: float) -> None:
            tell("", round(100 * share), 100)

        if out:
            lesson = _learn_into(out, serial, files, anyway=anyway, progress=progress)
        else:
            lesson = _learn(data, serial, files, anyway=anyway, progress=progress)
    for refused in lesson.refused:
        typer.echo(f"未学习 not learned: {refused.name}: {refused.zh} · {refused.en}", err=True)
    _tell(lesson.profile, as_json=as_json)


def _learn(data: Path | None, serial: str, files: list[Path], *, anyway: bool, progress: Progress | None) -> Lesson:
    from storage.records import Actor

    with _profiles(data) as (profiles, limits):
        return profiles.learn(serial, files, limits, by=Actor("service", "console"), anyway=anyway, progress=progress)


def _learn_into(out: Path, serial: str, files: list[Path], *, anyway: bool, progress: Progress | None) -> Lesson:
    from pipeline.continuity.thresholds import Thresholds
    from pipeline.profiles import as_json, lesson, load
    from storage import durable
    from storage.clock import iso, now

    before = load(out) if out.exists() else None
    made = lesson(serial, files, Thresholds(), iso(now()), before=before, anyway=anyway, progress=progress)
    durable.write(out, json.dumps(as_json(made.profile), ensure_ascii=False, indent=1).encode())
    return made


def show(serial: Serial, data: Data = None) -> None:
    """输出设备的特征档案（JSON，可用于 liuhen check --profile）· Print the device's profile as JSON."""
    from pipeline.profiles import as_json

    with _profiles(data) as (profiles, _):
        typer.echo(json.dumps(as_json(profiles.get(serial)), ensure_ascii=False, indent=1))


def forget(serial: Serial, data: Data = None) -> None:
    """删除设备的特征档案 · Forget the device's profile; what was learned stays in the ledger."""
    from storage.records import Actor

    with _profiles(data) as (profiles, _):
        profiles.forget(serial, by=Actor("service", "console"))
    typer.echo(f"设备 {serial} 的特征档案已删除 · the profile of device {serial} is forgotten", err=True)


def _tell(profile: Profile, *, as_json: bool) -> None:
    from pipeline.continuity.profile import ENOUGH

    modes = {name: habits.files for name, habits in profile.modes.items()}
    if as_json:
        line = {"serial": profile.serial, "files": len(profile.files), "modes": modes, "usual": dict(profile.usual)}
        typer.echo(json.dumps(line, ensure_ascii=False))
        return
    typer.echo(f"设备 {profile.serial}：已学习 {len(profile.files)} 个文件 · {len(profile.files)} files learned")
    for name, files in modes.items():
        few = "" if files >= ENOUGH else f"  （少于 {ENOUGH} 个，只作疑点 · fewer than {ENOUGH}: suspicions only）"
        typer.echo(f"  {name}: {files}{few}")


@contextmanager
def _catalogue(data: Path | None) -> Iterator[tuple[Settings, Catalogue]]:
    from pipeline.bootstrap import open_catalogue, read_settings

    settings = read_settings(data=data)
    catalogue = open_catalogue(settings)
    try:
        yield settings, catalogue
    finally:
        catalogue.close()


@contextmanager
def _profiles(data: Path | None) -> Iterator[tuple[Profiles, Thresholds]]:
    from pipeline.bootstrap import thresholds
    from pipeline.policy import load
    from pipeline.profiles import Profiles
    from storage.clock import now

    with _catalogue(data) as (settings, catalogue):
        yield Profiles(catalogue, now), thresholds(load(settings.policy))
