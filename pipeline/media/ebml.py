"""Elements of EBML files (RFC 8794): an id and a length of variable width, then the content.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.media.window import Window

UNKNOWN_SIZE = -1


@dataclass(frozen=True, slots=True)
class Element:
    """`start`: of its id; `body`: of its content; `size`: bytes of the content, UNKNOWN_SIZE when it isn't said."""

    id: int
    start: int
    body: int
    size: int

    @property
    def end(self) -> int:
        return self.body + max(self.size, 0)


def element(window: Window, at: int) -> Element | None:
    """The element at `at`, or None where none stands."""
    return parse(window.read(at, 12), at)


def parse(head: bytes, at: int) -> Element | None:
    """The element whose first bytes are `head` and that stands at `at`."""
    if len(head) < 2 or head[0] < 0x10:
        return None
    width = 9 - head[0].bit_length()
    if len(head) <= width or not head[width]:
        return None
    length = 9 - head[width].bit_length()
    field = int.from_bytes(head[width : width + length], "big")
    if len(head) < width + length:
        return None
    size = field & ((1 << 7 * length) - 1)
    if size == (1 << 7 * length) - 1:
        size = UNKNOWN_SIZE
    return Element(int.from_bytes(head[:width], "big"), at, at + width + length, size)


def children(window: Window, parent: Element, most: int) -> Iterator[Element]:
    """The elements inside one of known size, as far as they fit into it and into the file."""
    at, end = parent.body, min(parent.end, window.size)
    for _ in range(most):
        found = element(window, at) if at < end else None
        if found is None or found.size == UNKNOWN_SIZE or found.end > end:
            return
        yield found
        at = found.end


def number(window: Window, found: Element) -> int:
    """An unsigned integer of up to eight bytes."""
    return int.from_bytes(window.read(found.body, min(found.size, 8)), "big")


def real(window: Window, found: Element) -> float | None:
    """A floating-point number of four or eight bytes; None for other sizes."""
    body = window.read(found.body, found.size if found.size in (4, 8) else 0)
    return float(struct.unpack(">f" if len(body) == 4 else ">d", body)[0]) if len(body) in (4, 8) else None


def text(window: Window, found: Element, most: int = 300) -> str:
    return " ".join(window.read(found.body, min(found.size, most)).split(b"\0")[0].decode("utf-8", "replace").split())
