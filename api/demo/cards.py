"""Cards of three cameras, made of the sample footage: each a recording under its own serial, and a photograph."""

from __future__ import annotations

import json
import os
import struct
from datetime import timedelta
from pathlib import Path

from pipeline.samples import Footage
from pipeline.samples.footage import SEGMENT_SECONDS, START
from pipeline.samples.scene import DEVICE

CAMERAS = ("LH00021", "LH00022", "LH00023")
SIZE = 96 << 20  # bytes of a recording; the server makes every 64 MiB of an upload durable on the way
MIDDLE = 72 << 20  # bytes after which the line waits: what is left doesn't fit into any buffer on the way


def make_cards(footage: Footage, folder: Path) -> dict[str, Path]:
    """A card for each camera: a segment of the sample recording under its own serial, and a photograph.

    The recording is filled up with a `free` box (ISO/IEC 14496-12 8.1.2), which players pass over.
    """
    cards: dict[str, Path] = {}
    for number, camera in enumerate(CAMERAS):
        cards[camera] = folder / camera
        dcim = folder / camera / "DCIM" / "100LHCAM"
        dcim.mkdir(parents=True)
        begun = START + timedelta(seconds=number * SEGMENT_SECONDS)
        film, photo = footage.segments[number], footage.photos[number]
        _copy(film, dcim / f"{camera}_{begun:%Y%m%d%H%M%S}_0001.MP4", camera, fill=True)
        _copy(photo, dcim / photo.name, camera)
        (folder / camera / "device.json").write_text(json.dumps({"serial": camera, "model": "LH-1"}))
    return cards


def _copy(source: Path, target: Path, camera: str, *, fill: bool = False) -> None:
    content = source.read_bytes().replace(DEVICE.encode(), camera.encode())
    rest = SIZE - len(content)
    target.write_bytes(content + (struct.pack(">I", rest) + b"free" + bytes(rest - 8) if fill else b""))
    moment = source.stat()
    os.utime(target, ns=(moment.st_atime_ns, moment.st_mtime_ns))
