"""Who a message says it is from, before it is read."""

from __future__ import annotations

import json

import pytest

from ingest import signed
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
