"""Reads, without decoding, what H.265 writes at the head of every picture: its kind and picture order count
(ITU-T H.265 7.3.1.2, 7.3.6.1, 8.3.1).

Phones code one IDR picture and then CRA pictures only, so that the count runs through the file. Runs inside the
sandbox; damaged headers give no count, never an error.
"""

from __future__ import annotations

from array import array

from pipeline.continuity.coding import (
    ENDED,
    IDR,
    INTRA,
    LEADING,
    REFERENCE,
    RESET,
    SLICE,
    SPLICE,
    UNCOUNTED,
    UNSCALED,
    Coding,
)
from pipeline.media import habits, parameters
from pipeline.media.bits import Bits, plain
from pipeline.media.h264 import Order
from pipeline.media.hevc_sets import read_pps, read_sps
from pipeline.media.sets import Sets
from pipeline.media.units import from_hvcc, units

_HEAD = 32  # bytes of a slice that hold the fields we read
_SLICES = bytes(kind >> 1 & 63 < 32 for kind in range(256))
_SPS, _PPS = 33, 34  # nal_unit_type (table 7-1)
_RASL = (8, 9)
_SUB_LAYER_NON_REFERENCE = (0, 2, 4, 6, 8, 10, 12, 14)
_BLA, _IDR, _IRAP = range(16, 19), (19, 20), range(16, 24)
_UNANCHORED = (*range(6, 10), *_SUB_LAYER_NON_REFERENCE)  # never prevTid0Pic (8.3.1): RADL, RASL, no references
_END = (36, 37)  # end of sequence, end of bitstream


class Reader:
    """Follows one H.265 stream packet by packet. `extradata`: hvcC, or Annex B parameter sets, or empty."""

    def __init__(self, extradata: bytes) -> None:
        self._columns = array("i"), array("i"), array("i"), array("b"), array("H")
        self._length = 0
        self._sps, self._pps = Sets("sps", read_sps), Sets("pps", read_pps)
        self._order_modulus = 0
        self._order = Order()
        self._fresh = True  # no picture yet, or the sequence ended: the next count begins anew
        for unit in self._parameter_sets(extradata):
            self._take_set(unit)

    def arrays(self) -> list[array[int]]:
        """As in `coding.Slices`; frame_num and idr_pic_id are H.264's alone."""
        return list(self._columns)

    def coding(self) -> Coding:
        encoder, signs = habits.of_hevc(self._sps.all(), self._pps.all())
        changes = tuple(sorted(self._sps.changes + self._pps.changes, key=lambda change: change.packet))
        return Coding(
            "hevc",
            order_modulus=self._order_modulus,
            changes=changes,
            encoder=encoder,
            habits=signs,
            parameters=parameters.of_sets(self._sps.all(), self._pps.all()),
        )

    def take(self, payload: memoryview) -> None:
        """One packet, in the order of the file."""
        order, flags = UNCOUNTED, 0
        for unit in units(payload, self._length, _SLICES):
            if len(unit) > 2 and _SLICES[unit[0]]:
                if unit[1] >> 3 | (unit[0] & 1) << 5:  # nuh_layer_id: another view or quality beside the picture
                    continue
                order, flags = self._picture(bytes(unit[:_HEAD]))
                break
            self._take_set(unit)
        if not self._length and bytes(payload[-5:-2]) == b"\0\0\1" and payload[-2] >> 1 & 63 in _END:
            flags |= ENDED
            self._fresh = True
        for column, value in zip(self._columns, (-1, -1, order, UNSCALED, flags), strict=True):
            column.append(value)

    def _parameter_sets(self, extradata: bytes) -> list[bytes]:
        if extradata[:1] == b"\1" and len(extradata) >= 23:  # ISO/IEC 14496-15 8.3.3.1
            self._length = (extradata[21] & 3) + 1
            return list(from_hvcc(extradata))
        return [bytes(unit) for unit in units(memoryview(extradata), 0, _SLICES)]

    def _take_set(self, unit: memoryview | bytes) -> None:
        kind = unit[0] >> 1 & 63
        if kind == _SPS:
            self._sps.take(bytes(unit))
        elif kind == _PPS:
            self._pps.take(bytes(unit), len(self._columns[0]))

    def _picture(self, unit: bytes) -> tuple[int, int]:
        """(order, flags)."""
        kind = unit[0] >> 1 & 63
        flags = _flags(kind)
        try:
            low, modulus = self._low(unit, kind)
        except (EOFError, KeyError):
            return UNCOUNTED, flags
        if low is None:
            return UNCOUNTED, flags  # the rest of a picture that another packet began
        self._order_modulus = max(self._order_modulus, modulus)
        begins, self._fresh = kind in _BLA or (self._fresh and kind in _IRAP), False
        if begins:
            return self._order.begin(low), flags | RESET
        anchor = REFERENCE if unit[1] & 7 == 1 and kind not in _UNANCHORED else 0
        return self._order.count(low, modulus, flags & IDR | anchor), flags

    def _low(self, unit: bytes, kind: int) -> tuple[int | None, int]:
        """7.3.6.1: slice_pic_order_cnt_lsb (0 for IDR pictures) and the modulus; None where no picture begins."""
        bits = Bits(plain(unit[2:]))
        if not bits.flag():
            return None, 0
        if kind in _IRAP:
            bits.flag()  # no_output_of_prior_pics_flag
        pps = self._pps.get(bits.ue())
        sps = self._sps.activate(pps.sps, len(self._columns[0]))
        if kind in _IDR:
            return 0, 1 << sps.order_bits
        bits.u(pps.extra_bits)
        bits.ue()  # slice_type
        bits.u(pps.output_flag + 2 * sps.separate_planes)
        return bits.u(sps.order_bits), 1 << sps.order_bits


def _flags(kind: int) -> int:
    flags = SLICE | (0 if kind in _SUB_LAYER_NON_REFERENCE else REFERENCE)
    if kind in _IRAP:
        flags |= INTRA | (IDR if kind in _IDR else 0) | (SPLICE if kind in _BLA else 0)
    return flags | (LEADING if kind in _RASL else 0)
