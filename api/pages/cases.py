"""案卷: the list, opening one, its page, its grounds for long-term keeping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.fields import PLAIN, Ident
from api.pages.lists import PageNumber, Pager, offset
from api.pages.recording import step
from api.render import page
from api.signin import Checked, Reader
from api.web import Here
from pipeline.access import NoRight
from pipeline.cases import WORKERS
from storage.catalogue import custody, recordings, worklist
from storage.catalogue.tables import Case
from storage.errors import Conflict, NotFound, Refused
from storage.records import CaseFlag

router = APIRouter(include_in_schema=False)


@router.get("/cases")
def listing(
    request: Request,
    who: Reader,
    web: Here,
    q: Annotated[str, Query(max_length=200), PLAIN] = "",
    number: PageNumber = 1,
) -> Response:
    return _listing(request, web, bool(WORKERS.intersection(who.user.roles)), q, number)


@router.post("/cases", dependencies=[Checked])
def open_case(
    *,
    request: Request,
    who: Reader,
    web: Here,
    number: Annotated[str, Form(max_length=200), PLAIN],
    title: Annotated[str, Form(max_length=1000), PLAIN],
    flags: Annotated[list[CaseFlag], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    try:
        case_id = web.cases.open(who.user.id, number, title, flags)
    except NoRight:
        raise
    except Refused as error:
        given = {"number": number, "title": title, "flags": flags}
        return _listing(request, web, True, "", 1, error=error, given=given)
    web.notify()
    return RedirectResponse(f"/cases/{case_id}?note=opened", 303)


@router.get("/cases/{case_id}")
def show(request: Request, who: Reader, web: Here, case_id: Ident) -> Response:
    with web.catalogue.read() as session:
        case = session.get(Case, case_id)
        if case is None:
            raise NotFound("没有这个案卷。", "there is no such case")
        rows, total = recordings.find(session, recordings.Filter(case_id=case.id, sort="started"), limit=200)
        chain = custody.chain(session, f"case:{case_id}")
        names = recordings.user_names(session)
    return page(
        request,
        "case.html",
        case=case,
        rows=rows,
        total=total,
        steps=[step(entry) for entry in chain],
        names=names,
        flags=list(CaseFlag),
        may_file=bool(WORKERS.intersection(who.user.roles)),
    )


@router.post("/cases/{case_id}/flags", dependencies=[Checked])
def flag(who: Reader, web: Here, case_id: Ident, flags: Annotated[list[CaseFlag], Form()] = []) -> Response:  # noqa: B006
    web.cases.flag(who.user.id, case_id, flags)
    web.notify()
    return RedirectResponse(f"/cases/{case_id}?note=flagged", 303)


def _listing(
    request: Request,
    web: Here,
    may_file: bool,
    q: str,
    number: int,
    *,
    error: Refused | None = None,
    given: Mapping[str, object] | None = None,
) -> Response:
    with web.catalogue.read() as session:
        rows, total = worklist.cases(session, q.strip(), offset(number))
        names = recordings.user_names(session)
    return page(
        request,
        "cases.html",
        status=200 if error is None else 409 if isinstance(error, Conflict) else 400,
        rows=rows,
        names=names,
        q=q,
        pager=Pager(number, total, {"q": q}),
        flags=list(CaseFlag),
        may_file=may_file,
        error=error,
        given=given or {"number": "", "title": "", "flags": []},
    )
