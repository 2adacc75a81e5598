"""Reads mutated recordings in one process, inside the sandbox: the readers as `pipeline.media.probe` uses them, what
they hand on as the parent parses it, and every check. Prints a line for each: number, tab, what became of it.

    python /in/child.py CONTAINER FIRST LAST SEEDS        (the seeds as /in/seed0, /in/seed1, …)
"""

from __future__ import annotations

import io
import json
import random
import signal
import sys
import traceback
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import av.logging

from pipeline.continuity import guard
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.verdict import judge
from pipeline.media import boxes, kinds, probe, structure, wire
from pipeline.media.window import Window

SECONDS = 10  # for one file of a few kilobytes
NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\0\0\xff\xff", b"\xff")


class NoTags:
    """Instead of exiftool, which is a program of its own."""

    def __init__(self, kind: str) -> None:
        self._tags = {"File:MIMEType": "image/jpeg", "IFD1:ThumbnailOffset": 600} if kind == kinds.PHOTOS else {}

    def tags(self) -> dict[str, Any]:
        return dict(self._tags)

    def positions(self) -> tuple[list[Any], str]:
        return [], ""


class TooSlow(Exception):
    pass


def mutated(container: str, number: int, seeds: Sequence[bytes]) -> bytes:
    """Deterministic: the same name, number and seeds give the same bytes."""
    dice = random.Random(f"{container}:{number}")
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        at = place(dice, len(data))
        way = dice.randrange(9)
        if way == 0 and data:
            data[at] ^= 1 << dice.randrange(8)
        elif way == 1 and data:
            data[at] = dice.randrange(256)
        elif way in (2, 3):
            number_ = dice.choice(NUMBERS)
            data[at : at + len(number_)] = number_
        elif way == 4:
            del data[at : at + dice.choice((1, 4, 64, 1000))]
        elif way == 5:
            data[at:at] = dice.randbytes(dice.choice((1, 4, 64)))
        elif way == 6:
            piece = data[at : at + dice.choice((4, 16, 188, 2000))]
            data[place(dice, len(data)) : 0] = piece
        elif way == 7:
            other = dice.choice(seeds)
            from_ = place(dice, len(other))
            data[at : at + 512] = other[from_ : from_ + 512]
        else:
            del data[at:]
    return bytes(data)


def place(dice: random.Random, size: int) -> int:
    """Anywhere, but more often at the head and the tail, where the indexes are."""
    edge = min(size, dice.choice((64, 1024, 4096)))
    where = dice.random()
    at = dice.randrange(edge + 1) if where < 0.35 else size - dice.randrange(edge + 1) if where < 0.6 else None
    return max(0, min(dice.randrange(size + 1) if at is None else at, size - 1))


def read(data: bytes) -> str:
    """What became of it: "read" or "unreadable". Raises what a reader or a check raises."""
    written: list[tuple[wire.Head, list[list[array[int]]]]] = []
    probe._write = lambda head, arrays: written.append((head, arrays))
    kind = kinds.sniff(data[:4096])
    if kinds.problem(data[:4096]):
        return "unreadable"
    file = io.BytesIO(data)
    if kind == kinds.PHOTOS:
        probe._write(probe._photo(file, NoTags(kind).tags()), [])
    else:
        probe._media(file, NoTags(kind))  # type: ignore[arg-type]
    head, arrays = written[-1]
    picture = wire.decode(b"".join(wire.encode(head, arrays)), name="LH00001_20261118093000_0001.MP4", size=len(data))
    report = judge(picture, "ab" * 32, Thresholds())
    picture.settled()
    json.dumps(report.as_json(), ensure_ascii=False, allow_nan=False).encode()
    return "unreadable" if picture.problem else "read"


def alarm(signum: int, frame: FrameType | None) -> None:
    raise TooSlow("too slow at " + "".join(traceback.format_stack(frame)[-3:]))


def outspoken(read_structure: Any) -> Any:
    """The container readers, without the net beneath them that says "not checked" of what they didn't foresee."""

    def read_all(file: Any) -> Any:
        window = Window(file)
        if boxes.examine(window) is None:
            structure._other(window)
        return read_structure(file)

    return read_all


def main(container: str, first: int, last: int, count: int) -> None:
    av.logging.set_level(av.logging.PANIC)
    signal.signal(signal.SIGALRM, alarm)
    structure.read = outspoken(structure.read)
    guard.run = lambda check, *given: check(*given)  # a check that fails shall be seen, not reported
    seeds = [Path(f"/in/seed{number}").read_bytes() for number in range(count)]
    for number in range(first, last):
        data = mutated(container, number, seeds)
        print(f"{number}\tbegun", flush=True)  # whoever crashes here is known
        signal.alarm(SECONDS)
        try:
            became = read(data)
        except BaseException:
            became = "failed " + json.dumps(traceback.format_exc()[-1500:])
        signal.alarm(0)
        print(f"{number}\t{became}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
