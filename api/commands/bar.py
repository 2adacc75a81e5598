"""One progress bar on standard error, where that is a terminal."""

from __future__ import annotations

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
