"""What the parameter sets of an H.265 stream say (ITU-T H.265 7.3.2.2, 7.3.2.3), as far as the checks ask.

Damaged sets raise EOFError.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.media.bits import Bits, plain

_MOST = 512  # bytes of a set that are read; scaling lists are left out


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set. `size`: luma samples. `blocks`: log2 of the least coding block, the greatest above it,
    the least transform, the greatest above it. `depths`: of the transform trees. `tools`: see `_tools`.
    """

    number: int
    profile: int
    tier_level: tuple[int, int]
    chroma: int
    separate_planes: bool
    size: tuple[int, int]
    crop: tuple[int, ...]
    bit_depth: int
    order_bits: int
    buffering: tuple[tuple[int, int, int], ...]
    blocks: tuple[int, int, int, int]
    depths: tuple[int, int]
    tools: tuple[bool, ...] | None


@dataclass(frozen=True, slots=True)
class Pps:
    """A picture parameter set."""

    number: int
    sps: int
    dependent_slices: bool
    output_flag: bool
    extra_bits: int
    sign_hiding: bool
    cabac_init: bool
    references: tuple[int, int]
    qp: int
    constrained_intra: bool
    transform_skip: bool
    qp_delta: bool
    chroma_offsets: tuple[int, int]
    slice_chroma_offsets: bool
    weighted: tuple[bool, bool]
    lossless: bool
    tiles: bool
    wavefront: bool


def read_sps(unit: bytes) -> Sps:
    """`unit`: the NAL unit with its two header bytes."""
    bits = Bits(plain(unit[2:_MOST]))
    bits.u(4)  # sps_video_parameter_set_id
    layers = bits.u(3)
    bits.flag()
    profile, tier_level = _profile(bits, layers)
    number, chroma = bits.ue(), bits.ue()
    separate = bits.flag() if chroma == 3 else False
    size = bits.ue(), bits.ue()
    crop = tuple(bits.ue() for _ in range(4)) if bits.flag() else ()
    depth = 8 + bits.ue()
    bits.ue()  # of chroma
    order_bits = bits.ue() + 4
    if order_bits > 16 or number > 15:
        raise EOFError
    every = bits.flag()
    buffering = tuple((bits.ue(), bits.ue(), bits.ue()) for _ in range(layers + 1 if every else 1))
    blocks = bits.ue() + 3, bits.ue(), bits.ue() + 2, bits.ue()
    depths = bits.ue(), bits.ue()
    return Sps(
        number, profile, tier_level, chroma, separate, size, crop, depth, order_bits, buffering, blocks, depths,
        _tools(bits),
    )  # fmt: skip


def _tools(bits: Bits) -> tuple[bool, ...] | None:
    """amp, sample_adaptive_offset, pcm, temporal_mvp, strong_intra_smoothing; None behind scaling lists or sets."""
    if bits.flag():
        return None
    asymmetric, offset = bits.flag(), bits.flag()
    if bits.flag():
        return None
    if bits.ue():  # short-term reference picture sets in the SPS
        return None
    if bits.flag():
        return None
    return asymmetric, offset, False, bits.flag(), bits.flag()


def _profile(bits: Bits, layers: int) -> tuple[int, tuple[int, int]]:
    """profile_tier_level (7.3.3): general_profile_idc, (tier, level)."""
    bits.u(2)
    tier, profile = bits.u(1), bits.u(5)
    bits.u(32)
    bits.u(48)
    level = bits.u(8)
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.u(2 * (8 - layers))
    for of_profile, of_level in present:
        bits.u(88 * of_profile + 8 * of_level)
    return profile, (tier, level)


def read_pps(unit: bytes) -> Pps:
    """`unit`: the NAL unit with its two header bytes."""
    bits = Bits(plain(unit[2:_MOST]))
    number, sps, dependent, output, extra = bits.ue(), bits.ue(), bits.flag(), bits.flag(), bits.u(3)
    if number > 63 or sps > 15:
        raise EOFError
    hiding, cabac, references = bits.flag(), bits.flag(), (bits.ue() + 1, bits.ue() + 1)
    qp, intra, skip, delta = 26 + bits.se(), bits.flag(), bits.flag(), bits.flag()
    if delta:
        bits.ue()
    return Pps(
        number, sps, dependent, output, extra, hiding, cabac, references, qp, intra, skip, delta,
        (bits.se(), bits.se()), bits.flag(), (bits.flag(), bits.flag()), bits.flag(), bits.flag(), bits.flag(),
    )  # fmt: skip
