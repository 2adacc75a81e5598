"""清单中有而未入库的文件: listed files that never came, their deadlines, and the reasons recorded for them (UP-24H)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import formats, words
from api.fields import PLAIN
from api.pages.lists import PER_PAGE, PageNumber, Pager, csv_answer, offset
from api.render import language, page, query
from api.signin import Checked, Reader
from api.web import Here, Web
from pipeline import handover
from pipeline.handover import State, Waiting
from pipeline.sessions import SignedIn
from storage.catalogue import worklist
from storage.catalogue.handover import Narrowed
from storage.catalogue.recordings import user_names
from storage.catalogue.tables import DockedFile
from storage.errors import LiuhenError, NotFound, Refused
from storage.records import Role

router = APIRouter(include_in_schema=False)
CSV_ROWS = 10_000
SEES_ALL = frozenset({Role.ARCHIVIST, Role.APPROVER, Role.LEGAL, Role.AUDITOR, Role.ADMIN})
"""Who keeps, leads, checks or runs: they see everybody's deadlines; an officer sees their own first."""
SORTS: Mapping[str, Callable[[Waiting], Any]] = {
    "due": lambda each: each.deadline.due,
    "listed": lambda each: each.of.listed,
    "device": lambda each: each.of.device,
    "station": lambda each: each.of.station,
}
Text = Annotated[str, Query(max_length=200), PLAIN]


@dataclass(frozen=True, slots=True)
class Search:
    """The form's fields, as they stand in the address."""

    device: str
    station: str
    q: str
    state: str
    mine: str
    sort: str
    order: str

    def given(self) -> dict[str, str]:
        """Those that say something, for links."""
        plain = {"sort": "due", "order": "asc"}
        every = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in every.items() if value not in ("", plain.get(name))}

    def narrowed(self, who: SignedIn) -> Narrowed:
        officer = who.user.id if self.mine else ""
        return Narrowed(device=self.device, station=self.station, text=self.q, officer=officer)


def search_fields(
    *,
    device: Text = "",
    station: Text = "",
    q: Text = "",
    state: Text = "",
    mine: Text = "",
    sort: Text = "due",
    order: Text = "asc",
) -> Search:
    return Search(
        device=device.strip(),
        station=station.strip(),
        q=q.strip(),
        state=state if state in list(State) else "",
        mine="1" if mine else "",
        sort=sort if sort in SORTS else "due",
        order="desc" if order == "desc" else "asc",
    )


Wanted = Annotated[Search, Depends(search_fields)]


def found(web: Web, session: Any, who: SignedIn, wanted: Search) -> list[Waiting]:
    """The dockings that the search asks for, sorted as it says."""
    every = handover.waiting(session, web.deadlines, web.services.clock(), wanted.narrowed(who))
    chosen = [each for each in every if wanted.state in ("", each.state)]
    return sorted(chosen, key=SORTS[wanted.sort], reverse=wanted.order == "desc")


@router.get("/stations/missing")
def missing(request: Request, who: Reader, web: Here, wanted: Wanted, number: PageNumber = 1) -> Response:
    """Files that a station signed for and nobody ever received, with the time until which they may come (UP-24H)."""
    with web.catalogue.read() as session:
        dockings = found(web, session, who, wanted)
        lines = handover.files_of(session, wanted.narrowed(who), dockings, offset(number), PER_PAGE)
        serials = {each.of.device for each, _ in lines}
        officers = worklist.officers_of(session, serials)
        days = {(each.of.device, each.day) for each, _ in lines}
        may = {one for one in days if web.delays.may_record(session, who.user, *one)}
        names = user_names(session)
    given = wanted.given()
    return page(
        request,
        "missing.html",
        lines=lines,
        officers=officers,
        names=names,
        may=may,
        late=handover.count(dockings, State.OVERDUE),
        policy=web.services.policy.deadlines,
        wanted=wanted,
        narrowed=bool(set(given) - {"sort", "order"}),
        sort_link=lambda column: _sort_link(given, wanted, column),
        csv_link="/stations/missing.csv?" + query(given),
        pager=Pager(number, sum(each.of.files for each in dockings), given),
    )


def _sort_link(given: Mapping[str, str], wanted: Search, column: str) -> str:
    turn = wanted.sort == column and wanted.order == "asc"
    return "?" + query(given, sort=column, order="desc" if turn else "asc")


@router.get("/stations/missing.csv")
def as_csv(request: Request, who: Reader, web: Here, wanted: Wanted) -> Response:
    english = language(request) == "en"
    with web.catalogue.read() as session:
        lines = handover.files_of(session, wanted.narrowed(who), found(web, session, who, wanted), 0, CSV_ROWS)
        officers = worklist.officers_of(session, {each.of.device for each, _ in lines})
    body = [_line(each, file, officers.get(each.of.device, ""), web, english) for each, file in lines]
    return csv_answer("missing.csv", [_header(english), *body])


def _header(english: bool) -> list[str]:
    if english:
        return ["state", "due", "rule", "working days", "estimated", "reason", "file", "device", "officer", "station",
                "bytes", "dated", "first listed", "sha256"]  # fmt: skip
    return ["状态", "时限", "规则", "按工作日", "暂估", "原因", "文件", "设备", "执法人员", "采集站", "字节数",
            "文件时间", "首次列入清单", "SHA-256"]  # fmt: skip


def _line(each: Waiting, file: DockedFile, officer: str, web: Web, english: bool) -> Sequence[str]:
    yes = ("是", "yes")[english]
    return [
        words.DEADLINES[each.state][english],
        formats.local_time(each.deadline.due, web.zone),
        each.deadline.rule,
        yes if each.deadline.special else "",
        yes if each.deadline.estimated else "",
        each.delay.reason if each.delay else "",
        file.path,
        file.device_serial,
        officer,
        each.of.station,
        str(file.size),
        formats.local_time(file.modified, web.zone),
        formats.local_time(each.of.listed, web.zone),
        file.sha256,
    ]


@router.get("/stations/delay")
def delay_form(
    request: Request,
    who: Reader,
    web: Here,
    device: Annotated[str, Query(max_length=64), PLAIN] = "",
    day: Annotated[str, Query(max_length=10), PLAIN] = "",
) -> Response:
    """Where the reason of a special case is given."""
    return _form(request, web, who, device, day)


@router.post("/stations/delay", dependencies=[Checked])
def record_delay(
    *,
    request: Request,
    who: Reader,
    web: Here,
    device: Annotated[str, Form(max_length=64), PLAIN] = "",
    day: Annotated[str, Form(max_length=10), PLAIN] = "",
    reason: Annotated[str, Form(max_length=4000), PLAIN] = "",
) -> Response:
    try:
        web.delays.record(who.user.id, device, _day(day), reason)
    except NotFound:
        raise
    except Refused as error:
        return _form(request, web, who, device, day, reason=reason, error=error)
    web.notify()
    return RedirectResponse("/stations/missing?" + query({"device": device.strip()}, note="delayed"), 303)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused("请填写日期，如 2026-11-20。", "give the day as 2026-11-20") from error


def _day_or_none(text: str) -> date | None:
    """The day, of years that can be counted in; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2999 else None


def _form(
    request: Request,
    web: Web,
    who: SignedIn,
    device: str,
    day: str,
    *,
    reason: str = "",
    error: LiuhenError | None = None,
) -> Response:
    from api.failures import status_of

    deadlines, due = web.deadlines, None
    day_of = _day_or_none(day)
    with web.catalogue.read() as session:
        may = day_of is None or web.delays.may_record(session, who.user, device, day_of)
        waiting = handover.waiting(session, deadlines, web.services.clock(), Narrowed(device=device)) if device else []
    if day_of is not None:
        last = deadlines.calendar.working_day_after(day_of, deadlines.policy.upload_special_working_days)
        due = (deadlines.calendar.end_of(last.day), last.estimated)
    return page(
        request,
        "delay.html",
        status=status_of(error) if error else 200,
        device=device,
        day=day,
        reason=reason,
        error=error,
        due=due,
        files=sum(each.of.files for each in waiting if each.day.isoformat() == day),
        may=may,
        today=deadlines.day_of(web.services.clock()).isoformat(),
        special_days=deadlines.policy.upload_special_working_days,
    )
