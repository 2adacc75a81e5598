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
