"""Whose key is it? Certificates from a signed stream against those that the user trusts (RFC 5280 6.1, in small).

Names, signatures, who may issue, how deep, and validity at the time of the recording: a certificate that has expired
since then says as much about an old recording as it did. Revocation is not looked up: these checks have no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

_DEEPEST = 8


def anchors(pem: bytes) -> tuple[str, ...]:
    """The certificates in `pem`, one text each. Raises ValueError when there is none or one of them is damaged."""
    found = x509.load_pem_x509_certificates(pem)
    return tuple(each.public_bytes(Encoding.PEM).decode() for each in found)


def why_not(chain: Sequence[str], trusted: Sequence[str], when: float | None) -> str:
    """Why the first certificate of `chain` does not go back to one of `trusted` (PEM), "" when it does.

    `when`: Unix seconds of the recording, None where unknown: validity is not looked at then. The chain is hostile.
    """
    try:
        own = [x509.load_pem_x509_certificate(each.encode()) for each in chain[:_DEEPEST]]
        roots = [x509.load_pem_x509_certificate(each.encode()) for each in trusted]
        path = _path(own, roots)
        moment = datetime.fromtimestamp(when, UTC) if when is not None else None
        outside = [each for each in path if moment and not _valid(each, moment)]
    except (ValueError, TypeError, OverflowError, OSError, UnsupportedAlgorithm):
        return "a certificate can't be read"
    if not path:
        return "none of the trusted certificates issued this key's"
    return "a certificate was not valid at the time of the recording" if outside else ""


def _path(own: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From the first of `own` to a trusted one, [] when there is no way."""
    path = list(own[:1])
    while path and len(path) <= _DEEPEST:
        if path[-1] in roots:
            return path
        below = len(path) - 1
        issuer = next((each for each in (*roots, *own[1:]) if _issued(path[-1], each, below)), None)
        if issuer is None or issuer in path:
            return []
        path.append(issuer)
    return []


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, below: int) -> bool:
    """Whether `issuer` may issue, with `below` certificates between its own and the last one, and did."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca or (constraints.path_length is not None and below > constraints.path_length):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError, TypeError, InvalidSignature):
        return False
    return True


def _valid(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc
