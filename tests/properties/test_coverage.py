"""Coverage of an activity, for any spans: nothing is lost, nothing counted twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.casework.coverage import Span, coverage

START = datetime(2026, 11, 18, 1, 30, tzinfo=UTC)
LENGTH = 600
END = START + timedelta(seconds=LENGTH)
NO_ROUNDING = timedelta(0)


def moment(second: int) -> datetime:
    return START + timedelta(seconds=second)


spans = st.lists(
    st.tuples(st.integers(-100, LENGTH + 100), st.integers(-20, 300)).map(
        lambda pair: Span(moment(pair[0]), moment(pair[0] + pair[1]), f"d{pair[0] % 3}")
    ),
    max_size=12,
)


def holds(pieces: list[tuple[datetime, datetime]], at: datetime) -> int:
    return sum(start <= at < end for start, end in pieces)


@given(spans, spans)
def test_every_second_is_covered_excused_or_missing_and_only_one_of_them(
    recorded: list[Span], excused: list[Span]
) -> None:
    found = coverage(START, END, recorded, excused, rounding=NO_ROUNDING)
    covered, forgiven, missing = (
        [(each.start, each.end) for each in part] for part in (found.covered, found.excused, found.gaps)
    )
    for second in range(0, LENGTH, 7):
        at = moment(second)
        assert [holds(covered, at), holds(forgiven, at), holds(missing, at)].count(1) == 1
        assert bool(holds(covered, at)) == any(span.start <= at < span.end for span in recorded)
        forgivable = not holds(covered, at) and any(span.start <= at < span.end for span in excused)
        assert bool(holds(forgiven, at)) == forgivable


@given(spans, spans)
def test_the_share_is_that_of_the_time_that_counts(recorded: list[Span], excused: list[Span]) -> None:
    found = coverage(START, END, recorded, excused, rounding=NO_ROUNDING)
    covered = sum((span.length.total_seconds() for span in found.covered), 0.0)
    forgiven = sum((span.length.total_seconds() for span in found.excused), 0.0)
    missing = sum(((gap.end - gap.start).total_seconds() for gap in found.gaps), 0.0)
    assert covered + forgiven + missing == LENGTH
    assert 0.0 <= found.covered_fraction <= 1.0
    assert found.covered_fraction == (covered / (LENGTH - forgiven) if forgiven < LENGTH else 1.0)
    assert found.whole == (missing == 0)


@given(spans, st.permutations(range(12)))
def test_the_order_of_the_spans_does_not_matter(recorded: list[Span], order: list[int]) -> None:
    other = [recorded[n] for n in order if n < len(recorded)]
    one, two = coverage(START, END, recorded), coverage(START, END, other)
    assert (one.gaps, one.covered_fraction) == (two.gaps, two.covered_fraction)


@given(spans)
def test_what_is_told_is_in_order_within_the_activity_and_in_words(recorded: list[Span]) -> None:
    found = coverage(START, END, recorded)
    edges = [edge for gap in found.gaps for edge in (gap.start, gap.end)]
    assert edges == sorted(edges) and all(START <= edge <= END for edge in edges)
    assert all(gap.zh and gap.en for gap in found.gaps)
