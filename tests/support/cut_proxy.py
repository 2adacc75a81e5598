"""A cable that can be cut: forwards one TCP port on loopback to another, and stops after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


def _pump(source: socket.socket, target: socket.socket, allowed: int | None) -> None:
    """Forward until the end, or until `allowed` bytes have gone through; then close both ways."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data if allowed is None else data[:allowed])
            if allowed is not None:
                allowed -= len(data)
                if allowed <= 0:
                    break
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cut_after(port: int, *, up: int | None = None, down: int | None = None) -> Iterator[int]:
    """The port of a proxy to `port` whose every connection is cut after `up` bytes sent or `down` bytes received."""
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                sockets.extend((near, far))
                for source, target, allowed in ((near, far, up), (far, near, down)):
                    threads.append(threading.Thread(target=_pump, args=(source, target, allowed)))
                    threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, args=(listener,))
        acceptor.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for each in sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for each in sockets:
                each.close()
