"""The program that decodes an untrusted file, run by `pipeline.media.content` inside the sandbox.

    python -m pipeline.media.deep /in/media /out/content SECONDS

It decodes the first picture and the first sound stream once, writes what it saw and heard (see
`pipeline.media.content_wire`) to the second path, and prints how far it is, 0 to 1, line by line. After SECONDS of
processor time it stops and tells how far it came. Once its result is written it is gone at once: the decoder's threads,
left in the middle of a damaged file, are not waited for.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import av
import av.logging
import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import DAMAGED, REFRESH
from pipeline.media import content_wire as wire
from pipeline.media.clock_ocr import ClockReader
from pipeline.media.listening import RATE, Listener
from pipeline.media.looking import Looker, shrink
from pipeline.media.probe import opened

_THREADS = 3  # of the decoder, beside our own, which mostly waits for it
_PLAIN = {  # formats whose first plane is 8 bits of brightness for each pixel
    "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv440p", "yuvj440p", "yuv411p", "yuvj411p",
    "yuv410p", "nv12", "nv21", "nv16", "nv24", "gray", "yuva420p", "yuva422p", "yuva444p",
}  # fmt: skip
_MOST_PICTURES = 8_000_000
_MOST_ENTRIES = 30_000_000  # of sound: 83 hours
_MOST_ERRORS = 1000
_TELL = 0.5  # seconds between two lines of progress
_RAW_RATE = 25.0  # pictures a second where neither times nor a rate are known


class Seen:
    """The picture stream."""

    def __init__(self, stream: Any) -> None:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _THREADS
        self.stream = stream
        self.looker, self.clock = Looker(), ClockReader()
        self.errors: list[float] = []
        self.time = 0.0
        self._rate = float(stream.average_rate or _RAW_RATE) or _RAW_RATE

    def take(self, frame: Any) -> None:
        looker = self.looker
        at = frame.time
        self.time = at = float(at) if at is not None and abs(at) < 1e9 else len(looker.times) / self._rate
        luma = _luma(frame)
        if luma.size:
            flags = (REFRESH if frame.key_frame else 0) | (DAMAGED if frame.is_corrupt else 0)
            looker.take(shrink(luma), at, flags)
            if self.clock.wants(at):
                self.clock.take(luma, at)

    @property
    def full(self) -> bool:
        return len(self.looker.times) >= _MOST_PICTURES

    def finish(self) -> tuple[wire.SightHead, dict[str, bytes]]:
        looker = self.looker
        last = looker.finish()
        context = self.stream.codec_context
        head = wire.SightHead(
            self.stream.index, context.width, context.height, len(looker.times),
            tuple(looker.breaks), looker.first, last, tuple(self.errors[:_MOST_ERRORS]),
        )  # fmt: skip
        columns: dict[str, array[Any]] = {"time": looker.times, "look": looker.looks, "change": looker.changes}
        columns |= {"flags": looker.flags, **looker.columns}
        return head, {name: _little(column) for name, column in columns.items()}


class Heard:
    """The sound stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.listener = Listener()
        self.errors: list[float] = []
        self.time = 0.0
        self._resampler = _resampler()
        self._form: object = None

    def take(self, frame: Any) -> None:
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form != self._form:
            self._form, self._resampler = form, _resampler()
        at = frame.time
        at = float(at) if at is not None and abs(at) < 1e9 else None
        if at is not None:
            self.time = at
        for ready in self._resampler.resample(frame):
            self.listener.take(np.nan_to_num(ready.to_ndarray()[0], posinf=0, neginf=0), at)
            at = None

    @property
    def full(self) -> bool:
        return len(self.listener.rms) >= _MOST_ENTRIES

    def finish(self) -> tuple[wire.SoundHead, dict[str, bytes]]:
        heard = self.listener
        heard.finish()
        head = wire.SoundHead(
            self.stream.index, self.stream.codec_context.sample_rate or 0, heard.start, len(heard.rms),
            tuple(heard.watch.found), tuple(self.errors[:_MOST_ERRORS]),
        )  # fmt: skip
        columns = {"rms": _little(heard.rms), "peak": _little(heard.peak)}
        return head, {**columns, "zero": bytes(heard.zero), "bands": bytes(heard.bands)}


def _resampler() -> Any:
    return av.AudioResampler(format="fltp", layout="mono", rate=RATE)


def _luma(frame: Any) -> NDArray[np.uint8]:
    if frame.format.name not in _PLAIN:
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _little(column: array[Any]) -> bytes:
    return np.asarray(column).astype(np.asarray(column).dtype.newbyteorder("<")).tobytes()


def main(path: str, target: str, seconds: float) -> None:
    with Path(path).open("rb") as file:
        try:
            with opened(file) as container:
                pieces = _look(container, seconds)
        except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
            why = type(error).__name__
            problem = ("画面与声音无法解码。", f"pictures and sound could not be decoded ({why})")
            pieces = wire.encode(wire.Head(problem=problem), {}, {})
    with Path(target).open("wb") as out:
        for piece in pieces:
            out.write(piece)


def _look(container: Any, seconds: float) -> Iterator[bytes]:
    takers: dict[int, Seen | Heard] = {}
    seen = next((Seen(stream) for stream in container.streams.video if _is_footage(stream)), None)
    heard = next((Heard(stream) for stream in container.streams.audio if stream.codec_context), None)
    for taker in (seen, heard):
        if taker:
            takers[taker.stream.index] = taker
    if not takers:  # PyAV takes no streams for all of them
        why = ("没有可以解码的画面或声音。", "there are no pictures and no sound that can be decoded")
        return wire.encode(wire.Head(problem=why), {}, {})
    stopped = _decode(container, takers, seconds)
    sight, sight_columns = seen.finish() if seen else (None, {})
    sound, sound_columns = heard.finish() if heard else (None, {})
    clock = seen.clock.finish() if seen else wire.Head().clock
    return wire.encode(wire.Head(sight, sound, clock, None, stopped), sight_columns, sound_columns)


def _is_footage(stream: Any) -> bool:
    cover = bool(stream.disposition & av.stream.Disposition.attached_pic)
    return bool(stream.codec_context) and not cover and stream.frames != 1


def _decode(container: Any, takers: dict[int, Seen | Heard], seconds: float) -> str:
    """Hand every picture and sound to its taker. Returns "" or why that ended before the file did."""
    length = container.duration / av.time_base if container.duration else 0.0
    told = time.monotonic()
    try:
        for packet in container.demux([taker.stream for taker in takers.values()]):
            taker = takers[packet.stream.index]
            _decode_one(packet, taker)
            if time.monotonic() - told > _TELL:
                told = time.monotonic()
                print(f"{min(1.0, max(0.0, taker.time / length)) if length else 0.0:.4f}", flush=True)  # noqa: T201
                if time.process_time() > seconds:
                    return "time"
            if taker.full:
                return "length"
    except av.error.EOFError:
        return ""
    except (av.error.FFmpegError, OSError, IndexError) as error:
        return type(error).__name__
    return ""


def _decode_one(packet: Any, taker: Seen | Heard) -> None:
    try:
        for frame in packet.decode():
            taker.take(frame)
    except av.error.EOFError:
        return
    except (av.error.FFmpegError, ValueError):
        taker.errors.append(round(taker.time, 3))


def run(arguments: list[str]) -> NoReturn:
    """Do it and end the process, whatever its threads are at: with 0, or with 1 and the reason on standard error."""
    code = 1
    try:
        av.logging.set_level(av.logging.PANIC)
        main(arguments[0], arguments[1], float(arguments[2]))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1:])
