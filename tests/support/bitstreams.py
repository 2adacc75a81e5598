"""Writes the headers of coded pictures bit by bit, for the readers to read back."""

from __future__ import annotations

from collections.abc import Sequence

Field = tuple[int, int] | int  # (value, width), or a number in Exp-Golomb code


def bits(*fields: Field) -> bytes:
    """The fields, a stop bit and zeros up to the byte."""
    text = ""
    for field in fields:
        if isinstance(field, tuple):
            text += f"{field[0]:0{field[1]}b}" if field[1] else ""
        else:
            text += f"{field + 1:b}".zfill(2 * (field + 1).bit_length() - 1)
    text += "1"
    size = -(-len(text) // 8)
    return int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def signed(value: int) -> int:
    """The number whose Exp-Golomb code stands for a signed value."""
    return 2 * value - 1 if value > 0 else -2 * value


def escaped(payload: bytes) -> bytes:
    """With emulation prevention: 00 00 03 before 00, 01, 02, 03."""
    out = bytearray()
    for byte in payload:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


def annex_b(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def prefixed(length: int, *units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(length, "big") + unit for unit in units)


def avcc(sps: bytes = b"", pps: bytes = b"", *, length: int = 4) -> bytes:
    """An AVCDecoderConfigurationRecord, with parameter sets or (as in avc3) without."""
    sets = [bytes([0xE0 | bool(sps)]) + (len(sps).to_bytes(2, "big") + sps if sps else b"")]
    sets.append(bytes([bool(pps)]) + (len(pps).to_bytes(2, "big") + pps if pps else b""))
    return b"\1\x42\0\x1e" + bytes([0xFC | length - 1]) + b"".join(sets)


def h264_sps(
    *, number: int = 0, frame_num_bits: int = 8, order_bits: int = 0, gaps: int = 0, frames_only: int = 1,
    size: tuple[int, int] = (20, 15),
) -> bytes:  # fmt: skip
    """A baseline SPS; without `order_bits` the order is that of decoding (type 2)."""
    order: list[Field] = [0, order_bits - 4] if order_bits else [2]
    fields: list[Field] = [number, frame_num_bits - 4, *order, 1, (gaps, 1), size[0] - 1, size[1] - 1]
    fields += [(1, 1)] if frames_only else [(0, 1), (0, 1)]
    return b"\x67\x42\x00\x1e" + escaped(bits(*fields, (1, 1), (0, 1), (0, 1)))


def h264_pps(*, number: int = 0, sps: int = 0, qp: int = 26, weighted: int = 0, weighted_bi: int = 0) -> bytes:
    fields: list[Field] = [number, sps, (0, 1), (0, 1), 0, 0, 0, (weighted, 1), (weighted_bi, 2)]
    return b"\x68" + escaped(bits(*fields, signed(qp - 26), 0, 0, (1, 1), (0, 1), (0, 1)))


def h264_slice(
    frame_num: int, *, idr: int | None = None, reference: bool = True, width: int = 8, kind: int = 0,
    order: tuple[int, int] | None = None, field: int | None = None, marking: Sequence[int] = (), qp: int = 0,
    pps: int = 0,
) -> bytes:  # fmt: skip
    """A slice of P (`kind` 0) or I (2, 7) macroblocks with the tail of its header.

    `order`: pic_order_cnt_lsb and its width. `field`: 0 top, 1 bottom. `marking`: the numbers of
    dec_ref_pic_marking's operations, the closing 0 among them.
    """
    fields: list[Field] = [0, kind, pps, (frame_num, width)]
    if field is not None:
        fields += [(1, 1), (field, 1)]
    fields += [idr] if idr is not None else []
    fields += [order] if order else []
    if kind % 5 == 0:
        fields += [(0, 1), (0, 1)]  # no other number of references, no other order of them
    if reference:
        fields += [(0, 2)] if idr is not None else [(1, 1), *marking] if marking else [(0, 1)]
    fields.append(signed(qp))
    return bytes([(0x60 if reference else 0) | (5 if idr is not None else 1)]) + escaped(bits(*fields))


def h264_sps_with_buffer(*, rate: int = 1000, units: int = 1, scale: int = 50) -> bytes:
    """An SPS whose VUI has a clock (units / scale seconds a tick) and a buffer of `rate` × 64 bits a second."""
    fields: list[Field] = [0, 4, 2, 1, (0, 1), 19, 14, (1, 1), (1, 1), (0, 1), (1, 1)]
    fields += [(0, 1)] * 4 + [(1, 1), (units, 32), (scale, 32), (1, 1)]
    fields += [(1, 1), 0, (0, 4), (0, 4), rate - 1, rate - 1, (1, 1), (23, 5), (15, 5), (5, 5), (0, 5)]
    fields += [(0, 1), (0, 1), (0, 1), (0, 1)]  # no buffer for slices, no low delay, no pic_struct, no restriction
    return b"\x67\x42\x00\x1e" + escaped(bits(*fields))


def sei(*messages: tuple[int, bytes]) -> bytes:
    """A unit of supplemental enhancement information: (payloadType, payload) each."""
    body = b"".join(
        bytes([kind]) + b"\xff" * (len(data) // 255) + bytes([len(data) % 255]) + data for kind, data in messages
    )
    return b"\x06" + escaped(body + b"\x80")


def buffering(delay: int, offset: int, width: int = 24) -> tuple[int, bytes]:
    """A buffering period of SPS 0; 1/90,000 s."""
    return 0, bits(0, (delay, width), (offset, width))


def timing(ticks: int, width: int = 16) -> tuple[int, bytes]:
    """A picture timing message: ticks since the last buffering period."""
    return 1, bits((ticks, width), (0, 6))


def camcorder_clock(day: int, hour: int, minute: int, second: int) -> tuple[int, bytes]:
    """AVCHD's date and time."""
    decimal = bytes(16 * (value // 10) + value % 10 for value in (day, hour, minute, second))
    entries = b"\x18\x00\x20\x26\x11" + b"\x19" + decimal
    return 5, bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66") + b"MDPM\x02" + entries


def hevc_sps(*, number: int = 0, order_bits: int = 8, size: tuple[int, int] = (320, 240)) -> bytes:
    profile: list[Field] = [(1, 8), (0, 32), (0, 48), (93, 8)]
    fields: list[Field] = [(0, 4), (0, 3), (1, 1), *profile, number, 1, *size, (0, 1), 0, 0, order_bits - 4, (0, 1)]
    fields += [4, 2, 0, 0, 3, 0, 3, 0, 0, (0, 1), (0, 1), (1, 1), (0, 1), 1]
    return b"\x42\x01" + escaped(bits(*fields))


def hevc_pps(*, number: int = 0, sps: int = 0, extra_bits: int = 0, output_flag: int = 0) -> bytes:
    fields: list[Field] = [number, sps, (0, 1), (output_flag, 1), (extra_bits, 3), (0, 1), (0, 1), 0, 0, 0]
    fields += [(0, 1), (0, 1), (0, 1), 0, 0, (0, 1), (0, 1), (0, 1), (0, 1), (0, 1), (0, 1)]
    return b"\x44\x01" + escaped(bits(*fields))


def hevc_slice(kind: int, order: int = 0, *, order_bits: int = 8, layer: int = 1, extra_bits: int = 0) -> bytes:
    """The first slice of a picture of nal_unit_type `kind`; `layer`: nuh_temporal_id_plus1."""
    fields: list[Field] = [(1, 1), *([(0, 1)] if 16 <= kind <= 23 else []), 0]
    if kind not in (19, 20):
        fields += [(0, extra_bits), 1, (order, order_bits)]
    return bytes([kind << 1, layer]) + escaped(bits(*fields, (0, 8)))


def hvcc(*sets: bytes, length: int = 4) -> bytes:
    """An HEVCDecoderConfigurationRecord with an array for each set."""
    arrays = b"".join(bytes([unit[0] >> 1, 0, 1]) + len(unit).to_bytes(2, "big") + unit for unit in sets)
    return b"\1" + bytes(20) + bytes([0xFC | length - 1, len(sets)]) + arrays


def mpeg4_layer(resolution: int = 25) -> bytes:
    """A video object layer header."""
    fields = [(0, 1), (1, 8), (0, 1), (1, 4), (0, 1), (0, 2), (1, 1), (resolution, 16), (1, 1), (0, 1), (1, 1)]
    return b"\0\0\1\x20" + bits(*fields)


def mpeg4_picture(kind: int, ticks: int, *, seconds: int = 0, resolution: int = 25) -> bytes:
    """A picture of kind 0 (I), 1 (P), 2 (B)."""
    width = max(1, (resolution - 1).bit_length())
    second_bits: list[Field] = [(1, 1)] * seconds
    return b"\0\0\1\xb6" + bits((kind, 2), *second_bits, (0, 1), (1, 1), (ticks, width), (1, 1), (1, 1), (0, 64))


def mpeg4_group(second: int, *, broken: bool = False) -> bytes:
    hours, minutes, seconds = second // 3600, second // 60 % 60, second % 60
    return b"\0\0\1\xb3" + bits((hours, 5), (minutes, 6), (1, 1), (seconds, 6), (1, 1), (broken, 1))


def h263_picture(reference: int, *, key: bool = False) -> bytes:
    fields = [(0x20, 22), (reference, 8), (2, 2), (0, 3), (2, 3), (not key, 1), (0, 20)]
    return bits(*fields)


def mpeg2_sequence(*, rate: int = 3, bit_rate: int = 2500) -> bytes:
    """`rate`: frame_rate_code; `bit_rate` in 400 bit/s."""
    return b"\0\0\1\xb3" + bits((320, 12), (240, 12), (2, 4), (rate, 4), (bit_rate, 18), (1, 1), (20, 10), (0, 3))


def mpeg2_group(seconds: int, pictures: int = 0, *, broken: bool = False) -> bytes:
    time = [(0, 1), (seconds // 3600, 5), (seconds // 60 % 60, 6), (1, 1), (seconds % 60, 6), (pictures, 6)]
    return b"\0\0\1\xb8" + bits(*time, (0, 1), (broken, 1), (0, 5))


def mpeg2_picture(reference: int, kind: int, delay: int = 0xFFFF) -> bytes:
    """`kind`: 1 I, 2 P, 3 B; `delay`: vbv_delay."""
    return b"\0\0\1\0" + bits((reference, 10), (kind, 3), (delay, 16), (0, 3)) + bytes(8)


def mp3_frame(begin: int, data: int, *, size: int = 384) -> bytes:
    """A mono frame of MPEG-1 layer III at 48 kHz, whose `data` bytes begin `begin` bytes before its header."""
    first = 8 * data // 2
    side: list[Field] = [(begin, 9), (0, 5), (0, 4), (first, 12), (0, 47), (8 * data - first, 12), (0, 47)]
    return (b"\xff\xfb\x94\xc0" + bits(*side)[:17]).ljust(size, b"\0")


def aac_frame(window: int, *, pair: bool = False) -> bytes:
    """The head of a raw AAC frame with that window_sequence: one channel, or two with a common window."""
    if pair:
        return bits((1, 3), (0, 4), (1, 1), (0, 1), (window, 2), (0, 40))
    return bits((0, 3), (0, 4), (100, 8), (0, 1), (window, 2), (0, 40))


def adts(frame: bytes, *, rate: int = 3, channels: int = 1) -> bytes:
    """The frame behind an ADTS header. `rate`: sampling_frequency_index."""
    head = [(0xFFF, 12), (0, 1), (0, 2), (1, 1), (1, 2), (rate, 4), (0, 1), (channels, 3), (0, 4)]
    return bits(*head, (7 + len(frame), 13), (0x7FF, 11), (0, 2))[:7] + frame
