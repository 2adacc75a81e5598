"""Certificates for signing cameras: a root, an issuer in between, and the camera's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

YEAR = 365 * 24 * 3600.0
BORN = 1_600_000_000.0  # Unix seconds: when all of them become valid


def chain(
    key: Any, *, name: str = "Camera 1", years: float = 10, may_issue: bool = True, depth: int | None = None
) -> list[bytes]:
    """PEM of the camera's certificate for its public `key`, of the one between, and of the root.

    `years`: validity of the camera's. `may_issue`: the one between says that it may; `depth`: its path length.
    """
    root_key, between_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("Root", root_key.public_key(), "Root", root_key, 30, x509.BasicConstraints(True, None))
    constraints = x509.BasicConstraints(may_issue, depth if may_issue else None)
    between = _certificate("Between", between_key.public_key(), "Root", root_key, 20, constraints)
    leaf = _certificate(name, key, "Between", between_key, years, x509.BasicConstraints(False, None))
    return [each.public_bytes(serialization.Encoding.PEM) for each in (leaf, between, root)]


def _certificate(
    name: str, key: Any, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, years: float, basic: x509.BasicConstraints
) -> x509.Certificate:
    born = datetime.fromtimestamp(BORN, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(born)
        .not_valid_after(born + timedelta(seconds=years * YEAR))
        .add_extension(basic, critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256())
