"""Rewrite H.264 and HEVC so that they look like a camera's encoder: no names, other parameter sets, other counters.

References are to ITU-T H.264 (7.3) and H.265 (7.3).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

from scripts.corpus_lib.media import Packet, Track

_HIGH = {100, 110, 122, 244, 44, 83, 86, 118, 128}  # 7.3.2.1.1: profiles with chroma_format_idc
SLICE, IDR, SEI, SPS, PPS, AUD, FILLER = 1, 5, 6, 7, 8, 9, 12


class Bits:
    """Big-endian bits with a cursor."""

    def __init__(self, payload: bytes) -> None:
        self.value = int.from_bytes(payload, "big")
        self.length = 8 * len(payload)
        self.at = 0

    def u(self, count: int) -> int:
        self.at += count
        return self.value >> (self.length - self.at) & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """(value, number of bits) of a stretch."""
        return self.value >> (self.length - end) & ((1 << (end - start)) - 1), end - start


def units(data: bytes) -> Iterator[bytes]:
    """The NAL units of a packet with 4-byte lengths."""
    at = 0
    while at + 4 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def packed(nals: Iterator[bytes] | list[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in nals)


def plain(unit: bytes) -> bytes:
    """Without emulation prevention."""
    return unit.replace(b"\0\0\3", b"\0\0") if b"\0\0\3" in unit else unit


def protected(payload: bytes) -> bytes:
    """With emulation prevention (7.4.1)."""
    out, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def to_bytes(value: int, length: int) -> bytes:
    """Bits padded with zeros to whole bytes."""
    pad = -length % 8
    return (value << pad).to_bytes((length + pad) // 8, "big")


def ue_bits(number: int) -> tuple[int, int]:
    size = (number + 1).bit_length()
    return number + 1, 2 * size - 1


def h264_sets(config: bytes) -> tuple[list[bytes], list[bytes]]:
    """The parameter sets of an avcC box: (SPS, PPS)."""
    at, found = 5, []
    for mask in (31, 255):
        count, sets = config[at] & mask, []
        at += 1
        for _ in range(count):
            (size,) = struct.unpack_from(">H", config, at)
            sets.append(config[at + 2 : at + 2 + size])
            at += 2 + size
        found.append(sets)
    return found[0], found[1]


def avcc(config: bytes, sps: list[bytes], pps: list[bytes]) -> bytes:
    head = b"\1" + sps[0][1:4] + b"\xff" + bytes([0xE0 | len(sps)])
    body = head + b"".join(struct.pack(">H", len(each)) + each for each in sps)
    return body + bytes([len(pps)]) + b"".join(struct.pack(">H", len(each)) + each for each in pps)


def hevc_sets(config: bytes) -> list[bytes]:
    """VPS, SPS and PPS of an hvcC box."""
    at, sets = 23, []
    for _ in range(config[22]):
        (count,) = struct.unpack_from(">H", config, at + 1)
        at += 3
        for _ in range(count):
            (size,) = struct.unpack_from(">H", config, at)
            sets.append(config[at + 2 : at + 2 + size])
            at += 2 + size
    return sets


def hevc_config_without_sei(config: bytes) -> bytes:
    """An hvcC box without the arrays of SEI messages in which x265 gives its name."""
    at, kept = 23, []
    for _ in range(config[22]):
        start = at
        kind = config[at] & 63
        (count,) = struct.unpack_from(">H", config, at + 1)
        at += 3
        for _ in range(count):
            at += 2 + struct.unpack_from(">H", config, at)[0]
        if kind in (32, 33, 34):
            kept.append(config[start:at])
    return config[:22] + bytes([len(kept)]) + b"".join(kept)


def _sps_head(bits: Bits) -> dict[str, int]:
    """Read an SPS up to vui_parameters_present_flag, leaving the cursor there."""
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    facts = {"profile": profile}
    if profile in _HIGH:
        if bits.ue() == 3:
            bits.u(1)
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            raise ValueError("scaling matrices")
    facts["frame_num_bits"] = bits.ue() + 4
    facts["poc_type"] = bits.ue()
    if facts["poc_type"] == 0:
        facts["poc_bits"] = bits.ue() + 4
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    facts["frames_only"] = bits.u(1)
    if not facts["frames_only"]:
        bits.u(1)
    bits.u(1)
    if bits.u(1):
        for _ in range(4):
            bits.ue()
    return facts


def sps_facts(sps: bytes) -> dict[str, int]:
    return _sps_head(Bits(plain(sps)[1:]))


def without_vui(sps: bytes) -> bytes:
    """The SPS with its usability information (annex E) left out, as most hardware encoders write it."""
    bits = Bits(plain(sps)[1:])
    _sps_head(bits)
    value, length = bits.span(0, bits.at)
    value, length = value << 2 | 1, length + 2  # flag 0, then the stop bit
    return sps[:1] + protected(to_bytes(value, length))


def strip_names(unit: bytes) -> bool:
    """Is this an SEI message in which an encoder gives its name (user_data_unregistered)?"""
    return unit[0] & 31 == SEI and len(unit) > 1 and unit[1] == 5


def h264_track(track: Track, *, vui: bool = True, idr: Callable[[int], int] | None = None) -> Track:
    """A track without encoder names. `vui` False: also without VUI. `idr`: number of the IDR picture → idr_pic_id."""
    sps, pps = h264_sets(track.config)
    if not vui:
        sps = [without_vui(each) for each in sps]
    facts = {**sps_facts(sps[0]), **_pps_facts(pps[0])}
    packets, number = [], 0
    for packet in track.packets:
        nals = [unit for unit in units(packet.data) if not strip_names(unit)]
        if idr and any(unit[0] & 31 == IDR for unit in nals):
            nals = [with_idr_id(unit, idr(number), facts) if unit[0] & 31 == IDR else unit for unit in nals]
            number += 1
        nals = [without_vui(unit) if unit[0] & 31 == SPS and not vui else unit for unit in nals]
        packets.append(replace(packet, data=packed(nals)))
    return replace(track, packets=tuple(packets), config=avcc(track.config, sps, pps))


def hevc_track(track: Track) -> Track:
    """A track without the SEI messages in which x265 gives its name."""
    packets = [
        replace(packet, data=packed([unit for unit in units(packet.data) if unit[0] >> 1 & 63 not in (39, 40)]))
        for packet in track.packets
    ]
    return replace(track, packets=tuple(packets), config=hevc_config_without_sei(track.config))


def _pps_facts(pps: bytes) -> dict[str, int]:
    """What an IDR slice header depends on."""
    bits = Bits(plain(pps)[1:])
    bits.ue(), bits.ue()
    facts = {"cabac": bits.u(1), "bottom": bits.u(1)}
    if bits.ue():
        raise ValueError("slice groups")
    bits.ue(), bits.ue(), bits.u(1), bits.u(2), bits.se(), bits.se(), bits.se()
    facts["deblocking"] = bits.u(1)
    return facts


def with_idr_id(unit: bytes, number: int, facts: dict[str, int]) -> bytes:
    """The slice of an IDR picture with another idr_pic_id (7.3.3); the picture itself is not touched."""
    bits = Bits(plain(unit)[1:])
    bits.ue(), bits.ue(), bits.ue()
    bits.u(facts["frame_num_bits"])
    if not facts["frames_only"] and bits.u(1):
        raise ValueError("fields")
    before = bits.span(0, bits.at)
    bits.ue()
    after = bits.at
    _rest_of_header(bits, facts)
    value, length = before
    for more in (ue_bits(number), bits.span(after, bits.at)):
        value, length = value << more[1] | more[0], length + more[1]
    if facts["cabac"]:
        return unit[:1] + protected(_aligned(value, length) + _cabac(bits))
    return unit[:1] + protected(_cavlc(value, length, bits))


def _rest_of_header(bits: Bits, facts: dict[str, int]) -> None:
    if facts["poc_type"] == 0:
        bits.u(facts["poc_bits"])
        if facts["bottom"]:
            bits.se()
    elif facts["poc_type"] == 1:
        raise ValueError("picture order count type 1")
    bits.u(2)  # no_output_of_prior_pics_flag, long_term_reference_flag
    bits.se()  # slice_qp_delta
    if facts["deblocking"] and bits.ue() != 1:
        bits.se(), bits.se()


def _aligned(value: int, length: int) -> bytes:
    pad = -length % 8
    return to_bytes(value << pad | ((1 << pad) - 1), length + pad)


def _cabac(bits: Bits) -> bytes:
    start = -(-bits.at // 8) * 8
    value, length = bits.span(start, bits.length)
    return value.to_bytes(length // 8, "big")


def _cavlc(value: int, length: int, bits: Bits) -> bytes:
    rest, size = bits.span(bits.at, bits.length)
    trailing = (rest & -rest).bit_length() - 1  # zeros after the stop bit
    return to_bytes(value << (size - trailing) | rest >> trailing, length + size - trailing)


def mpeg4_without_names(packet: Packet) -> Packet:
    """MPEG-4 part 2 without user data (start code B2), in which encoders give their names."""
    return replace(packet, data=mpeg4_clean(packet.data))


def mpeg4_clean(data: bytes) -> bytes:
    at = data.find(b"\0\0\1\xb2")
    while at >= 0:
        end = data.find(b"\0\0\1", at + 4)
        data = data[:at] + (data[end:] if end >= 0 else b"")
        at = data.find(b"\0\0\1\xb2")
    return data
