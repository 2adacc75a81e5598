"""Movie fragments: their numbers and times, of a real muxer's file and of the same with fragments moved."""

from __future__ import annotations

import io

import pytest

from pipeline.continuity.samples import Fragments
from pipeline.media import boxes
from pipeline.media.window import Window
from tests.support.isofile import boxes as inside
from tests.support.made import made


def parts() -> tuple[bytes, list[bytes], bytes]:
    """What stands before the fragments, each moof with its mdat, and what stands after."""
    data = made("fragmented.mp4")
    top = [(kind, start - 8, end) for kind, start, end in inside(data, 0, len(data))]
    first = next(n for n, (kind, _, _) in enumerate(top) if kind == b"moof")
    last = max(n for n, (kind, _, _) in enumerate(top) if kind == b"mdat")
    pairs = [data[top[n][1] : top[n + 1][2]] for n in range(first, last, 2)]
    return data[: top[first][1]], pairs, data[top[last][2] :]


def read(pairs: list[bytes]) -> Fragments:
    head, _, tail = parts()
    found = boxes.examine(Window(io.BytesIO(head + b"".join(pairs) + tail)))
    assert found is not None and found[1].fragments is not None
    return found[1].fragments


def test_fragments_follow_each_other() -> None:
    found = read(parts()[1])
    assert (found.count, found.first, found.steps) == (10, 1, ())


def test_fragments_taken_out() -> None:
    pairs = parts()[1]
    (step,) = read(pairs[:3] + pairs[5:]).steps
    assert (step.number, step.before, step.after) == (3, 3, 6)
    assert step.gap == pytest.approx(0.8, abs=0.03) and step.start == pytest.approx(2.0, abs=0.05)


def test_fragments_repeated_and_moved() -> None:
    pairs = parts()[1]
    (again,) = read(pairs[:5] + pairs[3:]).steps
    assert (again.before, again.after) == (5, 4) and again.gap == pytest.approx(-0.8, abs=0.05)
    assert [(s.before, s.after) for s in read([*pairs[:2], pairs[4], *pairs[2:4], *pairs[5:]]).steps] == [
        (2, 5), (5, 3), (4, 6),
    ]  # fmt: skip


def test_a_number_left_out_without_a_gap() -> None:
    pairs = [bytearray(each) for each in parts()[1]]
    for pair in pairs[4:]:
        at = pair.index(b"mfhd") + 8
        pair[at : at + 4] = (int.from_bytes(pair[at : at + 4], "big") + 1).to_bytes(4, "big")
    (step,) = read([bytes(each) for each in pairs]).steps
    assert (step.before, step.after) == (4, 6) and abs(step.gap or 0) < 0.001
