"""The client of a TSA against servers that drip, hang, hang up, or bring what nobody asked for."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.errors import Transient
from storage.ledger.time.stamps import short_name
from storage.ledger.time.tsa import Tsa
from tests.support.tsa import Authority, Server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: 1000\r\n\r\n"


@contextlib.contextmanager
def raw(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that does as `answer` says with its first connection; its address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                answer(connection, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def drip(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD)
    while not over.wait(0.05):
        connection.sendall(b"0")


def hang(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def hang_up(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"0")


def nonsense(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize("answer", [drip, hang, hang_up, nonsense])
def test_whoever_does_not_answer_in_time_and_in_full_is_down(
    answer: Callable[[socket.socket, threading.Event], None],
) -> None:
    with raw(answer) as url, pytest.raises(Transient, match="is down"):
        Tsa(url, timeout=0.3).ask(b"query")


def test_lists_are_taken_from_issuers_only_and_missing_ones_are_no_error(tmp_path: Path) -> None:
    with Server() as server:
        authority = Authority(tmp_path, crl=server.url)
        path = [authority.own, authority.between, authority.root]
        tsa = Tsa(server.url)
        assert tsa.lists(path) == []
        server.lists["/Between.crl"] = authority.revoke(None, issuer="Stranger")
        server.lists["/Root.crl"] = b"<html>no</html>"
        assert tsa.lists(path) == []
        server.lists["/Between.crl"] = authority.revoke(None)
        assert [each.issuer for each in tsa.lists(path)] == [authority.between.subject]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://tsa.example.org", "tsa.example.org"),
        ("https://TSA.example.org:8443/RFC3161/", "tsa.example.org-8443-rfc3161"),
        ("http://user:secret@tsa.example.org/a?key=b", "tsa.example.org-a"),
        ("http://tsa.example.org/../..", "tsa.example.org"),
        ("http://[::1]:8318/", "1-8318"),
    ],
)
def test_an_address_becomes_a_name_for_a_folder(url: str, name: str) -> None:
    assert short_name(url) == name
