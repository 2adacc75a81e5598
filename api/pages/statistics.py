"""统计 (rule STAT): counts of recordings by verdict, month, station and officer, and of requests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.render import page
from api.signin import Reader
from api.web import Here
from storage.catalogue import figures

router = APIRouter(include_in_schema=False)


@router.get("/statistics")
def statistics(request: Request, who: Reader, web: Here) -> Response:
    with web.catalogue.read() as session:
        values: dict[str, Any] = {
            "totals": figures.totals(session),
            "verdicts": figures.by_verdict(session),
            "months": figures.by_month(session, web.zone),
            "stations": figures.by_station(session),
            "officers": figures.by_officer(session),
            "requests": figures.by_request(session),
        }
    return page(request, "statistics.html", **values)
