"""Reads AVI files: the footage against the index and the headers (Microsoft AVI RIFF, OpenDML 1.02).

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.continuity.structure import Riff, Structure
from pipeline.media.riff import Chunk, chunk, chunks, text
from pipeline.media.window import Window

_MOST_CHUNKS = 4_000_000
_MOST_SMALL = 2000  # chunks in a header
_MOST_LISTED = 100
_MOST_DAMAGED = 200
_LARGEST_INDEX = 64 << 20
_SEARCH = 4 << 20  # bytes searched for the next chunk after damage


@dataclass
class _File:
    """What is known while the file is read. `places`: offset of each footage chunk → its size."""

    interval: float = 0.0
    header: int = -1
    stream: int = -1
    open_dml: int = -1
    video: str = ""  # number of the first video stream, two digits
    streams: int = 0
    places: dict[int, int] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)
    movi: int = -1
    old: list[tuple[bytes, int, int]] = field(default_factory=list)  # idx1: name, offset, size
    parts: list[int] = field(default_factory=list)  # indx: offsets of the parts of an OpenDML index
    damaged: list[int] = field(default_factory=list)
    layout: list[str] = field(default_factory=list)
    signed: list[tuple[str, str]] = field(default_factory=list)
    dates: list[tuple[str, int | None, str]] = field(default_factory=list)
    missing: int = 0
    complete: bool = True
    closed: bool = True


def read(window: Window) -> Structure | None:
    """What the chunks show, or None when the file is no AVI."""
    head = window.read(0, 12)
    if head[:4] != b"RIFF" or head[8:12] != b"AVI ":
        return None
    file, at = _File(), 0
    while (riff := chunk(window, at)) and riff.name in ("RIFF AVI ", "RIFF AVIX"):
        _riff(window, riff, file)
        at = riff.following
        if riff.end == riff.body - 4:  # never closed: the length is still zero
            file.closed, at = False, window.size
    trailing = (at, window.size - at) if at < window.size else None
    return Structure(
        "avi",
        tuple(file.layout[:100]),
        tuple(file.signed[:50]),
        tuple(file.dates[:20]),
        missing=max(0, file.missing),
        trailing=trailing,
        riff=_result(window, file),
    )


def _riff(window: Window, riff: Chunk, file: _File) -> None:
    end = riff.end if riff.end > riff.body else window.size
    file.missing = max(file.missing, end - window.size)
    for each in chunks(window, riff.body, end, _MOST_SMALL):
        file.layout.append(each.name)
        if each.name == "LIST hdrl":
            _headers(window, each, file)
        elif each.name == "LIST movi":
            if file.movi < 0:
                file.movi = each.body - 4
            _footage(window, each, file)
            file.missing = max(file.missing, each.end - window.size)
        elif each.name == "idx1":
            _old_index(window, each, file)
        elif each.name == "LIST INFO":
            _info(window, each, file)
        elif each.name == "JUNK":
            _junk(window, each, file)


def _headers(window: Window, hdrl: Chunk, file: _File) -> None:
    for each in chunks(window, hdrl.body, hdrl.end, _MOST_SMALL):
        file.layout.append(f"hdrl/{each.name}")
        if each.name == "avih":
            body = window.read(each.body, 40).ljust(40, b"\0")
            file.interval, file.header = int.from_bytes(body[:4], "little") / 1e6, _signed(body[16:20])
        elif each.name == "LIST strl":
            _stream(window, each, file)
        elif each.name == "LIST odml":
            file.open_dml = _signed(window.read(each.body + 8, 4))
        elif each.name == "IDIT":
            file.dates.append(("hdrl/IDIT", None, text(window.read(each.body, 100))))


def _stream(window: Window, strl: Chunk, file: _File) -> None:
    number, video = file.streams, False
    file.streams += 1
    for each in chunks(window, strl.body, strl.end, _MOST_SMALL):
        file.layout.append(f"strl/{each.name}")
        if each.name == "strh":
            body = window.read(each.body, 48).ljust(48, b"\0")
            file.layout[-1] += f" {text(body[:4])} {text(body[4:8])}"
            video = body[:4] == b"vids" and not file.video
            if video:
                file.video, file.stream = f"{number:02d}", _signed(body[32:36])
                scale, rate = struct.unpack("<II", body[20:28])
                file.interval = scale / rate if scale and rate else file.interval
        elif each.name == "indx" and number < 100:
            _parts(window.read(each.body, min(each.end - each.body, 1 << 20)), file)
        elif each.name in ("strn", "strd"):
            _sign(f"strl/{each.name}", window.read(each.body, 100), file)


def _signed(number: bytes) -> int:
    return int.from_bytes(number, "little", signed=True)


def _parts(body: bytes, file: _File) -> None:
    """An index of indices: where the parts of the index stand (OpenDML)."""
    if len(body) >= 24 and body[3] == 0:
        count = int.from_bytes(body[4:8], "little")
        file.parts += [offset for offset, _, _ in _entries(body[24:], "<QII", count)]


def _entries(body: bytes, layout: str, count: int) -> Iterator[tuple[int, ...]]:
    width = struct.calcsize(layout)
    count = min(count, len(body) // width)
    return struct.iter_unpack(layout, body[: count * width])


def _info(window: Window, info: Chunk, file: _File) -> None:
    for each in chunks(window, info.body, info.end, _MOST_SMALL):
        said = text(window.read(each.body, 200))
        if each.name in ("ISFT", "ITCH", "ICMT", "IENC", "ISRC"):
            _sign(f"INFO/{each.name}", said.encode(), file)
        elif each.name == "ICRD":
            file.dates.append(("INFO/ICRD", None, said))


def _junk(window: Window, junk: Chunk, file: _File) -> None:
    """Padding; some programs write their names into it."""
    _sign("JUNK", window.read(junk.body, 80).lstrip(b"\0"), file)


def _sign(where: str, body: bytes, file: _File) -> None:
    said = body.split(b"\0")[0]
    if len(said) >= 4 and all(32 <= byte < 127 for byte in said):
        file.signed.append((where, text(said)))


def _footage(window: Window, movi: Chunk, file: _File) -> None:
    """Every chunk of a movi list: its place, or where there is none."""
    at, end = movi.body, min(movi.end if movi.end > movi.body else window.size, window.size)
    while at + 8 <= end:
        found = chunk(window, at)
        if found is None or (found.end > end and found.name != "LIST rec "):
            following = _resume(window, at, end, file)
            if following is None:
                return
            at = following
        elif found.name == "LIST rec ":
            at = found.body
        elif found.name == "idx1":  # bytes were taken out of the list and its length left as it was
            _old_index(window, found, file)
            return
        else:
            if found.name[2:] in ("dc", "db", "wb", "tx", "pc", "iv"):
                file.places[found.start] = found.end - found.body
                file.names[found.name] += 1
            at = found.following
        if len(file.places) >= _MOST_CHUNKS:
            file.complete = False
            return


def _resume(window: Window, at: int, end: int, file: _File) -> int | None:
    """Where footage goes on after damage at `at`."""
    if len(file.damaged) >= _MOST_DAMAGED:
        file.complete = False
        return None
    beyond = chunk(window, at)
    if beyond and beyond.end > window.size and window.size <= end:
        return None  # the last chunk of a file that was cut off
    file.damaged.append(at)
    piece = window.read(at + 1, min(_SEARCH, end - at - 1))
    known = [name.encode() for name in file.names] or [b"00dc", b"01wb"]
    hits = [hit for name in known if (hit := piece.find(name)) >= 0]
    return at + 1 + min(hits) if hits else None


def _old_index(window: Window, idx1: Chunk, file: _File) -> None:
    body = window.read(idx1.body, min(idx1.end - idx1.body, _LARGEST_INDEX))
    whole = body[: len(body) // 16 * 16]
    file.old = [(name, offset, size) for name, _, offset, size in struct.iter_unpack("<4sIII", whole)]


def _result(window: Window, file: _File) -> Riff:
    listed, kind = _listed(window, file)
    unlisted = sorted(set(file.places) - set(listed)) if listed else []
    dangling = [
        (number, place) for number, (place, size) in enumerate(listed.items()) if size and place not in file.places
    ]
    video = [count for name, count in file.names.items() if name[:2] == file.video and name[2:] in ("dc", "db")]
    return Riff(
        frames_header=file.open_dml if file.open_dml > 0 else file.header,
        frames_stream=file.stream,
        frames_index=_frames(file, listed),
        frames_found=sum(video),
        interval=file.interval,
        index=kind,
        unlisted=tuple((place, file.places[place]) for place in unlisted[:_MOST_LISTED]),
        unlisted_count=len(unlisted),
        unlisted_last=bool(unlisted and listed) and unlisted[0] > max(listed),
        dangling=tuple(dangling[:_MOST_LISTED]),
        dangling_count=len(dangling),
        listed=len(listed),
        damaged=tuple(file.damaged),
        closed=file.closed,
        complete=file.complete,
    )


def _frames(file: _File, listed: dict[int, int]) -> int:
    if not listed:
        return -1
    return sum(name[:2] == file.video.encode() and name[2:] in (b"dc", b"db") for name, _, _ in file.old)


def _listed(window: Window, file: _File) -> tuple[dict[int, int], str]:
    """(offset → size of each chunk that an index names, which index: idx1, indx, both or none)."""
    new = dict(entry for offset in file.parts[:10_000] for entry in _part(window, offset))
    old = _old_places(window, file)
    kinds = [name for name, found in (("idx1", old), ("indx", new)) if found]
    return new | old, "+".join(kinds) or "none"


def _old_places(window: Window, file: _File) -> dict[int, int]:
    """Offsets in idx1 count from the movi list's type, in some files from the file's start: the first entry tells."""
    entries = [entry for entry in file.old if entry[0][2:] in (b"dc", b"db", b"wb", b"tx", b"pc", b"iv")]
    first = next((entry for entry in entries if entry[2]), None)
    if first is None:
        return {}
    base = 0 if window.read(first[1], 4) == first[0] else file.movi
    return {base + offset: size for _, offset, size in entries}


def _part(window: Window, offset: int) -> Iterator[tuple[int, int]]:
    """(offset, size) of the chunks that one part of an OpenDML index names."""
    found = chunk(window, offset)
    if found is None:
        return
    body = window.read(found.body, min(found.end - found.body, _LARGEST_INDEX))
    if len(body) < 24 or body[3] != 1 or body[2]:
        return
    base = int.from_bytes(body[12:20], "little")
    for place, size in _entries(body[24:], "<II", int.from_bytes(body[4:8], "little")):
        yield base + place - 8, size & 0x7FFFFFFF
