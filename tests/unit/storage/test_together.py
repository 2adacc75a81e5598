"""Many who ask at once are served by one run, and one who fails spoils it for nobody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.together import LIMIT, Together

WAIT = 30  # seconds until a test that hangs fails


class Work:
    """Doubles numbers. The first run waits at the gate; a run with a negative number fails."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.begun, self.gate = threading.Event(), threading.Event()

    def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.runs.append(sorted(numbers))
        self.begun.set()
        assert self.gate.wait(WAIT)
        if min(numbers) < 0:
            raise ValueError(f"{min(numbers)}")
        return [2 * number for number in numbers]


def ask(work: Work, numbers: Sequence[int]) -> list[int | str]:
    """Ask for the first number alone, and for the others, all at once, while its run goes on."""
    together = Together(work)

    def one(number: int) -> int | str:
        try:
            return together.do(number)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(len(numbers)) as pool:
        first = pool.submit(one, numbers[0])
        assert work.begun.wait(WAIT)
        others = [pool.submit(one, number) for number in numbers[1:]]
        while len(together._waiting) < len(others):
            pass
        work.gate.set()
        return [each.result(WAIT) for each in (first, *others)]


def test_who_asks_during_a_run_is_served_by_the_next_with_all_the_others() -> None:
    work = Work()
    assert ask(work, [7, 1, 2, 3]) == [14, 2, 4, 6]
    assert work.runs == [[7], [1, 2, 3]]


def test_a_run_that_fails_is_made_again_for_each_alone() -> None:
    work = Work()
    assert ask(work, [7, 1, -2, 3]) == [14, 2, "-2", 6]
    assert work.runs[:2] == [[7], [-2, 1, 3]]
    assert sorted(work.runs[2:]) == [[-2], [1], [3]]


def test_a_run_takes_no_more_than_the_limit() -> None:
    work = Work()
    numbers = list(range(LIMIT + 10))
    assert ask(work, numbers) == [2 * number for number in numbers]
    assert [len(run) for run in work.runs] == [1, LIMIT, 9]


def test_answers_that_are_too_few_are_an_error_for_each() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Together(lambda items: []).do(1)
