"""Reads MPEG-2 transport streams (ITU-T H.222.0) and M2TS: packets, counters, clocks, tables. No payload is decoded.

libav hides what matters here: it skips lost packets, takes up again after a break and unwraps the clocks. A gigabyte
holds six million packets, so that nothing may be done for each of them in Python: the header bytes of thousands are
taken out as columns (`piece[1::188]`) and compared whole. Only where a column is not as it should be are the packets
looked at one by one. Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress

from pipeline.continuity.structure import CounterBreak, Structure, Transport
from pipeline.media import psi
from pipeline.media.clocks import Arrival, Programme
from pipeline.media.window import Window

SYNC = 0x47
_NULL = 0x1FFF
_PACKETS = 8192  # taken together
_SIZES = ((188, 0), (192, 4), (204, 0))  # (packet size, where the sync byte stands)
_ROW = 8  # sync bytes in a row that make a transport stream
_SEARCH = 1 << 16  # bytes that are searched for packets, at the start and after each loss
_ZEROS = 1 << 20  # bytes that are looked at to tell padding from damage
_MOST_LOSSES = 10_000
_MOST_LISTED = 200
# A counter that goes wrong more often than this counts nothing: some devices leave it at zero in their tables.
_SLOPPY = 0.05
_SLOPPY_FEWEST = 20

_LOW5 = bytes(value & 0x1F for value in range(256))
_LOW4 = bytes(value & 0x0F for value in range(256))
_NO_PAYLOAD = bytes(value for value in range(256) if not value & 0x10)
_ADAPTED = bytes(value >> 5 & 1 for value in range(256))  # an adaptation field is there
_FLAGGED = bytes(value >> 4 & 1 or value >> 7 & 1 for value in range(256))  # a PCR, or a declared discontinuity
_LONG = bytes(int(value > 0) for value in range(256))
_FAULTY = bytes(range(128, 256))
_CLEAR = bytes(range(64))
_COUNT = bytes(range(16)) * (_PACKETS // 16 + 2)
_EQUAL = tuple(bytes(value) + b"\1" + bytes(255 - value) for value in range(256))


def read(window: Window) -> Structure | None:
    """What the packets show, or None when the file is no transport stream."""
    found = _shape(window)
    if found is None:
        return None
    size, first = found
    scan = _Scan(window, size, dict(_SIZES)[size])
    scan.run(first)
    return scan.structure()


def _shape(window: Window) -> tuple[int, int] | None:
    """(packet size, where the first packet begins)."""
    head = window.read(0, _SEARCH)
    for size, lead in _SIZES:
        start = _row(head, size, lead)
        if start is not None:
            return size, start
    return None


def _row(piece: bytes, size: int, lead: int) -> int | None:
    """Where in the piece packets begin: sync bytes one packet apart, as many as fit up to `_ROW`."""
    at = piece.find(SYNC, lead)
    while at >= 0 and at + (_ROW - 1) * size < len(piece):
        if piece[at : at + _ROW * size : size] == bytes([SYNC]) * _ROW:
            return at - lead
        at = piece.find(SYNC, at + 1)
    return None


@dataclass
class _Pid:
    """What is known of one PID: its last counter, whether that came twice already, how often it was wrong.

    `headless`: its first packet begins no unit.
    """

    headless: bool
    last: int = -1
    repeated: bool = False
    wrong: int = 0


@dataclass
class _Block:
    """Packets in a row, `number` the first one's, and the columns of their headers."""

    data: bytes
    offset: int
    number: int
    count: int
    size: int
    lead: int
    flags: bytes = b""
    pids: array[int] = field(default_factory=lambda: array("H"))
    low: bytes = b""
    high: bytes = b""
    control: bytes = b""

    def column(self, at: int) -> bytes:
        """The byte at place `at` of every packet."""
        return self.data[self.lead + at : self.count * self.size : self.size]

    def at(self, index: int) -> int:
        """Where the packet begins in the file, its arrival time included."""
        return self.offset + index * self.size

    def packet(self, index: int) -> bytes:
        start = index * self.size + self.lead
        return self.data[start : start + 188]


class _Scan:
    """Goes through the file once."""

    def __init__(self, window: Window, size: int, lead: int) -> None:
        self._window, self._size, self._lead = window, size, lead
        self._packets = 0
        self._counts: Counter[int] = Counter()
        self._pids: dict[int, _Pid] = {}
        self._breaks: list[CounterBreak] = []
        self._lost: list[tuple[int, int]] = []
        self._lost_count = self._rest = self._padding = self._errors = self._scrambled = 0
        self._programme = Programme()
        self._arrival = Arrival() if size == 192 else None
        self._tables = psi.Tables()
        self._stopped = ""

    def run(self, at: int) -> None:
        """Read from the first packet at `at` to the end."""
        if at:
            self._lose(0, at)
        while at < self._window.size:
            data = self._window.read(at, self._size * _PACKETS)
            count = len(data) // self._size
            good = _leading(data[self._lead :: self._size][:count])
            if good:
                self._take(_Block(data[: good * self._size], at, self._packets, good, self._size, self._lead))
                at += good * self._size
            if good == count and count < _PACKETS:
                self._rest = self._window.size - at
                return
            if good < count:
                following = self._resync(at)
                if following is None:
                    return
                at = following

    def _resync(self, at: int) -> int | None:
        """Where packets begin again after `at`; None at the end of the file or of our patience."""
        start = at
        while at < self._window.size:
            piece = self._window.read(at, _SEARCH)
            found = _row(piece, self._size, self._lead)
            if found is not None and self._lost_count < _MOST_LOSSES:
                self._lose(start, at + found - start)
                return at + found
            if self._lost_count >= _MOST_LOSSES:
                self._stopped = f"packets are lost in more than {_MOST_LOSSES} places"
                return None
            at += max(1, len(piece) - _ROW * self._size)
            if len(piece) < _SEARCH:
                break
        rest = self._window.size - start
        if self._window.read(start, min(rest, _ZEROS)).strip(b"\0"):
            self._lose(start, rest)
        else:
            self._padding = rest
        return None

    def _lose(self, offset: int, count: int) -> None:
        self._lost_count += 1
        if len(self._lost) < _MOST_LISTED:
            self._lost.append((offset, count))

    def _take(self, block: _Block) -> None:
        block.flags, block.low, block.control = block.column(1), block.column(2), block.column(3)
        block.high = block.flags.translate(_LOW5)
        both = bytearray(2 * block.count)
        both[0::2], both[1::2] = (block.low, block.high) if sys.byteorder == "little" else (block.high, block.low)
        block.pids.frombytes(both)
        self._packets += block.count
        self._errors += block.count - len(block.flags.translate(None, _FAULTY))
        self._scrambled += len(block.control.translate(None, _CLEAR))
        declared = self._clocks(block)
        present = sorted(set(block.pids))  # the PAT first: it tells which PIDs hold tables
        alone = len({pid & 0xFF for pid in present}) == len(present)
        for pid in present:
            chosen = block.low.translate(_EQUAL[pid & 0xFF])
            if not alone:
                chosen = _both(chosen, block.high.translate(_EQUAL[pid >> 8]))
            self._pid(block, pid, chosen, declared)
        if self._arrival:
            self._arrival.take(block.data, block.size, block.offset, block.number)

    def _pid(self, block: _Block, pid: int, chosen: bytes, declared: set[int]) -> None:
        """The packets of one PID (`chosen`: a byte for each packet of the block, 1 for its own)."""
        control = bytes(compress(block.control, chosen))
        self._counts[pid] += len(control)
        if pid == _NULL:
            return
        known = self._pids.get(pid)
        if known is None:
            known = self._pids[pid] = _Pid(not block.flags[chosen.find(1)] & 0x40)
        counters = control.translate(_LOW4, _NO_PAYLOAD)
        if counters:
            begin = (known.last + 1 if known.last >= 0 else counters[0]) & 15
            if counters != _COUNT[begin : begin + len(counters)]:
                self._one_by_one(block, pid, chosen, known, declared)
            else:
                known.last, known.repeated = counters[-1], False
        if self._tables.wants(pid):
            starts = _both(chosen, block.flags.translate(_STARTS))
            for index in _ones(starts):
                self._tables.take(pid, block.packet(index), block.number + index, block.at(index))

    def _one_by_one(self, block: _Block, pid: int, chosen: bytes, known: _Pid, declared: set[int]) -> None:
        """Follow the counter; a packet may come twice, with the same counter (2.4.3.3)."""
        for index in _ones(chosen):
            value = block.control[index]
            if not value & 0x10:
                if index in declared:
                    known.last = -1
                continue
            counter = value & 15
            expected = (known.last + 1) & 15
            if known.last >= 0 and counter != expected and index not in declared:
                if counter == known.last and not known.repeated:
                    known.repeated = True
                    continue
                known.wrong += 1
                if len(self._breaks) < _MOST_LISTED or known.wrong <= 3:
                    found = CounterBreak(pid, block.number + index, block.at(index), expected, counter)
                    self._breaks.append(found)
            known.last, known.repeated = counter, False

    def _clocks(self, block: _Block) -> set[int]:
        """Take the programme clock of the packets that carry it; returns those that declare a discontinuity."""
        adapted = _both(block.control.translate(_ADAPTED), block.column(4).translate(_LONG))
        adapted = _both(adapted, block.column(5).translate(_FLAGGED))
        declared = set()
        for index in _ones(adapted):
            packet = block.packet(index)
            if packet[5] & 0x80:
                declared.add(index)
            if packet[5] & 0x10 and packet[4] >= 7:
                arrived = int.from_bytes(block.data[index * block.size :][:4], "big") if self._arrival else -1
                place = (block.number + index, block.at(index))
                self._programme.take(block.pids[index], packet, place, bool(packet[5] & 0x80), arrived)
        return declared

    def structure(self) -> Structure:
        sloppy = tuple(pid for pid, known in self._pids.items() if _is_sloppy(known.wrong, self._counts[pid]))
        breaks = sorted((b for b in self._breaks if b.pid not in sloppy), key=lambda found: found.packet)
        transport = Transport(
            packet_size=self._size,
            packets=self._packets,
            pids=dict(sorted(self._counts.items())[:500]),
            breaks=tuple(breaks[:_MOST_LISTED]),
            break_count=sum(known.wrong for pid, known in self._pids.items() if pid not in sloppy),
            sloppy=sloppy[:100],
            clock=tuple(self._programme.steps()),
            arrival=tuple(self._arrival.steps()) if self._arrival else (),
            disagreements=tuple(self._programme.disagreements()),
            tables=tuple(self._tables.changes),
            lost=tuple(self._lost),
            lost_count=self._lost_count,
            rest=self._rest,
            padding=self._padding,
            headless=tuple(pid for pid, _ in self._tables.streams if pid in self._pids and self._pids[pid].headless),
            errors=self._errors,
            scrambled=self._scrambled,
            streams=self._tables.streams,
            stopped=self._stopped,
        )
        return Structure("mpegts", self._layout(), self._tables.signed, transport=transport)

    def _layout(self) -> tuple[str, ...]:
        programmes = [f"pid {pid:#06x} type {kind:#04x}" for pid, kind in self._tables.streams]
        return (f"ts {self._size}", *programmes, *self._tables.shape)


_STARTS = bytes(value >> 6 & 1 for value in range(256))  # payload_unit_start_indicator


def _is_sloppy(wrong: int, count: int) -> bool:
    return wrong >= _SLOPPY_FEWEST and wrong > _SLOPPY * count


def _leading(syncs: bytes) -> int:
    """How many packets there are before the first that lacks its sync byte."""
    return len(syncs) - len(syncs.lstrip(bytes([SYNC])))


def _both(one: bytes, other: bytes) -> bytes:
    """1 where both have 1."""
    both = int.from_bytes(one, "little") & int.from_bytes(other, "little")
    return both.to_bytes(len(one), "little")


def _ones(chosen: bytes) -> Iterator[int]:
    at = chosen.find(1)
    while at >= 0:
        yield at
        at = chosen.find(1, at + 1)
