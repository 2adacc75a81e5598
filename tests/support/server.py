"""A real server in a process of its own: uvicorn on loopback, SQLite, local blobs. Also the program that it runs.

`run_server(data)` starts it and says where it listens. `break_at` makes the process kill itself (SIGKILL, as a power
cut would) at one step of the intake; see `STEPS`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from pipeline.settings import Settings  # noqa: E402
from storage.catalogue.tables import Station  # noqa: E402
from storage.clock import now  # noqa: E402


@dataclass(frozen=True)
class Server:
    url: str
    data: Path
    process: subprocess.Popen[str]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def run_server(data: Path, *, break_at: str = "", **settings: Any) -> Iterator[Server]:
    """A server on a free port, up when this yields; stopped (if it still lives) at the end."""
    command = [sys.executable, __file__, "--data", str(data), "--settings", json.dumps(settings), "--break", break_at]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the test server did not start (exit {process.wait()})")
        try:
            yield Server(line.strip(), data, process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def enrol(data: Path, folder: Path, name: str = "ST-01") -> Path:
    """Enrol a station straight into the server's database and write its key file. The ledger must have begun."""
    from storage.catalogue.catalogue import Catalogue
    from storage.ledger.keys import load_or_make

    settings = Settings(data=data)
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    catalogue = Catalogue(settings.database)
    with catalogue.write() as session:
        session.add(Station(id=name, public_key=public, created=now()))
    catalogue.close()
    log = load_or_make(settings.keys / "ledger.pem", settings.origin, (settings.keys / "passphrase").read_bytes())
    file = folder / f"{name}.json"
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    vkey = str(log.signer.verifier)
    file.write_text(json.dumps({"schema": "liuhen.station/1", "station": name, "private_key": pem, "log": vkey}))
    file.chmod(0o600)
    return file


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _around(owner: Any, name: str, when: str, countdown: int = 1) -> None:
    """Replace owner.name by itself with a SIGKILL before or after its `countdown`th call."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def broken(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls == countdown:
            _die()
        result = original(*args, **kwargs)
        if when == "after" and calls == countdown:
            _die()
        return result

    setattr(owner, name, broken)


def _steps() -> dict[str, tuple[Any, str]]:
    from ingest.landing import Landing
    from ingest.spool import SpoolFile
    from ingest.uploads import Uploads
    from pipeline.intake import Intake
    from storage.blobs.local import LocalBlobStore
    from storage.ledger.sequencer import Sequencer

    return {
        "spool-write": (SpoolFile, "write"),
        "hash": (Landing, "_write"),
        "fdatasync": (SpoolFile, "flush"),
        "offset-commit": (Uploads, "commit"),
        "blob-put": (LocalBlobStore, "put"),
        "register": (Intake, "_register"),
        "accept": (Intake, "accept"),
        "publish": (Sequencer, "_publish_batch"),
        "checkpoint": (Sequencer, "_publish"),
        "receipt": (Intake, "receipt"),
        "mark": (Uploads, "_mark"),
        "finish": (Uploads, "finish"),
    }


def _break(spec: str) -> None:
    """`before:blob-put:2` kills before the second call of that step."""
    when, step, count = spec.split(":")
    owner, name = _steps()[step]
    _around(owner, name, when, int(count))


def main() -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from ingest.daemon import Daemon
    from ingest.server import make_routes
    from pipeline.bootstrap import wire

    parser = argparse.ArgumentParser()
    for name in ("--data", "--settings", "--break"):
        parser.add_argument(name, default="")
    given = vars(parser.parse_args())
    services = wire(Settings(**{"data": Path(given["data"]), **json.loads(given["settings"] or "{}")}))
    if given["break"]:
        _break(given["break"])
    services.start(threads=0)
    daemon = Daemon(services)
    daemon.start()
    app = Starlette(routes=[Mount("/api", routes=make_routes(services))])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", access_log=False, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    sys.stdout.write(f"http://127.0.0.1:{socket.getsockname()[1]}\n")
    sys.stdout.flush()
    server.run(sockets=[socket])
    daemon.stop()
    services.stop()


if __name__ == "__main__":
    main()
