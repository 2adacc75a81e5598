"""RFC 3161 timestamps: a request for some bytes, and a reply verified offline against pinned roots. Pure.

The signature over the token, and the chain at the token's own time, are verified by OpenSSL (rfc3161-client); its
reader wants the certificates of a reply in DER order, and many authorities don't sort them. They are no signed part of
the reply, so it is given a copy with exactly the certificates of the path we found (docs/decisions/0011).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import rfc3161_client as rfc3161
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from storage.errors import IntegrityError, Refused, Transient
from storage.ledger.time import der, tsa_chain
from storage.ledger.time.der import Value
from storage.ledger.time.tsa_chain import Certificates, Revocations

MAX_REPLY = 1 << 20  # bytes; replies with a long chain have some 10 kB

DIGESTS = {"sha256": "2.16.840.1.101.3.4.2.1", "sha512": "2.16.840.1.101.3.4.2.3"}
_ASKED = {"sha256": rfc3161.HashAlgorithm.SHA256, "sha512": rfc3161.HashAlgorithm.SHA512}
_SIGNED_DATA = der.object_id("1.2.840.113549.1.7.2")
_CERTIFICATES, _REVOCATIONS, _ATTRIBUTES = 0xA0, 0xA1, 0xA0  # [0], [1] of SignedData, [0] of SignerInfo
_IDENTIFIERS = {  # the signing-certificate attributes: RFC 2634 5.4 (SHA-1), RFC 5035 3 (SHA-256 unless it says)
    der.object_id("1.2.840.113549.1.9.16.2.12"): "sha1",
    der.object_id("1.2.840.113549.1.9.16.2.47"): "sha256",
}
_IDENTIFYING = {
    der.object_id(oid): name
    for name, oid in {**DIGESTS, "sha1": "1.3.14.3.2.26", "sha384": "2.16.840.1.101.3.4.2.2"}.items()
}
_PASSING = {14: "timeNotAvailable", 25: "systemFailure"}  # bits of PKIFailureInfo that may be gone tomorrow
_WAITING = 3  # of PKIStatus
_BROKEN = (ValueError, IndexError, KeyError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What readers raise for bytes that are no reply."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a TimeStampReq in DER, and the nonce that the reply must repeat."""

    body: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """时间戳: that some bytes existed at `time` (UTC), by the word of `tsa`.

    `accuracy`: seconds either way, None where the authority says nothing. `digest`, `imprint`: of the stamped bytes.
    `path`: its certificates up to the root. `checked`: revocation lists speak of all of them.
    """

    time: datetime
    tsa: str
    serial: int
    policy: str
    accuracy: float | None
    digest: str
    imprint: bytes
    nonce: int | None
    path: tuple[x509.Certificate, ...] = ()
    checked: bool = False

    @property
    def valid_until(self) -> datetime:
        """When the first of the certificates expires: until then it must be renewed."""
        return tsa_chain.valid_until(self.path)

    @property
    def chain(self) -> bytes:
        """The certificates as PEM, the authority's first, the root last."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in self.path)


def request(message: bytes, digest: str = "sha256") -> Request:
    """Ask for a timestamp of `message`: its digest, a random nonce, and the wish for the certificates."""
    made = rfc3161.TimestampRequestBuilder().data(message).hash_algorithm(_ASKED[digest]).build()
    return Request(made.as_bytes(), made.nonce or 0)


def verify(
    reply: bytes,
    message: bytes,
    roots: Certificates,
    *,
    pool: Certificates = (),
    lists: Revocations = (),
    asked: Request | None = None,
    policy: str | None = None,
) -> Stamp:
    """What the reply of a TSA to a request for `message` proves.

    Checked: form, status, one signer, message imprint, nonce (of a fresh reply: `asked`), policy if one is wanted, the
    attribute that names the signer's certificate, its path to one of `roots` (through `pool` and the reply's own) valid
    at the timestamp's own time, the critical usage "time stamping", the signature, and revocation by `lists`. Raises
    IntegrityError; for a refusal by the TSA Refused, or Transient where it may stamp later.
    """
    if len(reply) > MAX_REPLY:
        raise tsa_chain.invalid("回复过大", "the reply is too large")
    try:
        token = _read(reply)
        signer = _signer(token, pool)
        info = _info(token.with_certificates([signer]))
        _check_info(info, message, asked, policy)
        path = tsa_chain.build(signer, [*token.certificates, *pool], roots, info.time)
        _check_signature(token.with_certificates(path), path, message)
    except _BROKEN as error:
        raise IntegrityError("时间戳回复格式不正确。", f"the timestamp reply is malformed: {error}") from error
    checked = tsa_chain.check_revoked(path, lists, info.time)
    return replace(info, tsa=tsa_chain.name(signer), path=tuple(path), checked=checked)


@dataclass(frozen=True, slots=True)
class _Token:
    """The parts of a reply that are looked into. `signed` are the values of its SignedData."""

    signed: Sequence[Value]
    certificates: Certificates

    @property
    def signer(self) -> Sequence[Value]:
        """The values of its one SignerInfo."""
        infos = self.signed[-1].items()
        if len(infos) != 1:
            raise ValueError(f"{len(infos)} signers")
        return infos[0].items()

    def with_certificates(self, path: Certificates) -> bytes:
        """The reply with this certificate set, sorted as DER wants it, and nothing else that is not signed."""
        ordered = sorted(each.public_bytes(Encoding.DER) for each in path)
        kept = [value.whole for value in self.signed if value.tag not in (_CERTIFICATES, _REVOCATIONS)]
        signed = der.encode(der.SEQUENCE, *kept[:-1], der.encode(_CERTIFICATES, *ordered), kept[-1])
        content = der.encode(der.SEQUENCE, der.encode(der.OBJECT, _SIGNED_DATA), der.encode(0xA0, signed))
        granted = der.encode(der.SEQUENCE, der.encode(der.INTEGER, b"\0"))
        return der.encode(der.SEQUENCE, granted, content)


def _read(reply: bytes) -> _Token:
    parts = der.read(reply).items()
    _check_status(parts[0].items(), granted=len(parts) == 2)
    kind, content = parts[1].items()
    if kind.content != _SIGNED_DATA:
        raise ValueError("no signed data")
    signed = der.read(content.content).items()
    found = [value for value in signed if value.tag == _CERTIFICATES]
    return _Token(signed, list(_certificates(found[0].items() if found else ())))


def _certificates(values: Iterable[Value]) -> Iterator[x509.Certificate]:
    """Those that can be read: a set may hold other kinds, and ones that nobody needs."""
    for value in values:
        with contextlib.suppress(ValueError, x509.InvalidVersion):
            yield x509.load_der_x509_certificate(value.whole)


def _check_status(status: Sequence[Value], *, granted: bool) -> None:
    code = status[0].number()
    if code in (0, 1) and granted:  # granted, granted with modifications (RFC 3161 2.4.2)
        return
    words = "".join(text.content.decode("utf-8", "replace") for each in status if each.tag == der.SEQUENCE
                    for text in each.items())  # fmt: skip
    bits = next((each.content for each in status if each.tag == 0x03), b"\0")
    failures = [at for at in range(8 * len(bits[1:])) if bits[1 + at // 8] >> (7 - at % 8) & 1]
    said = f"{code}, {failures}, {words[:200]}"
    error = Transient if code == _WAITING or any(bit in _PASSING for bit in failures) else Refused
    raise error(f"时间戳服务拒绝了请求（{said}）。", f"the TSA refused the request (status, failure, text: {said})")


def _signer(token: _Token, pool: Certificates) -> x509.Certificate:
    """The certificate that the SignerInfo names by issuer and serial, and by its hash in a signed attribute."""
    issuer, serial = token.signer[1].items()
    algorithm, digest = _identifier(token.signer[3])
    for each in (*token.certificates, *pool):
        if (each.issuer.public_bytes(), each.serial_number) == (issuer.whole, serial.number()):
            if hashlib.new(algorithm, each.public_bytes(Encoding.DER), usedforsecurity=False).digest() != digest:
                raise tsa_chain.invalid(
                    "所附证书不是签名所指的证书", "its certificate is not the one that the signature names"
                )
            return each
    raise tsa_chain.invalid("缺少签名者的证书", "the signer's certificate is missing")


def _identifier(attributes: Value) -> tuple[str, bytes]:
    """Algorithm and hash of the signer's certificate, from the attribute that RFC 3161 2.4.2 demands."""
    if attributes.tag != _ATTRIBUTES:
        raise ValueError("no signed attributes")
    for attribute in attributes.items():
        kind, values = attribute.items()
        if algorithm := _IDENTIFIERS.get(kind.content):
            first = values.items()[0].items()[0].items()[0].items()
            if first[0].tag == der.SEQUENCE:
                algorithm = _IDENTIFYING[first.pop(0).items()[0].content]
            return algorithm, first[0].content
    raise ValueError("no attribute names the signer's certificate")


def _info(reply: bytes) -> Stamp:
    """What the token says, nothing verified yet, without path."""
    info = rfc3161.decode_timestamp_response(reply).tst_info
    return Stamp(
        time=info.gen_time,
        tsa="",
        serial=info.serial_number,
        policy=info.policy.dotted_string,
        accuracy=_accuracy(info.accuracy),
        digest=_digest(info.message_imprint.hash_algorithm.dotted_string),
        imprint=info.message_imprint.message,
        nonce=info.nonce,
    )


def _check_info(info: Stamp, message: bytes, asked: Request | None, policy: str | None) -> None:
    if info.imprint != hashlib.new(info.digest, message).digest():
        raise tsa_chain.invalid("它盖的不是这份内容", "it stamps other bytes than these")
    if asked is not None and info.nonce != asked.nonce:
        raise tsa_chain.invalid("回复的随机数与请求不符", "its nonce is not the request's")
    if policy is not None and info.policy != policy:
        raise tsa_chain.invalid(f"策略 {info.policy} 不是 {policy}", f"its policy {info.policy} is not {policy}")


def _digest(oid: str) -> str:
    for name, known in DIGESTS.items():
        if known == oid:
            return name
    raise tsa_chain.invalid(f"摘要算法 {oid} 不受支持", f"its digest algorithm {oid} is not supported")


def _check_signature(reply: bytes, path: Certificates, message: bytes) -> None:
    """Chain, critical usage and signature, at the timestamp's own time. The only anchor is the root of the path."""
    try:
        verifier = rfc3161.VerifierBuilder(roots=[path[-1]]).build()
        verifier.verify_message(rfc3161.decode_timestamp_response(reply), message)
    except rfc3161.VerificationError as error:
        raise IntegrityError(f"时间戳签名核验未通过：{error}", f"the timestamp does not verify: {error}") from error


def _accuracy(given: rfc3161.tsp.Accuracy | None) -> float | None:
    if given is None:
        return None
    return (given.seconds or 0) + (given.millis or 0) / 1e3 + (given.micros or 0) / 1e6
