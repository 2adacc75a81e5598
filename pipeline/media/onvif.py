"""Messages of ONVIF Media Signing (ONVIF Media Signing Specification; onvif/media-signing-framework has the tags).

Tags, all with lengths of two bytes: 1 general, 2 list of hashes, 3 signature, 4 algorithms, 5 vendor, 6 certificates,
7 arbitrary data. Flags in the byte before: 0x80 a message with the certificates alone, 0x40 the document is hashed with
its emulation prevention. Times are counted in 100 ns since 1601.
"""

from __future__ import annotations

import hashlib

from pipeline.media.sei import ALGORITHMS, Bytes, Message, UserData, fields, in_pieces

SCHEME = "ONVIF Media Signing"
_GENERAL, _HASHES, _SIGNATURE, _ALGORITHM, _VENDOR, _CERTIFICATES = 1, 2, 3, 4, 5, 6
_WIDTHS = dict.fromkeys(range(1, 8), 2)
_ESCAPED = 0x40
_EPOCH = 11_644_473_600.0  # seconds from 1601 to 1970


def read(data: UserData) -> Message:
    """Raises ValueError for what no known version writes."""
    message = Message(SCHEME)
    escaped = bool(data.flags & _ESCAPED)
    hashes = b""
    for tag, value, at in fields(data, _WIDTHS):
        if tag == _SIGNATURE:
            message.document = data.before(at, escaped=escaped)
            _signature(message, Bytes(value))
            break
        if tag == _HASHES:
            hashes = value[1:]
        elif tag in _READERS:
            _READERS[tag](message, Bytes(value))
    else:
        message.document = data.whole(escaped=escaped)
    if hashes:
        message.hashes = in_pieces(hashes, len(message.digest) or hashlib.sha256().digest_size)
    return message


def _general(message: Message, value: Bytes) -> None:
    version = value.number(1)
    if not 1 <= version <= 2:
        raise ValueError("a version that is not known")
    value.take(3 + 1)  # the signer's own version; whether the group is a part of a GOP
    start = value.number(8, negative=True)
    end = value.number(8, negative=True) if version >= 2 else start
    message.times = start / 1e7 - _EPOCH, end / 1e7 - _EPOCH
    message.counter, message.count = value.number(4), value.number(2)
    rest = value.rest()
    message.digest, message.linked = rest[: len(rest) // 2], rest[len(rest) // 2 :]


def _algorithm(message: Message, value: Bytes) -> None:
    value.take(1)
    name = ALGORITHMS.get(value.take(value.number(1)))
    if name is None:
        raise ValueError("a hash algorithm that is not known")
    message.algorithm = name


def _vendor(message: Message, value: Bytes) -> None:
    value.take(1)
    message.firmware, message.serial, message.maker = (value.text() for _ in range(3))


def _certificates(message: Message, value: Bytes) -> None:
    value.take(2)  # version; whether the user brought the key
    message.certificates = value.rest()


def _signature(message: Message, value: Bytes) -> None:
    value.take(1)
    message.signature = value.take(value.number(2))


_READERS = {_GENERAL: _general, _ALGORITHM: _algorithm, _VENDOR: _vendor, _CERTIFICATES: _certificates}
