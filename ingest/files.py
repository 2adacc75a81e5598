"""Whole small files: `POST /api/files`, one or several in one request. For photographs and short clips, of which a
card has thousands.

The order: bytes in the spool → digests compared with the manifest → intake, which makes them durable → receipts, the
answer. No row says that an upload is under way: a request that breaks leaves nothing, and is sent again. What a crash
leaves in the spool is removed at the next start.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import structlog

from ingest import refusals, rejections
from ingest.answers import HttpError
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

MAX_SIZE = 16 << 20  # bytes of one request; a larger file is uploaded resumably
MAX_FILES = 64  # in one request
log = structlog.get_logger()


class Part:
    """One file of a request on its way. `left`: bytes still to come."""

    def __init__(self, listed: DockedFile, path: Path, *, sm3: bool) -> None:
        self.listed, self.path, self.left = listed, path, listed.size
        self.hasher = FileHasher(sm3=sm3)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, data: memoryview) -> None:
        """Raises OSError."""
        for start in range(0, len(data), SMALL - 1):  # pieces that are hashed without another thread
            self.hasher.update(data[start : start + SMALL - 1])
        self.left -= len(data)
        while data:
            data = data[os.write(self._handle, data) :]

    def close(self) -> None:
        if self._handle >= 0:
            os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)  # begins to write it to the disk, unwaited for
            os.close(self._handle)
            self._handle = -1


class Batch:
    """The files of one request, whose bytes come one after the other, in a folder of their own.

    The folder is locked (flock) until `close`, so that nobody takes it for a leftover. One file is open at a time.
    """

    def __init__(self, listed: Sequence[DockedFile], folder: Path, *, sm3: bool) -> None:
        self.parts: list[Part] = []
        self._folder, self._sm3 = folder, sm3
        self._coming = list(reversed(listed))
        folder.mkdir(mode=0o700)
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def write(self, data: bytes) -> None:
        """Raises HttpError 413 for more bytes than listed, OSError."""
        view = memoryview(data)
        while view:
            if not self.parts or not self.parts[-1].left:
                self._next()
            part = self.parts[-1]
            view, now = view[part.left :], view[: part.left]
            part.write(now)

    def finish(self) -> list[tuple[Part, Digest, bytes]]:
        """Each file with its digest and its chunk hashes, when all bytes are there. Raises HttpError, OSError."""
        while self._coming:  # those of no bytes at the end
            self._next()
        if any(part.left for part in self.parts):
            raise refusals.cut_short()
        self.parts[-1].close()
        return [(part, *part.hasher.finish()) for part in self.parts]

    def close(self) -> None:
        """Also removes the files: whoever keeps one has given it another name."""
        for part in self.parts:
            part.close()
        if self._lock >= 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def _next(self) -> None:
        """Begin the next file. The one before it has got all its bytes, or was not even begun."""
        if self.parts:
            self.parts[-1].close()
        if not self._coming:
            raise refusals.over_long()
        self.parts.append(Part(self._coming.pop(), self._folder / new_id(), sm3=self._sm3))


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

    def begin_one(self, caller: Caller, path: str, length: int) -> Batch:
        """A place for the file that the caller's manifest lists as `path`. Raises HttpError or OSError."""
        _check_size(length)
        listed = self._uploads.listed(caller, path)
        if listed.size != length:
            raise refusals.wrong_length(path, listed.size, length)
        return self._begin([listed], length)

    def begin(self, caller: Caller, digests: Sequence[str], length: int) -> Batch:
        """A place for files that the caller's manifest lists, by their SHA-256. Raises HttpError or OSError."""
        _check_size(length)
        listed = self._uploads.listed_by_digest(caller, digests)
        if (size := sum(each.size for each in listed)) != length:
            raise refusals.wrong_length("、".join(each.path for each in listed[:3]) + "…", size, length)
        return self._begin(listed, length)

    def _begin(self, listed: Sequence[DockedFile], length: int) -> Batch:
        self._uploads.room.check(length)
        return Batch(listed, self._folder / new_id(), sm3=self._sm3)

    def finish(self, caller: Caller, batch: Batch) -> dict[str, bytes | HttpError]:
        """Of each file by its listed SHA-256: its receipt, or why it was not accepted (422: it is not what was listed,
        507: and no more of that is set apart). Raises OSError, HttpError, LiuhenError.
        """
        answers: dict[str, bytes | HttpError] = {}
        good: list[tuple[Arrival, Spooled]] = []
        for part, digest, leaves in batch.finish():
            if digest.sha256 == part.listed.sha256:
                good.append((_arrival(caller, part.listed), Spooled(part.path, digest, leaves)))
            else:
                answers[part.listed.sha256] = self._reject(caller, part, digest)
        receipts = self._intake.accept_all(good)
        answers |= {file.digest.sha256: receipt for (_, file), receipt in zip(good, receipts, strict=True)}
        return answers

    def remove_leftovers(self) -> None:
        """What a process that died has left. What is being written is locked and stays."""
        for folder in list(self._folder.iterdir()):
            try:
                handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # its request is over
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            except BlockingIOError:
                pass
            finally:
                os.close(handle)

    def _reject(self, caller: Caller, part: Part, digest: Digest) -> HttpError:
        listed = part.listed
        try:
            self._uploads.check_quota(caller, digest.size)
        except HttpError as error:
            return error
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
        return why


def _remove(left: Path) -> None:
    if left.is_dir():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def _check_size(length: int) -> None:
    if length > MAX_SIZE:
        raise refusals.too_large(length, MAX_SIZE)


def _arrival(caller: Caller, listed: DockedFile) -> Arrival:
    return Arrival(
        path=listed.path,
        device=listed.device_serial,
        actor=Actor("station", caller.station),
        station=caller.station,
        docking=caller.docking,
        modified=listed.modified,
    )
