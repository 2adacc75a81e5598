"""The database: opening it, and the two ways in, `read` and `write`.

SQLite is the default, PostgreSQL a setting. SQLite 3.7.0–3.51.2 can lose a WAL reset when two connections write and
checkpoint at once, so for SQLite every write transaction of every process holds one file lock: one writer, which also
does the checkpoints. Readers never wait. Commits leave the syncing of the log to `settle`.
"""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from storage.catalogue.wal import WriteAheadLog
from storage.errors import Transient
from storage.together import Together

CONNECTIONS = 24
"""To SQLite, that stay open. Opening one costs more than most questions, and a busy server has as many threads."""
CACHE = 512  # KiB that each of them keeps of the file; the kernel keeps it for all
LOCK_WAIT = 30.0  # seconds; a write transaction takes milliseconds, so this is only met when a disk hangs


class Catalogue:
    """All rows of `storage.catalogue.tables`. Sessions never expire their objects: rows read stay readable."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.engine = _sqlite_engine(parsed) if parsed.get_backend_name() == "sqlite" else _server_engine(parsed)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._writer = _WriterLock(parsed)
        self._log = self._log_of(parsed)
        self._synced = Together(self._sync)

    def migrate(self) -> None:
        """Bring the schema up to date (Alembic). Safe to call at every start."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._writer, self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        self.settle()

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session for looking. Nothing it changes is kept. Raises Transient when the database is down."""
        with _clear_errors(), self._sessions() as session:
            yield session  # closing rolls back, and leaves the rows that were read readable

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """One durable transaction: all of it or nothing. Raises Transient when the database is down or locked."""
        with _clear_errors(), self._writer, self._sessions() as session, session.begin():
            yield session
        self.settle()

    def settle(self) -> None:
        """Make durable what anybody has committed, in any process. For who reads a row and acts outside the database:
        its writer may not have been answered yet. Raises Transient."""
        self._synced.do(None)

    def scrub(self) -> None:
        """Rebuild the database's files so that nothing overwritten or deleted is left in them.

        Needs as much free space as the database has. Raises Transient while somebody reads: then the old pages of
        the write-ahead log are still there. On a server, its own logs and replicas are its administrator's matter.
        """
        if self.engine.dialect.name != "sqlite":
            with _clear_errors(), self.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM FULL")
            return
        with self._writer, contextlib.closing(self.engine.raw_connection()) as pooled:
            busy = _rebuild(pooled.driver_connection)
        if busy:
            raise _down("others are reading, so the erased words are still in its log; stop the service and try again")

    def _log_of(self, url: URL) -> WriteAheadLog | None:
        """What makes commits durable. A server does it itself in each commit; a database in memory never is."""
        file = url.database if url.get_backend_name() == "sqlite" else None
        return WriteAheadLog(Path(file), self._copy_log) if file and file != ":memory:" else None

    def _sync(self, waiting: Sequence[None]) -> Sequence[None]:
        """For all who have committed by now (ADR 16)."""
        if self._log is not None:
            self._log.flush()
        return waiting

    def _copy_log(self) -> None:
        with _clear_errors(), self._writer, contextlib.closing(self.engine.raw_connection()) as pooled:
            raw: Any = pooled.driver_connection
            busy, pages, copied = raw.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if busy or copied < pages:
            raise _down("its log could not be written, and is still being read")

    def check(self) -> None:
        """Raise Transient unless the database answers."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()
        self._writer.close()


class _WriterLock:
    """One writer among all threads and processes of an SQLite file; nothing to do for a server."""

    def __init__(self, url: URL) -> None:
        file = url.database if url.get_backend_name() == "sqlite" else None
        self._thread_lock = threading.Lock()
        self._file = Path(f"{file}.writer").open("ab") if file and file != ":memory:" else None  # noqa: SIM115
        self._serialise = url.get_backend_name() == "sqlite"

    def __enter__(self) -> None:
        if not self._serialise:
            return
        if not self._thread_lock.acquire(timeout=LOCK_WAIT):
            raise _down("the writer's lock was not freed")
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if not self._serialise:
            return
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._thread_lock.release()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_WAIT, "cached_statements": 24}, pool_size=CONNECTIONS)

    @event.listens_for(engine, "connect")
    def _durable(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, so that reads get a snapshot too
        # NORMAL: the log is synced before each checkpoint, and by `settle` before anybody is answered.
        settings = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "wal_autocheckpoint=8000")
        for pragma in (*settings, f"cache_size=-{CACHE}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.connection.dbapi_connection.execute("BEGIN")

    return engine


def _rebuild(raw: Any) -> bool:
    """Write an SQLite file anew and empty its write-ahead log; True when a reader kept the log from being emptied."""
    try:
        raw.execute("VACUUM")
        raw.execute("PRAGMA busy_timeout = 2000")
        busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        raw.execute(f"PRAGMA busy_timeout = {round(LOCK_WAIT * 1000)}")
    except sqlite3.OperationalError as error:
        raise _down(str(error)) from error
    return bool(busy)


def _server_engine(url: URL) -> Engine:
    return create_engine(url, pool_pre_ping=True)


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise _down(str(error.orig)) from error


def _down(reason: str) -> Transient:
    return Transient(
        f"数据库暂不可用（{reason}），数据未被确认，请稍后重试。",
        f"the database is unavailable ({reason}); nothing was acknowledged: try again shortly",
    )
