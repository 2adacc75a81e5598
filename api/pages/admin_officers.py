"""管理 › 执法人员: the list of officers with their certificates (REC-CERTIFIED)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.failures import status_of
from api.fields import PLAIN
from api.pages.lists import csv_answer
from api.render import language, page
from api.signin import Admin, Checked, actor
from api.web import Here, Web
from api.words import CERTIFICATES
from pipeline.casework.certificates import CertificateState
from pipeline.officers import Licence, Officer, Officers
from storage.errors import Refused

router = APIRouter()
Words = Annotated[str, Form(max_length=200), PLAIN]
_HEADER = (
    ("登录名", "Login"), ("姓名", "Name"), ("单位", "Unit"), ("职务", "Post"), ("执法证号", "Certificate"),
    ("执法类别", "Category"), ("执法区域", "Area"), ("有效期自", "Valid from"), ("有效期至", "Valid until"),
    ("状态", "State"), ("佩戴设备", "Devices"),
)  # fmt: skip


@router.get("/officers")
def officers(request: Request, who: Admin, web: Here) -> Response:
    return _officers(request, web)


@router.get("/officers.csv")
def as_csv(request: Request, who: Admin, web: Here) -> Response:
    english = language(request) == "en"
    rows = [_line(each, _state(web, each), english) for each in officers_of(web).all() if not each.user.disabled]
    return csv_answer("officers.csv", [[pair[english] for pair in _HEADER], *rows])


@router.post("/officers", dependencies=[Checked])
def certify(
    *,
    request: Request,
    who: Admin,
    web: Here,
    login: Annotated[str, Form(max_length=64), PLAIN],
    certificate: Words = "",
    valid_from: Words = "",
    valid_until: Words = "",
    unit: Words = "",
    post: Words = "",
    category: Words = "",
    area: Words = "",
) -> Response:
    try:
        begin, end = _day(valid_from), _day(valid_until)
        licence = Licence(certificate, begin, end, unit, post, category, area)
        officers_of(web).certify(login, licence, by=actor(who))
    except Refused as error:
        return _officers(request, web, error=error)
    web.notify()
    return RedirectResponse("/admin/officers?note=certified", 303)


def officers_of(web: Web) -> Officers:
    return Officers(web.catalogue, web.services.clock, web.zone)


def warned(web: Web) -> Mapping[CertificateState, int]:
    """How many officers in use have a certificate that ran out, or will within the policy's days."""
    states = [_state(web, each) for each in officers_of(web).all() if not each.user.disabled]
    return {state: states.count(state) for state in (CertificateState.EXPIRED, CertificateState.SOON)}


def _officers(request: Request, web: Web, *, error: Refused | None = None) -> Response:
    rows = [(each, _state(web, each)) for each in officers_of(web).all()]
    status = status_of(error) if error else 200
    days = web.services.policy.officers.warn_days
    return page(request, "admin_officers.html", status=status, rows=rows, error=error, days=days)


def _state(web: Web, officer: Officer) -> CertificateState:
    today = web.services.clock().astimezone(web.zone).date()
    return officer.licence.validity.on(today, timedelta(days=web.services.policy.officers.warn_days))


def _line(officer: Officer, state: CertificateState, english: bool) -> list[str]:
    user, licence = officer.user, officer.licence
    words = [user.login, user.name, licence.unit, licence.post, licence.certificate, licence.category, licence.area]
    days = [day.isoformat() if day else "" for day in (licence.valid_from, licence.valid_until)]
    return [*words, *days, CERTIFICATES[state][english], " ".join(officer.devices)]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise Refused("日期格式应如 2026-11-18。", "a date is written 2026-11-18") from error
