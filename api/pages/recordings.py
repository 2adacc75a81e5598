"""音像记录: the list, searched, sorted, paged, and as CSV."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from api import formats, words
from api.fields import PLAIN
from api.pages.lists import PER_PAGE, PageNumber, Pager, csv_answer, offset
from api.render import language, page, query
from api.signin import Reader
from api.web import Here
from storage.catalogue import recordings as catalogue
from storage.catalogue.recordings import SORTS, Filter, Row
from storage.records import Verdict

router = APIRouter(include_in_schema=False)
CSV_ROWS = 10_000
Text = Annotated[str, Query(max_length=200), PLAIN]


class Search(BaseModel):
    """The form's fields, as they stand in the address."""

    q: str = Field(default="", max_length=200)
    device: str = Field(default="", max_length=200)
    officer: str = Field(default="", max_length=200)
    case: str = Field(default="", max_length=200)
    station: str = Field(default="", max_length=200)
    verdict: str = ""
    since: str = ""
    until: str = ""
    sort: str = "received"
    order: str = "desc"

    def filter(self, zone: ZoneInfo) -> Filter:
        """What the database understands; an impossible choice narrows nothing."""
        return Filter(
            text=self.q.strip(),
            device=self.device.strip(),
            officer=self.officer.strip(),
            case=self.case.strip(),
            station=self.station.strip(),
            verdict=self.verdict if self.verdict in (*Verdict, "none") else "",
            since=formats.day_start(self.since, zone),
            until=formats.day_end(self.until, zone),
            sort=self.sort if self.sort in SORTS else "received",
            descending=self.order != "asc",
        )


def search_fields(
    *,
    q: Text = "",
    device: Text = "",
    officer: Text = "",
    case: Text = "",
    station: Text = "",
    verdict: Text = "",
    since: Text = "",
    until: Text = "",
    sort: Text = "received",
    order: Text = "desc",
) -> Search:
    return Search(
        q=q, device=device, officer=officer, case=case, station=station, verdict=verdict,
        since=since, until=until, sort=sort, order=order,
    )  # fmt: skip


Wanted = Annotated[Search, Depends(search_fields)]


@router.get("/recordings")
def listing(request: Request, who: Reader, web: Here, wanted: Wanted, number: PageNumber = 1) -> Response:
    with web.catalogue.read() as session:
        rows, total = catalogue.find(session, wanted.filter(web.zone), offset=offset(number), limit=PER_PAGE)
    given = {name: value for name, value in wanted.model_dump().items() if value != Search().model_dump()[name]}
    return page(
        request,
        "recordings.html",
        rows=rows,
        wanted=wanted,
        narrowed=bool(set(given) - {"sort", "order"}),
        pager=Pager(number, total, given),
        sort_link=lambda column: _sort_link(given, wanted, column),
        csv_link="/recordings.csv?" + query(given),
    )


@router.get("/recordings.csv")
def as_csv(request: Request, who: Reader, web: Here, wanted: Wanted) -> Response:
    with web.catalogue.read() as session:
        rows, _ = catalogue.find(session, wanted.filter(web.zone), limit=CSV_ROWS)
    english = language(request) == "en"
    return csv_answer("recordings.csv", [_header(english), *(_line(row, web.zone, english) for row in rows)])


def _sort_link(given: dict[str, Any], wanted: Search, column: str) -> str:
    turn = wanted.sort == column and wanted.order == "desc"
    return "?" + query(given, sort=column, order="asc" if turn else "desc")


def _header(english: bool) -> list[str]:
    if english:
        return ["id", "recorded", "device", "officer", "station", "case", "duration", "segments", "bytes", "verdict",
                "retention", "received"]  # fmt: skip
    return ["编号", "录制时间", "设备", "执法人员", "采集站", "案号", "时长", "分段数", "字节数", "结论", "保管期限",
            "入库时间"]  # fmt: skip


def _line(row: Row, zone: ZoneInfo, english: bool) -> list[str]:
    recording = row.recording
    verdict = words.VERDICTS[recording.verdict or "none"][english]
    return [
        recording.id,
        formats.local_time(recording.started, zone),
        recording.device_serial,
        row.officer,
        recording.station_id or "",
        row.case,
        formats.duration(recording.duration),
        str(row.segments),
        str(row.size),
        verdict,
        words.RETENTIONS[recording.retention][english],
        formats.local_time(recording.received, zone),
    ]
