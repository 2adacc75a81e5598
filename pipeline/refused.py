"""拒收文件: an administrator looks into what was not accepted. Every look at the bytes leaves a trace.

The bytes are evidence of something, if only of a broken cable: the program never removes them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.orm import Session

from pipeline.access import NoRight, active_user
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Rejection, User
from storage.clock import Clock, new_id
from storage.errors import NotFound
from storage.records import Actor, CustodyEvent, Role

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class SetApart:
    """The bytes of one rejection, opened. `pieces` closes the file at its end."""

    row: Rejection
    size: int
    file: BinaryIO

    def pieces(self) -> Iterator[bytes]:
        with self.file:
            left = self.size
            while left and (piece := self.file.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece


class Refusals:
    """`data`: the data directory; `watched`: the watched folder, where there is one."""

    def __init__(self, catalogue: Catalogue, data: Path, watched: Path | None, clock: Clock) -> None:
        self._catalogue, self._clock = catalogue, clock
        self._data = data
        folders = (data / "spool", watched) if watched is not None else (data / "spool",)
        self._roots = [(folder / "rejected").resolve() for folder in folders]

    def mark_seen(self, user_id: str, rejection: str) -> None:
        """Note that this administrator has looked into it; the first one stays. Raises NoRight, NotFound."""
        with self._catalogue.write() as session:
            user = _administrator(session, user_id)
            row = session.get(Rejection, rejection, with_for_update=True)
            if row is None:
                raise _no_such()
            if row.seen is None:
                row.seen_by, row.seen = user.login, self._clock()
                self._record(session, "rejection.seen", user, row)

    def open(self, user_id: str, rejection: str) -> SetApart:
        """The bytes that were set apart; the trace is durable before they are read. Raises NoRight, NotFound."""
        with self._catalogue.read() as session:
            _administrator(session, user_id)
            row = session.get(Rejection, rejection)
        if row is None:
            raise _no_such()
        file = self._open(row)
        try:
            with self._catalogue.write() as session:
                self._record(session, "rejection.downloaded", _administrator(session, user_id), row)
        except BaseException:
            file.close()
            raise
        return SetApart(row, os.fstat(file.fileno()).st_size, file)

    def _open(self, row: Rejection) -> BinaryIO:
        """Only what lies where the program sets things apart, and no link: the place is a row, rows can be wrong."""
        place = self._data / row.place
        try:
            real = place.parent.resolve(strict=True) / place.name
            if not any(real.is_relative_to(root) for root in self._roots):
                raise _gone(row)
            file = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError, RuntimeError) as error:
            raise _gone(row) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise _gone(row)
        return os.fdopen(file, "rb")

    def _record(self, session: Session, name: str, user: User, row: Rejection) -> None:
        subject = f"device:{row.device_serial or 'unknown'}"
        payload = {"rejection": row.id, "code": row.code, "received": row.received}
        event = CustodyEvent(new_id(), name, self._clock(), Actor("user", user.login), subject, payload)
        custody.record(session, event)


def _administrator(session: Session, user_id: str) -> User:
    user = active_user(session, user_id)
    if Role.ADMIN not in user.roles:
        raise NoRight("只有系统管理员可以查看拒收文件。", "only administrators look into refused files")
    return user


def _no_such() -> NotFound:
    return NotFound("没有这个拒收文件。", "there is no such refused file")


def _gone(row: Rejection) -> NotFound:
    return NotFound(
        f"存放处没有这个文件（{row.place}）；请在服务器上查找。",
        f"the file is not where it was set apart ({row.place}): look for it on the server",
    )
