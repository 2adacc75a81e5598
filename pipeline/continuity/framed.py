"""What the readers of sound files found: frames or pages one behind another, without an index. Plain values, no I/O.

Offsets count from the start of the file, in bytes; times are seconds of sound in the file before the place.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spot:
    """A place where a sound file does not go on as its format has it. `frame`: how many stand before it.

    `what`:
    begin       what belongs at the beginning or end of a file stands in the middle; `text`: which
    restart     an encoder that gives its name every `expected` frames gives it after `found`; `text`: the name
    number      a frame or page has not the number that follows (`expected`, `found`)
    position    the samples counted on an Ogg page are not those that came (`expected`, `found`)
    range       a FLAC frame larger or smaller than the file's head says of all (`expected`, `found`)
    index       a seek table names a frame that is not there (sample `expected`)
    checksum    the bytes don't have the sum written with them; `text`: of what
    between     `found` bytes that are no frame; `text`: zeros, or ""; `expected`: the size of all frames, if
                those behind are out of step with those before
    parameters  the coding changes; `text`: from what to what
    mode        the bit rate changes for good; `text`: from what to what
    rhythm      the padding of frames at a constant bit rate is shifted (`expected`: frames until it is sure)
    cut         the last frame or page is not whole: `expected` bytes, `found`
    """

    what: str
    offset: int
    frame: int
    time: float
    expected: int = 0
    found: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """What a head declares of the whole file, and what there is. `what`: frames, bytes or samples."""

    what: str
    declared: int
    found: int


@dataclass(frozen=True, slots=True)
class Framed:
    """A file of sound frames (MP3, ADTS, AMR, AC-3, FLAC) or pages (Ogg).

    `frames`: whole ones; `first`: offset of the first, its number `first_number` where frames are numbered (-1 where
    not), `first_sample` likewise. `begins`: where in the numbering the sound begins is not 0. `closed`: an end that the
    format demands is there. `rhythm`: frames that keep a rhythm of padding, 0 where there is none. `unsummed`: frames
    whose sum was not computed, as the file is large. `bad_sums`: frames whose sum is wrong.
    """

    format: str
    frames: int
    seconds: float
    first: int = 0
    first_number: int = -1
    spots: tuple[Spot, ...] = ()
    spot_count: int = 0
    counts: tuple[Count, ...] = ()
    closed: bool = True
    rhythm: int = 0
    summed: int = 0
    unsummed: int = 0
    bad_sums: int = 0
    complete: bool = True
