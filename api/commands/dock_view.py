"""What `liuhen dock` shows: progress of each card and of all, and the results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ingest.results import Outcome
    from ingest.station_state import CardState

COLOURS = {
    "safe": "bold green",
    "wiped": "bold green",
    "unsafe": "bold red",
    "failed": "bold red",
    "gone": "bold red",
    "quarantined": "bold yellow",
}
TOTAL = "合计 total"
KEPT = ("已入库，回执已核验", "kept, its receipt verified")  # of a card in quarantine: not a word of wiping


class Bars:
    """A bar for each card and one for all, with rate and time left, on standard error where that is a terminal."""

    def __init__(self, *, show: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        console = Console(stderr=True)
        words = TextColumn("{task.description}", markup=False)
        files = TextColumn("{task.fields[files]}", markup=False)
        columns = (words, BarColumn(20), DownloadColumn(), Speed(), TimeRemainingColumn(), files)
        disable = not show or not console.is_terminal
        self._progress: Progress = Progress(*columns, console=console, transient=True, disable=disable)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, states: Sequence[CardState]) -> None:
        """Draw them as they are now."""
        for place in self._tasks.keys() - {state.place for state in states} - {TOTAL}:
            self._progress.remove_task(self._tasks.pop(place))
        for state in states:
            done = state.hashed if state.state in ("listing", "hashing") else state.sent
            label = f"{state.serial or state.place} {state.zh} {state.en}"[:60]
            self._draw(state.place, label, done, state.size, f"{state.safe}/{state.files}")
        if len(states) > 1:
            done, size = sum(state.hashed + state.sent for state in states), 2 * sum(state.size for state in states)
            files = f"{sum(state.safe for state in states)}/{sum(state.files for state in states)}"
            self._draw(TOTAL, f"{TOTAL} {len(states)}", done, size, files)

    def say(self, text: str, style: str = "") -> None:
        """A line above the bars."""
        from rich.text import Text

        self._progress.console.print(Text(text, style), soft_wrap=True)

    def _draw(self, name: str, label: str, done: int, size: int, files: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(label, total=size, files=files)
        self._progress.update(self._tasks[name], description=label, completed=done, total=size, files=files)


def state_line(state: CardState) -> str:
    """One card in one line, both languages; the time is the station's local one."""
    from datetime import datetime

    local = datetime.fromisoformat(state.since).astimezone()
    name = f"{state.serial} " if state.serial else ""
    return f"{local:%H:%M:%S} {name}[{state.place}] {state.zh} · {state.en}"


def print_table(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from ingest.device import escaped

    title = f"采集 docking {outcome.docking} · {escaped(outcome.device.serial)}"
    table = Table(
        Column("文件 file", overflow="fold"),
        Column("大小 bytes", no_wrap=True),
        Column("SHA-256", no_wrap=True),
        Column("结果 result", overflow="fold"),
        title=Text(title),
    )
    for result in outcome.results:
        colour = "green" if result.safe else "dim" if result.note else "red"
        zh, en = KEPT if result.safe and outcome.device.quarantine else (result.zh, result.en)
        words = Text(escaped(zh) + "\n" + escaped(en), colour)
        table.add_row(Text(escaped(result.path)), f"{result.size:,}", (result.sha256 or "—")[:16], words)
    console = Console()
    console.print(table)
    for each in outcome.rejections:
        said = escaped(f"服务器拒收 rejected: {each.get('path')} · {each.get('zh')} · {each.get('en')}")
        console.print(Text(said, "red"), soft_wrap=True)
    console.print(Text(*_summary(outcome)), soft_wrap=True)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def print_line(value: Any) -> None:
    """One event of a watching station."""
    typer.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _summary(outcome: Outcome) -> tuple[str, str]:
    from ingest.progress import quarantine_words

    serial = outcome.device.serial
    wanted = [result for result in outcome.results if not result.note]
    kept = sum(result.safe for result in wanted)
    if outcome.safe:
        return (
            f"可清除 设备 {serial} 的 {kept} 个文件全部入库，回执已核验。\n"
            f"safe to wipe: all {kept} files of camera {serial} are kept, their receipts verified",
            "bold green",
        )
    if outcome.kept:
        return "\n".join(quarantine_words(outcome.identity)), "bold yellow"
    return (
        f"请勿清除 设备 {serial}：{kept}/{len(wanted)} 个文件已入库，其余见上表。\n"
        f"do NOT wipe camera {serial}: {kept} of {len(wanted)} files are kept, see the table for the others",
        "bold red",
    )


def print_wiped(wiped: object) -> None:
    """What was wiped, or why nothing was."""
    from rich.console import Console
    from rich.text import Text

    from ingest.device import escaped
    from ingest.wipes import Wiped

    console = Console()
    if not isinstance(wiped, Wiped):
        zh, en = getattr(wiped, "zh", ""), getattr(wiped, "en", "")
        console.print(
            Text(escaped(f"未清除：{zh}") + "\n" + escaped(f"not wiped: {en}"), "bold yellow"), soft_wrap=True
        )
        return
    count = len(wiped.wiped)
    console.print(Text(f"已清除 {count} 个文件 · {count} file(s) wiped off the card", "bold green"), soft_wrap=True)
    for path, (zh, en) in wiped.left.items():
        console.print(Text(escaped(f"留下 left: {path}：{zh} · {en}"), "yellow"), soft_wrap=True)
