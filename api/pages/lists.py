"""Paging, the same in every list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query

from api.render import query

PER_PAGE = 50
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


def offset(number: int) -> int:
    return (number - 1) * PER_PAGE
