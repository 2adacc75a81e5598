"""Rows of originals and of the recordings they belong to, many in one transaction.

A file costs a dozen statements when it is registered alone, most of them questions that are the same for all files of a
card. So each is asked once for all files that wait to be registered (`pipeline.intake`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from pipeline.casework.retention import keep_until
from pipeline.continuity.series import SeriesKey, series_key
from pipeline.policy import RetentionPolicy
from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.assignments import Wearers
from storage.catalogue.tables import Docking, Original, Recording, Station
from storage.clock import new_id
from storage.records import Actor, CustodyEvent, Digest, JobKind, RetentionClass

_NAMES_ITS_START = re.compile(r"\d{8}[_-]?\d{6}")
Shot = tuple[str, str]
"""A recording by its camera's serial and its series."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a file came from. `path` is its name on the card, `device` the camera's serial ("" if unknown)."""

    path: str
    device: str
    actor: Actor
    station: str | None = None
    docking: str | None = None
    modified: datetime | None = None
    """The file's own date on the card."""


@dataclass(frozen=True, slots=True)
class _New:
    """A file that is no original yet."""

    arrival: Arrival
    digest: Digest
    key: SeriesKey
    shot: Shot


class Originals:
    """`zone`: of the days by which cameras are told apart whose names only count."""

    def __init__(self, retention: RetentionPolicy, *, zone: tzinfo = UTC) -> None:
        self._retention = retention
        self._zone = zone

    def register(self, session: Session, files: Sequence[tuple[Arrival, Digest]], now: datetime) -> Mapping[str, str]:
        """Make originals of the files that are none yet, with their recordings, custody events and analysis jobs.

        Returns the ledger's event of each file by its SHA-256. Of two arrivals of the same bytes the first counts.
        """
        events = _known(session, {digest.sha256 for _, digest in files})
        new: dict[str, _New] = {}
        for arrival, digest in files:
            if digest.sha256 not in events:
                new.setdefault(digest.sha256, self._new(arrival, digest, now))
        recordings = self._recordings(session, list(new.values()), now)
        made = [(_original(each, recordings[each.shot], now), each) for each in new.values()]
        session.add_all(original for original, _ in made)
        custody.record(session, *(_received(original, each) for original, each in made))
        analyses = {f"analyse:{original.sha256}": original.recording_id for original, _ in made}
        job_table.enqueue_all(session, JobKind.ANALYSE, analyses, now=now)
        return events | {original.sha256: original.event_id for original, _ in made}

    def _new(self, arrival: Arrival, digest: Digest, now: datetime) -> _New:
        key = series_key(arrival.path)
        return _New(arrival, digest, key, (arrival.device, self._series(arrival, key, now)))

    def _recordings(self, session: Session, files: Sequence[_New], now: datetime) -> dict[Shot, Recording]:
        shots = {each.shot: each.arrival for each in files}
        where = tuple_(Recording.device_serial, Recording.series).in_(list(shots))
        found = {(row.device_serial, row.series): row for row in session.scalars(select(Recording).where(where))}
        wearers = Wearers(session, {serial for serial, _ in shots})
        for shot, arrival in shots.items():
            if shot not in found:
                found[shot] = self._recording(wearers, arrival, shot[1], now, new_id())
                session.add(found[shot])
        session.flush()
        return found

    def readopt(self, session: Session, event: CustodyEvent, tier: str, now: datetime) -> None:
        """Make the rows of an original again that the ledger says was received and a restored database has forgotten.

        `event`: its entry "original.received"; `tier` holds its bytes. It is analysed anew.
        """
        said = event.payload
        docking = said["docking"] if session.get(Docking, said["docking"] or "") else None
        station = said["station"] if session.get(Station, said["station"] or "") else None
        arrival = Arrival(said["name"], said["device"], event.actor, station, docking)
        recording_id, key = event.subject.removeprefix("recording:"), series_key(arrival.path)
        recording = session.get(Recording, recording_id)
        if recording is None:
            series = self._series(arrival, key, event.time)
            taken = select(Recording.id).where(Recording.device_serial == arrival.device, Recording.series == series)
            if session.scalar(taken) is not None:
                series = f"{series} {recording_id}"
            wearers = Wearers(session, [arrival.device])
            recording = self._recording(wearers, arrival, series, event.time, recording_id)
            session.add(recording)
            session.flush()
        session.add(
            Original(
                sha256=said["sha256"],
                root=said["root"],
                size=said["size"],
                recording_id=recording.id,
                sequence=said["sequence"],
                name=said["name"],
                tier=tier,
                event_id=event.id,
                docking_id=docking,
                received=event.time,
            )
        )
        analysis = f"analyse:{said['sha256']}:{event.id}"
        job_table.enqueue(session, JobKind.ANALYSE, recording.id, key=analysis, now=now)

    def _series(self, arrival: Arrival, key: SeriesKey, now: datetime) -> str:
        """The key, and the local day for cameras whose names only count: IMG_0001 comes again every few months."""
        if _NAMES_ITS_START.search(key.key):
            return key.key
        return f"{key.key} {(arrival.modified or now).astimezone(self._zone):%Y-%m-%d}"

    def _recording(
        self, wearers: Wearers, arrival: Arrival, series: str, now: datetime, recording_id: str
    ) -> Recording:
        return Recording(
            id=recording_id,
            series=series,
            device_serial=arrival.device,
            officer_id=wearers.at(arrival.device, arrival.modified or now),
            station_id=arrival.station,
            retention=RetentionClass.FIVE_YEARS.value,
            keep_until=keep_until(RetentionClass.FIVE_YEARS, now, self._retention),
            received=now,
        )


def _known(session: Session, digests: set[str]) -> dict[str, str]:
    query = select(Original.sha256, Original.event_id).where(Original.sha256.in_(digests))
    return {row.sha256: row.event_id for row in session.execute(query)}


def _original(file: _New, recording: Recording, now: datetime) -> Original:
    return Original(
        sha256=file.digest.sha256,
        root=file.digest.root,
        size=file.digest.size,
        recording_id=recording.id,
        sequence=file.key.sequence,
        name=file.arrival.path,
        tier=RetentionClass.FIVE_YEARS.value,
        event_id=new_id(),
        docking_id=file.arrival.docking,
        received=now,
    )


def _received(original: Original, file: _New) -> CustodyEvent:
    arrival, sm3 = file.arrival, file.digest.sm3
    return CustodyEvent(
        id=original.event_id,
        event="original.received",
        time=original.received,
        actor=arrival.actor,
        subject=f"recording:{original.recording_id}",
        payload={
            "sha256": original.sha256,
            "root": original.root,
            "size": original.size,
            "name": original.name,
            "sequence": original.sequence,
            "device": arrival.device,
            "station": arrival.station,
            "docking": arrival.docking,
            **({"sm3": sm3} if sm3 else {}),
        },
    )
