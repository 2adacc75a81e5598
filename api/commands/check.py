"""`liuhen check`: continuity of any media files, without server or state. Exit 0 continuous, 1 findings, 2 error."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.bar import shares

if TYPE_CHECKING:
    from pipeline.continuity.profile import Profile


class Lang(StrEnum):
    ZH = "zh"
    EN = "en"


Files = Annotated[list[Path], typer.Argument(help="文件或文件夹 · files or folders", metavar="FILE…")]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON（docs/continuity.md）· print JSON")]
Device = Annotated[
    Path | None,
    typer.Option(
        "--profile", help="设备特征档案 · the device's profile (liuhen admin device show)", metavar="FILE.json"
    ),
]
Activity = Annotated[
    str,
    typer.Option(help="执法活动起止，检查哪些时段无录制 · spans of an activity nobody recorded", metavar="START/END"),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", help="另存为网页报告（单个文件，可打印）· also write the report as one page", metavar="FILE.html"
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="列出依据 · list the evidence too")]
Deep = Annotated[
    bool,
    typer.Option("--deep", help="解码画面与声音，识别画面时钟 · decode pictures and sound, read the clock in them"),
]
Trust = Annotated[
    list[Path] | None,
    typer.Option("--trust", help="信任的签名证书 · certificates that vouch for signing cameras", metavar="CA.pem"),
]
Language = Annotated[Lang, typer.Option(help="文字的语言 · language of the text")]


def check(
    files: Files,
    *,
    as_json: Json = False,
    html: Html = None,
    verbose: Verbose = False,
    deep: Deep = False,
    profile: Device = None,
    activity: Activity = "",
    trust: Trust = None,
    lang: Language = Lang.ZH,
) -> None:
    """检查音像文件是否连续、是否被改动 · Check recordings for gaps, splices and alterations.

    退出码 · exit code: 0 连续 continuous, 1 有发现 findings, 2 出错 error.
    """
    from pipeline.check import check_files, walk
    from storage.errors import NotFound

    _refuse_to_overwrite(html)
    paths = walk(files)
    if not paths:
        raise NotFound("所给文件夹中没有可检查的文件。", "there is no file to check in these folders")
    device = _profile(profile)
    span = _span(activity)
    trusted = _anchors(trust or [])
    with shares(_CHECKING[lang], show=not as_json) as (progress, begun):
        report = check_files(paths, device=device, trusted=trusted, progress=progress, begun=begun, deep=deep)
    told = report.as_json()
    if span:
        told["activity"] = _coverage(told, *span)
    if html:
        _write_page(html, told, paths, lang, show=not as_json)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2).encode())  # UTF-8, whatever the terminal has
    else:
        from api.commands.check_text import write

        write(told, lang.value, verbose=verbose)
    whole = not span or not told["activity"]["gaps"]
    raise typer.Exit(0 if report.continuous and whole else 1)


def _profile(path: Path | None) -> Profile | None:
    if path is None:
        return None
    from pipeline.profiles import load

    return load(path)


def _anchors(paths: list[Path]) -> list[str]:
    """The certificates in these files. Raises Refused where one holds none."""
    from pipeline.continuity.trust import anchors
    from storage.errors import Refused

    found: list[str] = []
    for path in paths:
        try:
            found += anchors(path.read_bytes())
        except (OSError, ValueError) as error:
            zh, en = f"{path} 不是可读取的 PEM 证书。", f"{path} holds no certificate that can be read (PEM)"
            raise Refused(zh, en) from error
    return found


def _span(activity: str) -> tuple[datetime, datetime] | None:
    """In the time zone of the settings (LIUHEN_TIMEZONE)."""
    if not activity:
        return None
    from zoneinfo import ZoneInfo

    from pipeline.activity import parse
    from pipeline.bootstrap import read_settings

    return parse(activity, ZoneInfo(read_settings().timezone))


def _coverage(report: dict[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    from pipeline.activity import of_report

    found, local = of_report(report, start, end)
    return found.as_json() | {"dates_read_as": "local" if local else "utc"}


def _refuse_to_overwrite(html: Path | None) -> None:
    """`--html *.MP4` would write over the first recording."""
    from storage.errors import Refused

    if html and html.suffix.lower() not in (".html", ".htm"):
        zh = f"网页报告的文件名须以 .html 结尾：{html.name}"
        raise Refused(zh, f"the name of the page has to end in .html: {html.name}")


def _write_page(html: Path, report: dict[str, Any], paths: list[Path], lang: Lang, *, show: bool) -> None:
    from zoneinfo import ZoneInfo

    from api.html_report import render
    from pipeline.bootstrap import read_settings
    from pipeline.strips import collect
    from storage.clock import now
    from storage.errors import Refused

    with shares(_PICTURES[lang], show=show) as (progress, _):
        strips = collect(report, paths, progress or (lambda share: None))
    page = render(report, strips, zone=ZoneInfo(read_settings().timezone), now=now(), lang=lang.value)
    try:
        html.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Refused(f"无法写入 {html}：{error.strerror}", f"can't write {html}: {error.strerror}") from error


_CHECKING = {Lang.ZH: "检查中", Lang.EN: "checking"}
_PICTURES = {Lang.ZH: "提取画面", Lang.EN: "pictures"}
