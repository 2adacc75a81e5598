"""采集站: stations and what cameras brought."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from api.fields import PLAIN, Ident
from api.pages.lists import PageNumber, Pager, offset
from api.render import page
from api.signin import Reader
from api.web import Here
from storage.catalogue import worklist
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
    return page(
        request,
        "stations.html",
        stations=stations,
        dockings=dockings,
        counts=counts,
        station=station,
        pager=Pager(number, total, {"station": station}),
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
