"""Which program's habits do parameter sets show? Encoders choose fields that hardly anyone sets by hand.

A name left in the stream is removed in a moment; these fields are needed to decode it. Tried on every preset and tune
of x264 (164) and x265 (3.5): all but x264's ultrafast are recognised; none of the cameras and phones at hand is.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.media import h264_sets, hevc_sets

Habits = tuple[str, tuple[str, ...]]  # the program, "" for none we know; the fields that show it
_NONE: Habits = "", ()


def of_h264(sequences: Sequence[h264_sets.Sps], pictures: Sequence[h264_sets.Pps]) -> Habits:
    """x264: a promise of no limits in the VUI, implicit weights of B pictures, chroma quantised finer than luma.

    The last two come from defaults (weightb, psy-rd); hardware encoders have neither.
    """
    by_number = {sps.number: sps for sps in sequences}
    for pps in pictures:
        sps = by_number.get(pps.sps)
        if sps and _promises_as_x264(sps) and pps.deblocking_control and not pps.redundant_count:
            signs = _x264_signs(pps)
            if signs:
                return "x264", (*signs, "bitstream_restriction")
    return _NONE


def _promises_as_x264(sps: h264_sets.Sps) -> bool:
    """E.2.1: vectors over the edges and of one length both ways, no limit of bytes or bits, just the buffers needed."""
    found = sps.restriction
    if found is None or not found.over_boundaries or found.bytes_denominator or found.bits_denominator:
        return False
    return found.vector_bits[0] == found.vector_bits[1] and found.buffering == sps.references


def _x264_signs(pps: h264_sets.Pps) -> tuple[str, ...]:
    signs = []
    if pps.weighted_bi == 2:
        signs.append("weighted_bipred_idc=2")
    if -4 <= pps.chroma_offset < 0:
        signs.append(f"chroma_qp_index_offset={pps.chroma_offset}")
    return tuple(signs)


def of_hevc(sequences: Sequence[hevc_sets.Sps], pictures: Sequence[hevc_sets.Pps]) -> Habits:
    """x265: reference picture sets in every slice and none in the SPS, 8 bits of order, wavefronts.

    Hardware encoders write a few fixed reference picture sets into the SPS.
    """
    by_number = {sps.number: sps for sps in sequences}
    for pps in pictures:
        sps = by_number.get(pps.sps)
        usual = sps is not None and sps.tools is not None and sps.tools[2:] == _X265_TOOLS and sps.order_bits == 8
        if usual and pps.wavefront and pps.qp_delta:
            return "x265", ("num_short_term_ref_pic_sets=0", "entropy_coding_sync_enabled", "strong_intra_smoothing")
    return _NONE


_X265_TOOLS = (False, True, True)  # no PCM, temporal vectors, strong smoothing: see `hevc_sets.Sps.tools`
