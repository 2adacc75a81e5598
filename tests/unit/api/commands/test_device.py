"""`liuhen admin device` and `liuhen check --profile`, `--activity`, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from typer.testing import CliRunner

from api.cli import make_cli
from pipeline.bootstrap import open_catalogue, read_settings
from pipeline.samples import Footage
from storage.catalogue.tables import Device
from storage.clock import now
from storage.errors import LiuhenError, NotFound, Refused

ROOT = Path(__file__).resolve().parents[4]


def run(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and standard output of the program. Raises its own errors."""
    done = CliRunner().invoke(make_cli(), [str(each) for each in arguments])
    if isinstance(done.exception, LiuhenError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory in which LH00012 is registered."""
    catalogue = open_catalogue(read_settings(data=tmp_path))
    with catalogue.write() as session:
        session.add(Device(serial="LH00012", model="LHCam", created=now()))
    catalogue.close()
    return tmp_path


def test_a_device_is_learned_shown_used_and_forgotten(data: Path, footage: Footage, tmp_path: Path) -> None:
    code, text = run("admin", "device", "learn", "LH00012", footage.card, "--data", data)
    assert code == 0 and "已学习 3 个文件" in text and "h264 640x360@25: 3" in text
    listed = json.loads(run("admin", "device", "list", "--json", "--data", data)[1])
    assert listed == [
        {"serial": "LH00012", "model": "LHCam", "officer": None, "learned": 3, "dockings": 0, "vanished": 0}
    ]
    profile = tmp_path / "profile.json"
    profile.write_text(run("admin", "device", "show", "LH00012", "--data", data)[1], encoding="utf-8")
    assert run("check", "--profile", profile, footage.card)[0] == 0
    code, text = run("check", "--profile", profile, footage.foreign, "--json")
    codes = {finding["code"] for finding in json.loads(text)["files"][0]["findings"]}
    assert code == 1 and "REC-TRUE/PROFILE-SOFTWARE" in codes
    run("admin", "device", "forget", "LH00012", "--data", data)
    with pytest.raises(NotFound):
        run("admin", "device", "show", "LH00012", "--data", data)


def test_a_profile_is_made_without_a_server_and_added_to(footage: Footage, tmp_path: Path) -> None:
    out = tmp_path / "profile.json"
    line = json.loads(run("admin", "device", "learn", "LH00012", footage.segments[0], "--out", out, "--json")[1])
    assert line["files"] == 1
    line = json.loads(
        run("admin", "device", "learn", "LH00012", footage.card, footage.cut_closed, "--out", out, "--json")[1]
    )
    assert line["files"] == 3 and line["modes"] == {"h264 640x360@25": 3}


def test_what_is_no_profile_is_an_error(footage: Footage, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    with pytest.raises(Refused):
        run("check", "--profile", wrong, footage.audio)


def test_the_coverage_of_an_activity(footage: Footage) -> None:
    whole = "2026-11-18T09:30:00/09:30:36"
    assert run("check", "--activity", whole, footage.card)[0] == 0
    code, text = run("check", "--activity", whole, *footage.missing, "--json")
    report = json.loads(text)
    schema = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))
    jsonschema_rs.validate(schema, report)
    (gap,) = report["activity"]["gaps"]
    assert code == 1 and report["activity"]["covered_fraction"] == pytest.approx(2 / 3)
    assert gap["zh"] == "09:30:12 至 09:30:24 没有设备录制（0:00:12）。"
    text = run("check", "--activity", "2026-11-18T09:30/09:31", "--lang", "en", footage.card)[1]
    assert "60.0 % recorded" in text and "no device recorded from 09:30:36 to 09:31:00" in text
    with pytest.raises(Refused):
        run("check", "--activity", "yesterday", footage.audio)
