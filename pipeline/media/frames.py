"""Walks along a file of sound frames: MP3, ADTS, AMR, AC-3. What stands between them, and what changes on the way.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol

from pipeline.continuity.framed import Spot
from pipeline.media import tags
from pipeline.media.scroll import Scroll
from pipeline.media.spots import Spots
from pipeline.media.sums import Sums

MOST_FRAMES = 4_000_000  # a day of AMR or MP3
_MOST_TRIES = 1_000_000  # places where a frame might begin
_LONG_RUN = 20  # frames of one bit rate before and after it changes for good
_MOST_RUNS = 8
_MOST_SIZES = 16
_OUT_OF_STEP = 5  # frames


class Head(NamedTuple):
    """A frame's head. `program`: which of several streams that alternate; `fixed`: what one recording doesn't change;
    `mode`: its bit rate, "" where the frame doesn't tell. `size`: bytes with the head; `seconds`: of sound."""

    size: int
    seconds: float
    fixed: str
    mode: str = ""
    program: int = 0


class Format(Protocol):
    """How the frames of a format are read."""

    name: str
    need: int  # bytes of a head
    sure: int  # frames in a row that make sure that these are frames
    sync: bytes  # with which a frame begins, b"" where with anything

    def head(self, piece: bytes) -> Head | None: ...

    def take(self, walk: Walk, head: Head, piece: bytes) -> bool:
        """A frame at `walk.at`; False where it holds no sound."""
        ...


@dataclass
class Run:
    """Frames of one bit rate in a row."""

    mode: str
    frame: int
    offset: int
    time: float
    count: int = 0


@dataclass
class Walk:
    """What is known while the file is read. `end`: where its frames end and its closing tags begin."""

    scroll: Scroll
    format: Format
    end: int
    at: int = 0
    frames: int = 0
    seconds: float = 0.0
    begun: int = -1  # offset of the first frame of any kind
    first: int = -1  # of the first one with sound
    last: int = -1  # offset of the frame before
    spots: Spots = field(default_factory=Spots)
    trailing: tuple[int, int] | None = None
    sizes: dict[int, int] = field(default_factory=dict)  # of frames, and how many; not all where there are many
    runs: list[Run] = field(default_factory=list)
    fixed: dict[int, str] = field(default_factory=dict)
    tries: int = 0
    sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        self.sums = Sums(self.spots)

    @property
    def complete(self) -> bool:
        return self.frames < MOST_FRAMES and self.tries < _MOST_TRIES and not self.spots.too_many

    def run(self) -> None:
        head_of, piece_of, need, take = self.format.head, self.scroll.piece, self.format.need, self.format.take
        while self.at < self.end and self.complete:
            piece = piece_of(self.at, need)
            head = head_of(piece)
            if head is None:
                self._between()
                continue
            if self.at + head.size > self.end:
                self._short(head)
                return
            if self.begun < 0:
                self.begun = self.at
            if take(self, head, piece):
                self._count(head)
            self.last = self.at
            self.at += head.size

    def _count(self, head: Head) -> None:
        if self.first < 0:
            self.first = self.at
        before = self.fixed.get(head.program)
        if before != head.fixed:
            if before is not None:
                self.spot("parameters", text=f"{before} → {head.fixed}")
            self.fixed[head.program] = head.fixed
        if head.mode and len(self.runs) <= _MOST_RUNS:
            if not self.runs or self.runs[-1].mode != head.mode:
                self.runs.append(Run(head.mode, self.frames, self.at, self.seconds))
            self.runs[-1].count += 1
        if len(self.sizes) < _MOST_SIZES:
            self.sizes[head.size] = self.sizes.get(head.size, 0) + 1
        self.frames += 1
        self.seconds += head.seconds

    def spot(self, what: str, *, offset: int | None = None, expected: int = 0, found: int = 0, text: str = "") -> None:
        place = self.at if offset is None else offset
        self.spots.add(Spot(what, place, self.frames, round(self.seconds, 6), expected, found, text))

    def one_size(self) -> int:
        """The size of all frames, but for a few such as are read out of step behind a cut; 0 where they vary."""
        size, count = max(self.sizes.items(), key=lambda item: item[1], default=(0, 0))
        others = self.frames - count
        return size if others <= _OUT_OF_STEP and 100 * others <= self.frames else 0

    def modes(self) -> None:
        """Spots where the bit rate changes for good; a rate that varies has none."""
        if len(self.runs) > _MOST_RUNS or any(run.count < _LONG_RUN for run in self.runs):
            return
        for before, run in pairwise(self.runs):
            self.spots.add(Spot("mode", run.offset, run.frame, round(run.time, 6), text=f"{before.mode} → {run.mode}"))

    def sum_up(self, covered: bytes) -> None:
        """The frame's bytes under its sum."""
        spot = Spot("checksum", self.at, self.frames, round(self.seconds, 6), text="frame")
        self.sums.take(spot, covered)

    def _short(self, head: Head) -> None:
        """The last frame is not all there. A head that reaches far beyond the end may be none, and is when damaged."""
        zeros = self.scroll.zeros(self.at + self.format.need, self.end) == self.end
        if zeros and self.frames and not any(self.scroll.piece(self.at, self.format.need)):
            self.trailing = (self.at, self.end - self.at)
        else:
            self.spot("cut", expected=head.size, found=self.end - self.at)
        self.at = self.end

    def _between(self) -> None:
        """No frame stands here: a tag, or bytes up to the next frame."""
        if tag := tags.at(self.scroll, self.at):
            self._tag(tag)
            self.tries += 1
            self.at = tag.end
            return
        following = self._next()
        if following < 0:
            self._tail()
            return
        inside = self._hidden(following)
        zeros = self.scroll.zeros(self.at, following) == following
        if inside:
            self._tag(inside)
        if not inside or inside.offset > self.at:
            end = inside.offset if inside else following
            self.spot("between", found=end - self.at, text="zeros" if zeros else "")
        self.at = following

    def _tag(self, tag: tags.Tag) -> None:
        if self.frames and not tag.streamed:
            self.spot("begin", offset=tag.offset, text=tag.name)

    def _hidden(self, following: int) -> tags.Tag | None:
        """A tag behind the beginning of a frame that was not whole."""
        start = max(self.last, 0)
        for word in (b"ID3", b"APETAGEX", b"TAG", b"#!AMR"):
            at = self.scroll.find(word, start, following)
            tag = tags.at(self.scroll, at) if at >= 0 else None
            if tag and tag.end <= following:
                return tag
        return None

    def _tail(self) -> None:
        """Nothing but bytes up to the end."""
        if self.frames:
            self.trailing = (self.at, self.end - self.at)
        self.at = self.end

    def _next(self) -> int:
        """Where the next frames begin that make sure that they are some; -1 where none do."""
        at = self.at + 1
        while self.tries < _MOST_TRIES:
            at = self.scroll.find(self.format.sync, at, self.end) if self.format.sync else at
            if at < 0 or at >= self.end:
                return -1
            self.tries += 1
            if chain(self.scroll, self.format, at, self.end) >= self.format.sure:
                return at
            at += 1
        return -1


def chain(scroll: Scroll, form: Format, at: int, end: int, most: int = 0) -> int:
    """How many frames of one coding stand there in a row, no more than needed; a row up to the end is long enough."""
    enough = most or form.sure
    count, fixed = 0, ""
    while count < enough:
        head = form.head(scroll.piece(at, form.need)) if at < end else None
        if head is None or (fixed and head.program == 0 and head.fixed != fixed):
            return enough if count and at >= end else count
        fixed, count, at = fixed or head.fixed, count + 1, at + head.size
    return count


def formats_of(scroll: Scroll, forms: Sequence[Format], at: int, end: int, most: int = 0) -> Format | None:
    """The format of which a row of frames begins at `at`."""
    return next((form for form in forms if chain(scroll, form, at, end, most) >= (most or form.sure)), None)
