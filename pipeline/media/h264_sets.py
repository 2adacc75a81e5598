"""What the parameter sets of an H.264 stream say (ITU-T H.264 7.3.2.1, 7.3.2.2, E.1.1), as far as the checks ask.

Damaged sets raise EOFError.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.media.bits import Bits, plain

_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}  # 7.3.2.1.1: with chroma_format_idc
_MOST = 512  # bytes of a set that are read: with every scaling list it is no longer


@dataclass(frozen=True, slots=True)
class Restriction:
    """bitstream_restriction of the VUI (E.2.1): what an encoder promises of its motion vectors and picture sizes."""

    over_boundaries: bool
    bytes_denominator: int
    bits_denominator: int
    vector_bits: tuple[int, int]
    reorder: int
    buffering: int


@dataclass(frozen=True, slots=True)
class Hrd:
    """The decoder model the stream keeps to (E.1.2): bits a second, widths of the delays in SEI messages."""

    bit_rate: int
    constant: bool
    delay_bits: int
    removal_bits: int


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set. `order_type`: pic_order_cnt_type; sizes in macroblocks and map units."""

    number: int
    profile: int
    constraints: int
    level: int
    chroma: int
    separate_planes: bool
    frame_num_bits: int
    order_type: int
    order_bits: int
    delta_always_zero: bool
    references: int
    gaps_allowed: bool
    size: tuple[int, int]
    frames_only: bool
    direct_inference: bool
    crop: tuple[int, ...] = ()
    timing: tuple[int, int, bool] | None = None
    hrd: Hrd | None = None
    restriction: Restriction | None = None


@dataclass(frozen=True, slots=True)
class Pps:
    """A picture parameter set. `simple`: one slice group, so that all that follows could be read."""

    number: int
    sps: int
    arithmetic: bool
    bottom_order: bool
    simple: bool
    references: tuple[int, int] = (1, 1)
    weighted: bool = False
    weighted_bi: int = 0
    qp: int = 26
    chroma_offset: int = 0
    deblocking_control: bool = False
    constrained_intra: bool = False
    redundant_count: bool = False
    large_transform: bool = False


def read_sps(unit: bytes) -> Sps:
    """`unit`: the NAL unit with its header byte."""
    if len(unit) < 5:
        raise EOFError
    profile = unit[1]
    bits = Bits(plain(unit[4:_MOST]))
    number = bits.ue()
    chroma, separate = _chroma(bits) if profile in _HIGH_PROFILES else (1, False)
    frame_num_bits = bits.ue() + 4
    order_type, order_bits, always_zero = _picture_order(bits)
    references, gaps = bits.ue(), bits.flag()
    size = bits.ue() + 1, bits.ue() + 1
    frames_only = bits.flag()
    if not frames_only:
        bits.flag()  # mb_adaptive_frame_field_flag
    if frame_num_bits > 16 or order_bits > 16 or number > 31:
        raise EOFError
    direct = bits.flag()
    crop = tuple(bits.ue() for _ in range(4)) if bits.flag() else ()
    timing, hrd, restriction = _usability(bits) if bits.flag() else (None, None, None)
    return Sps(
        number, profile, unit[2], unit[3], chroma, separate, frame_num_bits, order_type, order_bits, always_zero,
        references, gaps, size, frames_only, direct, crop, timing, hrd, restriction,
    )  # fmt: skip


def read_pps(unit: bytes) -> Pps:
    """`unit`: the NAL unit with its header byte."""
    bits = Bits(plain(unit[1:_MOST]))
    number, sps, arithmetic, bottom_order = bits.ue(), bits.ue(), bits.flag(), bits.flag()
    if number > 255 or sps > 31:
        raise EOFError
    if bits.ue():  # slice groups: baseline's flexible macroblock ordering, no camera's
        return Pps(number, sps, arithmetic, bottom_order, simple=False)
    references = bits.ue() + 1, bits.ue() + 1
    weighted, weighted_bi = bits.flag(), bits.u(2)
    qp = 26 + bits.se()
    bits.se()  # pic_init_qs
    return Pps(
        number, sps, arithmetic, bottom_order, True, references, weighted, weighted_bi, qp, bits.se(),
        bits.flag(), bits.flag(), bits.flag(), bits.more and bits.flag(),
    )  # fmt: skip


def _chroma(bits: Bits) -> tuple[int, bool]:
    chroma = bits.ue()
    separate = bits.flag() if chroma == 3 else False
    bits.ue()
    bits.ue()  # bit depths
    bits.flag()
    if bits.flag():
        for which in range(12 if chroma == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if which < 6 else 64)
    return chroma, separate


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture_order(bits: Bits) -> tuple[int, int, bool]:
    """pic_order_cnt_type, bits of pic_order_cnt_lsb (0 without it), delta_pic_order_always_zero_flag."""
    kind = bits.ue()
    if kind == 0:
        return kind, bits.ue() + 4, True
    always_zero = True
    if kind == 1:
        always_zero = bits.flag()
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    return kind, 0, always_zero


def _usability(bits: Bits) -> tuple[tuple[int, int, bool] | None, Hrd | None, Restriction | None]:
    """E.1.1: timing (units, scale, fixed), decoder model, restriction."""
    try:
        _skip_display(bits)
        timing = (bits.u(32), bits.u(32), bits.flag()) if bits.flag() else None
        hrd = _decoder_model(bits)
        bits.flag()  # pic_struct_present_flag
        restriction = None
        if bits.flag():
            over = bits.flag()
            numbers = [bits.ue() for _ in range(6)]
            restriction = Restriction(over, numbers[0], numbers[1], (numbers[2], numbers[3]), numbers[4], numbers[5])
    except EOFError:  # some cameras cut their VUI short; the counters don't depend on it
        return None, None, None
    return timing, hrd, restriction


def _skip_display(bits: Bits) -> None:
    if bits.flag() and bits.u(8) == 255:  # aspect_ratio_idc: Extended_SAR
        bits.u(32)
    if bits.flag():
        bits.flag()  # overscan
    if bits.flag():
        bits.u(4)
        if bits.flag():
            bits.u(24)
    if bits.flag():
        bits.ue()
        bits.ue()  # chroma location


def _decoder_model(bits: Bits) -> Hrd | None:
    """E.1.2, for NAL units and for slices: the first that is there. Both have delays of the same widths."""
    found = None
    for _ in range(2):
        if bits.flag():
            each = _hrd(bits)
            found = found or each
    if found:
        bits.flag()  # low_delay_hrd_flag
    return found


def _hrd(bits: Bits) -> Hrd:
    count, scale = bits.ue() + 1, bits.u(4)
    bits.u(4)
    rates = []
    for _ in range(min(count, 32)):
        rate = bits.ue() + 1 << 6 + scale
        bits.ue()
        rates.append((rate, bits.flag()))
    delay_bits, removal_bits = bits.u(5) + 1, bits.u(5) + 1
    bits.u(10)
    return Hrd(*rates[0], delay_bits, removal_bits)
