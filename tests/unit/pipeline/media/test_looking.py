from __future__ import annotations

import numpy as np
import pytest

from pipeline.continuity import motion
from pipeline.continuity.content import REPEATED, Break
from pipeline.continuity.deep.strength import only_light, strength, too_dark
from pipeline.media.looking import Looker, Luma, shrink

RATE = 25


def world(seed: int, height: int = 400, width: int = 700) -> Luma:
    """Smooth shapes of several sizes, larger than a picture."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), dtype=np.float32)
    for cell in (8, 20, 60):
        coarse = rng.uniform(-60, 60, (height // cell + 2, width // cell + 2))
        total += np.kron(coarse, np.ones((cell, cell)))[:height, :width].astype(np.float32)
    for _ in range(3):
        total = (
            total + np.roll(total, 2, 0) + np.roll(total, -2, 0) + np.roll(total, 2, 1) + np.roll(total, -2, 1)
        ) / 5
    return np.clip(total + 120 + rng.normal(0, 4, total.shape), 0, 255).astype(np.float32)


def film(place: Luma, pictures: int, *, speed: float = 1.0, seed: int = 3, start: int = 0) -> list[Luma]:
    """A view of 90 × 160 that moves over the place, with a sensor's noise."""
    rng = np.random.default_rng(seed)
    seen = []
    for number in range(start, start + pictures):
        left, top = int(40 + speed * number), int(60 + 25 * np.sin(number / 9))
        view = place[top : top + 90, left : left + 160]
        seen.append((view + rng.normal(0, 0.6, view.shape)).astype(np.float32))
    return seen


def watched(pictures: list[Luma]) -> Looker:
    looker = Looker()
    for number, picture in enumerate(pictures):
        looker.take(picture, number / RATE, 0)
    looker.finish()
    return looker


def strongest(pictures: list[Luma]) -> Break | None:
    return max(watched(pictures).breaks, key=strength, default=None)


def test_shrinking_takes_means_of_blocks() -> None:
    luma = np.kron(np.arange(160 * 90, dtype=np.uint32).reshape(90, 160) % 251, np.ones((12, 12))).astype(np.uint8)
    small = shrink(luma)
    assert small.shape == (90, 160)
    assert np.array_equal(small, (np.arange(160 * 90).reshape(90, 160) % 251).astype(np.float32))


@pytest.mark.parametrize("shape", [(144, 176), (480, 640), (2160, 3840), (1, 1), (9, 5), (4320, 7680)])
def test_any_size_is_shrunk_to_about_the_same(shape: tuple[int, int]) -> None:
    small = shrink(np.full(shape, 255, dtype=np.uint8))
    assert max(small.shape) <= 240
    assert np.allclose(small, 255)


def test_motion_is_no_break() -> None:
    best = strongest(film(world(1), 120))
    assert best is None or strength(best) < 1.5


@pytest.mark.parametrize("missing", [25, 75])
def test_missing_pictures_are_a_break_where_they_are_missing(missing: int) -> None:
    place = world(1)
    best = strongest(film(place, 60) + film(place, 60, start=60 + missing))
    assert best is not None and strength(best) > 1.8
    assert (best.frame, best.time, best.before) == (60, 2.4, 2.36)


def test_another_place_is_a_break_without_likeness() -> None:
    best = strongest(film(world(1), 60) + film(world(2), 60))
    assert best is not None and strength(best) > 3
    assert best.likeness is not None and best.likeness < 0.8


def test_a_lamp_is_told_from_another_place() -> None:
    place = world(1)
    bright = [picture * np.float32(1.3) + np.float32(12) for picture in film(place, 60, start=60)]
    best = strongest(film(place, 60) + bright)
    assert best is None or only_light(best)


def test_a_covered_lens_is_dark() -> None:
    rng = np.random.default_rng(5)
    dark = [rng.normal(4, 0.6, (90, 160)).astype(np.float32) for _ in range(60)]
    best = strongest(film(world(1), 60) + dark)
    assert best is None or too_dark(best)


def test_a_few_foreign_pictures_return() -> None:
    pictures = film(world(1), 120)
    pictures[60:63] = film(world(2), 3)
    best = strongest(pictures)
    assert best is not None and (best.frame, best.returns) == (60, 3)


def test_half_a_second_of_another_place_does_not_hide_itself() -> None:
    """Its end is among the neighbours of its beginning."""
    pictures = film(world(1), 120)
    pictures[60:71] = film(world(2), 11)
    best = strongest(pictures)
    assert best is not None and strength(best) > 1.8


def test_a_pictures_absence_that_time_shows_is_no_break() -> None:
    looker = Looker()
    pictures = film(world(1), 120)
    for number, picture in enumerate(pictures):
        if number not in (60, 61):
            looker.take(picture, number / RATE, 0)
    looker.finish()
    assert all(strength(found) < 1.5 for found in looker.breaks)


def test_repeated_pictures_are_marked_and_are_no_motion() -> None:
    looker = watched([picture for picture in film(world(1), 40) for _ in range(3)])
    marked = np.array(looker.flags) & REPEATED > 0
    assert marked.tolist() == ([False] + [True] * 2) * 40
    assert all(strength(found) < 1.5 for found in looker.breaks)


def test_the_same_footage_has_the_same_prints() -> None:
    pictures = film(world(1), 50)
    again = [
        picture + np.random.default_rng(9).normal(0, 0.2, picture.shape).astype(np.float32) for picture in pictures
    ]
    first, second, other = (watched(each) for each in (pictures, again, film(world(1), 50, start=200)))

    def apart(one: Looker, two: Looker) -> float:
        changes = np.array(one.changes, dtype=np.uint64) ^ np.array(two.changes, dtype=np.uint64)
        return float(np.bitwise_count(changes[1:]).mean())

    assert apart(first, second) < 5 < 20 < apart(first, other)


def test_a_change_of_size_begins_anew() -> None:
    small = [picture[:80, :140] for picture in film(world(1), 40)]
    looker = watched(film(world(1), 40) + small)
    assert len(looker.times) == 80
    assert looker.breaks == []


def test_the_first_and_last_picture_are_kept() -> None:
    pictures = film(world(1), 60)
    looker = Looker()
    for number, picture in enumerate(pictures):
        looker.take(picture, number / RATE, 0)
    last = looker.finish()
    assert looker.first is not None and last is not None
    assert (last.width, last.height) == (160, 90)
    assert abs(last.luma[0] - float(pictures[-1][0, 0])) <= 0.5
    assert looker.first.step > 1 and last.step > 1


def test_shift_finds_how_far_a_picture_moved() -> None:
    place = world(4)
    down, right, peak = motion.shift(place[50:140, 50:210], place[47:137, 45:205])
    assert (down, right) == (3, 5)
    assert peak > 0.3


def test_likeness_is_blind_to_light_and_sees_another_place() -> None:
    here, there = world(1)[:90, :160], world(2)[:90, :160]
    lit = motion.likeness(here, here * np.float32(0.5) + np.float32(30))
    assert lit is not None and lit > 0.99
    other = motion.likeness(here, there)
    assert other is not None and other < 0.7
    assert motion.likeness(np.full((90, 160), 50, dtype=np.float32), there) is None
