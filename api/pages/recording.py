"""One recording's page: what is it, is it whole, where has it been, may I see it. And what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import timeline
from api.fields import PLAIN, Ident, Sha256
from api.pages import findings
from api.render import language, page
from api.signin import Checked, Reader
from api.web import Here, Web
from pipeline.access import NoRight
from pipeline.cases import WORKERS
from pipeline.descriptions import of_recording
from pipeline.pictures import shown
from pipeline.strips import Strips
from storage.catalogue import recordings as catalogue
from storage.catalogue import worklist
from storage.catalogue.recordings import Dossier, Segment
from storage.catalogue.tables import Case, Entry, Grant, Original
from storage.errors import NotFound
from storage.ledger import proof
from storage.ledger.witnesses.witnessed import witnessed_receipt
from storage.records import RequestKind, RequestState, Role

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Step:
    """A link of the custody chain: the entry with its event read out of it."""

    entry: Entry
    actor: Mapping[str, str]
    payload: Mapping[str, Any]


@router.get("/recordings/{recording_id}")
def show(
    *,
    request: Request,
    who: Reader,
    web: Here,
    recording_id: Ident,
    segment: Annotated[int, Query(ge=1, le=10_000)] = 1,
    pictures: bool = False,
) -> Response:
    """`pictures`: with film strips at the findings, which is a look: it needs a live grant and leaves its trace."""
    with web.catalogue.read() as session:
        dossier = catalogue.dossier(session, recording_id)
        if dossier is None:
            raise NotFound("没有这份音像记录。", "there is no such recording")
        asked = worklist.requests(session, requester=who.user.id, recording=recording_id)[0]
        cases = _open_cases(session) if dossier.case is None else []
        described = of_recording(session, recording_id)
    view = web.services.access.grant_for(who.user.id, recording_id, RequestKind.VIEW)
    strips = _pictures(web, dossier, view) if pictures else Strips({}, {}, {})
    values = (
        findings.whole(dossier, strips)
        | _seeing(web, dossier, view, segment)
        | _rights(web, dossier, who.user.roles, who.user.id)
    )
    return page(
        request,
        "recording.html",
        dossier=dossier,
        recording=dossier.recording,
        steps=[step(entry) for entry in dossier.chain],
        made_kinds={made.sha256: made.kind for segment in dossier.segments for made in segment.derivatives},
        svg=timeline.draw(dossier.recording.report, language(request)),
        asked=asked,
        pictures=pictures,
        pending={row.request.kind for row in asked if row.request.state == RequestState.PENDING},
        cases=cases,
        described=described,
        witnesses=web.services.cosigning is not None,
        **values,
    )


@router.post("/recordings/{recording_id}/requests", dependencies=[Checked])
def make_request(
    who: Reader,
    web: Here,
    recording_id: Ident,
    kind: Annotated[RequestKind, Form()],
    purpose: Annotated[str, Form(max_length=4000), PLAIN],
) -> Response:
    web.services.access.request(who.user.id, recording_id, kind, purpose)
    web.notify()
    return _back(recording_id, "requested")


@router.post("/recordings/{recording_id}/case", dependencies=[Checked])
def put_to_case(
    who: Reader, web: Here, recording_id: Ident, case: Annotated[str, Form(max_length=64), PLAIN]
) -> Response:
    web.cases.add(who.user.id, case, recording_id)
    web.notify()
    return _back(recording_id, "filed")


@router.post("/recordings/{recording_id}/excuses", dependencies=[Checked])
def explain(
    who: Reader,
    web: Here,
    recording_id: Ident,
    finding: Annotated[str, Form(max_length=200), PLAIN],
    text: Annotated[str, Form(max_length=4000), PLAIN],
) -> Response:
    web.excuses.make(who.user.id, recording_id, finding, text)
    web.notify()
    return _back(recording_id, "explained")


@router.post("/recordings/{recording_id}/excuses/{excuse_id}", dependencies=[Checked])
def decide_excuse(
    who: Reader, web: Here, recording_id: Ident, excuse_id: Ident, accept: Annotated[bool, Form()]
) -> Response:
    web.excuses.decide(who.user.id, excuse_id, accept)
    web.notify()
    return _back(recording_id, "decided")


@router.get("/recordings/{recording_id}/receipts/{sha256}")
def receipt(who: Reader, web: Here, recording_id: Ident, sha256: Sha256, witnessed: bool = False) -> Response:
    """The intake receipt (入库回执) of one original: a C2SP tlog-proof, checked offline with `liuhen verify`.

    With `witnessed` against the newest checkpoint that a quorum of witnesses cosigned.
    """
    with web.catalogue.read() as session:
        original = session.get(Original, sha256)
    if original is None or original.recording_id != recording_id:
        raise NotFound("没有这个原件。", "there is no such original")
    name = f"{sha256[:16]}-witnessed" if witnessed else sha256[:16]
    headers = {"Content-Disposition": f'attachment; filename="{name}.tlog-proof"'}
    given = web.services.intake.receipt(sha256)
    if witnessed:
        read = proof.parse(given)
        given = witnessed_receipt(web.services.settings.ledger, read.index, read.extra or b"")
    return Response(given, media_type="text/plain; charset=utf-8", headers=headers)


def step(entry: Entry) -> Step:
    event = json.loads(entry.body or entry.draft)
    return Step(entry, event["actor"], event["payload"])


def _back(recording_id: str, note: str) -> Response:
    return RedirectResponse(f"/recordings/{recording_id}?note={note}", 303)


def _pictures(web: Web, dossier: Dossier, view: Grant | None) -> Strips:
    """The strips, their trace durable before they leave. Raises NoRight without a live grant."""
    if view is None:
        raise NoRight(
            "发现处的画面属于录像内容，查看须先申请并经他人批准。",
            "pictures at the findings are content: seeing them needs a request and its approval",
        )
    report = dossier.recording.report
    if report is None:
        return Strips({}, {}, {})
    strips = web.pictures.of(report, [segment.original for segment in dossier.segments])
    web.services.access.glance(view, shown(strips, report))
    web.notify()
    return strips


def _seeing(web: Web, dossier: Dossier, view: Grant | None, number: int) -> dict[str, Any]:
    """May I see it: the grant, and what the player starts with. Nothing of it is there without a grant."""
    playable = [segment for segment in dossier.segments if segment.derivative("access")]
    if view is None or not playable:
        return {"grant": view, "playing": None, "playable": playable}
    numbers = [dossier.segments.index(segment) + 1 for segment in playable]
    playing: Segment = playable[numbers.index(number)] if number in numbers else playable[0]
    return {"grant": view, "playing": playing, "playable": playable}


def _rights(web: Web, dossier: Dossier, roles: Sequence[str], user_id: str) -> dict[str, Any]:
    own = dossier.recording.officer_id in (None, user_id)
    return {
        "may_explain": Role.OFFICER in roles and own,
        "may_decide": bool(web.services.policy.viewing.approvers.intersection(roles)),
        "may_file": bool(WORKERS.intersection(roles)),
    }


def _open_cases(session: Session) -> Sequence[Case]:
    return session.scalars(select(Case).where(Case.closed.is_(None)).order_by(Case.id.desc()).limit(200)).all()
