"""A server that lies: what it says reaches neither the station's files nor its terminal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ingest.client import ServerClient
from storage.errors import LiuhenError, Refused


@contextmanager
def answering(status: int, said: object) -> Iterator[ServerClient]:
    class Liar(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Liar)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    client = ServerClient(f"http://127.0.0.1:{server.server_port}", patience=0)
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", ["../../ST-01", "/etc/liuhen/ST-01", "", "a/b", "a\0", 7, None, "x" * 65])
def test_a_docking_is_named_so_that_it_can_be_a_file_of_the_journal(name: object) -> None:
    with answering(201, {"docking": name, "token": "t", "files": []}) as client, pytest.raises(Refused):
        client.dock(b"{}", "")


@pytest.mark.parametrize(
    "said", [[], {}, {"docking": "01m7", "token": 3, "files": []}, {"docking": "01m7", "token": "t"}]
)
def test_an_answer_that_is_no_docking_is_refused(said: object) -> None:
    with answering(201, said) as client, pytest.raises(Refused):
        client.dock(b"{}", "")


def test_words_of_a_refusal_do_not_steer_the_terminal() -> None:
    words = {"code": "x", "zh": "\x1b[2J清屏\r", "en": "\x9b31mred\u202e" + "y" * 5000}
    with answering(403, {"error": words}) as client, pytest.raises(LiuhenError) as caught:
        client.tell("/api/wipes", b"", "")
    assert caught.value.zh == "\\x1b[2J清屏\\r"
    assert caught.value.en.startswith("\\x9b31mred\\u202e")
    assert len(caught.value.en) < 2000
