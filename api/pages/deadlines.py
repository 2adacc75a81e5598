"""时限: all recordings that came in late (UP-24H) and all that are not filed in time (FILE-30WD)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from api import formats, words
from api.fields import PLAIN
from api.pages.lists import PER_PAGE, PageNumber, Pager, csv_answer, offset
from api.pages.missing import SEES_ALL
from api.render import language, page, query
from api.signin import Reader
from api.web import Here, Web
from pipeline import handover
from pipeline.handover import Late
from pipeline.sessions import SignedIn
from storage.catalogue.recordings import user_names
from storage.records import Role

router = APIRouter(include_in_schema=False, prefix="/deadlines")
AT_MOST = 10_000
SORTS: Mapping[str, Callable[[Late], Any]] = {
    "due": lambda each: each.deadline.due,
    "device": lambda each: each.of.device,
    "received": lambda each: each.of.received,
}
Which = Literal["late", "unfiled"]
Text = Annotated[str, Query(max_length=200), PLAIN]


@dataclass(frozen=True, slots=True)
class Search:
    """The form's fields. `device`, `officer`: part of a serial number, of a name."""

    device: str = ""
    officer: str = ""
    sort: str = "due"
    order: str = "desc"


def search_fields(*, device: Text = "", officer: Text = "", sort: Text = "due", order: Text = "desc") -> Search:
    return Search(
        device=device.strip(),
        officer=officer.strip(),
        sort=sort if sort in SORTS else "due",
        order="asc" if order == "asc" else "desc",
    )


Wanted = Annotated[Search, Depends(search_fields)]


@router.get("/{which}.csv")
def as_csv(request: Request, who: Reader, web: Here, which: Which, wanted: Wanted) -> Response:
    english = language(request) == "en"
    with web.catalogue.read() as session:
        rows, names = _found(session, web, who, which, wanted)
    head = (
        ["规则", "时限", "暂估", "音像记录", "设备", "执法人员", "起算", "起算时间", "入库"],
        ["rule", "due", "estimated", "recording", "device", "officer", "counted from", "since", "received"],
    )[english]
    return csv_answer(f"{which}.csv", [head, *(_line(each, web, names, english) for each in rows)])


@router.get("/{which}")
def listing(
    *, request: Request, who: Reader, web: Here, which: Which, wanted: Wanted, number: PageNumber = 1
) -> Response:
    with web.catalogue.read() as session:
        rows, names = _found(session, web, who, which, wanted)
    given = {
        "device": wanted.device,
        "officer": wanted.officer,
        "sort": wanted.sort if wanted.sort != "due" else "",
        "order": wanted.order if wanted.order != "desc" else "",
    }
    start = offset(number)
    return page(
        request,
        "deadlines.html",
        which=which,
        rows=[(each, web.deadlines.day_of(each.deadline.since)) for each in rows[start : start + PER_PAGE]],
        names=names,
        wanted=wanted,
        mine_only=not SEES_ALL.intersection(who.user.roles),
        keeper=Role.ARCHIVIST in who.user.roles,
        policy=web.services.policy.deadlines,
        sort_link=lambda column: _sort_link(given, wanted, column),
        csv_link=f"/deadlines/{which}.csv?" + query(given),
        pager=Pager(number, len(rows), given),
    )


def _found(
    session: Session, web: Web, who: SignedIn, which: Which, wanted: Search
) -> tuple[list[Late], Mapping[str, str]]:
    """An officer's own, for the others everybody's; narrowed and sorted as they ask. And people's names."""
    names = user_names(session)
    look = handover.late if which == "late" else handover.unfiled
    officer = "" if SEES_ALL.intersection(who.user.roles) else who.user.id
    rows, _ = look(session, web.deadlines, web.services.clock(), officer=officer, limit=AT_MOST)
    chosen = [
        each
        for each in rows
        if wanted.device.casefold() in each.of.device.casefold()
        and wanted.officer.casefold() in names.get(each.of.officer or "", "").casefold()
    ]
    return sorted(chosen, key=SORTS[wanted.sort], reverse=wanted.order == "desc"), names


def _sort_link(given: Mapping[str, str], wanted: Search, column: str) -> str:
    turn = wanted.sort == column and wanted.order == "desc"
    return "?" + query(given, sort=column, order="asc" if turn else "desc")


def _line(each: Late, web: Web, names: Mapping[str, str], english: bool) -> list[str]:
    deadline = each.deadline
    return [
        deadline.rule,
        formats.local_time(deadline.due, web.zone),
        ("是", "yes")[english] if deadline.estimated else "",
        each.of.id,
        each.of.device,
        names.get(each.of.officer or "", ""),
        words.BASES[deadline.basis][english],
        formats.local_time(deadline.since, web.zone),
        formats.local_time(each.of.received, web.zone),
    ]
