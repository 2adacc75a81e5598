"""A time-stamping authority for the demo: its certificates, and `openssl ts -reply` behind a small HTTP server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from storage.clock import now

_DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM
_LONGEST = 10_000  # bytes of a request
_CONFIGURATION = """\
[tsa]
default_tsa = demo
[demo]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha512
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Authority:
    """Its files are in `folder`; `root` is what those who trust it are given."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """The reply of `openssl ts -reply` to a request, stamped with the present time."""
        asked, answer = self.folder / "query.tsq", self.folder / "reply.tsr"
        asked.write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", str(self.folder / "tsa.cnf")]
        subprocess.run([*command, "-queryfile", str(asked), "-out", str(answer)], check=True, capture_output=True)
        return answer.read_bytes()


def make_authority(folder: Path) -> Authority:
    """Make root, certificate and configuration."""
    folder.mkdir(parents=True)
    issuer, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("示例时间戳根证书", issuer, "示例时间戳根证书", issuer, stamps=False)
    signer = _certificate("示例时间戳服务", own, "示例时间戳根证书", issuer, stamps=True)
    (folder / "root.pem").write_bytes(root.public_bytes(_PEM))
    (folder / "tsa.pem").write_bytes(signer.public_bytes(_PEM))
    private = own.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(_CONFIGURATION.format(folder=folder))
    return Authority(folder)


class AuthorityServer:
    """Answers stamp requests on loopback until it is stopped."""

    def __init__(self, authority: Authority) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(authority.reply))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(reply: Callable[[bytes], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = reply(self.rfile.read(min(int(self.headers["Content-Length"]), _LONGEST)))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the demo tells what happens."""

    return Handler


def _certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, stamps: bool
) -> x509.Certificate:
    begin = now() - _DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + 3650 * _DAY)
        .add_extension(x509.BasicConstraints(ca=not stamps, path_length=None), critical=True)
    )
    if stamps:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(by, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
