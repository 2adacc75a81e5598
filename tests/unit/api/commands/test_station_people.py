"""`liuhen admin station | officer | device` for stations, certificates and wearers, as an administrator runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import make_cli
from ingest import invitation
from pipeline.bootstrap import open_catalogue, read_settings
from storage.catalogue.tables import Device, EnrolmentCode
from storage.clock import now
from storage.errors import LiuhenError, NotFound, Refused


def run(*arguments: str | Path) -> str:
    """Standard output of the program. Raises its own errors."""
    done = CliRunner().invoke(make_cli(), [str(each) for each in arguments])
    if isinstance(done.exception, LiuhenError):
        raise done.exception
    assert done.exception is None, done.exception
    return done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with two people."""
    for login, name, role in (("liming", "李明", "officer"), ("sunji", "孙计", "auditor")):
        run("admin", "user", "add", login, "--name", name, "--role", role, "--data", tmp_path)
    return tmp_path


def test_a_code_is_made_at_the_console(data: Path) -> None:
    said = json.loads(run("admin", "station", "invite", "ST-01", "--hours", "1", "--data", data, "--json"))
    catalogue = open_catalogue(read_settings(data=data))
    with catalogue.read() as session:
        row = session.query(EnrolmentCode).one()
    catalogue.close()
    key = invitation.key_of(invitation.read(said["code"]))
    assert row.code == invitation.digest_of(invitation.public_of(key))
    assert invitation.fingerprint(row.log) == said["ledger"]
    assert "ABCD" not in run("admin", "station", "invite", "ST-02", "--data", data)
    with pytest.raises(Refused):
        run("admin", "station", "invite", "ST-03", "--hours", "1000", "--data", data)


def test_the_old_way_still_makes_a_key_file_and_keeps_its_history(data: Path) -> None:
    out = data / "ST-01.json"
    run("admin", "station", "add", "ST-01", "--out", out, "--data", data)
    shown = run("station", "show", "--station", out)
    public = json.loads(run("admin", "station", "list", "--data", data, "--json"))
    assert public[0]["station"] == "ST-01"
    held = run("admin", "station", "keys", "ST-01", "--data", data)
    assert held.split("\t")[0] in shown
    assert "在用" in held
    run("admin", "station", "revoke", "ST-01", "--data", data)
    assert "在用" not in run("admin", "station", "keys", "ST-01", "--data", data)


def test_a_mistyped_code_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    out = tmp_path / "k.json"
    with pytest.raises(Refused, match="mistyped"):
        run("station", "enrol", "--server", "http://127.0.0.1:9", "--code", "ABCD-EFGH-JKMN", "--out", out)
    assert list(tmp_path.iterdir()) == []


def test_certificates_are_recorded_field_by_field(data: Path) -> None:
    certify = ("admin", "officer", "certify", "liming", "--data", data)
    run(*certify, "--certificate", "浙A1", "--valid-until", "2020-02-28", "--post", "中队长")
    run(*certify, "--valid-from", "2018-03-01")
    (line,) = json.loads(run("admin", "officer", "list", "--data", data, "--json"))
    wanted = {"certificate": "浙A1", "valid_from": "2018-03-01", "valid_until": "2020-02-28", "state": "expired"}
    assert {name: line[name] for name in wanted} == wanted
    assert "浙A1" in run("admin", "officer", "list", "--data", data)
    with pytest.raises(NotFound):
        run("admin", "officer", "certify", "sunji", "--data", data)


def test_a_camera_is_assigned_with_a_date(data: Path) -> None:
    run("admin", "device", "assign", "LH00012", "liming", "--since", "2026-01-02T08:00", "--data", data)
    run("admin", "device", "assign", "LH00012", "--since", "2026-02-01", "--data", data)
    lines = run("admin", "device", "history", "LH00012", "--data", data).splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["2026-01-31T16:00:00.000Z", "—"],
        ["2026-01-02T00:00:00.000Z", "李明"],
    ]
    with pytest.raises(NotFound):
        run("admin", "device", "assign", "LH00012", "nobody", "--data", data)


def test_an_unknown_card_is_named_at_the_console(data: Path) -> None:
    catalogue = open_catalogue(read_settings(data=data))
    with catalogue.write() as session:
        session.add(Device(serial="UNKNOWN-1", created=now()))
    catalogue.close()
    run("admin", "device", "identify", "UNKNOWN-1", "LH00012", "--data", data)
    with pytest.raises(Refused):
        run("admin", "device", "identify", "LH00012", "LH00013", "--data", data)
