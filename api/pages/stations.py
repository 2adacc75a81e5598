"""采集站: stations and what cameras brought."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from api.fields import PLAIN, Ident
from api.pages.lists import PER_PAGE, PageNumber, Pager, offset
from api.render import page
from api.signin import Reader
from api.web import Here
from storage.catalogue import activity, worklist
from storage.catalogue.tables import DockedFile, Docking, Original, Upload
from storage.errors import NotFound

router = APIRouter(include_in_schema=False)


@router.get("/stations")
def listing(
    request: Request,
    who: Reader,
    web: Here,
    station: Annotated[str, Query(max_length=64), PLAIN] = "",
    number: PageNumber = 1,
) -> Response:
    with web.catalogue.read() as session:
        dockings, total = worklist.dockings(session, station, offset(number))
        counts = worklist.docked_counts(session, [docking.id for docking in dockings])
        stations = worklist.stations(session)
        unreceived = activity.unreceived(session, limit=1)[1]
    return page(
        request,
        "stations.html",
        stations=stations,
        dockings=dockings,
        counts=counts,
        unreceived=unreceived,
        station=station,
        pager=Pager(number, total, {"station": station}),
    )


@router.get("/stations/missing")
def missing(
    *,
    request: Request,
    who: Reader,
    web: Here,
    device: Annotated[str, Query(max_length=200), PLAIN] = "",
    station: Annotated[str, Query(max_length=64), PLAIN] = "",
    number: PageNumber = 1,
) -> Response:
    """Files that a station signed for and nobody ever received, with the time until which they may come (UP-24H)."""
    allowed = timedelta(hours=web.services.policy.deadlines.upload_hours)
    now = web.services.clock()
    with web.catalogue.read() as session:
        rows, total = activity.unreceived(
            session, device=device.strip(), station=station.strip(), offset=offset(number), limit=PER_PAGE
        )
        late = activity.overdue(session, now - allowed)
        officers = worklist.officers_of(session, {docking.device_serial for _, docking in rows})
    return page(
        request,
        "missing.html",
        rows=[(file, docking, docking.station_time + allowed) for file, docking in rows],
        officers=officers,
        late=late,
        hours=web.services.policy.deadlines.upload_hours,
        special_days=web.services.policy.deadlines.upload_special_working_days,
        device=device,
        station=station,
        pager=Pager(number, total, {"device": device, "station": station}),
    )


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
    return page(request, "docking.html", docking=found, files=files, model=manifest.get("device", {}).get("model", ""))
