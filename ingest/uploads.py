"""Uploads as rows and spool files: making, committing, finishing, refusing, expiring. Blocking; HTTP is `ingest.tus`.

The order for a piece is: bytes in the spool → fdatasync → offset committed in the database → answer. The order at the
end is: digest compared with the manifest → intake (which gives the receipt) → row complete → spool file removed.
A crash between any two steps leaves an upload that goes on from its committed offset, or that `recover` finishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from pydantic import ValidationError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ingest import refusals, rejections
from ingest.answers import HttpError, no_such_upload
from ingest.callers import Caller, Person, Sender
from ingest.digest import FileHasher, hash_file
from ingest.manifest import DeviceLine, check_path, parse_time
from ingest.room import Room, unfinished
from ingest.spool import Gone, Locked, SpoolFile
from pipeline.intake import Intake, Spooled
from pipeline.originals import Arrival
from storage import durable
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import DockedFile, Docking, Original, Rejection, Upload, User
from storage.clock import Clock, new_id
from storage.errors import LiuhenError
from storage.records import Actor, Digest

OPEN, COMPLETE, REJECTED = "open", "complete", "rejected"
OVERTAKEN = timedelta(hours=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A file that no manifest lists: its name, the camera's serial as the person says, the file's own date."""

    path: str
    device: str
    modified: datetime | None = None

    @classmethod
    def told(cls, metadata: Mapping[str, str]) -> Unlisted:
        """From Upload-Metadata: `path`, `device`, and `modified` (RFC 3339, UTC). Raises HttpError."""
        modified = metadata.get("modified")
        try:
            when = parse_time(modified) if modified else None
        except ValueError as error:
            raise refusals.wrong_name(str(error)) from error
        return cls(metadata.get("path", ""), metadata.get("device", ""), when)


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes: `max_upload` of one file, `min_free` of the disk, `unfinished` of one sender's uploads together.

    `ttl`: how long an untouched upload is kept. `waiting`: files that wait to be analysed, above which none is begun.
    """

    max_upload: int
    min_free: int
    ttl: timedelta
    unfinished: int = 256 << 30
    waiting: int = 50_000


class Uploads:
    """All uploads of one data directory. Several processes may share it: the spool file's lock decides.

    `sm3`: files get this digest as well.
    """

    def __init__(
        self, catalogue: Catalogue, intake: Intake, spool: Path, limits: Limits, clock: Clock, *, sm3: bool = False
    ) -> None:
        self.limits = limits
        self._catalogue = catalogue
        self._intake = intake
        self._folder = spool / "uploads"
        self._rejected = spool / "rejected"
        self._clock = clock
        self._sm3 = sm3
        self.room = Room(catalogue, self._folder, limits.min_free, limits.waiting)
        durable.make_directory(self._folder.absolute())
        durable.make_directory(self._rejected.absolute())

    def create(self, caller: Caller, path: str, length: int) -> Upload:
        """Register an upload of a file that the caller's manifest lists. Raises HttpError."""
        if length > self.limits.max_upload:
            raise refusals.too_large(length, self.limits.max_upload)
        listed = self.listed(caller, path)
        if listed.size != length:
            raise refusals.wrong_length(path, listed.size, length)
        upload = self._new(listed.path, length)
        upload.docking_id, upload.sha256, upload.device_serial = caller.docking, listed.sha256, listed.device_serial
        return self._insert(caller, upload)

    def listed(self, caller: Caller, path: str) -> DockedFile:
        """The line of the caller's manifest. Raises HttpError 422."""
        try:
            check_path(path)  # not every database takes any character
        except ValueError as error:
            raise refusals.not_listed(path) from error
        with self._catalogue.read() as session:
            found = session.get(DockedFile, (caller.docking, path))
        if found is None:
            raise refusals.not_listed(path)
        return found

    def listed_by_digest(self, caller: Caller, digests: Sequence[str]) -> list[DockedFile]:
        """The lines of the caller's manifest with these SHA-256, one for each. Raises HttpError 422."""
        mine = select(DockedFile).where(DockedFile.docking_id == caller.docking, DockedFile.sha256.in_(digests))
        with self._catalogue.read() as session:
            found = {row.sha256: row for row in session.scalars(mine)}
        for digest in digests:
            if digest not in found:
                raise refusals.not_listed(digest)
        return [found[digest] for digest in digests]

    def create_unlisted(self, person: Person, file: Unlisted, length: int) -> Upload:
        """Register an upload of a file from a browser. Raises HttpError."""
        if length > self.limits.max_upload:
            raise refusals.too_large(length, self.limits.max_upload)
        try:
            check_path(file.path)
            DeviceLine(serial=file.device)
        except ValidationError as error:
            raise refusals.wrong_name(
                error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            ) from error
        except ValueError as error:
            raise refusals.wrong_name(str(error)) from error
        upload = self._new(file.path, length)
        upload.user_id, upload.device_serial, upload.modified = person.user, file.device, file.modified
        return self._insert(person, upload)

    def _new(self, path: str, length: int) -> Upload:
        now = self._clock()
        return Upload(
            id=new_id(),
            docking_id=None,
            user_id=None,
            path=path,
            sha256="",
            length=length,
            offset=0,
            state=OPEN,
            reason="",
            created=now,
            expires=now + self.limits.ttl,
        )

    def _insert(self, sender: Sender, upload: Upload) -> Upload:
        self.room.check(upload.length)
        with self._catalogue.write() as session:
            if unfinished(session, sender, upload.created) + upload.length > self.limits.unfinished:
                raise refusals.quota(self.limits.unfinished)
            session.add(upload)
        return upload

    def check_quota(self, sender: Sender, coming: int) -> None:
        """For bytes that no row announced and that are to be set apart. Raises HttpError 507."""
        with self._catalogue.write() as session:
            if unfinished(session, sender, self._clock()) + coming > self.limits.unfinished:
                raise refusals.quota(self.limits.unfinished)

    def find(self, sender: Sender, upload_id: str) -> Upload:
        """The upload, if it is the sender's own. Raises HttpError 404 or 410."""
        with self._catalogue.read() as session:
            upload = session.get(Upload, upload_id)
            if upload is None or not _is_of(session, upload, sender):
                raise no_such_upload()
        if upload.state == OPEN and upload.expires <= self._clock():
            raise refusals.expired()
        return upload

    def lock(self, upload: Upload) -> SpoolFile:
        """Open the upload's spool file for writing. Raises HttpError 423 at once when another request has it."""
        try:
            return SpoolFile(self._folder / upload.id)
        except Locked as error:
            raise refusals.locked() from error
        except Gone as error:
            raise no_such_upload() from error

    def again(self, upload: Upload, file: SpoolFile) -> Upload:
        """The row as it stands now that `file` is locked: another request may have moved it on meanwhile."""
        with self._catalogue.read() as session:
            row = session.get(Upload, upload.id)
        if row is None or row.state != OPEN:
            self._catalogue.settle()  # what was read must be durable before the bytes go
            durable.remove(file.path)
        if row is None:
            raise no_such_upload()
        return row

    def commit(self, upload: Upload, offset: int) -> None:
        """Record that `offset` bytes are durable."""
        expires = self._clock() + self.limits.ttl
        with self._catalogue.write() as session:
            session.execute(
                update(Upload)
                .where(Upload.id == upload.id, Upload.state == OPEN)
                .values(offset=offset, expires=expires)
            )
        upload.offset, upload.expires = offset, expires

    def rebuild(self, upload: Upload) -> FileHasher:
        """The hasher after the committed bytes, made anew from the spool. Raises HttpError when bytes are missing."""
        hasher = hash_file(self._folder / upload.id, upload.offset, FileHasher(sm3=self._sm3))
        if hasher.size != upload.offset:
            damaged = refusals.spool_damaged()
            self.reject(upload, damaged, hasher.size, None)
            raise damaged
        return hasher

    def finish(self, upload: Upload, file: SpoolFile, hasher: FileHasher) -> bytes:
        """Hand the whole file over and return its receipt. Raises HttpError 422 when it is not what was listed."""
        digest, leaves = hasher.finish()
        if digest.sha256 != (upload.sha256 or digest.sha256) or not digest.size == upload.length == file.size():
            mislabelled = refusals.mislabelled(upload.path, upload.sha256, digest)
            self.reject(upload, mislabelled, digest.size, digest)
            raise mislabelled
        receipt = self._intake.accept(self._arrival(upload), Spooled(file.path, digest, leaves))
        upload.sha256 = digest.sha256
        self._mark(upload, COMPLETE)
        self._remove_spooled(upload)
        return receipt

    def reject(self, upload: Upload, why: HttpError, size: int, digest: Digest | None) -> None:
        """Keep the bytes apart, with the reason beside them and in the ledger. Nothing was acknowledged."""
        arrival = self._arrival(upload)
        row = Rejection(
            id=upload.id,
            door="browser" if upload.docking_id is None else "upload",
            station_id=arrival.station,
            docking_id=arrival.docking,
            device_serial=arrival.device,
            path=upload.path,
            size=size,
            expected=upload.sha256 or None,
            received=digest.sha256 if digest else None,
            code=why.code,
            zh=why.zh,
            en=why.en,
            place=f"spool/rejected/{upload.id}",
            made=self._clock(),
        )
        rejections.keep_apart(self._folder / upload.id, self._rejected, row)
        self._mark(upload, REJECTED, row, arrival.actor)
        self._remove_spooled(upload)
        log.warning("upload rejected", upload=upload.id, path=upload.path, code=why.code)

    def terminate(self, upload: Upload) -> None:
        """Forget an upload at the station's wish. A finished one keeps its original: only the row goes."""
        with self.lock(upload):
            with self._catalogue.write() as session:
                session.execute(delete(Upload).where(Upload.id == upload.id))
            self._remove_spooled(upload)

    def recover(self) -> None:
        """After a start: finish what was whole and not accepted, remove files whose upload is over."""
        with self._catalogue.read() as session:
            rows = session.scalars(select(Upload).where(Upload.state == OPEN)).all()
        for upload in rows:
            if upload.offset == upload.length:
                self._finish_again(upload)
        self._remove_leftovers()

    def expire(self) -> int:
        """Remove uploads past their time, and return how many. Rejected ones stay until somebody has looked.

        Unfinished ones whose bytes have come otherwise since (a creation whose answer was lost was made anew) go after
        an hour: they would hold disk and quota for days.
        """
        now = self._clock()
        overtaken = (Upload.state == OPEN) & Upload.sha256.in_(select(Original.sha256))
        idle = overtaken & (Upload.expires <= now + self.limits.ttl - OVERTAKEN)
        with self._catalogue.read() as session:
            query = select(Upload).where(((Upload.expires <= now) & (Upload.state != REJECTED)) | idle)
            rows = session.scalars(query).all()
        return sum(self._expire_one(upload) for upload in rows)

    def _expire_one(self, upload: Upload) -> int:
        try:
            self.terminate(upload)
        except HttpError:  # being written right now, or gone already
            return 0
        log.info("upload expired", upload=upload.id, path=upload.path, offset=upload.offset, length=upload.length)
        return 1

    def _finish_again(self, upload: Upload) -> None:
        try:
            with self.lock(upload) as file:
                self.finish(upload, file, self.rebuild(upload))
        except (HttpError, LiuhenError, OSError) as error:
            log.warning("upload not finished at start", upload=upload.id, path=upload.path, error=str(error))

    def _remove_leftovers(self) -> None:
        files = [path for path in self._folder.iterdir() if path.is_file()]  # before the rows: a new upload has a row
        with self._catalogue.read() as session:
            live = set(session.scalars(select(Upload.id).where(Upload.state == OPEN)))
        self._catalogue.settle()
        for path in files:
            if path.name.lstrip(".").split(".")[0] not in live:
                durable.remove(path)

    def _remove_spooled(self, upload: Upload) -> None:
        durable.remove(self._folder / upload.id)

    def _mark(self, upload: Upload, state: str, rejection: Rejection | None = None, by: Actor | None = None) -> None:
        reason = rejection.code if rejection else ""
        with self._catalogue.write() as session:
            session.execute(
                update(Upload).where(Upload.id == upload.id).values(state=state, reason=reason, sha256=upload.sha256)
            )
            if rejection is not None and by is not None:
                rejections.record(session, rejection, by)
        upload.state, upload.reason = state, reason

    def _arrival(self, upload: Upload) -> Arrival:
        with self._catalogue.read() as session:
            docking = session.get(Docking, upload.docking_id) if upload.docking_id else None
            listed = session.get(DockedFile, (upload.docking_id, upload.path)) if docking else None
            user = session.get(User, upload.user_id) if upload.user_id else None
        if docking is None:
            login = user.login if user else ""
            return Arrival(upload.path, upload.device_serial, Actor("user", login), modified=upload.modified)
        return Arrival(
            path=upload.path,
            device=docking.device_serial,
            actor=Actor("station", docking.station_id),
            station=docking.station_id,
            docking=docking.id,
            modified=listed.modified if listed else None,
        )


def _is_of(session: Session, upload: Upload, sender: Sender) -> bool:
    if isinstance(sender, Person):
        return upload.user_id == sender.user
    docking = session.get(Docking, upload.docking_id) if upload.docking_id else None
    return docking is not None and docking.station_id == sender.station


def of_person(session: Session, user_id: str, now: datetime) -> list[Upload]:
    """What the person has uploaded or begun in a browser, newest first, as long as it is remembered."""
    mine = select(Upload).where(Upload.user_id == user_id, Upload.expires > now)
    return list(session.scalars(mine.order_by(Upload.created.desc(), Upload.id.desc()).limit(500)))


def resumable(session: Session, station: str, digests: list[str], now: datetime) -> dict[tuple[str, str], Upload]:
    """The station's unfinished uploads of these files, by (sha256, path): a new docking of the card resumes them."""
    rows = session.scalars(
        select(Upload)
        .join(Docking, Docking.id == Upload.docking_id)
        .where(Docking.station_id == station, Upload.state == OPEN, Upload.expires > now, Upload.sha256.in_(digests))
        .order_by(Upload.offset)
    )
    return {(row.sha256, row.path): row for row in rows}
