"""Reads the structure of a container: which of our readers knows this file, and what it finds.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from pipeline.continuity.model import Boxes
from pipeline.continuity.structure import Structure
from pipeline.media import boxes, ts
from pipeline.media.window import Window

_READERS = (ts.read,)


def read(file: BinaryIO) -> tuple[Boxes | None, Structure | None]:
    """The box tree (ISO media files only) and the structure; None for both where no reader knows the file."""
    try:
        window = Window(file)
        found = boxes.examine(window)
        return found or (None, next(filter(None, (reader(window) for reader in _READERS)), None))
    except (ArithmeticError, LookupError, OSError, RecursionError, ValueError, struct.error):
        return None, None  # a case that a reader didn't foresee: the report says that the container was not checked
