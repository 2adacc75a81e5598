"""The head of a slice of H.264 (ITU-T H.264 7.3.3): its counters, and what follows them where that is asked for.

Damaged heads raise EOFError.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pipeline.continuity.coding import BOTTOM, FIELD, IDR, INTRA, REFERENCE, SLICE
from pipeline.media.bits import Bits
from pipeline.media.h264_sets import Pps, Sps

_P, _B, _I, _SP, _SI = range(5)  # slice_type modulo 5 (table 7-6)
_RESET = 5  # memory_management_control_operation that forgets all references (8.2.5.4)
_ARGUMENTS = {1: 1, 2: 1, 3: 2, 4: 1, 5: 0, 6: 1}  # numbers behind each such operation
_MOST = 70  # references, reorderings, operations: the standard allows no more


class Slice(NamedTuple):
    """`kind`: slice_type modulo 5. `order`: pic_order_cnt_lsb, -1 without one. `rest`: the bits that follow it."""

    kind: int
    frame_num: int
    idr_pic_id: int
    order: int
    flags: int
    rest: Bits


def nal_flags(first: int) -> int:
    """What the header byte of the NAL unit says of the picture."""
    return SLICE | (IDR if first & 31 == 5 else 0) | (REFERENCE if first & 0x60 else 0)


def prefix(head: bytes) -> tuple[int, int, int, int]:
    """(first_mb_in_slice, slice_type modulo 5, pic_parameter_set_id, bits taken)."""
    return _short_prefix(head[:2]) or _prefix(head)


@lru_cache(4096)
def _short_prefix(head: bytes) -> tuple[int, int, int, int] | None:
    try:
        return _prefix(head)
    except EOFError:
        return None


def _prefix(head: bytes) -> tuple[int, int, int, int]:
    bits = Bits(head)
    return bits.ue(), bits.ue() % 5, bits.ue(), 8 * len(head) - bits.left


def read(head: bytes, begun: tuple[int, int, int, int], flags: int, sps: Sps) -> Slice:
    """`head`: the slice without header byte and emulation prevention; `begun`: its prefix."""
    bits = Bits(head, begun[3])
    if sps.separate_planes:
        bits.u(2)
    frame_num = bits.u(sps.frame_num_bits)
    if begun[1] in (_I, _SI):
        flags |= INTRA
    if not sps.frames_only and bits.u(1):
        flags |= FIELD | (BOTTOM if bits.u(1) else 0)
    idr = min(bits.ue(), 65535) if flags & IDR else -1
    order = bits.u(sps.order_bits) if sps.order_bits else -1
    return Slice(begun[1], frame_num, idr, order, flags, bits)


def read_rest(of: Slice, sps: Sps, pps: Pps) -> tuple[bool, int]:
    """(whether the picture forgets all references, so that counting begins anew; its first quantiser)."""
    if not pps.simple:
        raise EOFError
    bits, kind = of.rest, of.kind
    _skip_order(bits, of.flags & FIELD, sps, pps)
    if pps.redundant_count:
        bits.ue()
    if kind in (_P, _SP, _B):
        _skip_references(bits, kind, sps, pps)
    reset = bool(of.flags & REFERENCE) and _marking(bits, of.flags & IDR)
    if pps.arithmetic and kind not in (_I, _SI):
        bits.ue()
    return reset, max(-100, min(100, pps.qp + bits.se()))


def _skip_order(bits: Bits, field: int, sps: Sps, pps: Pps) -> None:
    whole = pps.bottom_order and not field
    if sps.order_type == 0 and whole:
        bits.se()
    elif sps.order_type == 1 and not sps.delta_always_zero:
        bits.se()
        if whole:
            bits.se()


def _skip_references(bits: Bits, kind: int, sps: Sps, pps: Pps) -> None:
    """Up to dec_ref_pic_marking: num_ref_idx_active_override, ref_pic_list_modification, pred_weight_table."""
    lists = 2 if kind == _B else 1
    counts = pps.references[:lists]
    if kind == _B:
        bits.flag()  # direct_spatial_mv_pred_flag
    if bits.flag():
        counts = tuple(bits.ue() + 1 for _ in range(lists))
    for _ in range(lists):
        if bits.flag():
            _skip_pairs(bits)
    if pps.weighted if kind != _B else pps.weighted_bi == 1:
        _skip_weights(bits, counts, colour=sps.chroma != 0 and not sps.separate_planes)


def _skip_pairs(bits: Bits) -> None:
    for _ in range(_MOST):
        if bits.ue() == 3:
            return
        bits.ue()
    raise EOFError


def _skip_weights(bits: Bits, counts: tuple[int, ...], *, colour: bool) -> None:
    if max(counts) > _MOST:
        raise EOFError
    bits.ue()
    if colour:
        bits.ue()
    for count in counts:
        for _ in range(count):
            for numbers in (2, 4) if colour else (2,):
                if bits.flag():
                    for _ in range(numbers):
                        bits.se()


def _marking(bits: Bits, idr: int) -> bool:
    """7.3.3.3."""
    if idr:
        bits.u(2)
        return False
    reset = False
    if bits.flag():
        for _ in range(_MOST):
            operation = bits.ue()
            if operation == 0:
                return reset
            reset = reset or operation == _RESET
            for _ in range(_ARGUMENTS.get(operation, 0)):
                bits.ue()
        raise EOFError
    return reset
