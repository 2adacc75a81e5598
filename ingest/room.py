"""Whether there is room for more: on the disk, behind the workers, and in what one sender may leave unfinished."""

from __future__ import annotations

import shutil
import threading
import time
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingest import refusals
from ingest.callers import Person, Sender
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Docking, Job, Rejection, Station, Upload, User
from storage.records import JobKind, JobState

COUNTED_EVERY = 2.0  # seconds; between two counts of the waiting jobs the last one holds
OVERHEAD = 1 << 20  # bytes that an unfinished or rejected upload counts besides its length: empty ones are not free


class Room:
    """`folder` is on the disk that fills; `min_free` in bytes; `waiting`: jobs of analysis. Thread-safe."""

    def __init__(self, catalogue: Catalogue, folder: Path, min_free: int, waiting: int) -> None:
        self._catalogue = catalogue
        self._folder = folder
        self._min_free = min_free
        self._waiting = waiting
        self._lock = threading.Lock()
        self._counted = -COUNTED_EVERY
        self._behind = False

    def check(self, coming: int) -> None:
        """For a new file of `coming` bytes. Raises HttpError 503 or 507 with Retry-After."""
        self.check_disk(coming)
        if self._is_behind():
            raise refusals.behind(self._waiting)

    def check_disk(self, coming: int = 0) -> None:
        """Also for a file that is under way. Raises HttpError 503 or 507."""
        free = shutil.disk_usage(self._folder).free
        if free < self._min_free:
            raise refusals.disk_low(503)
        if free - coming < self._min_free:
            raise refusals.disk_low(507)

    def _is_behind(self) -> bool:
        with self._lock:
            if time.monotonic() - self._counted >= COUNTED_EVERY:
                self._behind = self._count() > self._waiting
                self._counted = time.monotonic()
            return self._behind

    def _count(self) -> int:
        """No further than needed."""
        some = (
            select(Job.id)
            .where(Job.state == JobState.QUEUED, Job.kind == JobKind.ANALYSE.value)
            .limit(self._waiting + 1)
        )
        with self._catalogue.read() as session:
            return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def unfinished(session: Session, sender: Sender, now: datetime) -> int:
    """Bytes of the sender's open uploads, each counted whole, and of a station's rejected ones that nobody has looked
    into: those stay on the disk. In the transaction that adds one: one at a time.
    """
    apart = 0
    mine = select(func.sum(Upload.length + OVERHEAD)).where(Upload.state == "open", Upload.expires > now)
    if isinstance(sender, Person):
        session.get(User, sender.user, with_for_update=True)
        mine = mine.where(Upload.user_id == sender.user)
    else:
        session.get(Station, sender.station, with_for_update=True)
        unseen = (Rejection.station_id == sender.station, Rejection.seen.is_(None))
        apart = session.scalar(select(func.sum(Rejection.size + OVERHEAD)).where(*unseen)) or 0
        mine = mine.join(Docking, Docking.id == Upload.docking_id).where(Docking.station_id == sender.station)
    return int(session.scalar(mine) or 0) + int(apart)
