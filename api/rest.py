"""The JSON interface: the same use cases as the pages, for programs. Signed in by cookie; changes carry the token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from api.bodies import (
    CoverageBody,
    Credentials,
    CustodyBody,
    Decision,
    DerivativeBody,
    Failure,
    GrantBody,
    MissingFile,
    MissingPage,
    NewRequest,
    OriginalBody,
    RecordingBody,
    RecordingLine,
    RecordingPage,
    RequestBody,
    RequestPage,
    Session,
)
from api.fields import PLAIN, Ident
from api.pages.coverage import Asked, account
from api.pages.recording import step
from api.pages.recordings import Wanted
from api.pages.requests import sees_all, visible
from api.render import page
from api.signin import SESSION_COOKIE, Reader, address_of, header_token, session_of, set_session
from api.web import Here
from pipeline import handover
from pipeline.handover import Waiting
from pipeline.sessions import SignedIn
from storage.catalogue import recordings as catalogue
from storage.catalogue import worklist
from storage.catalogue.handover import Narrowed
from storage.catalogue.recordings import Dossier, Row
from storage.catalogue.tables import DockedFile, User
from storage.catalogue.worklist import Asked as AskedFor
from storage.errors import NotFound
from storage.records import RequestKind, RequestState

Token = Depends(header_token)
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=200)]


def _fails(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Failure} for status in statuses}


router = APIRouter(prefix="/api", responses=_fails(400, 401, 403, 404, 409, 413, 422, 429, 503))


@router.post("/session", status_code=201)
def sign_in(request: Request, response: Response, web: Here, given: Credentials) -> Session:
    cookie, found = web.sessions.sign_in(given.login, given.password, address_of(request))
    set_session(response, web, cookie)
    return _session(found)


@router.get("/session")
def current(found: Annotated[SignedIn | None, Depends(session_of)]) -> Session:
    if found is None:
        raise NotFound("没有登录。", "nobody is signed in")
    return _session(found)


@router.delete("/session", status_code=204, dependencies=[Token])
def sign_out(request: Request, web: Here) -> Response:
    web.sessions.sign_out(request.cookies[SESSION_COOKIE])
    answer = Response(status_code=204)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


@router.get("/recordings")
def recordings(who: Reader, web: Here, wanted: Wanted, offset: Offset = 0, limit: Limit = 50) -> RecordingPage:
    with web.catalogue.read() as session:
        rows, total = catalogue.find(session, wanted.filter(web.zone), offset=offset, limit=limit)
    return RecordingPage(total=total, recordings=[RecordingLine(**_line(row)) for row in rows])


@router.get("/recordings/{recording_id}")
def recording(who: Reader, web: Here, recording_id: Ident) -> RecordingBody:
    with web.catalogue.read() as session:
        dossier = catalogue.dossier(session, recording_id)
    if dossier is None:
        raise NotFound("没有这份音像记录。", "there is no such recording")
    return _body(dossier)


@router.get("/coverage")
def coverage(
    *,
    who: Reader,
    web: Here,
    start: Annotated[str, Query(max_length=40), PLAIN],
    end: Annotated[str, Query(max_length=40), PLAIN],
    device: Annotated[list[Annotated[str, PLAIN]], Query(max_length=200)] = [],  # noqa: B006 - FastAPI copies it
    case: Annotated[str, Query(pattern=r"^[0-9a-z]{0,40}$")] = "",
    local: bool = False,
) -> CoverageBody:
    """Which spans of an activity these devices (none: all near it, or the case's) did not record. Times without a zone
    are the bureau's; `local`: the devices write local time.
    """
    with web.catalogue.read() as session:
        found, _ = account(session, web.zone, Asked(start, end, device, case, local)) or (None, [])
    if found is None:
        raise NotFound("没有给出执法活动的时间。", "no time of an activity is given")
    return CoverageBody.model_validate(found.as_json())


@router.get("/missing")
def missing(
    *,
    who: Reader,
    web: Here,
    device: Annotated[str, Query(max_length=200), PLAIN] = "",
    station: Annotated[str, Query(max_length=64), PLAIN] = "",
    offset: Offset = 0,
    limit: Limit = 50,
) -> MissingPage:
    """Files that a station signed for and nobody received, the first due first."""
    narrowed = Narrowed(device=device, station=station)
    with web.catalogue.read() as session:
        found = handover.waiting(session, web.deadlines, web.services.clock(), narrowed)
        rows = handover.files_of(session, narrowed, found, offset, limit)
    return MissingPage(total=sum(each.of.files for each in found), files=[_missing(*row) for row in rows])


@router.get("/requests")
def requests(
    who: Reader, web: Here, state: RequestState | None = None, offset: Offset = 0, limit: Limit = 50
) -> RequestPage:
    requester = "" if sees_all(web, who) else who.user.id
    with web.catalogue.read() as session:
        rows, total = worklist.requests(session, requester=requester, state=state or "", offset=offset, limit=limit)
        logins = _logins(session)
    return RequestPage(total=total, requests=[_request(asked, logins) for asked in rows])


@router.post("/requests", status_code=201, dependencies=[Token])
def make_request(who: Reader, web: Here, given: NewRequest) -> RequestBody:
    made = web.services.access.request(who.user.id, given.recording, given.kind, given.purpose)
    web.notify()
    return _shown(web, who, made)


@router.get("/requests/{request_id}")
def request(who: Reader, web: Here, request_id: Ident) -> RequestBody:
    return _shown(web, who, request_id)


@router.post("/requests/{request_id}/decision", dependencies=[Token])
def decide(who: Reader, web: Here, request_id: Ident, given: Decision) -> RequestBody:
    visible(web, who, request_id)
    web.services.access.decide(who.user.id, request_id, given.approve, given.reason)
    web.notify()
    return _shown(web, who, request_id)


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, who: Reader) -> Response:
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False)
def docs(request: Request, who: Reader) -> Response:
    return page(request, "apidocs.html", api=request.app.openapi())


def _session(found: SignedIn) -> Session:
    user = found.user
    return Session(
        login=user.login,
        name=user.name,
        roles=user.roles,
        must_change=user.must_change,
        csrf=found.csrf,
        expires=found.expires,
    )


def _line(row: Row) -> dict[str, Any]:
    recording = row.recording
    return {
        "id": recording.id,
        "device": recording.device_serial,
        "officer": row.officer,
        "station": recording.station_id,
        "case": row.case,
        "kind": recording.kind,
        "started": recording.started,
        "duration": recording.duration,
        "verdict": recording.verdict,
        "retention": recording.retention,
        "keep_until": recording.keep_until,
        "held": recording.held,
        "received": recording.received,
        "segments": row.segments,
        "size": row.size,
    }


def _body(dossier: Dossier) -> RecordingBody:
    originals = [segment.original for segment in dossier.segments]
    row = Row(
        dossier.recording,
        dossier.officer.name if dossier.officer else "",
        dossier.case.number if dossier.case else "",
        len(originals),
        sum(original.size for original in originals),
    )
    return RecordingBody(
        **_line(row),
        report=dossier.recording.report,
        originals=[_original(segment) for segment in dossier.segments],
        custody=[_custody(link) for link in map(step, dossier.chain)],
    )


def _original(segment: catalogue.Segment) -> OriginalBody:
    made = [DerivativeBody.model_validate(each, from_attributes=True) for each in segment.derivatives]
    fields = {name: getattr(segment.original, name) for name in OriginalBody.model_fields if name != "derivatives"}
    return OriginalBody(**fields, derivatives=made)


def _custody(link: Any) -> CustodyBody:
    entry = link.entry
    return CustodyBody(
        index=entry.index, event=entry.event, time=entry.time, actor=dict(link.actor), payload=dict(link.payload)
    )


def _shown(web: Here, who: SignedIn, request_id: str) -> RequestBody:
    asked = visible(web, who, request_id)
    with web.catalogue.read() as session:
        return _request(asked, _logins(session))


def _logins(session: Any) -> dict[str, str]:
    return {user.id: user.login for user in session.query(User).all()}


def _request(asked: AskedFor, logins: dict[str, str]) -> RequestBody:
    row = asked.request
    return RequestBody(
        id=row.id,
        kind=RequestKind(row.kind),
        recording=row.recording_id,
        requester=logins.get(row.requester_id, ""),
        purpose=row.purpose,
        state=RequestState(row.state),
        made=row.made,
        decided=row.decided,
        decided_by=logins.get(row.decided_by) if row.decided_by else None,
        reason=row.reason,
        grant=GrantBody(id=asked.grant.id, expires=asked.grant.expires) if asked.grant else None,
        export=asked.export.size if asked.export else None,
    )


def _missing(of: Waiting, file: DockedFile) -> MissingFile:
    return MissingFile(
        path=file.path,
        device=file.device_serial,
        station=of.of.station,
        docking=of.of.docking,
        size=file.size,
        sha256=file.sha256,
        modified=file.modified,
        listed=of.of.listed,
        due=of.deadline.due,
        overdue=of.state is handover.State.OVERDUE,
        special=of.deadline.special,
        estimated=of.deadline.estimated,
    )
