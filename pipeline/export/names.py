"""File names on the disc: readable everywhere, whatever the card called them. Pure."""

from __future__ import annotations

import re
import unicodedata

MAX_NAME = 60
"""Characters. Joliet takes 64 (103 as xorriso writes it), Rock Ridge 255 bytes; three digits and "_" come before."""

_UNSAFE = re.compile(r'[<>:"/\\|?*%\s;]')


def on_disc(number: int, name: str) -> str:
    """The name of the file that was `name` on the card: `001_VID_0001.mp4`.

    Only the last part of the path stays; what a file system, a shell or a reader's eye could stumble over (control and
    direction characters, reserved signs, blanks, characters outside of the Basic Multilingual Plane) becomes "_".
    The extension survives shortening. The card's own name stands in the ledger and in the explanation.
    """
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    clean = "".join("_" if _odd(character) else character for character in last)
    clean = _UNSAFE.sub("_", clean).strip("._") or "file"
    return f"{number:03d}_{_shorten(clean)}"


def _odd(character: str) -> bool:
    """Control, format (bidirectional marks too), surrogate, private, unassigned; separators; beyond UCS-2."""
    return unicodedata.category(character)[0] in "CZ" or ord(character) > 0xFFFF


def _shorten(name: str) -> str:
    if len(name) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 8:
        return name[:MAX_NAME]
    return f"{stem[: MAX_NAME - len(extension) - 1]}{dot}{extension}"
