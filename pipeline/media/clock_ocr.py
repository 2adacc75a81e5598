"""Reads the clock that a camera burns into its pictures: the one module that starts tesseract. Runs in the sandbox.

Where the clock stands is learned once, from the top and bottom bands of the first pictures. From then on its place is
cut out five times a second; one crop in four is read, many on one page, and where those readings don't follow
from each other the crops between them are read too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import Clock, Reading
from pipeline.media import clock_text

Luma = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom

SPACING = 0.2  # seconds from crop to crop
_EACH = 4  # of the crops one is read: every 0.8 s, so that the readings fall on all parts of a second
_SEARCHED = 4  # pictures, 0.8 s apart, that are searched for a clock at a time
_SEARCHES = (0.0, 30.0)  # seconds after the start when searches begin
_BAND = 0.2  # of the height, at the top and at the bottom
_BATCH = 200  # crops (40 s) that are read together
_DOUBTFUL = 3  # readings before one that can't belong to the clock so far, which may not either
_MOST_BETWEEN = 80  # crops of a batch that are read beyond every fourth
_TEXT_HEIGHT = 36  # pixels: what tesseract reads best
_MARGIN = 12  # white pixels around each crop on the page
_BRIGHT = 0.78  # of the band's highlights: paler is background
_TIMEOUT = 120  # seconds for one page
_AGREED = 0.5  # of the pictures searched must show a clock
_STANDS_OUT = 35.0  # luma by which letters differ from what is around them
_CELL = 8  # pixels, side of the cells that are kept or dropped together
_UNREAD = "no clock was found in the picture"


@dataclass(frozen=True, slots=True)
class Style:
    """How a crop becomes black on white: letters brighter or darker than `level`, a share of its highlights; without a
    level letters brighter or darker than what is around them."""

    level: float | None
    dark: bool = False


_STYLES = (Style(_BRIGHT), Style(None), Style(0.9), Style(0.6), Style(None, dark=True), Style(0.35, dark=True))


class ClockReader:
    """Takes pictures in order, keeps crops, and has them read while the next pictures are decoded."""

    def __init__(self) -> None:
        self._present = shutil.which("tesseract") is not None
        self._searches = list(_SEARCHES)
        self._start: float | None = None
        self._next = 0.0
        self._searched: list[tuple[float, Luma]] = []
        self._box: Box | None = None
        self._style = _STYLES[0]
        self._crops: list[tuple[float, Luma]] = []
        self._shape = (0, 0)
        self._beside = ThreadPoolExecutor(1)
        self._pages: list[Future[list[Reading]]] = []

    def wants(self, time: float) -> bool:
        """Whether the picture at `time` is to be handed over."""
        if not self._present or (self._box is None and not self._searches and not self._searched):
            return False
        if self._start is None:
            self._start = self._next = time
        return time >= self._next

    def take(self, luma: Luma, time: float) -> None:
        """A whole picture, as brightness."""
        if self._box is None:
            self._search(luma, time)
        elif luma.shape == self._shape:
            self._next = max(self._next + SPACING, time)
            self._crops.append((time, _cut(luma, self._box)))
            if len(self._crops) >= _BATCH:
                self._send()

    def finish(self) -> Clock:
        """What was read."""
        if not self._present:
            return Clock(why_not="tesseract is not installed")
        if self._box is None and self._searched:
            self._find()
        if self._crops:
            self._send()
        readings = [reading for page in self._pages for reading in page.result()]
        self._beside.shutdown()
        return Clock(tuple(readings), self._box, "" if self._box else _UNREAD)

    def _search(self, luma: Luma, time: float) -> None:
        begun = (self._start or 0.0) + (self._searches[0] if self._searches else 0.0)
        if not self._searched and time < begun:
            self._next = begun
            return
        self._next = time + SPACING * _EACH
        self._shape = luma.shape[0], luma.shape[1]
        self._searched.append((time, _bands(luma)))
        if len(self._searched) >= _SEARCHED:
            self._find()

    def _find(self) -> None:
        self._searches = self._searches[1:]
        height = self._shape[0]
        found = find([bands for _, bands in self._searched if bands.shape == self._searched[0][1].shape])
        if found:
            box, self._style = found
            kept = band_height(height)
            crops = [(time, _cut(bands, box)) for time, bands in self._searched]
            self._pages.append(self._beside.submit(read, crops, self._style, each=1))
            lower = box[1] >= kept
            self._box = (box[0], box[1] + height - 2 * kept, box[2], box[3] + height - 2 * kept) if lower else box
            self._next = self._searched[-1][0] + SPACING
        self._searched.clear()

    def _send(self) -> None:
        crops, self._crops = self._crops, []
        while sum(not page.done() for page in self._pages) > 1:  # no more than two pages in memory
            next(page for page in self._pages if not page.done()).result()
        self._pages.append(self._beside.submit(read, crops, self._style))


def band_height(height: int) -> int:
    return max(8, min(round(height * _BAND), height // 2))


def _bands(luma: Luma) -> Luma:
    """The top band above the bottom band."""
    high = band_height(luma.shape[0])
    return np.concatenate([luma[:high], luma[-high:]])


def _cut(luma: Luma, box: Box) -> Luma:
    return luma[box[1] : box[3], box[0] : box[2]].copy()


def find(pictures: Sequence[Luma]) -> tuple[Box, Style] | None:
    """Where in the pictures (bands, all of one size) a clock runs, and how to make it legible; None without one."""
    least = max(1, _AGREED * len(pictures))
    for dark in (False, True):
        for box in _candidates(pictures, dark=dark):
            style, clocks, dated = _most_legible(pictures, box)
            if clocks < least:
                continue
            if dated < least:
                wide = _with_room_for_date(box)
                other, _, dated = _most_legible(pictures, wide)
                if dated >= least:
                    return wide, other
            return box, style
    return None


def _with_room_for_date(box: Box) -> Box:
    """A date before the time may not have been legible at first sight: 11 letters beside 8."""
    return max(0, box[0] - 3 * (box[2] - box[0]) // 2), box[1], box[2], box[3]


def _most_legible(pictures: Sequence[Luma], box: Box) -> tuple[Style, int, int]:
    """The best style; in how many of the pictures it shows a clock, in how many one with a date."""
    crops, found = [_cut(picture, box) for picture in pictures], []
    for style in _STYLES:
        clocks = [clock for text in _texts(crops, style) if (clock := clock_text.parse(text)) is not None]
        found.append((sum(clock >= clock_text.DAY for clock in clocks), len(clocks), style))
        if found[-1][0] == len(pictures):
            break
    dated, clocks_read, best = max(found, key=lambda each: (each[1], each[0]))
    return best, clocks_read, dated


def _candidates(pictures: Sequence[Luma], *, dark: bool) -> list[Box]:
    """Boxes around what reads like a clock in the first or last of the pictures, with some room; at most two."""
    wide = pictures[0].shape[1]
    zoom, reach = (3 if wide <= 800 else 2 if wide <= 1400 else 1), max(6, wide // 60)
    inks = [_strokes(picture, reach, dark=dark) for picture in pictures]
    mean = np.mean(pictures, axis=0).astype(np.uint8)  # letters stand still, the scene and noise don't
    near = _around(np.logical_and.reduce([*inks, _strokes(mean, reach, dark=dark)]))
    if not near.any():
        return []
    shown = [inks[0] & near, inks[-1] & near] if len(inks) > 1 else [inks[0] & near]
    ready = [_enlarged(np.where(ink, 0, 255).astype(np.uint8), zoom) for ink in shown]
    boxes: list[Box] = []
    for words in _lines(_tesseract(np.concatenate(ready), 6)):
        matched = clock_text.matching(words)
        if not matched:
            continue
        row = min(word.top for word in matched) // ready[0].shape[0] * ready[0].shape[0]
        box = _roomy(matched, row, zoom, pictures[0].shape)
        if not any(abs(box[1] - other[1]) < 8 and abs(box[0] - other[0]) < 40 for other in boxes):
            boxes.append(box)
    return boxes[:2]


def _strokes(picture: Luma, reach: int, *, dark: bool) -> NDArray[np.bool_]:
    """Where the picture is clearly brighter (or darker) than the mean of what is within `reach` pixels."""
    total = np.pad(picture.astype(np.int32), ((reach + 1, reach), (reach + 1, reach)), mode="edge").cumsum(0).cumsum(1)
    side = 2 * reach + 1
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    over = picture - sums / (side * side)
    return _without_specks((over < -_STANDS_OUT) if dark else (over > _STANDS_OUT))


def _without_specks(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ink with at least three more around it: strokes, no noise."""
    padded = np.pad(ink.astype(np.uint8), 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    kept: NDArray[np.bool_] = ink & (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] >= 4)
    return kept


def _around(lasting: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The neighbourhood of strokes that are in every picture."""
    rows, columns = lasting.shape[0] // _CELL, lasting.shape[1] // _CELL
    cells = lasting[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL).sum(axis=(1, 3)) >= 4
    wide = cells.copy()
    for down, right in ((0, 1), (0, 2), (0, 3), (0, -1), (0, -2), (0, -3), (1, 0), (-1, 0)):
        wide |= np.roll(cells, (down, right), axis=(0, 1))
    near = np.zeros(lasting.shape, dtype=bool)
    near[: rows * _CELL, : columns * _CELL] = wide.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    return near


def _roomy(words: Sequence[clock_text.Word], row: int, zoom: int, shape: tuple[int, ...]) -> Box:
    high = max(word.bottom for word in words) - min(word.top for word in words)
    left, right = min(word.left for word in words) - high // 2, max(word.right for word in words) + high // 2
    top, bottom = (
        min(word.top for word in words) - row - high // 3,
        max(word.bottom for word in words) - row + high // 3,
    )
    edges = (left // zoom, top // zoom, -(-right // zoom), -(-bottom // zoom))
    return max(0, edges[0]), max(0, edges[1]), min(shape[1], edges[2]), min(shape[0], edges[3])


def read(crops: Sequence[tuple[float, Luma]], style: Style, *, each: int = _EACH) -> list[Reading]:
    """Readings of one crop in `each`, and of those between two that don't follow from each other."""
    known = _read_some(crops, list(range(0, len(crops), each)), style)
    between: list[int] = []
    numbers = sorted(known)
    for first, second in pairwise(numbers):
        if not clock_text.follows(known[first], known[second]):
            between += [number for number in range(first + 1, second) if number not in known]
    for slip in clock_text.slips([known[number] for number in numbers]):
        first, second = numbers[max(0, slip - _DOUBTFUL)], numbers[slip]
        between += [number for number in range(first, second) if number not in known and number not in between]
    known |= _read_some(crops, between[:_MOST_BETWEEN], style)
    for other in _STYLES[:2]:  # the background changes: what is unread now may be read otherwise
        unread = [number for number, reading in known.items() if reading.clock is None]
        known |= _read_some(crops, unread[:_MOST_BETWEEN], other) if other != style else {}
    return [known[number] for number in sorted(known)]


def _read_some(crops: Sequence[tuple[float, Luma]], numbers: Sequence[int], style: Style) -> dict[int, Reading]:
    if not numbers:
        return {}
    texts = _texts([crops[number][1] for number in numbers], style)
    return {
        number: Reading(crops[number][0], clock_text.parse(text), text)
        for number, text in zip(numbers, texts, strict=True)
    }


def _texts(crops: Sequence[Luma], style: Style) -> list[str]:
    """What stands in each crop, "" where nothing was read; all of them on one page."""
    ready = [_framed(_scaled(_legible(crop, style))) for crop in crops]
    wide = max(each.shape[1] for each in ready)
    page = np.concatenate([np.pad(e, ((0, 0), (0, wide - e.shape[1])), constant_values=255) for e in ready])
    ends = np.cumsum([each.shape[0] for each in ready])
    texts = [""] * len(crops)
    for words in _lines(_tesseract(page, 6)):
        number = int(np.searchsorted(ends, (words[0].top + words[0].bottom) / 2, side="right"))
        text = " ".join(word.text for word in words)
        if number < len(texts) and (not texts[number] or clock_text.parse(text) is not None):
            texts[number] = text[:60]
    return texts


def _legible(crop: Luma, style: Style) -> Luma:
    """Black on white. The level is a share of the crop's own highlights: a dim picture has dim letters."""
    if style.level is None:
        return np.where(_strokes(crop, crop.shape[0] // 2, dark=style.dark), 0, 255).astype(np.uint8)
    level = style.level * max(60.0, float(np.percentile(crop, 99.5)))
    ink = crop < level if style.dark else crop > level
    return np.where(ink, 0, 255).astype(np.uint8)


def _scaled(crop: Luma) -> Luma:
    high = crop.shape[0] * 0.6  # the box is 1⅔ as high as its letters
    if high < _TEXT_HEIGHT:
        return _enlarged(crop, max(1, round(_TEXT_HEIGHT / high)))
    factor = max(1, round(high / (_TEXT_HEIGHT * 1.25)))
    rows, columns = crop.shape[0] // factor, crop.shape[1] // factor
    blocks = crop[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    mean: Luma = blocks.mean(axis=(1, 3)).astype(np.uint8)
    return mean


def _enlarged(crop: Luma, factor: int) -> Luma:
    """With soft edges, as tesseract knows letters."""
    large = crop.repeat(factor, axis=0).repeat(factor, axis=1)
    if factor == 1:
        return large
    padded = np.pad(large.astype(np.uint16), 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    soft: Luma = ((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) // 9).astype(np.uint8)
    return soft


def _framed(crop: Luma) -> Luma:
    return np.pad(crop, _MARGIN, constant_values=255)


def _tesseract(page: Luma, layout: int) -> str:
    """What tesseract reads on the page, as its table of words; "" where it fails. `layout`: its --psm."""
    command = ["tesseract", "stdin", "stdout", "--psm", str(layout), "-l", "eng"]
    command += ["-c", "tessedit_char_whitelist=0123456789-:/. ", "-c", "load_system_dawg=0", "-c", "load_freq_dawg=0"]
    image = b"P5 %d %d 255\n" % (page.shape[1], page.shape[0]) + page.tobytes()
    try:
        done = subprocess.run(
            [*command, "tsv"],
            input=image,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_THREAD_LIMIT": "1", "LANG": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _lines(table: str) -> list[list[clock_text.Word]]:
    """The words of each line (columns: level page block paragraph line word left top width height conf text)."""
    lines: dict[tuple[str, ...], list[clock_text.Word]] = {}
    for row in table.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[11].strip() and all(cell.isdigit() for cell in cells[6:10]):
            left, top, wide, high = map(int, cells[6:10])
            word = clock_text.Word(cells[11].strip(), left, top, left + wide, top + high)
            lines.setdefault(tuple(cells[1:5]), []).append(word)
    return list(lines.values())
