"""A real server in a process of its own: uvicorn on loopback, SQLite, local blobs. Also the program that it runs.

`run_server(data)` starts one and says where it listens. A `Launcher` starts many, one after another: it has loaded the
program once and forks. `break_at` makes a server kill itself (SIGKILL, as a power cut would) at one step of the intake.

Nothing outlives the tests: the kernel kills a launcher when its pytest ends, however that comes about, and a server
when its launcher does.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from ingest.enrolment import Enrolment  # noqa: E402
from pipeline.bootstrap import open_catalogue, passphrase  # noqa: E402
from pipeline.settings import Settings  # noqa: E402
from storage.clock import now  # noqa: E402
from storage.ledger import keys  # noqa: E402
from tests.support.ledger import fresh_database  # noqa: E402


@dataclass(frozen=True)
class Server:
    url: str
    data: Path
    pid: int
    launcher: Launcher

    def kill(self) -> None:
        """As a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        self.launcher.wait(self.pid)

    def wait(self) -> int:
        """Until it is gone: minus the signal that killed it, or its exit status."""
        return self.launcher.wait(self.pid)


class Launcher:
    """A process that has imported everything and forks a server for each order it reads."""

    def __init__(self) -> None:
        self._ended: dict[int, int] = {}

    def __enter__(self) -> Launcher:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    @contextlib.contextmanager
    def server(self, data: Path, *, break_at: str = "", **settings: Any) -> Iterator[Server]:
        """A server, on a free port if none is given, up when this yields; stopped (if it still lives) at the end."""
        pid = int(self._order({"start": {"data": str(data), **settings}, "break": break_at}))
        url = self._read()
        if not url:
            raise RuntimeError(f"the test server did not start: {self.wait(pid)}")
        try:
            yield Server(url, data, pid, self)
        finally:
            if pid not in self._ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                self.wait(pid)

    def wait(self, pid: int) -> int:
        if pid not in self._ended:
            self._ended[pid] = int(self._order({"wait": pid}))
        return self._ended[pid]

    def _order(self, order: dict[str, Any]) -> str:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def run_server(data: Path, *, break_at: str = "", **settings: Any) -> Iterator[Server]:
    """One server, in a process of its own."""
    with Launcher() as launcher, launcher.server(data, break_at=break_at, **settings) as server:
        yield server


def enrol(data: Path, folder: Path, name: str = "ST-01", **settings: Any) -> Path:
    """Enrol a station in the server's database, before its first start or while it runs, and give its key file."""
    return enrol_all(data, folder, [name], **settings)[0]


def enrol_all(data: Path, folder: Path, names: Iterable[str], **settings: Any) -> list[Path]:
    """Several at once: their key files."""
    made = Settings(data=data, **settings)
    fresh_database(data)
    log = keys.LogKey(keys.KeyFolder(made.keys, made.origin, passphrase(made)).first())
    catalogue = open_catalogue(made)
    files = [folder / f"{name}.json" for name in names]
    for file in files:
        Enrolment(catalogue, now).add(file.stem, "test", file, log.vkey)
    catalogue.close()
    return files


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _around(owner: Any, name: str, when: str, count: int, counts: Callable[..., bool]) -> None:
    """Replace owner.name by itself with a SIGKILL before or after the `count`th call that `counts`."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def broken(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += counts(*args)
        if when == "before" and calls == count:
            _die()
        result = original(*args, **kwargs)
        if when == "after" and calls == count:
            _die()
        return result

    setattr(owner, name, broken)


def _steps() -> dict[str, tuple[Any, str]]:
    from ingest import rejections
    from ingest.files import Part
    from ingest.landing import Landing
    from ingest.spool import SpoolFile
    from ingest.uploads import Uploads
    from pipeline.intake import Intake
    from pipeline.originals import Originals
    from storage import durable
    from storage.blobs.local import LocalBlobStore
    from storage.ledger.guard import FileGuard
    from storage.ledger.sequencer import Sequencer

    return {
        "spool-write": (SpoolFile, "write"),
        "hash": (Landing, "_write"),
        "part-write": (Part, "write"),
        "part-close": (Part, "close"),
        "fdatasync": (SpoolFile, "flush"),
        "offset-commit": (Uploads, "commit"),
        "blob-put": (LocalBlobStore, "put_all"),
        "blob-names": (durable, "_rename"),
        "register": (Originals, "register"),
        "accept": (Intake, "accept_all"),
        "tiles": (Sequencer, "_write_tiles"),
        "guard": (FileGuard, "advance"),
        "publish": (Sequencer, "_publish"),
        "receipt": (Sequencer, "receipts"),
        "mark": (Uploads, "_mark"),
        "spool-remove": (Uploads, "_remove_spooled"),
        "finish": (Uploads, "finish"),
        "set-apart": (rejections, "keep_apart"),
        "set-apart-bytes": (durable, "adopt"),
        "reject": (rejections, "record"),
    }


def _break(spec: str) -> None:
    """`before:blob-put:2` kills before the second call of that step. Ledger steps count from the first original on."""
    from storage.ledger.sequencer import Sequencer

    when, step, count = spec.split(":")
    owner, name = _steps()[step]
    if step not in ("tiles", "guard", "publish"):
        _around(owner, name, when, int(count), lambda *_: True)
        return
    seen = False

    def watched(self: Sequencer, old: int, entries: Any) -> None:
        nonlocal seen
        seen = seen or any(b"original.received" in entry.body for entry in entries)
        broken(self, old, entries)

    _around(owner, name, when, int(count), lambda *_: seen)
    broken = Sequencer._write_tiles
    Sequencer._write_tiles = watched  # type: ignore[method-assign]


LOADED_ONCE = (
    "alembic.autogenerate",
    "alembic.command",
    "api.app",
    "ingest.connection",
    "ingest.daemon",
    "ingest.rejections",
    "ingest.server",
    "pipeline.access",
    "pipeline.analyse",
    "pipeline.fixity",
    "pipeline.intake",
    "pipeline.jobs",
    "pipeline.reminders",
    "storage.blobs.local",
    "uvicorn",
    "uvicorn.loops.auto",
)
"""What a server needs: loaded before the forks."""


def main() -> None:
    """Take orders from standard input, one JSON object a line."""
    for module in LOADED_ONCE:
        importlib.import_module(module)
    os.dup2(2, 1)  # logs are no answers
    _die_with(int(sys.argv[1]))
    launcher = os.getpid()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            _say(os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if pid == 0:
            _die_with(launcher)
            _serve_and_exit(order)
        _say(pid)


PR_SET_PDEATHSIG = 1  # prctl(2)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that comes about."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it was quicker
        _die()


def _serve_and_exit(order: dict[str, Any]) -> NoReturn:
    try:
        serve(Settings(**order["start"]), order["break"])
    except BaseException:
        traceback.print_exc()
        _say("")
        os._exit(1)
    os._exit(0)


def serve(settings: Settings, break_at: str) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from ingest.connection import Connection
    from ingest.daemon import Daemon
    from ingest.server import make_routes
    from pipeline.bootstrap import wire

    sys.stdin.close()
    services = wire(settings)
    services.start(threads=0)
    daemon = Daemon(services)
    daemon.start()
    if break_at:
        _break(break_at)
    app = Starlette(routes=[Mount("/api", routes=make_routes(services))])
    port = settings.port if "port" in settings.model_fields_set else 0
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http=Connection, lifespan="off", access_log=False, log_level="warning"
    )
    socket = config.bind_socket()
    socket.listen(128)  # who is told the address may connect at once
    _say(f"http://127.0.0.1:{socket.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[socket])
    daemon.stop()
    services.stop()


def _say(word: object) -> None:
    os.write(ANSWERS, f"{word}\n".encode())


if __name__ == "__main__":
    ANSWERS = os.dup(1)
    main()
