"""The intake's server inside the test's own process, where its clock and its services can be laid hands on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from ingest.server import make_routes
from pipeline.bootstrap import Services


@contextmanager
def serving(services: Services) -> Iterator[str]:
    """Its address. `services` must be started."""
    app = Starlette(routes=[Mount("/api", routes=make_routes(services))])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="error"))
    socket = server.config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        socket.close()
