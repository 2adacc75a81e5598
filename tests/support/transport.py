"""Transport streams made by hand: packets with counters, clocks and tables, and nothing that could be decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

VIDEO, SOUND, PMT = 0x100, 0x101, 0x1000


def packet(
    pid: int,
    counter: int,
    *,
    start: bool = False,
    payload: bytes = b"",
    pcr: int | None = None,
    declared: bool = False,
    empty: bool = False,
) -> bytes:
    """One packet of 188 bytes. `pcr`: ticks of 27 MHz; `declared`: discontinuity_indicator; `empty`: no payload."""
    field = b""
    if pcr is not None or declared or empty:
        flags = (0x80 if declared else 0) | (0x10 if pcr is not None else 0)
        clock = ((pcr // 300 << 15) | 0x7E00 | pcr % 300).to_bytes(6, "big") if pcr is not None else b""
        field = bytes([flags]) + clock
        fill = 183 - len(field) if empty else 0
        field = bytes([len(field) + fill]) + field + b"\xff" * fill
    control = (0x20 if field else 0) | (0 if empty else 0x10) | counter & 15
    head = bytes([0x47, (0x40 if start else 0) | pid >> 8, pid & 255, control])
    return (head + field + payload).ljust(188, b"\xff")[:188]


def section(table: int, body: bytes, *, version: int = 0) -> bytes:
    """A table as the payload of a packet."""
    inside = b"\0\1" + bytes([0xC1 | version << 1]) + b"\0\0" + body + bytes(4)
    return b"\0" + bytes([table]) + (0xB000 | len(inside)).to_bytes(2, "big") + inside


def tables(*, version: int = 0, kind: int = 0x1B) -> tuple[bytes, bytes]:
    """The payloads of a PAT and of a PMT with one video (`kind`) and one sound stream."""
    pat = section(0, b"\0\1" + (0xE000 | PMT).to_bytes(2, "big"))
    streams = b"".join(
        bytes([k]) + (0xE000 | pid).to_bytes(2, "big") + b"\xf0\0" for k, pid in ((kind, VIDEO), (15, SOUND))
    )
    return pat, section(2, (0xE000 | VIDEO).to_bytes(2, "big") + b"\xf0\0" + streams, version=version)


def stream(seconds: float, *, begin: float = 1.0, kind: int = 0x1B, version: int = 0) -> list[bytes]:
    """Packets of a recording: 25 pictures a second of 8 packets, 25 sounds of one, clock and tables."""
    counters: Counter[int] = Counter()
    packets = []

    def add(pid: int, **facts: object) -> None:
        packets.append(packet(pid, counters[pid], **facts))  # type: ignore[arg-type]
        counters[pid] += 1

    pat, pmt = tables(version=version, kind=kind)
    for picture in range(round(seconds * 25)):
        if picture % 5 == 0:
            add(0, start=True, payload=pat)
            add(PMT, start=True, payload=pmt)
        add(VIDEO, start=True, pcr=round((begin + picture / 25) * 27_000_000), payload=b"\0\0\1\xe0")
        for _ in range(7):
            add(VIDEO)
        add(SOUND, start=True, payload=b"\0\0\1\xc0")
    return packets


def arriving(packets: Iterable[bytes], *, begin: int = 0, step: int = 90_000) -> list[bytes]:
    """The packets with arrival times before them (M2TS), `step` ticks apart."""
    return [((begin + n * step) % (1 << 30)).to_bytes(4, "big") + each for n, each in enumerate(packets)]
