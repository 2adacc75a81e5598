"""管理 › 采集站: one-time codes, revoking, keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.fields import PLAIN
from api.render import page
from api.signin import Admin, Checked, actor
from api.web import Here, Web
from ingest.enrolment import Enrolment, Invitation
from ingest.invitation import fingerprint
from storage.catalogue import stations as rows
from storage.errors import Refused

router = APIRouter()
_BLANK: Mapping[str, object] = {"station": "", "place": "", "hours": 24}


@router.get("/stations")
def stations(request: Request, who: Admin, web: Here) -> Response:
    return _stations(request, web)


@router.post("/stations/invite", dependencies=[Checked])
def invite(
    *,
    request: Request,
    who: Admin,
    web: Here,
    station: Annotated[str, Form(max_length=100), PLAIN],
    place: Annotated[str, Form(max_length=100), PLAIN] = "",
    hours: Annotated[int, Form()] = 24,
) -> Response:
    """Make a code, for a new station or a new key of one that is enrolled. This answer is the only place it shows."""
    log = web.services.sequencer.vkey
    try:
        made = _enrolment(web).invite(station.strip(), place, log, hours=hours, by=actor(who))
    except Refused as error:
        return _stations(request, web, error=error, given={"station": station, "place": place, "hours": hours})
    web.notify()
    return _stations(request, web, shown=made)


@router.post("/stations/revoke", dependencies=[Checked])
def revoke(who: Admin, web: Here, station: Annotated[str, Form(max_length=100), PLAIN]) -> Response:
    _enrolment(web).revoke(station, by=actor(who))
    web.notify()
    return RedirectResponse("/admin/stations?note=revoked", 303)


def _enrolment(web: Web) -> Enrolment:
    return Enrolment(web.catalogue, web.services.clock)


def _stations(
    request: Request,
    web: Web,
    *,
    error: Refused | None = None,
    given: Mapping[str, object] | None = None,
    shown: Invitation | None = None,
) -> Response:
    """The list. `shown`: a code, on this answer only."""
    everybody = _enrolment(web).all()
    with web.catalogue.read() as session:
        codes = rows.open_codes(session, web.services.clock())
        keys = {each.id: rows.keys(session, each.id) for each in everybody}
    return page(
        request,
        "admin_stations.html",
        status=400 if error else 200,
        stations=everybody,
        keys=keys,
        codes=codes,
        error=error,
        given=given or _BLANK,
        shown=shown,
        server=str(request.base_url).rstrip("/"),
        ledger=fingerprint(web.services.sequencer.vkey),
    )
