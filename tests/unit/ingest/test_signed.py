"""Who a message says it is from, before it is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from ingest import card, signed
from ingest.manifest import parse_time
from storage.errors import Refused

NAMELESS = [b"", b"{}", b'{"station": 1}', b'{"station": "\xff"}', b'{"station": "a', b"[" * 99_999]


@pytest.mark.parametrize("name", ["ST-01", "一楼 大厅", 'say "hi"', "back\\slash", "😀", "a" * 100])
@pytest.mark.parametrize("plain", [True, False])
def test_the_station_is_found_however_it_is_written(name: str, plain: bool) -> None:
    fields = {"schema": "x", "files": [{"path": '"station":"ST-99"'}], "station": name}
    for indent in (None, 2):
        assert signed.station_in(json.dumps(fields, ensure_ascii=plain, indent=indent).encode()) == name


@pytest.mark.parametrize("content", NAMELESS)
def test_what_names_no_station_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        signed.station_in(content)


@pytest.mark.parametrize("year", ["0001", "0999", "9000", "9999"])
def test_dates_that_no_local_time_has_are_refused(year: str) -> None:
    """They would end the pages and reminders that count days from them."""
    with pytest.raises(ValueError, match="year"):
        parse_time(f"{year}-12-31T23:59:59Z")


@pytest.mark.parametrize("seconds", [253_402_300_799, -62_135_596_800, 10**15])
def test_a_card_with_such_a_date_is_docked_all_the_same(seconds: int) -> None:
    found = SimpleNamespace(st_mtime_ns=seconds * 10**9)
    assert card._moment(found) == datetime(1970, 1, 1, tzinfo=UTC)  # type: ignore[arg-type]
