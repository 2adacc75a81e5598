"""Messages of Axis Signed Video (AxisCommunications/signed-video-framework, feature-description.md and its TLV tags).

Tags: 1 general, 2 public key, 3 product, 4 list of hashes, 5 signature, 6 arbitrary data, 7 hash algorithm, 129 what
Axis cameras add: attestation and certificates. Lengths have two bytes, those of 1 and 7 one. Flags in the byte before:
0x80 the document is hashed with its emulation prevention, 0x40 a message with the key alone, 0x30 version 2 and later.
"""

from __future__ import annotations

import hashlib

from pipeline.media.sei import ALGORITHMS, Bytes, Message, UserData, fields, in_pieces

SCHEME = "Axis Signed Video"
_GENERAL, _KEY, _PRODUCT, _HASHES, _SIGNATURE, _ARBITRARY, _ALGORITHM, _VENDOR = 1, 2, 3, 4, 5, 6, 7, 129
_WIDTHS = {1: 1, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 1, 129: 2}
_ESCAPED, _KEYS_ONLY, _CURRENT = 0x80, 0x40, 0x30
_OVER_GROUP = 0  # hash type of the first versions' signature: the group's hash; 1: the document's


def read(data: UserData) -> Message:
    """Raises ValueError for what no known version writes."""
    message = Message(SCHEME, algorithm="sha256", old=not data.flags & (_CURRENT | _KEYS_ONLY))
    escaped = bool(data.flags & _ESCAPED)
    hashes = b""
    for tag, value, at in fields(data, _WIDTHS):
        if tag == _SIGNATURE:
            message.document = data.before(at, escaped=escaped)
            _signature(message, Bytes(value))
            break
        if tag == _HASHES:
            hashes = _version(value, 1)[1:]
        elif tag in _READERS:
            _READERS[tag](message, Bytes(value))
    else:
        message.document = data.whole(escaped=escaped)
    message.hashes = in_pieces(hashes, hashlib.new(message.algorithm).digest_size)
    return message


def _version(value: bytes, highest: int) -> bytes:
    if not value or not 1 <= value[0] <= highest:
        raise ValueError("a version that is not known")
    return value


def _general(message: Message, value: Bytes) -> None:
    version = value.number(1)
    if not 1 <= version <= 4:
        raise ValueError("a version that is not known")
    message.counter, message.count = value.number(4), value.number(2)
    value.take(3)  # the signer's own version
    if version >= 2 and value.number(1) & 1:
        start = value.number(8, negative=True)
        end = value.number(8, negative=True) if version >= 4 else start
        message.times = start / 1e6, end / 1e6
    if version >= 3:
        rest = value.rest()
        message.linked, message.digest = rest[: len(rest) // 2], rest[len(rest) // 2 :]


def _key(message: Message, value: Bytes) -> None:
    if value.number(1) < 2:
        value.take(1)  # which algorithm
    message.key = value.rest()


def _product(message: Message, value: Bytes) -> None:
    value.take(1)
    _, message.firmware, message.serial, message.maker = (value.text() for _ in range(4))


def _algorithm(message: Message, value: Bytes) -> None:
    value.take(1)
    name = ALGORITHMS.get(value.take(value.number(1)))
    if name is None:
        raise ValueError("a hash algorithm that is not known")
    message.algorithm = name


def _vendor(message: Message, value: Bytes) -> None:
    value.take(1)
    message.attestation = value.take(value.number(1)) or None
    message.certificates = value.rest()


def _signature(message: Message, value: Bytes) -> None:
    version = value.number(1)
    value.take(1)  # whether the signer had trouble
    if version < 2:
        message.over_group = value.number(1) == _OVER_GROUP
    message.signature = value.take(value.number(2))


_READERS = {_GENERAL: _general, _KEY: _key, _PRODUCT: _product, _ALGORITHM: _algorithm, _VENDOR: _vendor}
