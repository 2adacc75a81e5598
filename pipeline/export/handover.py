"""领取: a finished disc image leaves the store for a file on the server's own console. The trace comes first."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.export.disc import export_key
from pipeline.jobs import Progress
from storage import durable
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import AccessRequest, Export, Grant
from storage.clock import Clock, new_id
from storage.errors import Conflict, IntegrityError, NotFound, Refused
from storage.records import Actor, CustodyEvent, RequestKind, RequestState

CONSOLE = Actor("service", "console")


class HandOver:
    """Copies finished exports out, for whoever runs the server. The grant's end counts here as everywhere."""

    def __init__(self, catalogue: Catalogue, tiers: Mapping[str, BlobStore], clock: Clock) -> None:
        self._catalogue, self._tiers, self._clock = catalogue, tiers, clock

    def copy(self, request_id: str, out: Path, progress: Progress) -> Export:
        """Write the image of an approved request to the new file `out`. Logged before the first byte is written.

        Raises NotFound (no such request), Refused (not approved, expired, `out` exists), Conflict (still being made),
        IntegrityError (the stored image is damaged; nothing is left at `out`).
        """
        if out.exists():
            raise Refused(f"{out} 已存在，不会覆盖。", f"{out} exists and is not overwritten")
        with self._catalogue.write() as session:
            export, grant = self._finished(session, request_id)
            custody.record(session, self._event(export, grant))
        self._write(export, out, progress)
        return export

    def _finished(self, session: Session, request_id: str) -> tuple[Export, Grant]:
        request = session.get(AccessRequest, request_id)
        if request is None or request.kind != RequestKind.EXPORT:
            raise NotFound("没有这份导出申请。", "there is no such export request")
        grant = session.scalar(select(Grant).where(Grant.request_id == request_id))
        if request.state != RequestState.APPROVED or grant is None:
            raise Refused("这份导出申请未获批准。", "this export request is not approved")
        if grant.expires <= self._clock():
            raise Refused("导出许可已到期，请重新申请。", "the grant has run out: make a new request")
        export = session.scalar(select(Export).where(Export.request_id == request_id))
        if export is None:
            raise Conflict("导出光盘正在制作，请稍后再来。", "the export is still being made: come back in a moment")
        return export, grant

    def _event(self, export: Export, grant: Grant) -> CustodyEvent:
        return CustodyEvent(
            id=new_id(),
            event="export.downloaded",
            time=self._clock(),
            actor=CONSOLE,
            subject=f"recording:{export.recording_id}",
            payload={"grant": grant.id, "request": export.request_id, "sha256": export.sha256},
        )

    def _write(self, export: Export, out: Path, progress: Progress) -> None:
        pieces = self._tiers[export.tier].open(export_key(export.sha256))
        part = out.with_name(f".{out.name}.part")
        try:
            with part.open("wb") as file:
                digest = _copy(pieces, file, export.size, progress)
                os.fsync(file.fileno())
            if digest != export.sha256:
                raise IntegrityError(
                    "存储的光盘映像已损坏，未导出；请立即核查存储。",
                    "the stored image is damaged and was not handed over: examine the store at once",
                )
            part.replace(out)
        except OSError as error:
            raise durable.disk_error(error) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()


def _copy(pieces: Iterable[bytes], file: IO[bytes], total: int, progress: Progress) -> str:
    digest, done = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        file.write(piece)
        done += len(piece)
        progress(done / max(1, total))
    return digest.hexdigest()
