"""A camera that signs its stream as Axis Signed Video or ONVIF Media Signing does, for the reader to verify.

Written from the same descriptions as the reader, so it shows that the reader sees what it should, not that both
understand the descriptions: the vendors' own recordings show that.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from pipeline.continuity.signed import Signature
from pipeline.media import signed
from tests.support.bitstreams import escaped
from tests.support.certificates import chain

Packets = list[list[bytes]]  # the NAL units of each packet

AXIS, ONVIF = b"Signed Video...0", bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")
OIDS = {"sha256": 1, "sha384": 2, "sha512": 3}


def gops(count: int, length: int = 6, *, codec: str = "h264", slices: int = 1, seed: str = "") -> list[Packets]:
    """So many GOPs of so many pictures: units with the right headers, and otherwise noise."""
    return [[_picture(codec, f"{seed}{g}.{p}", p == 0, slices) for p in range(length)] for g in range(count)]


def _picture(codec: str, name: str, key: bool, slices: int) -> list[bytes]:
    header = (b"\x65" if key else b"\x41") if codec == "h264" else (b"\x26\x01" if key else b"\x02\x01")
    noise = [hashlib.sha512(f"{name}/{n}".encode()).digest() for n in range(slices)]
    return [header + (b"\x88" if n == 0 else b"\x44") + escaped(each) + b"\x80" for n, each in enumerate(noise)]


@dataclass
class Camera:
    """`scheme`: axis, onvif, old (Axis version 1), oldest (its group signatures). `listed`: hashes one by one. `every`:
    only each so manieth message is signed itself. `part`: pictures of a group, 0 for whole GOPs. `delay`: pictures
    after which a message comes. `escape`: documents are hashed with their emulation prevention. `keyed`: messages bring
    the key.
    """

    scheme: str = "axis"
    codec: str = "h264"
    algorithm: str = "sha256"
    listed: bool = True
    every: int = 1
    part: int = 0
    delay: int = 1
    escape: bool = True
    keyed: bool = True
    certificates: bytes = b""
    attestation: bytes = b""
    start: float = 1_700_000_000.0
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def sign(self, recording: Sequence[Packets]) -> Packets:
        """The recording with its messages. The last group is not signed: its end has not come."""
        if self.scheme.startswith("old"):
            return self._sign_old(recording)
        out: Packets = []
        group: list[bytes] = []  # hashes of the group at hand
        before = bytes(hashlib.new(self.algorithm).digest_size)
        reference, number, frames = b"", 1, 0
        due: list[tuple[int, int, list[bytes], bytes]] = []  # the picture before which it goes, its group
        for gop in recording:
            for p, packet in enumerate(gop):
                if group and (p == 0 or (self.part and frames >= self.part)):
                    due.append((len(out) + self.delay, number, group, before))
                    before, group, number, frames = group[0], [], number + 1, 0
                packets = list(packet)
                ready = [waiting for waiting in due if waiting[0] <= len(out)]
                due = [waiting for waiting in due if waiting[0] > len(out)]
                for _, at, hashed, linked in ready:
                    message, digest = self.message(at, hashed, linked, sealed=at % self.every == 0)
                    packets.insert(0, message)
                    group += [digest] if digest else []
                for unit in packet:
                    own = self.hash(unit)
                    reference = own if p == 0 and unit is packet[0] else reference
                    group.append(own if own == reference else self.hash(reference + own))
                out.append(packets)
                frames += 1
        return out

    def _sign_old(self, recording: Sequence[Packets]) -> Packets:
        """A message before each key picture: what it was signed with, the GOP before it, and itself."""
        out: Packets = []
        gop: list[bytes] = []
        for number, packets in enumerate(recording, 1):
            own = self.hash(packets[0][0])
            hashed = [*gop, self.hash(gop[0] + own)] if gop else [own]
            out.append([self._old_message(number, hashed), *packets[0]])
            out += packets[1:]
            gop = [own, *(self.hash(own + self.hash(unit)) for packet in packets[1:] for unit in packet)]
        return out

    def _old_message(self, number: int, hashed: list[bytes]) -> bytes:
        general = b"\1" + struct.pack(">IH", number, len(hashed)) + b"\1\0\0"
        oldest = self.scheme == "oldest"
        tags = _tlv(1, general, 1) + _tlv(2, b"\2" + self.public())
        tags += b"" if oldest else _tlv(4, b"\1" + b"".join(hashed))
        size = 3 + 5 + len(self._seal(bytes(32))) + 8
        document = self._unit(AXIS, b"\x80" if self.escape else b"\0", tags, size)
        digest = self.hash(escaped(document) if self.escape else document)
        if oldest:
            group = self.hash(b"\1")
            for each in [*hashed, digest]:
                group = self.hash(group + each)
            digest = group
        seal = self._seal(digest).ljust(size - 8, b"\1")
        return escaped(document + _tlv(5, b"\1\0" + bytes([not oldest]) + self._size + seal)) + b"\x80"

    def message(self, number: int, signed: list[bytes], linked: bytes, *, sealed: bool) -> tuple[bytes, bytes]:
        """The unit of the message for a group and, when another message is to speak for it, its hash."""
        digest = self.hash(b"".join(signed))
        times = self.start + number, self.start + number + 1
        if self.scheme == "axis":
            ticks = struct.pack(">qq", *(round(each * 1e6) for each in times))
            counts = struct.pack(">IH", number, len(signed))
            general = b"\4" + counts + b"\2\3\x08" + bytes([1 | bool(self.part) << 1]) + ticks + linked + digest
            tags = self._axis_key() + _tlv(7, b"\1\x0b" + self._oid(), 1) + _tlv(1, general, 1)
            return self._finish(AXIS, 0x30 | 0x80 * self.escape, tags + self._list(4, signed), 5, sealed)
        ticks = struct.pack(">qq", *(round((each + 11_644_473_600) * 1e7) for each in times))
        general = (
            b"\2\0\0\4" + bytes([bool(self.part)]) + ticks + struct.pack(">IH", number, len(signed)) + digest + linked
        )
        tags = _tlv(4, b"\1\x0b" + self._oid() + b"\0\0\0")
        tags += _tlv(6, b"\1\0" + self.certificates) if self.keyed else b""
        return self._finish(ONVIF, 0x40 * self.escape, tags + _tlv(1, general) + self._list(2, signed), 3, sealed)

    def key_message(self) -> bytes:
        """A message that brings the key alone."""
        if self.scheme == "axis":
            tags = _tlv(2, b"\2" + self.public()) + _tlv(7, b"\1\x0b" + self._oid(), 1)
            return self._finish(AXIS, 0x70 | 0x80 * self.escape, tags, 5, True)[0]
        tags = _tlv(4, b"\1\x0b" + self._oid() + b"\0\0\0") + _tlv(6, b"\1\0" + self.certificates)
        return self._finish(ONVIF, 0x80 | 0x40 * self.escape, tags, 3, True)[0]

    def _axis_key(self) -> bytes:
        if not self.keyed:
            return b""
        vendor = b"\1" + bytes([len(self.attestation)]) + self.attestation + self.certificates
        product = b"\2" + b"".join(bytes([len(each)]) + each for each in (b"HW", b"1.0", b"SN42", b"Test AB", b"x"))
        key = _tlv(2, b"\2" + self.public()) if self.attestation or not self.certificates else b""
        return key + _tlv(3, product) + (_tlv(129, vendor) if self.certificates else b"")

    def _list(self, tag: int, signed: list[bytes]) -> bytes:
        return _tlv(tag, b"\1" + b"".join(signed)) if self.listed else b""

    def _finish(self, uuid: bytes, flags: int, tags: bytes, tag: int, sealed: bool) -> tuple[bytes, bytes]:
        if not sealed:
            unit = escaped(self._unit(uuid, bytes([flags]), tags, 0) + b"\x80")
            return unit, self.hash(unit if self.escape else self._unit(uuid, bytes([flags]), tags, 0) + b"\x80")
        head = b"\2\0" if tag == 5 else b"\1"
        longest = len(self._seal(bytes(hashlib.new(self.algorithm).digest_size))) + 8
        size = 3 + len(head) + 2 + longest
        document = self._unit(uuid, bytes([flags]), tags, size)
        seal = self._seal(self.hash(escaped(document) if self.escape else document))
        value = head + self._size + seal.ljust(longest, b"\1")
        return escaped(document + _tlv(tag, value)) + b"\x80", b""

    def _unit(self, uuid: bytes, flags: bytes, tags: bytes, more: int) -> bytes:
        size = len(uuid) + 1 + len(tags) + more
        header = b"\6\5" if self.codec == "h264" else b"\x4e\1\5"
        return header + b"\xff" * (size // 255) + bytes([size % 255]) + uuid + flags + tags

    def _seal(self, digest: bytes) -> bytes:
        algorithm = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[self.algorithm]
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            seal = self.key.sign(digest, ec.ECDSA(Prehashed(algorithm)))
        elif self.scheme == "onvif":
            free = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
            seal = self.key.sign(digest, free, Prehashed(hashes.SHA256()))
        else:
            seal = self.key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        self._size = struct.pack(">H", len(seal))
        return seal

    def public(self) -> bytes:
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, spki)

    def hash(self, data: bytes) -> bytes:
        return hashlib.new(self.algorithm, data).digest()

    def _oid(self) -> bytes:
        return bytes.fromhex("06096086480165030402") + bytes([OIDS[self.algorithm]])


def _tlv(tag: int, value: bytes, width: int = 2) -> bytes:
    return bytes([tag]) + len(value).to_bytes(width, "big") + value


def prefixed(packets: Packets) -> list[tuple[int, bytes]]:
    """As a file with lengths gives them, numbered."""
    return [(n, b"".join(len(unit).to_bytes(4, "big") + unit for unit in packet)) for n, packet in enumerate(packets)]


def started(packets: Packets) -> bytes:
    """A bare stream with start codes."""
    return b"".join(b"\0\0\0\1" + unit for packet in packets for unit in packet)


EXTRADATA = b"\1" + b"\xff" * 30  # that lengths take four bytes


def camera(scheme: str = "axis", **facts: Any) -> Camera:
    """One that brings what its scheme needs."""
    made = Camera(scheme, **facts)
    if scheme == "onvif":
        made.certificates = b"".join(chain(made.key.public_key())[:1])
    return made


def verify(packets: Packets, codec: str = "h264") -> Signature:
    """What the reader finds in a file with these packets."""
    found = signed.verify(lambda: prefixed(packets), stream=0, codec=codec, extradata=EXTRADATA)
    assert found is not None
    assert found.unread != "failed"
    return found
