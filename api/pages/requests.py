"""调阅: requests, their decisions, and the way to what was granted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.fields import PLAIN, Ident
from api.pages.lists import PageNumber, Pager, offset
from api.render import page
from api.signin import Checked, Reader
from api.web import Here, Web
from pipeline.sessions import SignedIn
from storage.catalogue import recordings, worklist
from storage.catalogue.worklist import Asked
from storage.errors import NotFound
from storage.records import RequestState, Role

router = APIRouter(include_in_schema=False)


def sees_all(web: Web, who: SignedIn) -> bool:
    """Approvers decide and auditors check; everybody else knows of their own requests only."""
    roles = set(who.user.roles)
    return Role.AUDITOR in roles or bool(web.services.policy.viewing.approvers & roles)


def visible(web: Web, who: SignedIn, request_id: str) -> Asked:
    """The request, if this user may know of it. Raises NotFound otherwise, as for one that doesn't exist."""
    with web.catalogue.read() as session:
        asked = worklist.request(session, request_id)
    if asked is None or not (asked.request.requester_id == who.user.id or sees_all(web, who)):
        raise NotFound("没有这份申请。", "there is no such request")
    return asked


def may_decide(web: Web, who: SignedIn, asked: Asked) -> bool:
    """What `Access.decide` will say, for showing the form or not."""
    approver = bool(web.services.policy.viewing.approvers.intersection(who.user.roles))
    return approver and asked.request.state == RequestState.PENDING and asked.request.requester_id != who.user.id


@router.get("/requests")
def listing(
    request: Request,
    who: Reader,
    web: Here,
    state: Annotated[str, Query(max_length=20), PLAIN] = "",
    number: PageNumber = 1,
) -> Response:
    everything = sees_all(web, who)
    state = state if state in list(RequestState) else ""
    with web.catalogue.read() as session:
        requester = "" if everything else who.user.id
        rows, total = worklist.requests(session, requester=requester, state=state, offset=offset(number))
        names = recordings.user_names(session)
    return page(
        request,
        "requests.html",
        rows=rows,
        names=names,
        state=state,
        states=list(RequestState),
        everything=everything,
        pager=Pager(number, total, {"state": state}),
    )


@router.get("/requests/{request_id}")
def show(request: Request, who: Reader, web: Here, request_id: Ident) -> Response:
    asked = visible(web, who, request_id)
    with web.catalogue.read() as session:
        names = recordings.user_names(session)
    return page(
        request,
        "request.html",
        asked=asked,
        names=names,
        may_decide=may_decide(web, who, asked),
        own=asked.request.requester_id == who.user.id,
        hours=web.services.policy.viewing.grant_hours,
    )


@router.post("/requests/{request_id}/decision", dependencies=[Checked])
def decide(
    who: Reader,
    web: Here,
    request_id: Ident,
    approve: Annotated[bool, Form()],
    reason: Annotated[str, Form(max_length=2000), PLAIN] = "",
) -> Response:
    visible(web, who, request_id)
    web.services.access.decide(who.user.id, request_id, approve, reason)
    web.notify()
    return RedirectResponse(f"/requests/{request_id}?note={'approved' if approve else 'rejected'}", 303)
