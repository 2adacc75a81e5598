"""What pictures look like, as numbers: how much each differs from the one before, and how breaks differ from motion.

Pictures come reduced to about 160 × 90 luma values (`shrink`), so that sensor noise and coding errors average out.
Only numpy here: nothing is opened, nothing decoded.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity import motion
from pipeline.continuity.content import REPEATED, Break, Thumbnail

Luma = NDArray[np.float32]

WIDTH = 160
REACH = 12  # different pictures on either side that a picture is compared with
_FEWEST = 5  # of them on each side, or nothing is said
_SAME = 0.02  # luma steps; below this two pictures are one: a decoder repeats exactly, a re-encoder nearly
_SAME_SHARE, _SAME_MOST = 0.15, 0.3  # of the usual step, and luma: a sensor's noise is more
_TRIGGER = 1.2  # times the largest step near by: worth a closer look. 999 of 1000 genuine steps are below 1.35
_BACK, _LIKE = 0.5, 0.75  # of the break: the step back, and how unlike the pictures before and after may be
_VERY_LIKE, _MOVING = 0.95, 6  # likeness above which the neighbours' is not looked for; of how many it is
_CHANGED, _CHANGED_TIMES = 3.0, 1.5  # luma, and times the median block: clearly changed
_MOST_BREAKS = 20_000
_GRID = (9, 16)  # rows, columns of the prints


def shrink(luma: NDArray[np.uint8]) -> Luma:
    """The picture reduced by a whole factor to about 160 samples on its longer side, each the mean of its block.

    Some rows and columns of a block are enough: the noise of the others would only add a little certainty. Sums by
    slices, as numpy reduces short axes slowly; 16 bits hold them up to pictures of 32,000 samples a side.
    """
    height, width = luma.shape
    factor = max(1, round(max(height, width) / WIDTH))
    rows, columns = height // factor, width // factor
    blocks = luma[: rows * factor, : columns * factor].reshape(rows, factor, columns * factor)
    down, right = range(0, factor, max(1, factor // 4)), range(0, factor, max(1, factor // 12))
    lines = np.zeros((rows, columns * factor), dtype=np.uint16)
    for row in down:
        lines += blocks[:, row]
    parts = lines.reshape(rows, columns, factor)
    sums = np.zeros((rows, columns), dtype=np.uint16)
    for column in right:
        sums += parts[:, :, column]
    small: Luma = sums.astype(np.float32)
    small /= len(down) * len(right)
    return small


@dataclass(slots=True)
class _Seen:
    """A picture that differs from the one before it, as long as its neighbours may need it."""

    frame: int
    time: float
    picture: Luma
    step: float
    contrast: float
    compared: tuple[float, float] | None = None  # residual and peak against the one before, once asked for


class Looker:
    """Takes the pictures of a stream in order of presentation, keeps numbers, and the last 25 pictures."""

    def __init__(self) -> None:
        self.columns = {name: array("f") for name in ("step", "luma", "spread", "detail")}
        self.times, self.flags = array("d"), array("B")
        self.looks, self.changes = array("Q"), array("Q")
        self.breaks: list[Break] = []
        self.first: Thumbnail | None = None
        self._last: Luma | None = None  # the last picture that differed from the one before
        self._level: Luma = np.zeros((0, 0), dtype=np.float32)  # the same, levelled
        self._previous: Luma | None = None  # the last picture, repeated or not
        self._window: deque[_Seen] = deque(maxlen=2 * REACH + 2)
        self._waiting = 0  # pictures in the window whose turn to be judged has not come
        self._signs = _signs()

    def take(self, picture: Luma, time: float, flags: int) -> None:
        """One more picture (see `shrink`), shown at `time` seconds."""
        if self._last is not None and self._last.shape != picture.shape:
            self._close()
        mean, spread = float(picture.mean()), float(picture.std())
        level = motion.levelled(picture, mean, spread)
        step = contrast = 0.0
        if self._last is None:
            self.first = self.first or thumbnail(picture, 0.0)
        else:
            step = float(np.abs(picture - self._last).mean())
            if self._is_repeat(step):
                flags |= REPEATED
        self.looks.append(self._print(picture))
        self.changes.append(self._changed(picture))
        self._previous = picture
        if not flags & REPEATED:
            contrast = 0.0 if self._last is None else float(np.abs(level - self._level).mean())
            self._window.append(_Seen(len(self.times), time, picture, step, contrast))
            self._last, self._level = picture, level
            self._waiting += 1
        detail = float(np.abs(picture[:, 1:] - picture[:, :-1]).mean())
        self._note(time, flags, (step, mean, spread, detail))
        if self._waiting > REACH:
            self._judge(len(self._window) - 1 - REACH)
            self._waiting -= 1

    def finish(self) -> Thumbnail | None:
        """Judges what is left; returns the last picture."""
        last, steps = self._previous, self._steps()
        if self.first:
            self.first = replace(self.first, step=_median(steps[:REACH]))
        self._close()
        return None if last is None else thumbnail(last, _median(steps[-REACH:]))

    def _steps(self) -> list[float]:
        """From each different picture to the next."""
        pairs = zip(self.columns["step"], self.flags, strict=True)
        return [step for step, flags in pairs if not flags & REPEATED][1:]

    def _close(self) -> None:
        for number in range(len(self._window) - self._waiting, len(self._window)):
            self._judge(number)
        self._window.clear()
        self._waiting = 0
        self._last = self._previous = None

    def _note(self, time: float, flags: int, values: tuple[float, float, float, float]) -> None:
        self.times.append(time)
        self.flags.append(flags)
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)

    def _is_repeat(self, step: float) -> bool:
        steps = sorted(seen.step for seen in self._window)
        usual = steps[len(steps) // 2] if len(steps) >= _FEWEST else 0.0
        return step < max(_SAME, min(_SAME_SHARE * usual, _SAME_MOST))

    def _print(self, picture: Luma) -> int:
        """64 signs of fixed sums over 9 × 16 blocks, each taken against its four neighbours."""
        means = motion.blocks(picture, *_GRID)
        around = np.pad(means, 1, mode="edge")
        means -= (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
        return int.from_bytes(np.packbits(self._signs @ means.ravel() > 0).tobytes(), "big")

    def _changed(self, picture: Luma) -> int:
        """The print of the change since the picture before; 0 where nothing changed."""
        if self._previous is None or self._previous.shape != picture.shape:
            return 0
        change = picture - self._previous
        return self._print(change) or 1 if float(np.abs(change).max()) >= _SAME else 0

    def _judge(self, number: int) -> None:
        """Keep the picture at `number` in the window as a break if its step sticks out of its neighbours'."""
        window = list(self._window)
        before, after = window[max(1, number - REACH) : number], window[number + 1 : number + 1 + REACH]
        if min(len(before), len(after)) < _FEWEST or len(self.breaks) >= _MOST_BREAKS:
            return
        here, pace = window[number], _Pace(window)
        if pace.step(here) <= _TRIGGER * sorted(pace.step(seen) for seen in [*before, *after])[-2]:
            return  # whichever picture is left out below
        returns = _returns(window, number)
        near = [*before, *(seen for later, seen in enumerate(after, 1) if later != returns)]
        most = max(pace.step(seen) for seen in near)
        if pace.step(here) > _TRIGGER * most + _SAME:
            self.breaks.append(_describe(window, number, near, pace, returns))


class _Pace:
    """Steps for one usual interval: after a picture that never came the next step is larger and proves nothing."""

    def __init__(self, window: list[_Seen]) -> None:
        intervals = [after.time - before.time for before, after in pairwise(window)]
        self._usual = sorted(intervals)[len(intervals) // 2] if intervals else 0.0
        self._share = {
            seen.frame: max(1.0, interval / self._usual) if self._usual > 0 else 1.0
            for seen, interval in zip(window[1:], intervals, strict=True)
        }

    def share(self, seen: _Seen) -> float:
        return self._share.get(seen.frame, 1.0)

    def step(self, seen: _Seen) -> float:
        return seen.step / self.share(seen)

    def contrast(self, seen: _Seen) -> float:
        return seen.contrast / self.share(seen)


def _describe(window: list[_Seen], number: int, near: list[_Seen], pace: _Pace, returns: int) -> Break:
    here, old = window[number], window[number - 1]
    places = {seen.frame: place for place, seen in enumerate(window)}
    compared = [_compared(window, places[seen.frame]) for seen in near]
    residual, peak = _compared(window, number)
    steps = np.array([pace.step(seen) for seen in near])
    unmoved = max(rest / pace.share(seen) for (rest, _), seen in zip(compared, near, strict=True))
    first = sum(seen.frame < here.frame for seen in near)
    likeness = motion.likeness(old.picture, here.picture)
    return Break(
        frame=here.frame,
        time=here.time,
        before=old.time,
        step=(pace.step(here), float(steps.max())),
        contrast=(pace.contrast(here), max(pace.contrast(seen) for seen in near)),
        residual=(residual / pace.share(here), unmoved),
        peak=(peak, sorted(p for _, p in compared)[1]),
        likeness=likeness,
        histogram=motion.histogram_distance(old.picture, here.picture),
        returns=returns,
        luma=(float(old.picture.mean()), float(here.picture.mean())),
        spread=(float(old.picture.std()), float(here.picture.std())),
        still=(float(np.median(steps[:first])), float(np.median(steps[first:]))),
        neighbours=(first, len(near) - first),
        unlikest=None if likeness is None or likeness >= _VERY_LIKE else _unlikest(window, places, near),
        area=_area(old.picture, here.picture),
    )


def _area(before: Luma, after: Luma) -> float:
    """The share of the picture that the box around all clearly changed blocks takes up."""
    change = motion.blocks(np.abs(after - before), *_GRID)
    rows, columns = np.nonzero(change > max(_CHANGED, _CHANGED_TIMES * float(np.median(change))))
    if not len(rows):
        return 0.0
    return float((np.ptp(rows) + 1) * (np.ptp(columns) + 1) / change.size)


def _unlikest(window: list[_Seen], places: dict[int, int], near: list[_Seen]) -> float | None:
    """The least likeness among the neighbours that differ most from the picture before them."""
    moving = sorted(near, key=lambda seen: -seen.contrast)[:_MOVING]
    pairs = [(window[places[seen.frame] - 1].picture, seen.picture) for seen in moving]
    found = [each for each in (motion.likeness(*pair) for pair in pairs) if each is not None]
    return min(found, default=None)


def _compared(window: list[_Seen], number: int) -> tuple[float, float]:
    here = window[number]
    if here.compared is None:
        here.compared = motion.compare(window[number - 1].picture, here.picture)
    return here.compared


def _returns(window: list[_Seen], number: int) -> int:
    """After how many pictures there is a jump back to what was before the break, 0 if not within the next dozen."""
    if number == 0:
        return 0
    old, here = window[number - 1].picture, window[number]
    for later in range(1, min(REACH + 1, len(window) - number)):
        back = window[number + later]
        if back.step > _BACK * here.step and float(np.abs(back.picture - old).mean()) < _LIKE * here.step:
            return later
    return 0


def thumbnail(picture: Luma, step: float) -> Thumbnail:
    height, width = picture.shape
    return Thumbnail(width, height, tuple(np.clip(np.rint(picture), 0, 255).astype(int).ravel().tolist()), step)


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _signs() -> NDArray[np.float32]:
    """64 fixed rows of ±1: the same on every machine, as prints of two files are compared."""
    state, bits = 0x9E3779B97F4A7C15, []
    for _ in range(64 * _GRID[0] * _GRID[1]):
        state ^= state << 13 & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 7
        state ^= state << 17 & 0xFFFFFFFFFFFFFFFF
        bits.append(1.0 if state >> 63 else -1.0)
    return np.array(bits, dtype=np.float32).reshape(64, -1)
