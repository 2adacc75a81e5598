"""Progress bars on standard error, where that is a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str, int, int], None]
"""Stage, done, total."""


@contextmanager
def bar(title: str, *, show: bool = True) -> Iterator[Tell]:
    """A function to tell progress to; it does nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not show or not console.is_terminal:
        yield lambda stage, done, total: None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda stage, done, total: progress.update(
            task, description=f"{title} {stage}", completed=done, total=total
        )


@contextmanager
def shares(title: str, *, show: bool = True) -> Iterator[tuple[Callable[[float], None] | None, Callable[[str], None]]]:
    """Two functions to tell: the share done, 0 to 1 (None where nobody looks), and what is being worked on now."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not show or not console.is_terminal:
        yield None, lambda name: None
        return
    now = TextColumn("{task.fields[now]}", markup=False)  # a name may hold what would be markup
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), now)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=1.0, now="")
        yield (
            lambda share: progress.update(task, completed=share),
            lambda name: progress.update(task, now=plain(name.rpartition("/")[2])),
        )


def plain(text: str) -> str:
    """Without control characters: names and tags come from outside, and a terminal obeys escape sequences."""
    return "".join("�" if unicodedata.category(char) in ("Cc", "Cs", "Cf") else char for char in text)
