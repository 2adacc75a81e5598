"""A real time-stamping authority: its certificates, `openssl ts -reply`, and a small HTTP server in front of it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from storage.ledger.time import der
from tests.support.services import program

PEM = serialization.Encoding.PEM
DAY = timedelta(days=1)
POLICY = "1.3.6.1.4.1.99999.1"
_KEYS: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {}  # made once: RSA keys take long
_CONFIGURATION = """\
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = {policy}
digests = {digests}
accuracy = secs:1, millisecs:500
ess_cert_id_alg = {identifier}
ordering = yes
tsa_name = yes
"""


def key(name: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """The private key of that name, RSA where the name says so."""
    if name not in _KEYS:
        made = rsa.generate_private_key(65537, 2048) if "rsa" in name else ec.generate_private_key(ec.SECP256R1())
        _KEYS[name] = made
    return _KEYS[name]


def name_of(common: str) -> x509.Name:
    attributes = [(NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, "测试"), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


@dataclass
class Authority:
    """A root, an issuer between, and the authority's own certificate, valid from `begin` for so many days.

    `usage` None: no extended key usage. `bring`: the reply brings the issuer's certificates too (`certs`).
    `crl`: address of the issuers' lists of revoked certificates.
    """

    folder: Path
    name: str = "TSA"
    begin: datetime = field(default_factory=lambda: datetime.now(UTC) - DAY)
    days: float = 3650
    issuer_days: float = 7300
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.TIME_STAMPING
    critical: bool = True
    bring: bool = True
    crl: str = ""
    digests: str = "sha256, sha384, sha512"
    identifier: str = "sha256"
    root_name: str = "Root"
    serial: int = field(default_factory=x509.random_serial_number)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.root = self._certificate(self.root_name, self.root_name, self.issuer_days, None)
        self.between = self._certificate("Between", self.root_name, self.issuer_days, None)
        end = [x509.ExtendedKeyUsage([self.usage])] if self.usage else []
        self.own = self._certificate(f"{self.name} rsa", "Between", self.days, end[0] if end else False)
        (self.folder / "tsa.pem").write_bytes(self.own.public_bytes(PEM))
        (self.folder / "chain.pem").write_bytes(self.between.public_bytes(PEM) + self.root.public_bytes(PEM))
        private = key(f"{self.name} rsa").private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / "key.pem").write_bytes(private)
        (self.folder / "serial").write_text("01\n")
        text = _CONFIGURATION.format(
            folder=self.folder, policy=POLICY, digests=self.digests, identifier=self.identifier
        )
        text += f"certs = {self.folder}/chain.pem\ness_cert_id_chain = yes\n" if self.bring else ""
        (self.folder / "tsa.cnf").write_text(text)

    def reply(self, query: bytes) -> bytes:
        """The reply of `openssl ts -reply` to a request, stamped with the present time."""
        asked, answer = self.folder / "query.tsq", self.folder / "reply.tsr"
        asked.write_bytes(query)
        command = [program("openssl"), "ts", "-reply", "-config", str(self.folder / "tsa.cnf")]
        command += ["-queryfile", str(asked), "-out", str(answer)]
        subprocess.run(command, check=True, capture_output=True)
        return answer.read_bytes()

    def forge(self, query: bytes, signer: Authority) -> bytes:
        """A reply with this authority's token, signed by `signer`, whom `openssl ts` would not let sign."""
        token, signed = self.folder / "token.der", self.folder / "signed.der"
        parts = der.read(self.reply(query)).items()[1].items()[1]
        token.write_bytes(der.read(parts.content).items()[2].items()[1].items()[0].content)
        command = [program("openssl"), "cms", "-sign", "-cades", "-binary", "-nodetach", "-outform", "DER"]
        command += ["-econtent_type", "1.2.840.113549.1.9.16.1.4", "-in", str(token), "-out", str(signed)]
        command += ["-signer", str(signer.folder / "tsa.pem"), "-inkey", str(signer.folder / "key.pem")]
        command += ["-certfile", str(signer.folder / "chain.pem"), "-md", "sha256"]
        subprocess.run(command, check=True, capture_output=True)
        granted = der.encode(der.SEQUENCE, der.encode(der.INTEGER, b"\0"))
        return der.encode(der.SEQUENCE, granted, signed.read_bytes())

    def revoke(
        self, when: datetime | None, reason: x509.ReasonFlags | None = None, *, issuer: str = "Between"
    ) -> bytes:
        """A list (DER) by the issuer of the authority's certificate: revoked at `when`, or nobody is (None)."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(name_of(issuer))
        builder = builder.last_update(now - DAY / 2).next_update(now + DAY)
        if when is not None:
            entry = x509.RevokedCertificateBuilder().serial_number(self.own.serial_number).revocation_date(when)
            entry = entry.add_extension(x509.CRLReason(reason), False) if reason else entry
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key(issuer), hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _certificate(
        self, common: str, issuer: str, days: float, usage: x509.ExtendedKeyUsage | bool | None
    ) -> x509.Certificate:
        """`usage` None: one that issues; False: none."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(common))
            .issuer_name(name_of(issuer))
            .public_key(key(common).public_key())
            .serial_number(self.serial if usage is not None else x509.random_serial_number())
            .not_valid_before(self.begin)
            .not_valid_after(self.begin + DAY * days)
            .add_extension(x509.BasicConstraints(usage is None, None), critical=True)
        )
        if isinstance(usage, x509.ExtendedKeyUsage):
            builder = builder.add_extension(usage, critical=self.critical)
        if self.crl and common != issuer:
            places = [x509.UniformResourceIdentifier(f"{self.crl}/{issuer}.crl")]
            points = x509.CRLDistributionPoints([x509.DistributionPoint(places, None, None, None)])
            builder = builder.add_extension(points, critical=False)
        return builder.sign(key(issuer), hashes.SHA256())


Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class Server:
    """An HTTP server on loopback. `post` answers requests for stamps, `lists` are files to get. Use as a context."""

    def __init__(self, post: Callable[[bytes], Answer] = lambda body: (404, "", b"")) -> None:
        self.post = post
        self.lists: dict[str, bytes] = {}
        self.asked: list[bytes] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append(body)
                self._answer(*outer.post(body))

            def do_GET(self) -> None:
                found = outer.lists.get(self.path)
                self._answer(200 if found is not None else 404, "application/pkix-crl", found or b"")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client had enough
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def stamp_by(self, authority: Authority) -> None:
        """Answer as this authority from now on."""
        self.post = lambda body: (200, "application/timestamp-reply", authority.reply(body))

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
