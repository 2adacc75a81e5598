"""A bureau with people and one recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.web import Bureau, Kept


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Bureau]:
    from tests.support.web import bureau

    with bureau(tmp_path / "data") as made:
        yield made


@pytest.fixture
def kept(office: Bureau) -> Kept:
    from tests.support.web import keep

    return keep(office)
