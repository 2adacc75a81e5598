"""Telling the demo: numbered stages with their results, and where the time went."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

ZONE = ZoneInfo("Asia/Shanghai")
_UTC = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?(?:Z| \+0000)")


class StageFailed(Exception):
    """Something the demo promises did not happen."""


@dataclass
class Stages:
    """Prints each stage as it goes. `english` chooses the language of the words."""

    english: bool
    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    times: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def words(self, zh: str, en: str) -> str:
        return en if self.english else zh

    @contextlib.contextmanager
    def stage(self, zh: str, en: str) -> Iterator[None]:
        """One stage. A failure inside is noted and shown; the demo ends with it but says all it can."""
        title = self.words(zh, en)
        self.console.print(f"\n[bold cyan]▌{len(self.times) + 1} {title}[/]")
        started = time.monotonic()
        try:
            yield
        except StageFailed as failed:
            self.failures.append(f"{title}: {failed}")
            self.console.print(f"  [bold red]✗ {failed}[/]")
            raise
        finally:
            self.times.append((title, time.monotonic() - started))

    def say(self, zh: str, en: str) -> None:
        self.console.print(f"  {self.words(zh, en)}", markup=False)

    def good(self, zh: str, en: str) -> None:
        self.console.print("  [green]✓[/] ", end="")
        self.console.print(self.words(zh, en), markup=False)

    def check(self, true: bool, zh: str, en: str) -> None:
        """A promise of the product: shown with a tick, or the end of the demo."""
        if not true:
            raise StageFailed(self.words(zh, en))
        self.good(zh, en)

    def quote(self, text: str, lines: int = 12) -> None:
        """What a program or a file says, indented, at most `lines` of it; its UTC times as local ones."""
        rows = local_times(text).rstrip().splitlines()
        for row in rows[:lines]:
            self.console.print(f"    │ {row}", style="dim", markup=False)
        if len(rows) > lines:
            self.console.print(f"    │ … (+{len(rows) - lines})", style="dim", markup=False)

    def summary(self) -> None:
        table = Table(title=self.words("用时", "Where the time went"), title_justify="left", box=None)
        table.add_column(self.words("阶段", "stage"))
        table.add_column(self.words("秒", "seconds"), justify="right")
        for title, seconds in self.times:
            table.add_row(title, f"{seconds:.1f}")
        table.add_row(self.words("合计", "total"), f"{sum(seconds for _, seconds in self.times):.1f}", style="bold")
        self.console.print()
        self.console.print(table)


def local_times(text: str) -> str:
    """Ledger and programs keep UTC; people at a bureau read the time of their own clocks, as the pages show it."""

    def local(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}+00:00").astimezone(ZONE)
        return f"{moment:%Y-%m-%d %H:%M:%S}" if found[3] else f"{moment:%Y-%m-%d %H:%M}"

    return _UTC.sub(local, text)
