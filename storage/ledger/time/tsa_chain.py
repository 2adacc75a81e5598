"""From the certificate of a time-stamping authority (TSA) up to a root that the verifier trusts, at a given time. Pure.

Names, signatures, who may issue, how deep, validity at that time, and what the lists of revoked certificates (CRLs) say
that are at hand (RFC 5280 6 in small). The lists kept with a timestamp speak of its time, so they may be old.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from storage.errors import IntegrityError

Certificates = Sequence[x509.Certificate]
Revocations = Sequence[x509.CertificateRevocationList]

_DEEPEST = 8
_HARMLESS = frozenset(
    {
        x509.ReasonFlags.unspecified,
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
    }
)
"""Reasons that leave timestamps from before the revocation valid (RFC 3161 4)."""


def build(signer: x509.Certificate, pool: Certificates, roots: Certificates, when: datetime) -> Certificates:
    """The path from `signer` over certificates of `pool` to one of `roots`, all valid at `when`.

    Raises IntegrityError: no way leads to a root, or a certificate was not valid then.
    """
    outside: x509.Certificate | None = None
    for path in _paths((signer,), pool, roots):
        outside = next((each for each in path if not _valid(each, when)), None)
        if outside is None:
            return path
    if outside is None:
        raise invalid(
            f"证书（{name(signer)}）不能追溯到受信任的时间戳根证书",
            f"no trusted root stands behind the certificate of {name(signer)}",
        )
    begin, end = f"{outside.not_valid_before_utc:%Y-%m-%d}", f"{outside.not_valid_after_utc:%Y-%m-%d}"
    raise invalid(
        f"证书（{name(outside)}，有效期 {begin} 至 {end}）在加盖时间戳时无效",
        f"the certificate of {name(outside)} (valid {begin} to {end}) was not valid at the time of the timestamp",
    )


def check_revoked(path: Certificates, lists: Revocations, when: datetime) -> bool:
    """Whether `lists` speak of every certificate of `path` but the root.

    Raises IntegrityError: one of them is revoked in a way that spoils what it signed at `when`, or a list is not signed
    by an issuer of the path.
    """
    spoken = set()
    for each in lists:
        place = next((at for at, issuer in enumerate(path) if issuer.subject == each.issuer), None)
        if place is None or not signed_by(each, path[place]):
            raise invalid(
                "吊销列表不是该证书链的签发者签发的", "a list of revoked certificates is not by an issuer of the chain"
            )
        for at, certificate in enumerate(path[:-1]):
            if certificate.issuer == each.issuer:
                spoken.add(at)
                _check(certificate, each, when)
    return len(spoken) == len(path) - 1


def valid_until(path: Certificates) -> datetime:
    """When the first certificate of the path expires, in UTC."""
    return min(each.not_valid_after_utc for each in path)


def list_urls(path: Certificates) -> list[str]:
    """Where the certificates of the path, all but the root, say that their lists of revoked ones are (http, https)."""
    found: list[str] = []
    for certificate in path[:-1]:
        for point in _points(certificate):
            for place in point.full_name or ():
                url = place.value if isinstance(place, x509.UniformResourceIdentifier) else ""
                if url.startswith(("http://", "https://")) and url not in found:
                    found.append(url)
    return found


def name(certificate: x509.Certificate) -> str:
    """What people call it: its common name, or its whole subject."""
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.subject.rfc4514_string()


def _paths(path: tuple[x509.Certificate, ...], pool: Certificates, roots: Certificates) -> Iterator[Certificates]:
    if path[-1] in roots:
        yield path
    if len(path) > _DEEPEST:
        return
    for issuer in dict.fromkeys([*roots, *pool]):
        if issuer not in path and _issued(path[-1], issuer, len(path) - 1):
            yield from _paths((*path, issuer), pool, roots)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, below: int) -> bool:
    """Whether `issuer` may issue, with `below` certificates between its own and the last one, and did."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca or (constraints.path_length is not None and below > constraints.path_length):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (
        x509.ExtensionNotFound, x509.DuplicateExtension, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm,
    ):  # fmt: skip
        return False
    return True


def _valid(certificate: x509.Certificate, when: datetime) -> bool:
    return certificate.not_valid_before_utc <= when <= certificate.not_valid_after_utc


def signed_by(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed the list."""
    try:
        return revocations.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # others raise TypeError
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _check(certificate: x509.Certificate, revocations: x509.CertificateRevocationList, when: datetime) -> None:
    entry = revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return
    try:
        given = entry.extensions.get_extension_for_oid(CRLEntryExtensionOID.CRL_REASON).value
        reason = given.reason if isinstance(given, x509.CRLReason) else x509.ReasonFlags.unspecified
    except x509.ExtensionNotFound:
        reason = x509.ReasonFlags.unspecified
    if entry.revocation_date_utc <= when or reason not in _HARMLESS:
        day = f"{entry.revocation_date_utc:%Y-%m-%d}"
        raise invalid(
            f"证书（{name(certificate)}）已于 {day} 被吊销（{reason.value}）",
            f"the certificate of {name(certificate)} was revoked on {day} ({reason.value})",
        )


def _points(certificate: x509.Certificate) -> Sequence[x509.DistributionPoint]:
    try:
        value = certificate.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    return list(value) if isinstance(value, x509.CRLDistributionPoints) else ()


def invalid(zh: str, en: str) -> IntegrityError:
    return IntegrityError(f"时间戳无效：{zh}。", f"the timestamp is not valid: {en}")
