"""What decoding a file brings to light: values per picture and per 10 ms of sound, no pixels. No I/O.

Made by `pipeline.media.content` in the sandbox, looked at by the checks in `pipeline.continuity.deep`. Times are
seconds on the file's timeline. Luma is 0 to 255, sound level is relative to full scale (1.0).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

REFRESH, DAMAGED, REPEATED = 1, 2, 4  # bits of Sight.flags
HOP = 0.01  # seconds of sound in one entry of a Sound column
BANDS = 16  # of Sound.bands, equal on a logarithmic scale from 100 Hz to 7 kHz
FLOOR_DB = -120.0  # what Sound.bands counts from, in steps of half a decibel

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Break:
    """A picture that differs from the one before far more than its neighbours do: how it differs.

    `frame`: its number among the pictures; `time` and `before`: its time and that of the last different picture.
    Each pair is (here, the most usual extreme among up to 12 pictures on either side), for the step between pictures:

    step      mean absolute difference in luma, for one usual interval
    contrast  the same after both are brought to one brightness and contrast
    residual  the same after every block was looked for near by (motion)
    peak      height of the phase correlation: 1 for a mere shift, 0.03 for two unlike pictures; here the lowest counts

    `likeness`: median correlation (-1 to 1) of the textured blocks with their best match near by, None without texture.
    `area`: share of the picture that the box around all that changed takes up.
    `unlikest`: the same, least of the neighbours that move most; None where it was not worth looking at.
    `histogram`: 0 for the same brightnesses, 1 for none in common. `returns`: how many pictures later the old picture
    is back, 0 if it isn't within 12. `luma`, `spread`: mean and standard deviation of the picture before and this one.
    `still`: median step before and after. `neighbours`: how many pictures on either side it was compared with.
    """

    frame: int
    time: float
    before: float
    step: tuple[float, float]
    contrast: tuple[float, float]
    residual: tuple[float, float]
    peak: tuple[float, float]
    likeness: float | None
    histogram: float
    returns: int
    luma: tuple[float, float]
    spread: tuple[float, float]
    still: tuple[float, float]
    neighbours: tuple[int, int]
    unlikest: float | None = None
    area: float = 1.0


@dataclass(frozen=True)
class Thumbnail:
    """A picture reduced to about 160 × 90 luma values, row by row. `step`: the median step of the dozen next to it."""

    width: int
    height: int
    luma: tuple[int, ...]
    step: float


@dataclass(frozen=True)
class Sight:
    """One video stream, decoded: columns with one entry a picture, in order of presentation.

    `time` (float64); `step` (float32): mean absolute luma difference to the last different picture; `luma`, `spread`
    (float32): mean and standard deviation; `detail` (float32): mean absolute difference of neighbouring samples;
    `look`, `change` (uint64): 64 signs of what the picture shows and of how it changed, both alike only where the same
    footage is shown again, `change` 0 where nothing did; `flags`.
    `errors`: about when packets came that could not be decoded.
    """

    stream: int
    width: int
    height: int
    time: Column
    step: Column
    luma: Column
    spread: Column
    detail: Column
    look: Column
    change: Column
    flags: Column
    breaks: tuple[Break, ...] = ()
    first: Thumbnail | None = None
    last: Thumbnail | None = None
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ToneBreak:
    """A tone whose phase jumps by `jump` radians; `before`, `after`: seconds it was there without interruption, 1.3 at
    least and at most 20. `level`: its amplitude, of full scale."""

    time: float
    hertz: float
    jump: float
    level: float
    before: float
    after: float


@dataclass(frozen=True)
class Sound:
    """One audio stream, decoded: columns with one entry for every 10 ms from `start`.

    `rms`, `peak` (float32): level relative to full scale, channels mixed. `zero` (uint8): percent of the samples that
    are digitally nothing (below half a 16-bit step), 255 where no sound came. `bands` (uint8, BANDS in a row): power in
    half decibels above -120.
    """

    stream: int
    rate: int
    start: float
    rms: Column
    peak: Column
    zero: Column
    bands: Column
    tones: tuple[ToneBreak, ...] = ()
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The burned-in clock at one moment: `time` on the file's timeline, `clock` in seconds since 1970 as if UTC.

    `clock` is None where nothing sensible could be read; `text` is what was.
    """

    time: float
    clock: int | None
    text: str


@dataclass(frozen=True)
class Clock:
    """The burned-in clock. `box`: left, top, right, bottom in pixels. `why_not`: why there is none, or ""."""

    readings: tuple[Reading, ...] = ()
    box: tuple[int, int, int, int] | None = None
    why_not: str = ""


@dataclass(frozen=True)
class Content:
    """The decoded content of a file. `problem`: (zh, en) why there is none. `stopped`: why decoding ended early."""

    sight: Sight | None = None
    sound: Sound | None = None
    clock: Clock = field(default_factory=Clock)
    problem: tuple[str, str] | None = None
    stopped: str = ""

    def settled(self) -> Content:
        """Without the columns, of which only checks within the file have need; the first and last pictures stay."""
        sight, sound = self.sight, self.sound
        if sight:
            sight = replace(sight, breaks=(), **_emptied(sight, "time step luma spread detail look change flags"))
        if sound:
            sound = replace(sound, tones=(), **_emptied(sound, "rms peak zero bands"))
        return replace(self, sight=sight, sound=sound)


def _emptied(part: Sight | Sound, columns: str) -> dict[str, Any]:
    return {name: getattr(part, name)[:0] for name in columns.split()}
