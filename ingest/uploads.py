"""Uploads as rows and spool files: making, committing, finishing, refusing, expiring. Blocking; HTTP is `ingest.tus`.

The order for a piece is: bytes in the spool → fdatasync → offset committed in the database → answer. The order at the
end is: digest compared with the manifest → intake (which gives the receipt) → row complete → spool file removed.
A crash between any two steps leaves an upload that goes on from its committed offset, or that `recover` finishes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ingest.answers import HttpError, busy, no_such_upload
from ingest.digest import FileHasher, hash_file
from ingest.spool import Gone, Locked, SpoolFile
from pipeline.intake import Arrival, Intake, Spooled
from storage import durable
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import DockedFile, Docking, Upload
from storage.clock import Clock, iso, new_id
from storage.errors import LiuhenError
from storage.records import Actor, Digest

OPEN, COMPLETE, REJECTED = "open", "complete", "rejected"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds a token: a docking of a station."""

    docking: str
    station: str


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_upload` and `min_free` in bytes; `ttl`: how long an untouched upload is kept."""

    max_upload: int
    min_free: int
    ttl: timedelta


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
        durable.make_directory(self._folder.absolute())
        durable.make_directory(self._rejected.absolute())

    def create(self, caller: Caller, path: str, length: int) -> Upload:
        """Register an upload of a file that the caller's manifest lists. Raises HttpError."""
        if length > self.limits.max_upload:
            raise _too_large(length, self.limits.max_upload)
        with self._catalogue.read() as session:
            listed = session.get(DockedFile, (caller.docking, path))
        if listed is None:
            raise _not_listed(path)
        if listed.size != length:
            raise _wrong_length(path, listed.size, length)
        self.check_space(length)
        return self._insert(caller, listed)

    def _insert(self, caller: Caller, listed: DockedFile) -> Upload:
        now = self._clock()
        upload = Upload(
            id=new_id(),
            docking_id=caller.docking,
            path=listed.path,
            sha256=listed.sha256,
            length=listed.size,
            offset=0,
            state=OPEN,
            reason="",
            created=now,
            expires=now + self.limits.ttl,
        )
        with self._catalogue.write() as session:
            session.add(upload)
        return upload

    def find(self, caller: Caller, upload_id: str) -> Upload:
        """The upload, if it is the caller's station's. Raises HttpError 404 or 410."""
        with self._catalogue.read() as session:
            upload = session.get(Upload, upload_id)
            docking = session.get(Docking, upload.docking_id) if upload else None
        if upload is None or docking is None or docking.station_id != caller.station:
            raise no_such_upload()
        if upload.state == OPEN and upload.expires <= self._clock():
            raise HttpError(410, "expired", "上传任务已过期，请重新创建。", "the upload has expired: create it again")
        return upload

    def lock(self, upload: Upload) -> SpoolFile:
        """Open the upload's spool file for writing. Raises HttpError 423 at once when another request has it."""
        try:
            return SpoolFile(self._folder / upload.id)
        except Locked as error:
            raise HttpError(
                423, "locked", "该文件正在由另一个连接上传，请稍后再试。", "another connection is uploading this file"
            ) from error
        except Gone as error:
            raise no_such_upload() from error

    def again(self, upload: Upload, file: SpoolFile) -> Upload:
        """The row as it stands now that `file` is locked: another request may have moved it on meanwhile."""
        with self._catalogue.read() as session:
            row = session.get(Upload, upload.id)
        if row is None or row.state != OPEN:
            durable.remove(file.path)
        if row is None:
            raise no_such_upload()
        return row

    def check_space(self, coming: int) -> None:
        """Raise HttpError when the disk has too little room for `coming` more bytes."""
        free = shutil.disk_usage(self._folder).free
        if free < self.limits.min_free:
            raise _disk_low(503)
        if free - coming < self.limits.min_free:
            raise _disk_low(507)

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
            self.reject(upload, "committed bytes are missing from the spool", None)
            raise HttpError(
                410,
                "spool-damaged",
                "服务器暂存数据不完整，请重新上传。",
                "the spool lost bytes: upload the file again",
            )
        return hasher

    def finish(self, upload: Upload, file: SpoolFile, hasher: FileHasher) -> bytes:
        """Hand the whole file over and return its receipt. Raises HttpError 422 when it is not what was listed."""
        digest, leaves = hasher.finish()
        if digest.sha256 != upload.sha256 or not digest.size == upload.length == file.size():
            self.reject(upload, "digest differs from the docking manifest", digest)
            raise _mislabelled(upload, digest)
        receipt = self._intake.accept(self._arrival(upload), Spooled(file.path, digest, leaves))
        self._mark(upload, COMPLETE, "")
        self._remove_spooled(upload)
        return receipt

    def reject(self, upload: Upload, reason: str, digest: Digest | None) -> None:
        """Keep the bytes apart, with the reason beside them. Nothing was acknowledged."""
        note = {
            "upload": upload.id,
            "docking": upload.docking_id,
            "path": upload.path,
            "expected": upload.sha256,
            "received": digest.sha256 if digest else None,
            "length": upload.length,
            "time": iso(self._clock()),
            "reason": reason,
        }
        durable.write(self._rejected / f"{upload.id}.json", json.dumps(note, ensure_ascii=False, indent=1).encode())
        durable.adopt(self._folder / upload.id, self._rejected / upload.id)
        self._mark(upload, REJECTED, reason)
        self._remove_spooled(upload)
        log.warning("upload rejected", upload=upload.id, path=upload.path, reason=reason)

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
        """Remove uploads past their time, and return how many. Rejected ones stay until somebody has looked."""
        with self._catalogue.read() as session:
            rows = session.scalars(
                select(Upload).where(Upload.expires <= self._clock(), Upload.state != REJECTED)
            ).all()
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
        for path in files:
            if path.name.lstrip(".").split(".")[0] not in live:
                durable.remove(path)

    def _remove_spooled(self, upload: Upload) -> None:
        durable.remove(self._folder / upload.id)

    def _mark(self, upload: Upload, state: str, reason: str) -> None:
        with self._catalogue.write() as session:
            session.execute(update(Upload).where(Upload.id == upload.id).values(state=state, reason=reason))
        upload.state, upload.reason = state, reason

    def _arrival(self, upload: Upload) -> Arrival:
        with self._catalogue.read() as session:
            docking = session.get_one(Docking, upload.docking_id)
        return Arrival(
            path=upload.path,
            device=docking.device_serial,
            actor=Actor("station", docking.station_id),
            station=docking.station_id,
            docking=docking.id,
        )


def resumable(session: Session, station: str, digests: list[str], now: datetime) -> dict[tuple[str, str], Upload]:
    """The station's unfinished uploads of these files, by (sha256, path): a new docking of the card resumes them."""
    rows = session.scalars(
        select(Upload)
        .join(Docking, Docking.id == Upload.docking_id)
        .where(Docking.station_id == station, Upload.state == OPEN, Upload.expires > now, Upload.sha256.in_(digests))
        .order_by(Upload.offset)
    )
    return {(row.sha256, row.path): row for row in rows}


def _too_large(length: int, limit: int) -> HttpError:
    return HttpError(
        413,
        "too-large",
        f"文件过大（{length} 字节，上限 {limit} 字节），未接收；请联系管理员调整上限。",
        f"the file is too large ({length} bytes, the limit is {limit}); nothing was taken: ask the administrator",
        {"Tus-Max-Size": str(limit)},
    )


def _not_listed(path: str) -> HttpError:
    return HttpError(
        422,
        "not-listed",
        f"文件“{path}”不在已签名的采集清单内，未接收。",
        f"the file “{path}” is not in the signed docking manifest and was not taken",
    )


def _wrong_length(path: str, listed: int, length: int) -> HttpError:
    return HttpError(
        422,
        "wrong-length",
        f"文件“{path}”的长度（{length}）与采集清单（{listed}）不符，未接收；请重新采集。",
        f"the length of “{path}” ({length}) is not the manifest's ({listed}); it was not taken: dock again",
    )


def _mislabelled(upload: Upload, digest: Digest) -> HttpError:
    return HttpError(
        422,
        "digest-mismatch",
        f"收到的“{upload.path}”与采集清单的摘要不符（收到 {digest.sha256[:12]}…，清单 {upload.sha256[:12]}…），"
        "已单独存放，未入库；请勿清除设备，重新采集。",
        f"“{upload.path}” as received does not have the manifest's digest (received {digest.sha256[:12]}…, "
        f"listed {upload.sha256[:12]}…); it was set apart and not accepted: do not wipe the camera, dock again",
    )


def _disk_low(status: int) -> HttpError:
    return busy(
        status,
        "disk-low",
        "服务器磁盘空间不足，暂停接收；已上传部分已保存，请稍后重试并通知管理员。",
        "the server's disk is low and takes nothing now; what was uploaded is safe: try later, tell the administrator",
    )
