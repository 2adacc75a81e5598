"""What runs beside the API wherever files come in: recovery at the start, expiry every hour, the watched folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from ingest import rejections
from ingest.server import make_files, make_uploads
from ingest.watch import Watcher
from storage import durable
from storage.errors import LiuhenError

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

EXPIRE_EVERY = 3600.0  # seconds
log = structlog.get_logger()


class Daemon:
    """`services` must be started first: recovery waits for the ledger."""

    def __init__(self, services: Services) -> None:
        self._services, self._begun = services, services.clock()
        self._uploads = make_uploads(services)
        self._files = make_files(services, self._uploads)
        self._blobs = services.settings.data / "blobs"
        watched = services.settings.watch
        self._watcher = Watcher(services, watched) if watched is not None else None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-daemon", daemon=True)

    def start(self) -> None:
        """Finish what a crash left whole, in the background: the server may take uploads meanwhile."""
        self._thread.start()
        if self._watcher is not None:
            self._watcher.start()

    def stop(self) -> None:
        self._stop.set()
        if self._watcher is not None:
            self._watcher.stop()
        self._thread.join()

    def _run(self) -> None:
        self._try(self._uploads.recover)
        self._try(self._adopt_notes)  # before what lies in the spool without a row is removed
        self._try(self._files.remove_leftovers)
        swept = False
        while not self._stop.is_set():
            self._try(self._uploads.expire)
            if not self._stop.wait(EXPIRE_EVERY) and not swept:
                swept = True  # once: what is left is of a crash before this start
                self._try(lambda: durable.sweep(self._blobs, older=EXPIRE_EVERY))

    def _adopt_notes(self) -> None:
        if found := rejections.adopt_notes(self._services.catalogue, self._services.settings.spool, self._begun):
            self._services.sequencer.notify()
            log.warning("rejected files without a row found", files=found)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (LiuhenError, OSError) as error:  # database down or disk full: the next round tries again
            log.warning("ingest upkeep failed", error=str(error))
