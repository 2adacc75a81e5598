"""Tags before and behind the sound of a file: ID3v1, ID3v2, APE, Lyrics3, AMR's first line. Names and places only.

Runs inside the sandbox on untrusted bytes. Sources: id3.org (ID3v2.3, 2.4, ID3v1), APEv2 and Lyrics3v2 descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.media.scroll import Scroll

_MOST = 20
_STREAMED = b"com.apple.streaming.transportStreamTimestamp"  # each piece of an HLS stream begins with this


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    offset: int
    size: int
    streamed: bool = False  # a time stamp of a stream, not the beginning of a file

    @property
    def end(self) -> int:
        return self.offset + self.size


def at(scroll: Scroll, offset: int) -> Tag | None:
    """The tag that begins at `offset`."""
    head = scroll.piece(offset, 32)
    if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 5 and not any(byte & 0x80 for byte in head[6:10]):
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        streamed = _STREAMED in scroll.piece(offset + 10, min(size, 100))
        return Tag(f"ID3v2.{head[3]}", offset, 10 + size + (10 if head[5] & 0x10 else 0), streamed)
    if head[:8] == b"APETAGEX" and len(head) == 32 and head[23] & 0x20:
        return Tag("APE", offset, 32 + int.from_bytes(head[12:16], "little"))
    if head.startswith((b"#!AMR\n", b"#!AMR-WB\n")):
        return Tag("#!AMR", offset, 1 + head.index(b"\n"))
    if head[:3] == b"TAG" and offset + 128 <= scroll.size:
        return Tag("ID3v1", offset, 128)
    return None


def leading(scroll: Scroll) -> tuple[Tag, ...]:
    """Tags from the file's first byte on."""
    found: list[Tag] = []
    offset = 0
    while len(found) < _MOST and (tag := at(scroll, offset)) and tag.name.startswith("ID3v2"):
        found.append(tag)
        offset = tag.end
    return tuple(found)


def closing(scroll: Scroll) -> tuple[Tag, ...]:
    """Tags up to the file's last byte, in the order of the file."""
    found: list[Tag] = []
    end = scroll.size
    while len(found) < _MOST and (tag := _before(scroll, end)):
        found.insert(0, tag)
        end = tag.offset
    return tuple(found)


def _before(scroll: Scroll, end: int) -> Tag | None:
    foot = scroll.piece(max(0, end - 32), min(32, end))
    name, size = "", 0
    if end >= 128 and scroll.piece(end - 128, 3) == b"TAG":
        name, size = "ID3v1", 128
    elif foot[:8] == b"APETAGEX" and len(foot) == 32:
        name, size = "APE", int.from_bytes(foot[12:16], "little") + (32 if foot[23] & 0x80 else 0)
    elif foot[-9:] == b"LYRICS200" and foot[-15:-9].isdigit():
        name, size = "Lyrics3", int(foot[-15:-9]) + 15
    elif foot[-10:-7] == b"3DI" and not any(byte & 0x80 for byte in foot[-4:]):
        name, size = "ID3v2.4", (foot[-4] << 21 | foot[-3] << 14 | foot[-2] << 7 | foot[-1]) + 20
    return Tag(name, end - size, size) if name and 10 < size <= end else None
