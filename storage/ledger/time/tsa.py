"""Time-stamping authorities (TSA) over HTTP (RFC 3161 3.4), and the lists of revoked certificates that they name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import httpx
from cryptography import x509

from storage.errors import LiuhenError, Refused, Transient
from storage.ledger.time import timestamp, tsa_chain
from storage.ledger.time.stamps import short_name
from storage.ledger.time.tsa_chain import Certificates

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
TIMEOUT = 20.0  # seconds, for one answer from beginning to end
MAX_LIST = 16 << 20  # bytes of one list of revoked certificates


class Tsa:
    """One authority at an address. `name`: a short word for it, good for a file name."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self.url = url
        self.name = short_name(url)
        self._timeout = timeout

    def ask(self, request: bytes) -> bytes:
        """Send a TimeStampReq, give back the reply, unverified.

        Raises Transient (down, slow, overloaded) or Refused (no TSA, or not for us).
        """
        headers = {"Content-Type": QUERY, "Accept": REPLY}
        kind, body = self._fetch("POST", self.url, timestamp.MAX_REPLY, headers, request)
        if kind != REPLY:
            raise Refused(
                f"{self.name} 不是时间戳服务：回复类型为 {kind or '无'}。",
                f"{self.name} is no TSA: it answers with {kind or 'no content type'}",
            )
        return body

    def lists(self, path: Certificates) -> list[x509.CertificateRevocationList]:
        """The lists of revoked certificates that the path names and that could be had just now: none is no error."""
        found = []
        for url in tsa_chain.list_urls(path):
            with contextlib.suppress(LiuhenError, ValueError, x509.InvalidVersion):
                found.append(_read_list(self._fetch("GET", url, MAX_LIST)[1]))
        return [each for each in found if _belongs(each, path)]

    def _fetch(
        self, method: str, url: str, limit: int, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[str, bytes]:
        """Content type and body. Redirects are not followed."""
        end = time.monotonic() + self._timeout
        try:
            with (
                httpx.Client(timeout=self._timeout) as client,
                client.stream(method, url, headers=headers, content=body) as answer,
            ):
                self._check_status(answer.status_code)
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return kind, self._read(answer, limit, end)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._down(type(error).__name__) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Refused(f"地址无效：{url}。", f"not an address: {url}") from error

    def _check_status(self, code: int) -> None:
        if code in (408, 425, 429) or code >= 500:
            raise self._down(f"HTTP {code}")
        if code not in (200, 201):  # some say that a timestamp was "created"
            raise Refused(
                f"时间戳服务 {self.name} 拒绝了请求（HTTP {code}）。", f"the TSA {self.name} refused: HTTP {code}"
            )

    def _read(self, answer: httpx.Response, limit: int, end: float) -> bytes:
        body = bytearray()
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > limit:
                raise Refused(f"{self.name} 的回复过大。", f"the answer of {self.name} is over {limit} bytes")
            if time.monotonic() > end:
                raise self._down("timeout")
        return bytes(body)

    def _down(self, why: str) -> Transient:
        return Transient(
            f"时间戳服务 {self.name} 暂时不可用（{why}），稍后自动重试。",
            f"the TSA {self.name} is down ({why}); it is tried again later",
        )


def _read_list(body: bytes) -> x509.CertificateRevocationList:
    if body.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_crl(body)
    return x509.load_der_x509_crl(body)


def _belongs(given: x509.CertificateRevocationList, path: Sequence[x509.Certificate]) -> bool:
    """Whether it is signed by an issuer of the path: an answer from a plain address may be anything."""
    return any(each.subject == given.issuer and tsa_chain.signed_by(given, each) for each in path)
