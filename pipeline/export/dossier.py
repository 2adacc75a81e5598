"""What the catalogue knows of the recording that is exported: read at once, in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.catalogue import custody
from storage.catalogue.tables import (
    AccessRequest,
    Analysis,
    Case,
    Derivative,
    Device,
    Docking,
    Entry,
    Excuse,
    Original,
    Recording,
    Station,
    User,
)
from storage.errors import Refused
from storage.records import DerivativeKind, RequestKind, RequestState


@dataclass(frozen=True, slots=True)
class Dossier:
    """卷宗: rows, none of them changed here. `originals` in the order of shooting, `access` in that of originals."""

    request: AccessRequest
    recording: Recording
    device: Device | None
    station: Station | None
    case: Case | None
    originals: Sequence[Original]
    access: Sequence[Derivative]
    analysis: Analysis | None
    excuses: Sequence[Excuse]
    dockings: Mapping[str, Docking]
    people: Mapping[str, User]
    chain: Sequence[Entry]

    @property
    def size(self) -> int:
        """Bytes of all media."""
        return sum(row.size for row in self.originals) + sum(row.size for row in self.access)

    def person(self, user_id: str | None) -> User | None:
        return self.people.get(user_id) if user_id else None


def read_dossier(session: Session, request_id: str) -> Dossier:
    """All that belongs to an approved export request. Raises Refused for any other."""
    request = session.get(AccessRequest, request_id)
    if request is None or request.kind != RequestKind.EXPORT or request.state != RequestState.APPROVED:
        raise Refused("没有这份已批准的导出申请。", "there is no approved export request of this number")
    recording = session.get_one(Recording, request.recording_id)
    originals = session.scalars(select(Original).where(Original.recording_id == recording.id)).all()
    originals = sorted(originals, key=lambda row: (row.sequence is None, row.sequence or 0, row.name, row.sha256))
    return Dossier(
        request=request,
        recording=recording,
        device=session.get(Device, recording.device_serial),
        station=session.get(Station, recording.station_id) if recording.station_id else None,
        case=session.get(Case, recording.case_id) if recording.case_id else None,
        originals=originals,
        access=_access_copies(session, originals),
        analysis=_newest_analysis(session, recording.id),
        excuses=session.scalars(select(Excuse).where(Excuse.recording_id == recording.id).order_by(Excuse.made)).all(),
        dockings=_dockings(session, originals),
        people={row.id: row for row in session.scalars(select(User))},
        chain=custody.chain(session, f"recording:{recording.id}"),
    )


def _access_copies(session: Session, originals: Sequence[Original]) -> Sequence[Derivative]:
    order = {row.sha256: number for number, row in enumerate(originals)}
    query = select(Derivative).where(
        Derivative.kind == DerivativeKind.ACCESS.value, Derivative.original_sha256.in_(order)
    )
    return sorted(session.scalars(query), key=lambda row: order[row.original_sha256])


def _newest_analysis(session: Session, recording_id: str) -> Analysis | None:
    query = select(Analysis).where(Analysis.recording_id == recording_id)
    return session.scalars(query.order_by(Analysis.made.desc(), Analysis.id.desc()).limit(1)).first()


def _dockings(session: Session, originals: Sequence[Original]) -> Mapping[str, Docking]:
    wanted = [row.docking_id for row in originals if row.docking_id]
    return {row.id: row for row in session.scalars(select(Docking).where(Docking.id.in_(wanted)))}
