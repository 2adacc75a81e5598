"""Reads WAV and Broadcast Wave files (Microsoft RIFF, EBU Tech 3285 bext, EBU Tech 3306 RF64).

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.continuity.structure import Structure, Wave
from pipeline.media.riff import Chunk, chunk, chunks, text
from pipeline.media.window import Window

_MOST_CHUNKS = 2000
_LONGEST_HISTORY = 1 << 16
_OPEN = 0xFFFFFFFF  # a length that stands in ds64, or was never written
# Chunks that only certain programs write.
_MAKERS = {
    "minf": "Pro Tools",
    "elm1": "Pro Tools",
    "regn": "Pro Tools",
    "ResU": "Logic",
    "LGWV": "Logic",
    "SAUR": "Wavosaur",
}


@dataclass
class _File:
    """What is known while the file is read."""

    block: int = 0
    rate: int = 0
    byte_rate: int = 0
    data: Chunk | None = None
    data_size: int = 0
    data_size64: int = 0
    originated: str = ""
    originator: str = ""
    reference: int | None = None
    history: list[str] = field(default_factory=list)
    cues: int = 0
    names: list[str] = field(default_factory=list)
    signed: list[tuple[str, str]] = field(default_factory=list)


def read(window: Window) -> Structure | None:
    """What the chunks show, or None when the file is no WAV."""
    head = window.read(0, 12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return None
    riff = chunk(window, 0)
    if riff is None:
        return None
    file = _File()
    closed = riff.end - 8 not in (0, _OPEN)
    stopped = _chunks(window, file, riff.end if closed else window.size)
    claimed = max(riff.end, stopped) if closed else stopped
    return Structure(
        "wav",
        tuple(file.names[:100]),
        tuple(file.signed[:50]),
        missing=max(0, claimed - window.size),
        trailing=(claimed, window.size - claimed) if claimed < window.size else None,
        wave=_wave(window, file),
    )


def _chunks(window: Window, file: _File, end: int) -> int:
    """Take every chunk up to `end`; returns where they end."""
    at = 12
    while at < end and (found := chunk(window, at)) and len(file.names) < _MOST_CHUNKS:
        file.names.append(found.name)
        if found.name == "data":
            found = _data(window, found, file)
        _take(window, found, file)
        at = max(found.following, at + 8)
    return at


def _data(window: Window, found: Chunk, file: _File) -> Chunk:
    """The data chunk with its true end: in RF64 it stands in ds64; a recorder that lost power never wrote it."""
    size = found.end - found.body
    file.data_size = size
    if size == _OPEN and file.data_size64:
        file.data_size = size = file.data_size64
    elif size in (0, _OPEN):
        file.data_size, size = 0, max(0, window.size - found.body)
    file.data = Chunk("data", found.start, found.body, found.body + size)
    return file.data


def _take(window: Window, found: Chunk, file: _File) -> None:
    body = window.read(found.body, min(found.end - found.body, _LONGEST_HISTORY)) if found.name != "data" else b""
    if found.name == "fmt " and len(body) >= 16:
        file.rate, file.byte_rate = int.from_bytes(body[4:8], "little"), int.from_bytes(body[8:12], "little")
        file.block = int.from_bytes(body[12:14], "little")
    elif found.name == "ds64":
        file.data_size64 = int.from_bytes(body[8:16], "little")
    elif found.name == "bext" and len(body) >= 346:
        _bext(body, file)
    elif found.name == "cue ":
        file.cues = int.from_bytes(body[:4], "little")
    elif found.name == "LIST INFO":
        for each in chunks(window, found.body, found.end, _MOST_CHUNKS):
            if each.name in ("ISFT", "IENG", "ITCH", "ICMT"):
                file.signed.append((f"INFO/{each.name}", text(window.read(each.body, 200))))
    elif found.name in _MAKERS:
        file.signed.append((found.name, _MAKERS[found.name]))


def _bext(body: bytes, file: _File) -> None:
    """EBU Tech 3285: description 256, originator 32, its reference 32, date 10, time 8, time reference 8, … 602."""
    file.originator = text(body[256:288])
    file.originated = f"{text(body[320:330])} {text(body[330:338])}".strip()
    file.reference = int.from_bytes(body[338:346], "little")
    file.history = [
        line[:200] for line in body[602:].split(b"\0")[0].decode("utf-8", "replace").split("\n") if line.strip()
    ]
    file.signed += [("bext/originator", file.originator)] if file.originator else []


def _wave(window: Window, file: _File) -> Wave:
    data = file.data or Chunk("data", 0, 0, 0)
    return Wave(
        declared=file.data_size,
        there=max(0, min(data.end, window.size) - data.body),
        data_offset=data.body,
        block=file.block,
        byte_rate=file.byte_rate,
        originated=file.originated,
        reference=file.reference / file.rate if file.reference is not None and file.rate else None,
        originator=file.originator,
        history=tuple(line.strip() for line in file.history[:50]),
        chunks=tuple(file.names[:100]),
        cues=file.cues,
    )
