"""The program that decodes single pictures of an untrusted file, run by `pipeline.media.stills` inside the sandbox.

    python -m pipeline.media.still_reader /in/media HEIGHT before:3.96 at:7.04 …

`photo:0` is the picture of a JPEG file, `before:T` the last picture shown before second T of the file's own timeline,
`at:T` the first one from T on. For each that is found: a line "number time length", then so many bytes of JPEG. Moments
come in order of time.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.logging
from av.filter import Graph

from pipeline.media.probe import opened

_MOST_DECODED = 1500  # pictures for one moment: 25 s of 60 a second between two key pictures
_LARGEST_PHOTO = 64 << 20  # bytes
_NEAR = 2.0  # seconds: rather decode on than seek
_CLOSE = 1e-4  # seconds: times that went through JSON
_TURNS = {90: ("cclock",), -90: ("clock",), 180: ("clock", "clock"), -180: ("clock", "clock"), 270: ("clock",)}


def main(path: str, height: int, moments: list[tuple[str, float]]) -> None:
    if moments[0][0] == "photo":
        photo(path, height)
        return
    printer = _Printer(height)
    with Path(path).open("rb") as file:
        reader = _Reader(file)
        for number, (side, at) in enumerate(moments):
            frame = reader.find(side, at)
            if frame is not None:
                printer.put(number, frame)


def photo(path: str, height: int) -> None:
    """The picture that a JPEG file is; the thumbnails and further pictures in it are passed over."""
    with Path(path).open("rb") as file:
        body = file.read(_LARGEST_PHOTO)
    decoder = av.CodecContext.create("mjpeg", "r")
    frame = (decoder.decode(av.Packet(body)) + decoder.decode(None))[0]
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    _Printer(height).put(0, frame)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


class _Reader:
    """Goes through the pictures once, in order of time, and leaps where the next moment is far off."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frames = self._decoded(None)
        self._ended = False
        self._last: Any = None  # the latest picture decoded
        self._before: Any = None  # the one before it

    def find(self, side: str, at: float) -> Any:
        """The picture, or None where there is none on that side. Moments have to come in order."""
        reached = self._last.time if self._last is not None else 0.0
        if at - reached > _NEAR and not self._ended:
            self._leap(at)
        for _ in range(_MOST_DECODED):
            if self._last is not None and self._last.time >= at - _CLOSE:
                return self._last if side == "at" else self._before
            if self._ended or not self._step():
                return None if side == "at" else self._last
        return None

    def _leap(self, at: float) -> None:
        """To a key picture before `at`. Where the container leads behind it, or nowhere, on from the start instead."""
        self._before, self._last = None, None
        self._frames = self._decoded(max(at - 0.5, 0.0))
        if not self._step() or self._last.time > at - _CLOSE:
            self._before, self._last, self._ended = None, None, False
            self._frames = self._decoded(None)

    def _decoded(self, start: float | None) -> Iterator[Any]:
        """Pictures with a time, from a key picture before `start` on; what is damaged between them is passed over."""
        self._file.seek(0)
        with opened(self._file) as container, contextlib.suppress(av.error.FFmpegError, OSError):
            stream: Any = next(s for s in container.streams if s.type == "video" and not _is_cover(s))
            stream.thread_type = "SLICE"  # threads of whole pictures may never end where the file is a Python object
            if start is not None:
                container.seek(int(start / stream.time_base), stream=stream, backward=True)
            for packet in container.demux(stream):
                with contextlib.suppress(av.error.InvalidDataError):
                    yield from (frame for frame in packet.decode() if frame.time is not None)

    def _step(self) -> bool:
        frame = next(self._frames, None)
        if frame is None:
            self._ended = True
            return False
        self._before, self._last = self._last, frame
        return True


class _Printer:
    """Shrinks pictures to one height, turns them as the file asks, and prints them as JPEG."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._out = os.fdopen(1, "wb", closefd=False)

    def put(self, number: int, frame: Any) -> None:
        picture = self._shrunk(frame)
        coder = av.CodecContext.create("mjpeg", "w")
        coder.width, coder.height, coder.pix_fmt = picture.width, picture.height, "yuvj420p"
        coder.time_base = Fraction(1, 25)
        coder.qscale, coder.bit_rate = True, 0
        coder.options = {"qmin": "5", "qmax": "5"}
        picture.pts = 0
        body = b"".join(bytes(packet) for packet in (*coder.encode(picture), *coder.encode(None)))
        self._out.write(f"{number} {frame.time:.6f} {len(body)}\n".encode() + body)
        self._out.flush()

    def _shrunk(self, frame: Any) -> Any:
        graph = Graph()
        steps = [graph.add_buffer(template=None, width=frame.width, height=frame.height, format=frame.format,
                                  time_base=frame.time_base or Fraction(1, 1000))]  # fmt: skip
        steps += [graph.add("transpose", way) for way in _TURNS.get(frame.rotation, ())]
        steps.append(graph.add("scale", f"-2:{self._height}:out_range=pc"))
        steps.append(graph.add("format", "yuvj420p"))
        steps.append(graph.add("buffersink"))
        graph.link_nodes(*steps).configure()
        graph.push(frame)
        return graph.pull()


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    asked = [(side, float(at)) for side, _, at in (each.partition(":") for each in sys.argv[3:])]
    main(sys.argv[1], int(sys.argv[2]), asked)
    os._exit(0)  # without taking leave of decoders
