"""Whole small files in one request: `POST /api/files`. For photographs and short clips, of which a card has thousands.

The order: bytes in the spool → digest compared with the manifest → intake, which makes them durable → receipt, the
answer. No row says that an upload is under way: a request that breaks leaves nothing, and is sent again. What a crash
leaves in the spool is removed at the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import structlog

from ingest import refusals, rejections
from ingest.callers import Caller
from ingest.digest import SMALL, FileHasher
from ingest.uploads import Uploads
from pipeline.intake import Intake, Spooled
from pipeline.originals import Arrival
from storage import durable
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import DockedFile, Rejection
from storage.clock import Clock, new_id
from storage.records import Actor, Digest

MAX_SIZE = 16 << 20  # bytes; a larger file is uploaded resumably
log = structlog.get_logger()


class Part:
    """The bytes of one file on their way. Locked (flock) until `close`, so that nobody takes it for a leftover."""

    def __init__(self, path: Path, *, sm3: bool) -> None:
        self.path = path
        self.hasher = FileHasher(sm3=sm3)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def write(self, data: bytes) -> None:
        """Raises OSError."""
        view = memoryview(data)
        for start in range(0, len(data), SMALL - 1):  # pieces that are hashed without another thread
            self.hasher.update(view[start : start + SMALL - 1])
        while view:
            view = view[os.write(self._handle, view) :]

    def close(self) -> None:
        """Also removes the file: whoever keeps it has given it another name."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._handle)


class Files:
    """Blocking; HTTP is `ingest.file_routes`. Shares limits, room and the place of rejected bytes with `uploads`."""

    def __init__(
        self, catalogue: Catalogue, intake: Intake, uploads: Uploads, spool: Path, clock: Clock, *, sm3: bool = False
    ) -> None:
        self._catalogue = catalogue
        self._intake = intake
        self._uploads = uploads
        self._folder = spool / "files"
        self._rejected = spool / "rejected"
        self._clock = clock
        self._sm3 = sm3
        durable.make_directory(self._folder.absolute())

    def begin(self, caller: Caller, path: str, length: int) -> tuple[DockedFile, Part]:
        """The line of the caller's manifest, and where its bytes go. Raises HttpError or OSError."""
        if length > MAX_SIZE:
            raise refusals.too_large(length, MAX_SIZE)
        listed = self._uploads.listed(caller, path)
        if listed.size != length:
            raise refusals.wrong_length(path, listed.size, length)
        self._uploads.room.check(length)
        return listed, Part(self._folder / new_id(), sm3=self._sm3)

    def finish(self, caller: Caller, listed: DockedFile, part: Part) -> bytes:
        """The receipt of the whole file. Raises HttpError 422 when it is not what was listed (507 when no more of that
        is set apart), OSError, LiuhenError.
        """
        digest, leaves = part.hasher.finish()
        if digest.sha256 != listed.sha256:
            self._reject(caller, listed, part, digest)
            raise refusals.mislabelled(listed.path, listed.sha256, digest)
        arrival = Arrival(
            path=listed.path,
            device=listed.device_serial,
            actor=Actor("station", caller.station),
            station=caller.station,
            docking=caller.docking,
            modified=listed.modified,
        )
        return self._intake.accept(arrival, Spooled(part.path, digest, leaves))

    def remove_leftovers(self) -> None:
        """What a process that died has left. A file that is being written is locked and stays, with its chunk hashes
        beside it (`Intake` writes them), which come after it by name.
        """
        for path in sorted(self._folder.iterdir()):
            if path.suffix and path.with_suffix("").exists():
                continue
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    def _reject(self, caller: Caller, listed: DockedFile, part: Part, digest: Digest) -> None:
        self._uploads.check_quota(caller, digest.size)
        why = refusals.mislabelled(listed.path, listed.sha256, digest)
        row = Rejection(
            id=part.path.name,
            door="file",
            station_id=caller.station,
            docking_id=caller.docking,
            device_serial=listed.device_serial,
            path=listed.path,
            size=digest.size,
            expected=listed.sha256,
            received=digest.sha256,
            code=why.code,
            zh=why.zh,
            en=why.en,
            place=f"spool/rejected/{part.path.name}",
            made=self._clock(),
        )
        rejections.keep_apart(part.path, self._rejected, row)
        with self._catalogue.write() as session:
            rejections.record(session, row, Actor("station", caller.station))
        log.warning("file rejected", path=listed.path, code=why.code)
