"""Reads, without decoding, what H.264 writes at the head of every picture: frame_num, idr_pic_id (ITU-T H.264 7.3).

A piece that was cut out or put in by stream copy leaves these counters out of step, whatever the container was made to
say. Runs inside the sandbox; damaged headers give -1, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.continuity.model import FIELD, IDR, REFERENCE, SLICE

_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}  # 7.3.2.1.1: with chroma_format_idc
_HEAD = 48  # bytes of a slice header that are enough for the fields we read
Nal = bytes | memoryview


class _Bits:
    """Big-endian bits of a NAL unit's payload, emulation prevention (00 00 03) taken out."""

    def __init__(self, payload: bytes) -> None:
        clean = payload.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(clean, "big")
        self._left = 8 * len(clean)

    def u(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        """Exp-Golomb code (9.1), at most 32 bits of it."""
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        if zeros > 32 or rest == 0:
            raise EOFError
        self._left -= zeros
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True, slots=True)
class _Sps:
    frame_num_bits: int
    separate_planes: bool
    gaps_allowed: bool
    frames_only: bool


@dataclass(frozen=True, slots=True)
class Head:
    """The first slice of one packet; `flags` as in `model.Slices`."""

    frame_num: int = -1
    idr_pic_id: int = -1
    flags: int = 0


class Reader:
    """Follows one H.264 stream packet by packet. `extradata`: avcC, or Annex B parameter sets, or empty."""

    def __init__(self, extradata: bytes) -> None:
        self._length = 0  # bytes of the NAL length field; 0: Annex B start codes
        self._sps: dict[int, tuple[bytes, _Sps]] = {}
        self._pps: dict[int, tuple[bytes, int]] = {}
        self._seen_slices = False
        self._changed = False
        self._max_frame_num = 0
        self._gaps_allowed = False
        for unit in self._parameter_sets(extradata):
            self._take_set(unit)

    @property
    def max_frame_num(self) -> int:
        """0 until a slice could be read."""
        return self._max_frame_num

    @property
    def gaps_allowed(self) -> bool:
        return self._gaps_allowed

    def packet(self, payload: memoryview) -> tuple[Head, bool]:
        """(first slice header of the packet, whether a parameter set with other content came with it)."""
        self._changed = False
        for unit in self._units(payload):
            kind = unit[0] & 31 if len(unit) else 0
            if kind in (1, 5, 2):
                return self._slice(unit, kind), self._changed
            if kind in (7, 8):
                self._take_set(bytes(unit))
        return Head(), self._changed

    def _units(self, payload: memoryview) -> Iterator[Nal]:
        return _counted(payload, self._length) if self._length else _started(payload)

    def _parameter_sets(self, extradata: bytes) -> Iterator[Nal]:
        if extradata[:1] == b"\1" and len(extradata) >= 7:  # avcC: ISO/IEC 14496-15 5.3.3.1
            self._length = (extradata[4] & 3) + 1
            return _from_avcc(extradata)
        return _started(memoryview(extradata))

    def _take_set(self, unit: Nal) -> None:
        whole = bytes(unit).rstrip(b"\0")
        try:
            if whole[0] & 31 == 7:
                self._take_sps(whole)
            elif whole[0] & 31 == 8:
                bits = _Bits(whole[1:24])
                number = bits.ue()
                self._note_change(self._pps.get(number, (whole,))[0] != whole)
                self._pps[number] = (whole, bits.ue())
        except (EOFError, IndexError):
            return

    def _take_sps(self, whole: bytes) -> None:
        number, sps = _read_sps(whole)
        self._note_change(self._sps.get(number, (whole,))[0] != whole)
        self._sps[number] = (whole, sps)

    def _note_change(self, differs: bool) -> None:
        self._changed = self._changed or (differs and self._seen_slices)

    def _slice(self, unit: Nal, kind: int) -> Head:
        """7.3.3: first_mb_in_slice, slice_type, pic_parameter_set_id, [colour plane], frame_num, [field], [idr]."""
        self._seen_slices = True
        flags = SLICE | (IDR if kind == 5 else 0) | (REFERENCE if unit[0] & 0x60 else 0)
        try:
            bits = _Bits(bytes(unit[1:_HEAD]))
            if bits.ue():
                return Head(flags=flags)  # the rest of a picture that another packet began
            bits.ue()
            sps = self._sps[self._pps[bits.ue()][1]][1]
            if sps.separate_planes:
                bits.u(2)
            frame_num = bits.u(sps.frame_num_bits)
            if not sps.frames_only and bits.u(1):
                bits.u(1)
                flags |= FIELD
            idr_pic_id = bits.ue() if kind == 5 else -1
        except (EOFError, KeyError):
            return Head(flags=flags)
        self._max_frame_num = max(self._max_frame_num, 1 << sps.frame_num_bits)
        self._gaps_allowed = self._gaps_allowed or sps.gaps_allowed
        return Head(frame_num, min(idr_pic_id, 65535), flags)


def _read_sps(unit: bytes) -> tuple[int, _Sps]:
    """7.3.2.1.1, up to frame_mbs_only_flag."""
    profile = unit[1]
    bits = _Bits(unit[4:256])
    number = bits.ue()
    separate = _chroma(bits) if profile in _HIGH_PROFILES else False
    frame_num_bits = bits.ue() + 4
    _picture_order(bits)
    bits.ue()  # max_num_ref_frames
    gaps = bool(bits.u(1))
    bits.ue()
    bits.ue()  # width and height in macroblocks
    if frame_num_bits > 16:
        raise EOFError
    return number, _Sps(frame_num_bits, separate, gaps, bool(bits.u(1)))


def _chroma(bits: _Bits) -> bool:
    chroma = bits.ue()
    separate = bool(bits.u(1)) if chroma == 3 else False
    bits.ue()
    bits.ue()
    bits.u(1)
    if bits.u(1):
        for which in range(12 if chroma == 3 else 8):
            if bits.u(1):
                _skip_scaling_list(bits, 16 if which < 6 else 64)
    return separate


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture_order(bits: _Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()


def _from_avcc(extradata: bytes) -> Iterator[Nal]:
    at = 5
    for mask in (31, 255):
        if at >= len(extradata):
            return
        count = extradata[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            if size:
                yield extradata[at + 2 : at + 2 + size]
            at += 2 + size


def _counted(payload: memoryview, length: int) -> Iterator[Nal]:
    at = 0
    while at + length < len(payload):
        size = int.from_bytes(payload[at : at + length], "big")
        at += length
        if size:
            yield payload[at : at + size]
        at += size


def _started(payload: memoryview) -> Iterator[Nal]:
    """NAL units after start codes 00 00 01 (Annex B)."""
    whole = bytes(payload)
    at = whole.find(b"\0\0\1")
    while 0 <= at < len(whole) - 3:
        following = whole.find(b"\0\0\1", at + 3)
        unit = whole[at + 3 : following if following >= 0 else len(whole)]
        if unit:
            yield unit
        at = following
