"""What stations tell of themselves: their state (news, the last one kept) and wiped cards (evidence, in the ledger)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from ingest import signed, station_state, wipe_report
from ingest.answers import HttpError, json_response
from ingest.manifest import parse_time
from ingest.sender import check_sender
from ingest.wipe_report import WipedLine, WipeReport
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Original
from storage.clock import Clock
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent

IN_ONE_EVENT = 500  # digests of 67 bytes; an entry of the ledger has at most 65,535


class OldState(HttpError):
    """A state that is not newer than the last one: played again, or the station forgot where it was."""

    def __init__(self, last: int) -> None:
        super().__init__(
            409,
            "old-state",
            "采集站状态的序号不大于上一次，未采用。",
            "the state's sequence is not above the last one, it was not taken",
        )
        self.last = last

    def response(self) -> Response:
        body = {"error": {"code": self.code, "zh": self.zh, "en": self.en}, "last": self.last}
        return json_response(self.status, body)


class StationReports:
    """Takes states and wipe reports. Blocking."""

    def __init__(self, catalogue: Catalogue, sequencer: Sequencer, clock: Clock) -> None:
        self._catalogue, self._sequencer, self._clock = catalogue, sequencer, clock

    def take_state(self, content: bytes, signature: str) -> None:
        """Keep the station's newest state. Raises Refused (malformed), HttpError 403, or OldState."""
        self._check_signed(signed.STATE, content, signature)
        state = station_state.parse(content)
        with self._catalogue.write() as session:
            station = check_sender(session, state.station, signed.STATE, content, signature)
            last = (station.state or {}).get("sequence", -1)
            if state.sequence <= last:
                raise OldState(last)
            station.seen = now = self._clock()
            ahead = round((parse_time(state.time) - now).total_seconds(), 3)
            station.state = station_state.as_stored(state, ahead)

    def take_wipe(self, content: bytes, signature: str) -> None:
        """Record what was wiped off a card, in the ledger. The same report again changes nothing.

        What is gone is gone: a file that is not kept here is recorded all the same, and named. Raises Refused
        (malformed) or HttpError 403.
        """
        self._check_signed(signed.WIPE, content, signature)
        report = wipe_report.parse(content)
        with self._catalogue.write() as session:
            check_sender(session, report.station, signed.WIPE, content, signature)
            for event in _wiped(session, report, hashlib.sha256(content).hexdigest(), self._clock()):
                custody.record(session, event)
        self._sequencer.notify()

    def _check_signed(self, domain: bytes, content: bytes, signature: str) -> None:
        """What nobody signed is neither read nor makes others wait for the database."""
        with self._catalogue.read() as session:
            check_sender(session, signed.station_in(content), domain, content, signature)


def _wiped(session: Session, report: WipeReport, sha256: str, now: datetime) -> Iterator[CustodyEvent]:
    """`card.wiped`, as many as it takes to name every digest."""
    parts = [report.wiped[start : start + IN_ONE_EVENT] for start in range(0, len(report.wiped), IN_ONE_EVENT)]
    for number, lines in enumerate(parts, 1):
        missing = _not_kept(session, lines)
        yield CustodyEvent(
            id=f"{sha256[:40]}.{number}",
            event="card.wiped",
            time=now,
            actor=Actor("station", report.station),
            subject=f"device:{report.device.serial}",
            payload={
                "docking": report.docking,
                "station": report.station,
                "report_sha256": sha256,
                "station_time": report.time,
                "part": number,
                "parts": len(parts),
                "files": len(report.wiped),
                "left": len(report.left),
                "sha256": sorted({line.sha256 for line in lines} - missing),
                "not_kept": sorted(missing),
            },
        )


def _not_kept(session: Session, lines: Sequence[WipedLine]) -> set[str]:
    digests = {line.sha256 for line in lines}
    return digests - set(session.scalars(select(Original.sha256).where(Original.sha256.in_(digests))))
