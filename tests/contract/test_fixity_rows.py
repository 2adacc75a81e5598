"""The rows behind fixity, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.catalogue import fixity as rows
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Derivative, Original, Recording

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SHA = "ab" * 32


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    url = f"sqlite:///{tmp_path / 'liuhen.db'}"
    opened = Catalogue(url if request.param == "sqlite" else str(request.getfixturevalue("postgres_url")))
    opened.migrate()
    yield opened
    opened.close()


def fill(catalogue: Catalogue) -> None:
    with catalogue.write() as session:
        session.add(Recording(id="r", series="s", device_serial="d", received=NOW))
        session.flush()
        session.add(
            Original(
                sha256=SHA, root=SHA, size=(1 << 20) + 1, recording_id="r", name="n", tier="five_years", event_id="e",
                received=NOW,
            )
        )  # fmt: skip
        session.flush()
        for number, kind in enumerate(("access", "master")):  # the same bytes twice are stored once
            session.add(
                Derivative(
                    id=str(number), original_sha256=SHA, kind=kind, retention="five_years", sha256="cd" * 32, size=7,
                    media_type="video/mp4", tier="five_years", proof={}, made=NOW,
                )
            )  # fmt: skip


def sync(catalogue: Catalogue) -> int:
    count = 0
    with catalogue.read() as reading:
        for batch in rows.missing(reading):
            with catalogue.write() as session:
                rows.add(session, batch, NOW)
            count += len(batch)
    return count


def test_each_stored_file_gets_one_row(catalogue: Catalogue) -> None:
    fill(catalogue)
    assert (sync(catalogue), sync(catalogue)) == (3, 0)
    with catalogue.read() as session:
        (tier,) = rows.tiers(session)
        assert (tier.files, tier.unchecked, tier.bytes) == (3, 3, (1 << 20) + 1 + 64 + 7)
        first = rows.next_due(session, NOW)
        assert first is not None and first.key == f"chunks/ab/{SHA}"
        assert rows.due(session, NOW) == (3, tier.bytes)
        assert (rows.moved(session), rows.alarms(session), rows.passed(session)) == ([], 0, (0, 0, None))
        assert rows.owner(session, "derivative", "0") == "r"


def test_a_batch_that_somebody_else_added_meanwhile_is_left_alone(catalogue: Catalogue) -> None:
    fill(catalogue)
    with catalogue.read() as session:
        batch = [row for part in rows.missing(session) for row in part]
    for _ in range(2):
        with catalogue.write() as session:
            rows.add(session, batch, NOW)
    with catalogue.read() as session:
        assert rows.due(session, NOW)[0] == 3
