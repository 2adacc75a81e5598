"""Manifests are verified with the key of their time, and keys behind the ledger's back are named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from ingest import key_messages, station
from ingest import manifest as manifests
from ingest.dockings import Dockings
from ingest.enrolment import Enrolment
from ingest.invitation import public_of
from ingest.key_rotation import KeyRotation
from pipeline.ledger_facts import LedgerFacts
from pipeline.ledger_rows import compare
from pipeline.officers import Licence, Officers
from storage.catalogue.tables import Docking, Entry, Station, StationKey, User
from storage.ledger import entry
from storage.records import Actor
from tests.support.docking import manifest_of
from tests.support.web import Bureau, bureau


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Bureau]:
    with bureau(tmp_path / "data") as made:
        made.services.sequencer.start()
        yield made


def dock(office: Bureau, key: Ed25519PrivateKey, device: str) -> str:
    content = manifests.encode(manifest_of("ST-01", {"a": b"1"}, device={"serial": device}))
    services = office.services
    dockings = Dockings(services.catalogue, services.sequencer, office.clock)
    return dockings.receive(content, manifests.sign(content, key)).docking


def wrong(office: Bureau) -> list[str]:
    """What differs from the ledger, users apart: the tests' own are not in it."""
    facts = LedgerFacts()
    with office.services.catalogue.read() as session:
        for row in session.query(Entry).order_by(Entry.id):
            facts.add(entry.parse_draft(row.draft))
        return [each.en for each in compare(session, facts) if not each.en.startswith(("the user ", "roles of the"))]


def change(office: Bureau, statement: object) -> None:
    with office.services.catalogue.write() as session:
        session.execute(statement)  # type: ignore[call-overload]


@pytest.fixture
def rotated(office: Bureau, tmp_path: Path) -> list[str]:
    """Two dockings with the first key, one with the second."""
    services, path = office.services, tmp_path / "ST-01.json"
    Enrolment(services.catalogue, office.clock).add("ST-01", "大厅", path, services.log_key.vkey)
    old, new = station.load(path).key, Ed25519PrivateKey.generate()
    docked = [dock(office, old, "LH00001"), dock(office, old, "LH00002")]
    office.clock.forward(days=-2)  # a clock that was set back is no matter: the ledger's order counts
    KeyRotation(services.catalogue, services.sequencer, office.clock).replace(key_messages.rotate("ST-01", old, new))
    return [*docked, dock(office, new, "LH00003")]


def test_every_manifest_verifies_with_the_key_of_its_time(office: Bureau, rotated: list[str]) -> None:
    assert wrong(office) == []


def test_a_manifest_signed_with_another_key_of_the_station_is_named(office: Bureau, rotated: list[str]) -> None:
    with office.services.catalogue.read() as session:
        first, last = (session.get_one(Docking, each) for each in (rotated[0], rotated[2]))
    change(office, update(Docking).where(Docking.id == first.id).values(signature=last.signature))
    assert wrong(office) == [f"the signature of docking {first.id} is not that of station ST-01"]


def test_a_key_put_into_the_database_is_named(office: Bureau, rotated: list[str]) -> None:
    other = public_of(Ed25519PrivateKey.generate())
    change(office, update(StationKey).where(StationKey.until.is_(None)).values(public_key=other))
    change(office, update(Station).values(public_key=other))
    assert [each.partition(":")[0] for each in wrong(office)] == [
        "public key of the station station",
        f"the station key {other} in the database has no entry in the ledger",
        wrong(office)[2],
    ]
    assert "is missing from the database" in wrong(office)[2]


def test_a_certificate_changed_behind_the_ledger_is_named(office: Bureau) -> None:
    officers = Officers(office.services.catalogue, office.clock, ZoneInfo("Asia/Shanghai"))
    officers.certify("officer", Licence("浙A1234", None, date(2026, 1, 1)), by=Actor("user", "admin"))
    assert wrong(office) == []
    change(office, update(User).where(User.login == "officer").values(certificate_until=date(2027, 1, 1)))
    assert [each.partition(":")[0] for each in wrong(office)] == [
        f"content of the certificate of user {office.users['officer']}"
    ]
