"""One check that fails must not take the report with it: what a file does to a check is said, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from storage.records import Axis, Finding, Severity


def run(check: Callable[..., Iterable[Finding]], *given: Any) -> Iterator[Finding]:
    """The findings of `check`; where it raises, a suspicion instead: what was not looked at is never a pass."""
    try:
        yield from check(*given)
    except Exception as error:  # of whatever kind: nobody foresaw it
        name = f"{check.__module__.rpartition('.')[2]}.{getattr(check, '__name__', 'check')}"
        yield Finding(
            code="REC-TRUE/CHECK-FAILED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"检查项 {name} 因该文件出错，未能完成，须由人核查；请向开发者报告。",
            en=f"the check {name} failed on this and was not completed: a person has to look; please report it",
            evidence={"check": name, "error": f"{type(error).__name__}: {error}"[:300]},
        )
