"""执法活动录制覆盖: start, end and devices of an activity → the spans that none of them recorded, as a chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from api import coverage_chart
from api.fields import PLAIN
from api.render import language, page
from api.signin import Reader
from api.web import Here, Web
from pipeline import recorded
from pipeline.recorded import NEAR, Recorded
from storage.catalogue import activity
from storage.catalogue.recordings import user_names
from storage.catalogue.tables import Case
from storage.errors import NotFound, Refused

router = APIRouter(include_in_schema=False)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """The form's fields. `device`: chosen serial numbers; none: all that are offered."""

    start: str
    end: str
    device: list[str]
    case: str
    local: bool


@router.get("/coverage")
def coverage(
    *,
    request: Request,
    who: Reader,
    web: Here,
    start: Annotated[str, Query(max_length=40), PLAIN] = "",
    end: Annotated[str, Query(max_length=40), PLAIN] = "",
    device: Annotated[list[Annotated[str, PLAIN]], Query(max_length=200)] = [],  # noqa: B006 - FastAPI copies it
    case: Annotated[str, Query(pattern=r"^[0-9a-z]{0,40}$")] = "",
    local: bool = False,
) -> Response:
    asked = Asked(start, end, device, case, local)
    error: Refused | None = None
    values: dict[str, Any] = {"found": None, "offered": [], "case": None, "names": {}, "svg": ""}
    with web.catalogue.read() as session:
        if case and (row := session.get(Case, case)) is None:
            raise NotFound("没有这个案卷。", "there is no such case")
        try:
            values |= _answer(session, web, asked, language(request)) | {"case": row if case else None}
        except Refused as refused:
            error, values["case"] = refused, row if case else None
    shown = {"asked": asked, "start": asked.start, "end": asked.end} | values
    return page(request, "coverage.html", status=400 if error else 200, error=error, **shown)


def account(session: Session, zone: ZoneInfo, asked: Asked) -> tuple[Recorded, list[str]] | None:
    """What was recorded, and the devices to choose from; None where no time is given. Raises Refused."""
    times = _times(session, zone, asked)
    if times is None:
        return None
    since, until = times[0] - NEAR, times[1] + NEAR
    offered = activity.devices(session, since, until, asked.case)
    chosen = [each for each in offered if not asked.device or each in asked.device]
    rows = activity.recordings(session, since, until, chosen, case=asked.case)
    rows = [row for row in rows if row.device_serial in chosen]
    excuses = activity.accepted(session, [row.id for row in rows])
    return recorded.of(*times, rows, excuses, local=asked.local), offered


def _answer(session: Session, web: Web, asked: Asked, lang: str) -> dict[str, Any]:
    made = account(session, web.zone, asked)
    if made is None:
        return {}
    found, offered = made
    return {
        "found": found,
        "offered": offered,
        "svg": coverage_chart.draw(found, lang),
        "names": user_names(session),
        "start": _field(found.coverage.start),
        "end": _field(found.coverage.end),
    }


def _times(session: Session, zone: ZoneInfo, asked: Asked) -> tuple[datetime, datetime] | None:
    """As asked; else from the first to the last recording of the case, in whole minutes."""
    if asked.start or asked.end:
        return _moment(asked.start, zone), _moment(asked.end, zone)
    if not asked.case:
        return None
    first, _ = activity.extent(session, asked.case)
    if first is None:
        return None
    rows = activity.recordings(session, first, first, [], case=asked.case)
    ends = [row.started + timedelta(seconds=row.duration or 0.0) for row in rows if row.started]
    until = max(ends) + _MINUTE
    return tuple(each.astimezone(zone).replace(second=0, microsecond=0) for each in (first, until))  # type: ignore[return-value]


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise Refused(
            "请填写执法活动的开始和结束时间，如 2026-11-18 09:30。",
            "give the activity's start and end, such as 2026-11-18 09:30",
        ) from error


def _field(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
