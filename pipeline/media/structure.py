"""Reads the structure of a container: which of our readers knows this file, and what it finds.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import BinaryIO

from pipeline.continuity.model import Boxes
from pipeline.continuity.structure import Structure
from pipeline.media import avi, boxes, matroska, mxf, soundfile, ts, wave
from pipeline.media.window import Window

_ZEROS = 1 << 20  # bytes after the end that are looked at
_READERS = (avi.read, wave.read, matroska.read, mxf.read, ts.read, soundfile.read)


def read(file: BinaryIO) -> tuple[Boxes | None, Structure | None]:
    """The box tree (ISO media files only) and the structure; None for both where no reader knows the file."""
    window = Window(file)
    try:
        tree, found = boxes.examine(window) or (None, _other(window))
    except (ArithmeticError, LookupError, OSError, RecursionError, ValueError, struct.error):
        return None, None  # a case that a reader didn't foresee: the report says that the container was not checked
    if found and window.exhausted:
        found = Structure(found.container, found.layout, found.signed, complete=False)
    return tree, found


def _other(window: Window) -> Structure | None:
    found = next(filter(None, (reader(window) for reader in _READERS)), None)
    if found and found.trailing:
        return replace(found, trailing_zero=not window.read(found.trailing[0], _ZEROS).strip(b"\0"))
    return found
