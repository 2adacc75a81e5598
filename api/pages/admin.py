"""管理: users and jobs here, the other pages beside. For administrators only; it opens no recording to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select

from api.fields import PLAIN, Ident
from api.pages import admin_devices, admin_officers, admin_stations
from api.pages.lists import PageNumber, Pager, offset
from api.render import page
from api.signin import Admin, Checked, actor
from api.web import Here, Web
from storage.catalogue import worklist
from storage.catalogue.tables import User
from storage.errors import Refused
from storage.records import JobState, Role

router = APIRouter(include_in_schema=False, prefix="/admin")
for module in (admin_stations, admin_devices, admin_officers):
    router.include_router(module.router)


@router.get("/users")
def users(request: Request, who: Admin, web: Here) -> Response:
    return _users(request, web)


@router.post("/users", dependencies=[Checked])
def add_user(
    *,
    request: Request,
    who: Admin,
    web: Here,
    login: Annotated[str, Form(max_length=64), PLAIN],
    name: Annotated[str, Form(max_length=100), PLAIN],
    unit: Annotated[str, Form(max_length=100), PLAIN] = "",
    certificate: Annotated[str, Form(max_length=100), PLAIN] = "",
    roles: Annotated[list[Role], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    try:
        password = web.accounts.create(login, name, roles, by=actor(who), unit=unit, certificate=certificate)
    except Refused as error:
        given = {"login": login, "name": name, "unit": unit, "certificate": certificate, "roles": roles}
        return _users(request, web, error=error, given=given)
    web.notify()
    return _users(request, web, shown=(login, password))


@router.post("/users/{user_id}/password", dependencies=[Checked])
def reset_password(request: Request, who: Admin, web: Here, user_id: Ident) -> Response:
    password = web.accounts.reset(user_id, by=actor(who))
    web.notify()
    return _users(request, web, shown=(web.accounts.get(user_id).login, password))


@router.post("/users/{user_id}/roles", dependencies=[Checked])
def set_roles(who: Admin, web: Here, user_id: Ident, roles: Annotated[list[Role], Form()] = []) -> Response:  # noqa: B006
    web.accounts.set_roles(user_id, roles, by=actor(who))
    web.notify()
    return RedirectResponse("/admin/users?note=roles", 303)


@router.post("/users/{user_id}/{change}", dependencies=[Checked])
def disable(who: Admin, web: Here, user_id: Ident, change: Literal["disable", "enable"]) -> Response:
    web.accounts.set_disabled(user_id, change == "disable", by=actor(who))
    web.notify()
    return RedirectResponse(f"/admin/users?note={change}d", 303)


@router.get("/jobs")
def jobs(
    request: Request,
    who: Admin,
    web: Here,
    state: Annotated[str, Query(max_length=20), PLAIN] = "",
    number: PageNumber = 1,
) -> Response:
    state = state if state in list(JobState) else ""
    with web.catalogue.read() as session:
        rows, total = worklist.jobs(session, state, offset(number))
        subjects = worklist.subjects_of(session, rows)
        counts = worklist.job_states(session)
    return page(
        request,
        "admin_jobs.html",
        rows=rows,
        subjects=subjects,
        counts=counts,
        state=state,
        pager=Pager(number, total, {"state": state}),
    )


def _users(
    request: Request,
    web: Web,
    *,
    error: Refused | None = None,
    given: Mapping[str, object] | None = None,
    shown: tuple[str, str] | None = None,
) -> Response:
    """The list. `shown`: a login and its one-time password, on this answer only."""
    with web.catalogue.read() as session:
        rows = session.scalars(select(User).order_by(User.disabled, User.login)).all()
    return page(
        request,
        "admin_users.html",
        status=400 if error else 200,
        rows=rows,
        roles=list(Role),
        error=error,
        given=given or {"login": "", "name": "", "unit": "", "certificate": "", "roles": []},
        shown=shown,
    )
