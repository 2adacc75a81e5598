"""Finds the messages of signing cameras among the NAL units of a packet and takes them apart, byte by byte.

A message is supplemental enhancement information of the kind "user data unregistered" (ITU-T H.264 D.1.7, H.265 D.2.7):
header · 5 · size · UUID · one flag byte · tags with lengths and values · stop bit. Runs inside the sandbox; everything
here is bounded by the size of the unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.media.bits import plain

AXIS = b"Signed Video...0"
ONVIF = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")
_UUID = 16
_UNREGISTERED = 5  # payload type
_LONGEST = 1 << 18  # bytes of a message: 300 hashes, certificates and a signature take 30 KB
_HEAD = 4096  # bytes of a packet in which a message begins if there is one: messages stand before the picture
_MOST_UNITS = 4096  # of one packet
_SLICES = {"h264": frozenset((1, 5)), "hevc": frozenset((0, 1, *range(16, 22)))}


def signed(payload: memoryview, length: int, codec: str) -> bool:
    """Whether a message stands at the head of the packet. Fast: most packets begin with a slice and have none."""
    if length and len(payload) > length and kind_of(payload[length], codec) in _SLICES[codec]:
        return False
    head = bytes(payload[:_HEAD])
    return AXIS in head or ONVIF in head


def kind_of(first: int, codec: str) -> int:
    """nal_unit_type from the first byte of a unit."""
    return first & 31 if codec == "h264" else first >> 1 & 63


def length_size(extradata: bytes, codec: str) -> int:
    """Bytes of the length before each unit; 0: start codes (ISO/IEC 14496-15 5.3.3.1, 8.3.3.1)."""
    at = 4 if codec == "h264" else 21
    return (extradata[at] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > at else 0


def split(payload: bytes, length: int) -> list[bytes]:
    """Every unit of a packet, whole, without the zeros that may trail it. What is cut short is a unit as it stands."""
    counted = length and not (length > 2 and payload.startswith(b"\0\0\0\1"[4 - length :]))  # some leave start codes
    pieces = _counted(payload, length) if counted else payload.split(b"\0\0\1", _MOST_UNITS)[1:]
    return [unit for unit in (piece.rstrip(b"\0") for piece in pieces) if len(unit) > 2]


def _counted(payload: bytes, length: int) -> Iterator[bytes]:
    at = 0
    for _ in range(_MOST_UNITS):
        if at + length > len(payload):
            return
        end = at + length + int.from_bytes(payload[at : at + length], "big")
        yield payload[at + length : end]
        at = end
    yield payload[at:]


@dataclass(frozen=True, slots=True)
class UserData:
    """A unit with a message. `raw`: as in the stream; `clean`: without emulation prevention; `at`: where in `clean` the
    bytes after the UUID begin, `end`: where they should end.
    """

    uuid: bytes
    raw: bytes
    clean: bytes
    at: int
    end: int

    @property
    def flags(self) -> int:
        return self.clean[self.at] if self.at < len(self.clean) else 0

    @property
    def complete(self) -> bool:
        """Messages without emulation prevention fall apart where start codes stand between units."""
        return self.at < self.end <= len(self.clean)

    def before(self, offset: int, *, escaped: bool) -> bytes:
        """The unit's bytes from its header up to `offset` in `clean`; `escaped`: as they are in the stream."""
        if not escaped or self.clean is self.raw:
            return self.clean[:offset]
        extra, at = 0, self.raw.find(b"\0\0\3")
        while at >= 0 and at + 2 - extra < offset:
            extra += 1
            at = self.raw.find(b"\0\0\3", at + 3)
        return self.raw[: offset + extra]

    def whole(self, *, escaped: bool) -> bytes:
        """All of it, as it is hashed when it has no signature of its own."""
        return self.raw if escaped else self.clean[: self.end + 1]


def user_data(unit: bytes, codec: str) -> UserData | None:
    """The message in a unit, None when it has none of ours."""
    header = 1 if codec == "h264" else 2
    kinds = (6,) if codec == "h264" else (39, 40)
    if kind_of(unit[0], codec) not in kinds or len(unit) > _LONGEST or len(unit) <= header + 2:
        return None
    if unit[header] != _UNREGISTERED:
        return None
    at, size = header + 1, 0
    while at < len(unit) and unit[at] == 255:
        at, size = at + 1, size + 255
    size += unit[at] if at < len(unit) else 0
    at += 1
    # Some signers forget the emulation prevention: then the size tells that nothing was put in.
    clean = unit if at + size + 1 >= len(unit) else plain(unit)
    uuid = clean[at : at + _UUID]
    if uuid not in (AXIS, ONVIF):
        return None
    return UserData(uuid, unit, clean, at + _UUID, at + size)


def fields(data: UserData, widths: Mapping[int, int]) -> Iterator[tuple[int, bytes, int]]:
    """(tag, value, where in `clean` the tag stands). `widths`: known tags and the bytes of their lengths.

    Raises ValueError where the tags are not what a signer writes.
    """
    if not data.complete:
        raise ValueError("a message that is cut short")
    at = data.at + 1
    while at < data.end:
        tag = data.clean[at]
        width = widths.get(tag)
        if width is None:
            raise ValueError(f"tag {tag} is not known")
        begin = at + 1 + width
        end = begin + int.from_bytes(data.clean[at + 1 : begin], "big")
        if end > data.end:
            raise ValueError(f"tag {tag} is longer than its message")
        yield tag, data.clean[begin:end], at
        at = end


@dataclass(slots=True)
class Message:
    """What a signer says of a group of units (a GOP or a part of it).

    `counter`: the group's number, None in a message that only brings the key. `count`: units of the group. `digest`:
    hash of their hashes; `hashes`: the hashes one by one, may be empty; `linked`: the hash of the group before's first
    unit, zeros at the beginning of the chain, None where the scheme has none. `old`: Axis before version 2, where the
    list begins with a key picture and ends with the next. `times`: Unix seconds. `signature` None: another message,
    which covers this one, is signed for it. `document`: the bytes that are signed, or the whole unit.
    """

    scheme: str
    packet: int = 0
    counter: int | None = None
    count: int = 0
    digest: bytes = b""
    hashes: list[bytes] = field(default_factory=list)
    linked: bytes | None = None
    old: bool = False
    over_group: bool = False  # old: the signature is over the group's hash, not over the document
    times: tuple[float, float] | None = None
    algorithm: str = ""
    key: bytes = b""
    certificates: bytes = b""
    attestation: bytes | None = None
    maker: str = ""
    serial: str = ""
    firmware: str = ""
    signature: bytes | None = None
    document: bytes = b""


# Object identifiers of hash algorithms, in DER (RFC 5754, RFC 8702, GB/T 32905) → hashlib's names.
_SHA = bytes.fromhex("06096086480165030402")
ALGORITHMS = {
    _SHA + b"\1": "sha256",
    _SHA + b"\2": "sha384",
    _SHA + b"\3": "sha512",
    _SHA + b"\x08": "sha3_256",
    _SHA + b"\x09": "sha3_384",
    _SHA + b"\x0a": "sha3_512",
}


class Bytes:
    """Reads a value from its beginning. Everything raises ValueError where it ends."""

    def __init__(self, value: bytes) -> None:
        self._value, self._at = value, 0

    def take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._value):
            raise ValueError("a value is cut short")
        return self._value[self._at - count : self._at]

    def number(self, count: int, *, negative: bool = False) -> int:
        return int.from_bytes(self.take(count), "big", signed=negative)

    def text(self) -> str:
        """A byte that says how long it is, and the text, perhaps with a zero at its end."""
        return "".join(chr(each) if 32 <= each < 127 else "?" for each in self.take(self.number(1)).rstrip(b"\0"))

    def rest(self) -> bytes:
        return self.take(len(self._value) - self._at)


def in_pieces(value: bytes, size: int) -> list[bytes]:
    """`value` in pieces of `size` bytes. Raises ValueError when it is no multiple of it."""
    if len(value) % size:
        raise ValueError("hashes of unequal length")
    return [value[at : at + size] for at in range(0, len(value), size)]
