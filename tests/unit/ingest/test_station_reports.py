"""States and wipe reports as the server takes them, or refuses to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from ingest import invitation, key_messages, signed, station
from ingest import manifest as manifests
from ingest.answers import HttpError
from ingest.dockings import Dockings
from ingest.enrolment import Enrolment
from ingest.station_reports import IN_ONE_EVENT, OldState, StationReports
from ingest.station_state import LAST_SEQUENCE
from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from storage.catalogue.tables import DockedFile, Entry, Station
from storage.clock import iso, now
from storage.errors import Refused
from tests.support.docking import manifest_of, root, sha256


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = wire(Settings(data=tmp_path_factory.mktemp("data"), min_free=0))
    made.start(threads=0)
    yield made
    made.stop()


@pytest.fixture
def key(services: Services, tmp_path: Path) -> station.StationKey:
    Enrolment(services.catalogue, now).add(f"S-{tmp_path.name}", "", tmp_path / "key.json", services.log_key.vkey)
    return station.load(tmp_path / "key.json")


@pytest.fixture
def reports(services: Services) -> StationReports:
    return StationReports(services.catalogue, services.sequencer, services.clock)


def state_of(name: str, sequence: int = 1, **changes: Any) -> bytes:
    card = {"card": "6A1B-33F0", "place": "/media/x", "serial": "LH1", "state": "sending", "since": iso(now())}
    fields = {
        "schema": "liuhen.station-state/1",
        "station": name,
        "time": iso(now()),
        "sequence": sequence,
        "agent": "0.1.0",
        "watching": True,
        "clock": {"synchronised": True, "error": 0.01},
        "cards": [card],
    }
    return json.dumps(fields | changes).encode()


def signed_state(key: station.StationKey, content: bytes) -> str:
    return signed.sign(signed.STATE, content, key.key)


def test_the_newest_state_is_kept_with_the_clocks_distance(
    services: Services, reports: StationReports, key: station.StationKey
) -> None:
    content = state_of(key.station, time=iso(now() + timedelta(hours=1)))
    reports.take_state(content, signed_state(key, content))
    with services.catalogue.read() as session:
        kept = session.get(Station, key.station)
    assert kept and kept.seen and kept.state
    assert kept.state["cards"][0]["card"] == "6A1B-33F0"
    assert kept.state["schema"] == "liuhen.station-state/1"
    assert 3590 < kept.state["clock_offset"] < 3610


def test_a_state_played_again_is_refused_and_says_where_to_go_on(
    reports: StationReports, key: station.StationKey
) -> None:
    content = state_of(key.station, 17)
    reports.take_state(content, signed_state(key, content))
    with pytest.raises(OldState) as refused:
        reports.take_state(content, signed_state(key, content))
    assert json.loads(refused.value.response().body)["last"] == 17


def test_who_had_a_lost_key_can_not_silence_the_station_enrolled_anew(
    services: Services, reports: StationReports, key: station.StationKey
) -> None:
    last = state_of(key.station, LAST_SEQUENCE)
    reports.take_state(last, signed_state(key, last))
    enrolment, new = Enrolment(services.catalogue, now), Ed25519PrivateKey.generate()
    code = enrolment.invite(key.station, "", services.log_key.vkey).code
    enrolment.enrol(key_messages.enrol(invitation.key_of(invitation.read(code)), new))
    first = state_of(key.station, 1)
    reports.take_state(first, signed.sign(signed.STATE, first, new))


def test_a_state_signed_as_something_else_or_by_somebody_else_is_refused(
    services: Services, reports: StationReports, key: station.StationKey
) -> None:
    content = state_of(key.station)
    for domain in (signed.MANIFEST, signed.WIPE):
        with pytest.raises(HttpError) as refused:
            reports.take_state(content, signed.sign(domain, content, key.key))
        assert refused.value.code == "wrong-key"
    with pytest.raises(HttpError) as refused:
        reports.take_state(other := state_of("S-NONE"), signed_state(key, other))
    assert refused.value.code == "unknown-station"
    Enrolment(services.catalogue, now).revoke(key.station)
    with pytest.raises(HttpError) as refused:
        reports.take_state(content, signed_state(key, content))
    assert refused.value.code == "revoked-station"


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": -1},
        {"sequence": 1.5},
        {"more": 1},
        {"cards": [{"card": "x", "place": "\x1b[2J", "state": "safe", "since": "2026-01-01T00:00:00Z"}]},
        {"cards": [{"card": "x", "place": "/", "state": "happy", "since": "2026-01-01T00:00:00Z"}]},
        {"cards": [{"card": "x", "place": "/", "state": "safe", "since": "2026-01-01T00:00:00Z"}] * 101},
        {"clock": {"synchronised": "yes"}},
        {"clock": {"error": float("nan")}},
    ],
)
def test_a_malformed_state_is_refused(
    reports: StationReports, key: station.StationKey, changes: dict[str, Any]
) -> None:
    content = state_of(key.station, **changes)
    with pytest.raises(Refused):
        reports.take_state(content, signed_state(key, content))


def wipe_of(name: str, contents: list[bytes]) -> bytes:
    lines = [
        {"path": f"{number}.MP4", "size": len(data), "sha256": sha256(data), "time": iso(now())}
        for number, data in enumerate(contents)
    ]
    fields = {
        "schema": "liuhen.wipe/1",
        "station": name,
        "device": {"serial": "LH00012"},
        "docking": "01m7",
        "time": iso(now()),
        "nonce": "0" * 32,
        "wiped": lines,
    }
    return json.dumps(fields).encode()


def test_a_wipe_is_in_the_ledger_once_with_every_digest(
    services: Services, reports: StationReports, key: station.StationKey
) -> None:
    contents = [str(number).encode() for number in range(IN_ONE_EVENT + 10)]
    content = wipe_of(key.station, contents)
    for _ in range(2):
        reports.take_wipe(content, signed.sign(signed.WIPE, content, key.key))
    with services.catalogue.read() as session:
        rows = session.scalars(select(Entry).where(Entry.event == "card.wiped")).all()
    payloads = [json.loads(row.draft)["payload"] for row in rows]
    assert [payload["part"] for payload in payloads] == [1, 2]
    assert {digest for payload in payloads for digest in payload["not_kept"]} == {sha256(each) for each in contents}
    assert {row.subject for row in rows} == {"device:LH00012"}


def test_a_wipe_signed_as_a_manifest_is_refused(reports: StationReports, key: station.StationKey) -> None:
    content = wipe_of(key.station, [b"x"])
    with pytest.raises(HttpError):
        reports.take_wipe(content, manifests.sign(content, key.key))
    with pytest.raises(Refused):
        reports.take_wipe(b"{}", "")


def test_what_a_manifest_says_besides_is_in_the_ledger(services: Services, key: station.StationKey) -> None:
    note = {"path": "device.json", "size": 2, "modified": iso(now()), "sha256": sha256(b"{}"), "root": root(b"{}")}
    fields = manifest_of(
        key.station,
        {},
        device={"serial": "UNKNOWN-1", "quarantine": True},
        clock={"synchronised": False, "error": None, "jumped": 3600.0},
        camera_clock={"offset": 12.5, "bound": "at-least", "source": "newest-file"},
        files=[note | {"not_uploaded": "a note about the camera"}],
    )
    content = json.dumps(fields).encode()
    dockings = Dockings(services.catalogue, services.sequencer, now)
    docked = dockings.receive(content, manifests.sign(content, key.key))
    with services.catalogue.read() as session:
        entry = session.scalar(select(Entry).where(Entry.subject == "device:UNKNOWN-1"))
        waited_for = session.scalars(select(DockedFile).where(DockedFile.docking_id == docked.docking)).all()
    assert entry
    payload = json.loads(entry.draft)["payload"]
    assert payload["quarantine"] is True
    assert payload["station_clock"]["synchronised"] is False
    assert payload["camera_clock"]["offset"] == 12.5
    assert (payload["not_uploaded"], list(waited_for)) == (1, [])
