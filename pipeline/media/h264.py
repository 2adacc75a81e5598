"""Reads, without decoding, what H.264 writes at the head of every picture: frame_num, idr_pic_id, picture order count
(ITU-T H.264 7.3.3, 8.2.1).

A piece that was cut out or put in by stream copy leaves these counters out of step, whatever the container was made to
say. Runs inside the sandbox; damaged headers give -1, never an error.
"""

from __future__ import annotations

import contextlib
from array import array
from dataclasses import dataclass

from pipeline.continuity.coding import ENDED, IDR, INTRA, REFERENCE, RESET, UNCOUNTED, UNSCALED, Coding
from pipeline.media import h264_slice, habits, parameters
from pipeline.media.bits import plain
from pipeline.media.h264_sei import Messages
from pipeline.media.h264_sets import Pps, Sps, read_pps, read_sps
from pipeline.media.h264_slice import Slice
from pipeline.media.sets import Sets
from pipeline.media.units import from_avcc, units

_HEAD = 28  # bytes of a slice that hold the fields we read
_LONG_HEAD = 400  # with lists and weights before the marking of references
_SLICES = bytes(kind & 31 in (1, 2, 5) for kind in range(256))
_SEI, _SPS, _PPS = 6, 7, 8
_END = (b"\0\0\1\x0a", b"\0\0\1\x0b")  # end of sequence, end of stream: the last unit of its packet


@dataclass(slots=True)
class _Reference:
    """The last reference picture."""

    packet: int = -1
    unit: bytes = b""
    frame_num: int = -1


class Reader:
    """Follows one H.264 stream packet by packet. `extradata`: avcC, or Annex B parameter sets, or empty."""

    def __init__(self, extradata: bytes) -> None:
        self._columns = array("i"), array("i"), array("i"), array("b"), array("H")
        self._length = 0  # bytes of the NAL length field; 0: Annex B start codes
        self._sps, self._pps = Sets("sps", read_sps), Sets("pps", read_pps)
        self._max_frame_num = self._order_modulus = 0
        self._gaps_allowed = False
        self._noted: Sps | None = None
        self._order = Order()
        self._last = _Reference()
        self._messages = Messages()
        for unit in self._parameter_sets(extradata):
            self._take_set(unit)

    def arrays(self) -> list[array[int]]:
        """As in `coding.Slices`."""
        return list(self._columns)

    def coding(self) -> Coding:
        encoder, signs = habits.of_h264(self._sps.all(), self._pps.all())
        changes = tuple(sorted(self._sps.changes + self._pps.changes, key=lambda change: change.packet))
        fields = parameters.of_sets(self._sps.all(), self._pps.all())
        return Coding(
            "h264", self._max_frame_num, self._gaps_allowed, self._order_modulus, 0.0, changes, encoder, signs, fields,
            tuple(self._messages.stamps), self._messages.bit_rate, tuple(self._messages.levels),
        )  # fmt: skip

    def take(self, payload: memoryview) -> None:
        """One packet, in the order of the file."""
        for unit in units(payload, self._length, _SLICES):
            if _SLICES[unit[0]]:
                row = self._picture(unit)
                break
            if unit[0] & 31 == _SEI:
                self._messages.take(unit, len(self._columns[0]), self._sps.get)
            else:
                self._take_set(unit)
        else:
            row = _NOTHING
        frame_nums, ids, orders, qps, flags = self._columns
        frame_nums.append(row[0])
        ids.append(row[1])
        orders.append(row[2])
        qps.append(row[3])
        flags.append(row[4])
        if not self._length and bytes(payload[-4:]) in _END:
            self._columns[4][-1] |= ENDED

    def _parameter_sets(self, extradata: bytes) -> list[bytes]:
        if extradata[:1] == b"\1" and len(extradata) >= 7:  # ISO/IEC 14496-15 5.3.3.1
            self._length = (extradata[4] & 3) + 1
            return list(from_avcc(extradata))
        return [bytes(unit) for unit in units(memoryview(extradata), 0, _SLICES)]

    def _take_set(self, unit: memoryview | bytes) -> None:
        kind = unit[0] & 31
        if kind == _SPS:
            self._sps.take(bytes(unit))
        elif kind == _PPS:
            self._pps.take(bytes(unit), len(self._columns[0]))

    def _picture(self, unit: memoryview) -> tuple[int, int, int, int, int]:
        """(frame_num, idr_pic_id, order, qp, flags)."""
        flags = h264_slice.nal_flags(unit[0])
        try:
            found, sps, pps = self._read(bytes(unit[:_HEAD]), flags, active=True)
        except (EOFError, KeyError):
            return -1, -1, UNCOUNTED, UNSCALED, flags
        if found is None:
            return -1, -1, UNCOUNTED, UNSCALED, flags
        if not found.flags & IDR and found.frame_num <= 1:
            self._look_back(found.frame_num, 1 << sps.frame_num_bits)
        order = self._order.count(found.order, 1 << sps.order_bits, found.flags) if found.order >= 0 else UNCOUNTED
        reset, qp, flags = False, UNSCALED, found.flags
        if flags & INTRA:
            with contextlib.suppress(EOFError):
                reset, qp = h264_slice.read_rest(found, sps, pps)
        if flags & REFERENCE:
            self._last = _Reference(len(self._columns[0]), bytes(unit[:_LONG_HEAD]), found.frame_num)
        if reset:
            self._last.frame_num = 0
            order, flags = self._order.restart(order), flags | RESET
        return found.frame_num, found.idr_pic_id, order, qp, flags

    def _read(self, unit: bytes, flags: int, *, active: bool) -> tuple[Slice | None, Sps, Pps]:
        """The first slice of a picture, None where it is not the picture's first, and its parameter sets."""
        head = plain(unit[1:])
        begun = h264_slice.prefix(head)
        pps = self._pps.get(begun[2])
        sps = self._sps.activate(pps.sps, len(self._columns[0])) if active else self._sps.get(pps.sps)
        if sps is not self._noted:
            self._note(sps)
        return None if begun[0] else h264_slice.read(head, begun, flags, sps), sps, pps

    def _note(self, sps: Sps) -> None:
        self._noted = sps
        if sps.frame_num_bits and 1 << sps.frame_num_bits > self._max_frame_num:
            self._max_frame_num = 1 << sps.frame_num_bits
        if sps.order_bits and 1 << sps.order_bits > self._order_modulus:
            self._order_modulus = 1 << sps.order_bits
        self._gaps_allowed = self._gaps_allowed or sps.gaps_allowed

    def _look_back(self, frame_num: int, modulus: int) -> None:
        """Where counting seems to begin anew: did the last reference picture make it so (8.2.1, operation 5)?"""
        last = self._last
        if last.packet < 0 or frame_num in (last.frame_num, (last.frame_num + 1) % modulus):
            return
        with contextlib.suppress(EOFError, KeyError):
            found, sps, pps = self._read(last.unit, h264_slice.nal_flags(last.unit[0]), active=False)
            if found and h264_slice.read_rest(found, sps, pps)[0]:
                last.frame_num = 0
                self._columns[4][last.packet] |= RESET
                self._columns[2][last.packet] = self._order.restart(self._columns[2][last.packet])


_NOTHING = (-1, -1, UNCOUNTED, UNSCALED, 0)


class Order:
    """PicOrderCnt from its low bits (H.264 8.2.1.1; H.265 8.3.1 is the same)."""

    def __init__(self) -> None:
        self._high = self._low = 0

    def count(self, low: int, modulus: int, flags: int) -> int:
        """`flags`: IDR begins anew, REFERENCE: the next are counted from this one."""
        if flags & IDR:
            self._high = self._low = 0
        high, half = self._high, modulus >> 1
        if low < self._low and self._low - low >= half:
            high += modulus
        elif low > self._low and low - self._low > half:
            high -= modulus
        high = max(-(1 << 30), min(1 << 30, high))
        if flags & REFERENCE:
            self._high, self._low = high, low
        return high + low

    def begin(self, low: int) -> int:
        """A picture of H.265 that begins a sequence without being an IDR: its low bits are its number."""
        self._high, self._low = 0, low
        return low

    def restart(self, order: int) -> int:
        """The picture just counted is now number 0."""
        self._high = self._low = 0
        return 0 if order != UNCOUNTED else UNCOUNTED
