"""Paging and tables as CSV, the same in every list."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query, Response

from api.render import query

PER_PAGE = 50
_FORMULA = "=+-@\t\r\n＝＋－＠"  # office programs in Chinese take the wide ones too
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@dataclass(frozen=True, slots=True)
class Pager:
    """Where in a list the reader is. `given`: the filter's values, which every link keeps."""

    number: int
    total: int
    given: Mapping[str, Any]

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PER_PAGE))

    @property
    def first(self) -> int:
        return (self.number - 1) * PER_PAGE + 1 if self.total else 0

    @property
    def last(self) -> int:
        return min(self.number * PER_PAGE, self.total)

    def link(self, number: int) -> str:
        return "?" + query(self.given, page=number if number > 1 else "")


def as_csv(lines: Sequence[Sequence[str]]) -> bytes:
    """With a byte-order mark, so that office programs read it as UTF-8; nothing in it starts a formula there."""
    text = io.StringIO()
    writer = csv.writer(text)
    for line in lines:
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA and cell else cell for cell in line])
    return text.getvalue().encode("utf-8-sig")


def csv_answer(name: str, lines: Sequence[Sequence[str]]) -> Response:
    """The lines as a file to be saved as `name`."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(as_csv(lines), media_type="text/csv; charset=utf-8", headers=headers)


def offset(number: int) -> int:
    return (number - 1) * PER_PAGE
