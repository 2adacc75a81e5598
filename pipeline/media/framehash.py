"""Compare two recordings frame by frame, from the hash lists that ffmpeg's framehash muxer writes.

A list has one line a frame: stream, dts, pts, duration, size in bytes, SHA-256 of the frame's bytes. Its head gives
the time base of the stamps and, for packets, the hash of the decoder's configuration. Format: ffmpeg-formats(1),
"framehash". Lists are read line by line: a day of video needs no more memory than a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

from storage.errors import IntegrityError

_NO_STAMP = -(1 << 60)  # AV_NOPTS_VALUE is INT64_MIN
_TICK = 0.0015  # seconds: Matroska keeps milliseconds, rounded


@dataclass(frozen=True, slots=True)
class Frame:
    """`at`: when it shows, in seconds on the file's own timeline, None where it has no stamp; `size` in bytes.

    `turn`: its decoding stamp in the list's own unit; of decoded frames the same moment as `at`.
    """

    at: float | None
    turn: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Match:
    """Two lists that name the same frames in the same order.

    `sha256`: over the frames' hashes, one hex line each. `drift`: the largest difference of two frames' times in
    seconds. `orderly`: whether the first list's decoding stamps always grow. `configuration`: hashes of the set-ups.
    """

    frames: int
    size: int
    sha256: str
    drift: float
    orderly: bool
    configuration: tuple[str, str]


def match(ours: Sequence[Path], theirs: Sequence[Path], *, slack: Sequence[float]) -> list[Match]:
    """Compare the lists of each stream of the original with those of the copy, timelines aligned at their starts.

    `slack`: seconds by which a stream's times may differ beyond the rounding of the container. Raises IntegrityError
    at the first frame that differs, is missing or is out of its time (unless the original's own times go backwards).
    """
    starts = [_start(ours), _start(theirs)]
    return [
        _match(number, pair, starts, allowed)
        for number, (*pair, allowed) in enumerate(zip(ours, theirs, slack, strict=True))
    ]


def _match(number: int, pair: Sequence[Path], starts: Sequence[float], slack: float) -> Match:
    digest, count, size, drift, orderly = hashlib.sha256(), 0, 0, 0.0, True
    last: int | None = None
    for one, other in zip_longest(*map(frames, pair)):
        if one is None or other is None or one.sha256 != other.sha256:
            raise _different(number, count, one or other)
        digest.update(one.sha256.encode() + b"\n")
        count, size = count + 1, size + one.size
        if one.at is not None and other.at is not None:
            drift = max(drift, abs((one.at - starts[0]) - (other.at - starts[1])))
        orderly = orderly and (last is None or one.turn > last)
        last = one.turn
    if orderly and drift > _TICK + slack:
        raise IntegrityError(
            f"归档件第 {number} 路流的时间与原件相差 {drift:.4f} 秒，归档件作废。",
            f"stream {number} of the master is {drift:.4f} s out of the original's time: the master does not count",
        )
    return Match(count, size, digest.hexdigest(), drift, orderly, (_configuration(pair[0]), _configuration(pair[1])))


def frames(path: Path) -> Iterator[Frame]:
    """The frames of one list that holds one stream."""
    base = Fraction(1)
    with path.open(encoding="ascii") as lines:
        for line in lines:
            if line.startswith("#tb"):
                base = Fraction(line.split()[-1])
            elif not line.startswith("#") and line.strip():
                _, turn, stamp, _, size, digest = (part.strip() for part in line.split(",")[:6])
                at = None if int(stamp) < _NO_STAMP else float(int(stamp) * base)
                yield Frame(at, int(turn), int(size), digest)


def _start(paths: Sequence[Path]) -> float:
    """The earliest first moment of all streams."""
    firsts = [next(frames(path), None) for path in paths]
    return min((frame.at for frame in firsts if frame is not None and frame.at is not None), default=0.0)


def _configuration(path: Path) -> str:
    """The hash of the decoder configuration in a list's head, "" where there is none."""
    with path.open(encoding="ascii") as lines:
        for line in lines:
            if line.startswith("#extradata"):
                return line.split(",")[-1].strip()
            if not line.startswith("#"):
                break
    return ""


def _different(number: int, count: int, frame: Frame | None) -> IntegrityError:
    when = f"{frame.at:.3f}" if frame is not None and frame.at is not None else "?"
    return IntegrityError(
        f"归档件与原件不一致：第 {number} 路流第 {count} 帧（约 {when} 秒）。归档件作废。",
        f"the master differs from the original: stream {number}, frame {count} (at {when} s): it does not count",
    )
