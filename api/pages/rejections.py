"""拒收: what came in and was not accepted. Those who run, keep and check see it; the bytes, administrators only."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api import formats, words
from api.fields import PLAIN
from api.pages.lists import PER_PAGE, PageNumber, Pager, csv_answer, offset
from api.render import language, page, query
from api.signin import Admin, Checked, with_role
from api.web import Here, Web
from pipeline.sessions import SignedIn
from storage.catalogue import rejections
from storage.catalogue.recordings import user_names
from storage.catalogue.rejections import Wanted
from storage.catalogue.tables import Rejection
from storage.errors import NotFound
from storage.records import Role

router = APIRouter(include_in_schema=False, prefix="/rejections")
CSV_ROWS = 10_000
SEES = frozenset({Role.ADMIN, Role.AUDITOR, Role.ARCHIVIST})
Looker = Annotated[SignedIn, Depends(with_role(*SEES))]
Which = Annotated[str, Path(pattern=r"^[0-9a-z-]{1,60}$")]
Text = Annotated[str, Query(max_length=200), PLAIN]


def search_fields(
    *, q: Text = "", station: Text = "", door: Text = "", code: Text = "", seen: Text = "", order: Text = "desc"
) -> Wanted:
    return Wanted(
        text=q.strip(),
        station=station.strip(),
        door=door,
        code=code,
        seen=seen if seen in ("yes", "no") else "",
        descending=order != "asc",
    )


Search = Annotated[Wanted, Depends(search_fields)]


def _given(wanted: Wanted) -> dict[str, str]:
    return {
        "q": wanted.text,
        "station": wanted.station,
        "door": wanted.door,
        "code": wanted.code,
        "seen": wanted.seen,
        "order": "" if wanted.descending else "asc",
    }


@router.get("")
def listing(request: Request, who: Looker, web: Here, wanted: Search, number: PageNumber = 1) -> Response:
    with web.catalogue.read() as session:
        rows, total = rejections.find(session, wanted, offset=offset(number), limit=PER_PAGE)
        doors, codes = rejections.choices(session)
        names = user_names(session)
    given = _given(wanted)
    return page(
        request,
        "rejections.html",
        rows=rows,
        names=names,
        doors=doors,
        codes=codes,
        wanted=wanted,
        narrowed=any(value for name, value in given.items() if name != "order"),
        turned="?" + query(given, order="asc" if wanted.descending else ""),
        csv_link="/rejections.csv?" + query(given),
        pager=Pager(number, total, given),
    )


@router.get(".csv")
def as_csv(request: Request, who: Looker, web: Here, wanted: Search) -> Response:
    english = language(request) == "en"
    with web.catalogue.read() as session:
        rows, _ = rejections.find(session, wanted, limit=CSV_ROWS)
    head = (
        ["编号", "时间", "来路", "采集站", "设备", "文件", "字节数", "代码", "原因", "应有摘要", "实收摘要", "查看人",
         "查看时间"],
        ["id", "time", "door", "station", "device", "file", "bytes", "code", "reason", "sha256 listed",
         "sha256 received", "seen by", "seen"],
    )[english]  # fmt: skip
    return csv_answer("rejections.csv", [head, *(_line(row, web, english) for row in rows)])


def _line(row: Rejection, web: Web, english: bool) -> list[str]:
    return [
        row.id,
        formats.local_time(row.made, web.zone),
        words.DOORS.get(row.door, (row.door, row.door))[english],
        row.station_id or "",
        row.device_serial,
        row.path,
        str(row.size),
        row.code,
        row.en if english else row.zh,
        row.expected or "",
        row.received or "",
        row.seen_by or "",
        formats.local_time(row.seen, web.zone) if row.seen else "",
    ]


@router.get("/{rejection}")
def detail(request: Request, who: Looker, web: Here, rejection: Which) -> Response:
    with web.catalogue.read() as session:
        row = session.get(Rejection, rejection)
        names = user_names(session)
    if row is None:
        raise NotFound("没有这个拒收文件。", "there is no such refused file")
    return page(request, "rejection.html", row=row, names=names, admin=Role.ADMIN in who.user.roles)


@router.post("/{rejection}/seen", dependencies=[Checked])
def mark_seen(who: Admin, web: Here, rejection: Which) -> Response:
    web.refusals.mark_seen(who.user.id, rejection)
    web.notify()
    return RedirectResponse(f"/rejections/{rejection}?note=rejection", 303)


@router.post("/{rejection}/download", dependencies=[Checked])
def download(who: Admin, web: Here, rejection: Which) -> Response:
    """By a form with its token, since each look leaves a trace: a link in a mail must not make one."""
    found = web.refusals.open(who.user.id, rejection)
    web.notify()
    name = quote(found.row.path.replace("\\", "/").rpartition("/")[2] or rejection, safe="")
    headers = {
        "Content-Length": str(found.size),
        "Content-Disposition": f"attachment; filename=\"{rejection}.bin\"; filename*=UTF-8''{name}.rejected",
        "Cache-Control": "no-store, private",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(found.pieces(), 200, headers=headers, media_type="application/octet-stream")
