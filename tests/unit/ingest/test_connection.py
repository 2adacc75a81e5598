"""Request heads have an end; bodies and answers take the time they take."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.connection import Connection

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class Hasty(Connection):
    head_seconds = 0.3


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def refuse(request: Request) -> Response:
    return Response("no", 503)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/no", refuse, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Hasty, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as opened:
        yield opened


def test_silence_ends(connection: socket.socket) -> None:
    assert connection.recv(100) == b""


def test_a_head_that_stops_in_the_middle_ends(connection: socket.socket) -> None:
    connection.sendall(HEAD[:30])
    assert connection.recv(100) == b""


def test_a_second_head_that_stops_ends_too(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"12345")
    assert connection.recv(1000).endswith(b"12345")
    connection.sendall(HEAD[:30])
    assert connection.recv(1000) == b""


def test_a_slow_body_is_none_of_its_business(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    time.sleep(0.6)
    connection.sendall(b"12345")
    assert connection.recv(1000).endswith(b"12345")


def test_the_body_of_a_request_that_was_refused_is_not_waited_for(connection: socket.socket) -> None:
    connection.sendall(HEAD.replace(b"POST /", b"POST /no"))
    assert connection.recv(1000).endswith(b"no")
    connection.sendall(b"1234")
    assert connection.recv(1000) == b""


def test_after_a_refused_body_the_connection_is_good_for_more(connection: socket.socket) -> None:
    connection.sendall(HEAD.replace(b"POST /", b"POST /no"))
    assert connection.recv(1000).endswith(b"no")
    connection.sendall(b"12345" + HEAD + b"67890")
    assert connection.recv(1000).endswith(b"67890")


def test_a_large_body_behind_a_small_head_is_no_large_head(connection: socket.socket) -> None:
    body = b"x" * 300_000
    for _ in range(2):
        connection.sendall(HEAD.replace(b"5", b"300000") + body)
        got = b""
        while not got.endswith(body):
            got += connection.recv(1 << 20)


@pytest.mark.parametrize("field", [b"X: " + b"x" * 70_000, b"\r\n".join([b"X-Header: 1234567890"] * 4000)])
def test_a_large_head_that_comes_at_once_is_refused_too(connection: socket.socket, field: bytes) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n\r\n")
    try:
        answer = connection.recv(1000)
    except ConnectionResetError:
        return  # it closed before it had read all
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_head_of_the_usual_size_is_taken(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000 + b"\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("drip", [b"x" * 10_000, b"X-A: b\r\n" * 1000])
def test_a_head_without_end_is_refused(connection: socket.socket, drip: bytes) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
    answer = b""
    try:
        while not answer:
            connection.sendall(drip)
            connection.settimeout(0.001)
            try:
                answer = connection.recv(1000)
            except TimeoutError:
                connection.settimeout(20)
    except OSError:
        return  # it closed while we were still sending
    assert answer.startswith(b"HTTP/1.1 4")
