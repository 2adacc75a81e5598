"""Just enough DER (ITU-T X.690) to look into a timestamp: values one after another, lengths in shortest form. Pure.

Nothing here decides what is to be believed: that is done by signatures over the bytes as they came.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEGER, OCTETS, OBJECT, SEQUENCE, SET, UTF8 = 0x02, 0x04, 0x06, 0x30, 0x31, 0x0C


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag byte, its content, and all its bytes as they stood."""

    tag: int
    content: bytes
    whole: bytes

    def items(self) -> list[Value]:
        """The values inside. Raises ValueError."""
        found, rest = [], self.content
        while rest:
            value, rest = _take(rest)
            found.append(value)
        return found

    def number(self) -> int:
        """Of an INTEGER."""
        return int.from_bytes(self.content, "big", signed=True)


def read(data: bytes) -> Value:
    """The one value that `data` is. Raises ValueError."""
    value, rest = _take(data)
    if rest:
        raise ValueError(f"{len(rest)} bytes follow the value")
    return value


def encode(tag: int, *parts: bytes) -> bytes:
    """A value of these joined contents."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def object_id(dotted: str) -> bytes:
    """The content of an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = b""
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return out


def _take(data: bytes) -> tuple[Value, bytes]:
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise ValueError("a value is cut off or has a long tag")
    start, size = 2, data[1]
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    whole = data[: start + size]
    if len(whole) != start + size or whole[:start] != encode(data[0], bytes(size))[:start]:
        raise ValueError("a length is wrong")
    return Value(data[0], whole[start:], whole), data[start + size :]
