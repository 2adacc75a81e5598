"""TLS in front of a server on loopback, with a cable that is cut: ends TLS, forwards, and stops at chosen bytes."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class TlsServer:
    """`url`: https, on loopback; `certificate`: its own (PEM), which a client must be told to believe."""

    url: str
    certificate: Path


def _certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file = folder / "tls.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


class _Line:
    """One connection: both ways, until the end or the cut."""

    def __init__(self, near: ssl.SSLSocket, far: socket.socket, up: int | None) -> None:
        self._near, self._far, self._up = near, far, up
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._answer)]
        for thread in self.threads:
            thread.start()

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._near.recv(16384):
                self._far.sendall(data if self._up is None else data[: self._up])
                if self._up is not None:
                    self._up -= len(data)
                    if self._up <= 0:
                        break
        self.cut()

    def _answer(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._far.recv(16384):
                self._near.sendall(data)
        self.cut()

    def cut(self) -> None:
        """At once, without TLS's good-bye: as a pulled cable or a dead middlebox does."""
        for each in (self._near, self._far):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        for thread in self.threads:
            thread.join()
        self._near.close()
        self._far.close()


@contextlib.contextmanager
def tls_in_front(port: int, folder: Path, cuts: Sequence[int] = ()) -> Iterator[TlsServer]:
    """TLS in front of `port`. The first connections are cut, each after so many bytes of `cuts` were sent."""
    file = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    left, lines = list(cuts), list[_Line]()

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                wrapped = context.wrap_socket(near, server_side=True)
            except (OSError, ssl.SSLError):
                near.close()
                continue
            lines.append(_Line(wrapped, socket.create_connection(("127.0.0.1", port)), left.pop(0) if left else None))

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        acceptor = threading.Thread(target=accept, args=(listener,), daemon=True)
        acceptor.start()
        try:
            yield TlsServer(f"https://127.0.0.1:{listener.getsockname()[1]}", file)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for line in lines:
                line.close()
