"""The line between station and server: a forwarder on loopback that can stop in the middle of an upload.

It stands for a network that takes its time: what happens "in the middle" then happens there on any machine.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading

_PATCH = re.compile(rb"PATCH /api/uploads/(\w+) HTTP/.*?\r\nupload-offset: *(\d+)\r\n", re.IGNORECASE | re.DOTALL)
_PIECE = 64 << 10  # bytes


class Line:
    """Forwards to `port`. A connection that has carried `limit` bytes waits until it is let go."""

    def __init__(self, port: int, limit: int) -> None:
        self._port, self._limit = port, limit
        self._free: set[bytes] = set()
        self._waiting: set[bytes] = set()
        self._open = False
        self._changed = threading.Condition()
        self._begun: list[tuple[str, int]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def held(self) -> set[str]:
        """The uploads that stand in the middle now."""
        with self._changed:
            return {upload.decode() for upload in self._waiting}

    def begun(self) -> list[tuple[str, int]]:
        """Each time an upload was begun or gone on with: which, and at which byte."""
        with self._changed:
            return list(self._begun)

    def let_go(self, upload: str) -> None:
        with self._changed:
            self._free.add(upload.encode())
            self._changed.notify_all()

    def open(self) -> None:
        """Hold nothing any more."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def close(self) -> None:
        self.open()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                station, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # the server is down
                station.close()
                continue
            threading.Thread(target=self._carry, args=(station, server), daemon=True).start()
            threading.Thread(target=_answer, args=(server, station), daemon=True).start()

    def _carry(self, station: socket.socket, server: socket.socket) -> None:
        sent, upload = 0, b""
        with contextlib.suppress(OSError):
            while data := station.recv(_PIECE):
                if begun := _PATCH.search(data):
                    sent, upload = 0, begun[1]
                    with self._changed:
                        self._begun.append((upload.decode(), int(begun[2])))
                server.sendall(data)
                sent += len(data)
                if sent >= self._limit:
                    self._hold(upload)
        _end(station, server)

    def _hold(self, upload: bytes) -> None:
        with self._changed:
            self._waiting.add(upload)
            self._changed.wait_for(lambda: self._open or upload in self._free)
            self._waiting.discard(upload)


def _answer(server: socket.socket, station: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(_PIECE):
            station.sendall(data)
    _end(station, server)


def _end(*ends: socket.socket) -> None:
    for each in ends:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
