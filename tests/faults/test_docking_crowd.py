"""Fifty stations at once: some behind TLS that is cut, some that lie about lengths or send pieces twice and out of
order; and connections that crawl.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ingest import station
from ingest.client import ServerClient
from tests.support.docking import BODY, PlainStation, b64
from tests.support.kept import check_kept, digest, dock, dock_by, make_card, receipts
from tests.support.server import Server, enrol_all, run_server
from tests.support.tls_proxy import TlsServer, tls_in_front

PLAIN, OVER_TLS, ODD = 36, 8, 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data"), min_free=0) as running:
        yield running


def port(server: Server) -> int:
    found = urlsplit(server.url).port
    assert found
    return found


def trusting(tls: TlsServer) -> ServerClient:
    """The agent's client, which is told the bureau's own authority."""
    return ServerClient(tls.url, patience=60, ca=tls.certificate)


class Odd:
    """A station that does not keep to the protocol, then does. Returns what it had to bring."""

    def __init__(self, server: Server, key: Path, content: bytes) -> None:
        self.server, self.content = server, content
        self.http = httpx.Client(base_url=server.url, timeout=60, trust_env=False)
        self.station = PlainStation(self.http, station.load(key))
        self.station.dock({"a.MP4": content}, device={"serial": f"LHX{key.stem[-2:]}"})
        self.url = self.station.begin("a.MP4", len(content))

    def finish(self) -> None:
        while (offset := self.station.offset(self.url)) < len(self.content):
            self.station.patch(self.url, offset, self.content[offset:])
        self.http.close()

    def raw(self, head: str, body: bytes) -> bytes:
        """One request as written, then the connection is dropped."""
        with socket.create_connection(("127.0.0.1", port(self.server)), timeout=60) as line:
            line.sendall(head.encode().replace(b"\n", b"\r\n") + body)
            line.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                return line.recv(65536)
        return b""

    def patch_head(self, length: int, offset: int = 0) -> str:
        lines = [f"PATCH {self.url} HTTP/1.1", "Host: x", f"Content-Length: {length}", f"Content-Type: {BODY}"]
        lines += [f"{name}: {value}" for name, value in self.station.headers(Upload_Offset=str(offset)).items()]
        return "\n".join(lines) + "\n\n"


def promises_more(odd: Odd) -> None:
    odd.raw(odd.patch_head(len(odd.content)), odd.content[: len(odd.content) // 3])


def promises_less(odd: Odd) -> None:
    odd.raw(odd.patch_head(100), odd.content)


def promises_too_much(odd: Odd) -> None:
    assert b" 413 " in odd.raw(odd.patch_head(10 * len(odd.content)), odd.content)


def sends_twice_at_once(odd: Odd) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: odd.station.patch(odd.url, 0, odd.content).status_code, range(4)))
    assert answers.count(204) >= 1 and set(answers) <= {204, 409, 423, 503}


def sends_out_of_order(odd: Odd) -> None:
    half = len(odd.content) // 2
    assert odd.station.patch(odd.url, half, odd.content[half:]).status_code == 409
    assert odd.station.patch(odd.url, 0, odd.content[:half]).status_code in (204, 503)
    assert odd.station.patch(odd.url, 0, odd.content[:half]).status_code in (409, 204, 503)


def creates_twice(odd: Odd) -> None:
    for _ in range(3):
        odd.station.http.post(
            "/api/uploads",
            content=odd.content,
            headers=odd.station.headers(
                Upload_Length=str(len(odd.content)), Upload_Metadata=f"path {b64('a.MP4')}", Content_Type=BODY
            ),
        )


LIES: list[Callable[[Odd], None]] = [
    promises_more,
    promises_less,
    promises_too_much,
    sends_twice_at_once,
    sends_out_of_order,
    creates_twice,
]


@contextlib.contextmanager
def loris(server: Server, count: int) -> Iterator[None]:
    """Connections that begin a request and never end it."""
    with contextlib.ExitStack() as stack:
        for number in range(count):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port(server)), timeout=60))
            line.sendall(b"POST /api/dockings HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"[: 20 + number * 5])
        yield


def test_fifty_stations_at_once(server: Server, tmp_path: Path) -> None:
    assert len(LIES) == ODD
    keys = enrol_all(server.data, tmp_path, [f"ST-{number:02}" for number in range(PLAIN + OVER_TLS + ODD)])
    cards = [tmp_path / f"card{number}" for number in range(PLAIN + OVER_TLS)]
    contents: dict[str, bytes] = {}
    for number, card in enumerate(cards):
        contents |= make_card(card, f"LH1{number:04}", [20_000, 300_000] if number % 6 == 0 else [20_000])
    together = threading.Barrier(PLAIN + OVER_TLS + ODD)

    def honest(number: int) -> bool:
        together.wait()
        return dock(server.url, keys[number], tmp_path / f"state{number}", cards[number], patience=60).safe

    def cut_off(number: int, tls: TlsServer) -> bool:
        together.wait()
        return dock_by(trusting(tls), keys[number], tmp_path / f"state{number}", cards[number]).safe

    def odd(lie: Callable[[Odd], None], key: Path, content: bytes) -> dict[str, bytes]:
        together.wait()
        one = Odd(server, key, content)
        lie(one)
        one.finish()
        again = httpx.Client(base_url=server.url, timeout=60, trust_env=False)
        with again:
            one.station.http = again
            one.station.receipt(content)
            return {
                digest(content): again.get(f"/api/receipts/{digest(content)}", headers=one.station.headers()).content
            }

    lies = [bytes([number]) * 200_000 for number in range(ODD)]
    cuts = [10, 700, 5_000, 15_000, 100, 21_000, 40_000, 1, 9_000, 2_500, 60_000, 300]
    with (
        loris(server, 12),
        tls_in_front(port(server), tmp_path, cuts) as tls,
        ThreadPoolExecutor(PLAIN + OVER_TLS + ODD) as pool,
    ):
        safe = [pool.submit(honest, number) for number in range(PLAIN)]
        safe += [pool.submit(cut_off, number, tls) for number in range(PLAIN, PLAIN + OVER_TLS)]
        told = [pool.submit(odd, *each) for each in zip(LIES, keys[-ODD:], lies, strict=True)]
        assert all(each.result() for each in safe)
        given = {sha256: receipt for each in told for sha256, receipt in each.result().items()}
    given |= receipts(*(tmp_path / f"state{number}" for number in range(PLAIN + OVER_TLS)))
    contents |= {digest(content): content for content in lies}
    check_kept(server.data, contents, given, station.load(keys[0]).log, abandoned=True)
