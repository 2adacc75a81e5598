"""`liuhen check`: continuity of any media files, without server or state. Exit 0 continuous, 1 findings, 2 error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.reading import Progress


class Lang(StrEnum):
    ZH = "zh"
    EN = "en"


Files = Annotated[list[Path], typer.Argument(help="文件或文件夹 · files or folders", metavar="FILE…")]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON（docs/continuity.md）· print JSON")]
Language = Annotated[Lang, typer.Option(help="文字的语言 · language of the text")]


def check(files: Files, as_json: Json = False, lang: Language = Lang.ZH) -> None:
    """检查音像文件是否连续、是否被改动 · Check recordings for gaps, splices and alterations.

    退出码 · exit code: 0 连续 continuous, 1 有发现 findings, 2 出错 error.
    """
    from pipeline.check import check_files, walk
    from storage.errors import NotFound

    paths = walk(files)
    if not paths:
        raise NotFound("所给文件夹中没有可检查的文件。", "there is no file to check in these folders")
    with _bar(lang, show=not as_json) as progress:
        report = check_files(paths, progress=progress)
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        from api.commands.check_text import write

        write(report.as_json(), lang.value)
    raise typer.Exit(0 if report.continuous else 1)


@contextmanager
def _bar(lang: Lang, *, show: bool) -> Iterator[Progress | None]:
    """A progress bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not show or not console.is_terminal:
        yield None
        return
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task("检查中" if lang is Lang.ZH else "checking", total=1.0)
        yield lambda share: bar.update(task, completed=share)
