"""采集站: what is docked now, what is stuck and why, each station's history, and single dockings."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import docked
from api.docked import Report
from api.fields import PLAIN, Ident
from api.pages.lists import PageNumber, Pager, offset
from api.pages.rejections import SEES as SEES_REFUSED
from api.render import page
from api.signin import Reader
from api.web import Here, Web
from pipeline import handover
from pipeline.sessions import SignedIn
from storage.catalogue import rejections, worklist
from storage.catalogue.handover import Narrowed
from storage.catalogue.tables import DockedFile, Docking, Original, Station, StationKey, Upload
from storage.errors import NotFound

router = APIRouter(include_in_schema=False)
DAYS = 30
Name = Annotated[str, Path(max_length=64), PLAIN]


@dataclass(frozen=True, slots=True)
class Live:
    """A station as it was last heard of. `state`: online, silent, never or revoked."""

    station: Station
    state: str
    report: Report

    @property
    def attention(self) -> bool:
        """Whether somebody should go there."""
        if self.state == "revoked":
            return False
        return self.state == "silent" or bool(self.report.problem or self.report.stuck or self.report.clock_wrong)


def live(station: Station, now: datetime) -> Live:
    if station.revoked is not None:
        state = "revoked"
    elif station.seen is None:
        state = "never"
    else:
        state = "silent" if now - station.seen > docked.SILENT else "online"
    return Live(station, state, docked.read(station.state))


def _live(session: Session, now: datetime, only: str = "") -> list[Live]:
    """Those that need somebody first, then by name; revoked ones last."""
    query = select(Station).where(Station.id == only) if only else select(Station)
    found = [live(station, now) for station in session.scalars(query)]
    return sorted(found, key=lambda each: (each.state == "revoked", not each.attention, each.station.id))


@router.get("/stations")
def listing(
    *,
    request: Request,
    who: Reader,
    web: Here,
    station: Annotated[str, Query(max_length=64), PLAIN] = "",
    device: Annotated[str, Query(max_length=200), PLAIN] = "",
    number: PageNumber = 1,
) -> Response:
    now, station, device = web.services.clock(), station.strip(), device.strip()
    with web.catalogue.read() as session:
        dockings, total = worklist.dockings(session, station, offset(number), device=device)
        waiting = handover.waiting(session, web.deadlines, now, Narrowed())
        values: dict[str, Any] = {
            "live": _live(session, now),
            "only": "",
            "dockings": dockings,
            "counts": worklist.docked_counts(session, [docking.id for docking in dockings]),
            "stations": worklist.stations(session),
            "refused": rejections.by_station(session),
        }
    return page(
        request,
        "stations.html",
        **values,
        overdue=_overdue(waiting),
        unreceived=sum(each.of.files for each in waiting),
        sees_refused=_sees_refused(who),
        station=station,
        device=device,
        pager=Pager(number, total, {"station": station, "device": device}),
    )


def _overdue(waiting: list[handover.Waiting]) -> Counter[str]:
    """How many overdue files each station listed."""
    found: Counter[str] = Counter()
    for each in waiting:
        if each.state is handover.State.OVERDUE:
            found[each.of.station] += each.of.files
    return found


def _sees_refused(who: SignedIn) -> bool:
    return bool(SEES_REFUSED.intersection(who.user.roles))


@router.get("/stations/live")
def live_part(
    request: Request, who: Reader, web: Here, only: Annotated[str, Query(max_length=64), PLAIN] = ""
) -> Response:
    """The part of the pages that is asked for again and again: what the stations said last."""
    with web.catalogue.read() as session:
        return page(request, "stations_live.html", live=_live(session, web.services.clock(), only), only=only)


@router.get("/stations/dockings/{docking_id}")
def docking(request: Request, who: Reader, web: Here, docking_id: Ident) -> Response:
    with web.catalogue.read() as session:
        found = session.get(Docking, docking_id)
        if found is None:
            raise NotFound("没有这次接入。", "there is no such docking")
        files = session.execute(
            select(DockedFile, Original, Upload)
            .outerjoin(Original, Original.sha256 == DockedFile.sha256)
            .outerjoin(Upload, (Upload.docking_id == DockedFile.docking_id) & (Upload.path == DockedFile.path))
            .where(DockedFile.docking_id == docking_id)
            .order_by(DockedFile.path)
        ).all()
        manifest = json.loads(found.manifest)
    return page(request, "docking.html", docking=found, files=files, manifest=manifest)


@router.get("/station/{name:path}")
def station(request: Request, who: Reader, web: Here, name: Name, number: PageNumber = 1) -> Response:
    """One station: as it is now, its dockings, keys and refused files."""
    now = web.services.clock()
    with web.catalogue.read() as session:
        found = session.get(Station, name)
        if found is None:
            raise NotFound("没有这个采集站。", "there is no such station")
        dockings, total = worklist.dockings(session, name, offset(number))
        waiting = handover.waiting(session, web.deadlines, now, Narrowed(station=name))
        refused, refusals = rejections.find(session, rejections.Wanted(station=name), limit=10)
        values: dict[str, Any] = {
            "counts": worklist.docked_counts(session, [docking.id for docking in dockings]),
            "keys": session.scalars(
                select(StationKey).where(StationKey.station_id == name).order_by(StationKey.since.desc())
            ).all(),
            "days": _days(session, web, name, now),
        }
    return page(
        request,
        "station.html",
        **values,
        one=live(found, now),
        live=[live(found, now)],
        only=name,
        dockings=dockings,
        overdue=_overdue(waiting)[name],
        unreceived=sum(each.of.files for each in waiting),
        refused=refused,
        refusals=refusals,
        sees_refused=_sees_refused(who),
        pager=Pager(number, total, {}),
    )


def _days(session: Session, web: Web, name: str, now: datetime) -> list[tuple[date, int]]:
    """How many dockings each of the last 30 local days had, oldest first."""
    today = web.deadlines.day_of(now)
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    received = worklist.dockings_by_day(session, name, now - timedelta(days=DAYS + 1))
    counts = Counter(web.deadlines.day_of(moment) for moment in received)
    return [(day, counts[day]) for day in days]
