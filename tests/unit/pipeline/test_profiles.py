"""Learning a device from real files, keeping its profile, and the analysis in its light."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from pipeline import profiles
from pipeline.check import check_files
from pipeline.continuity.thresholds import Thresholds
from pipeline.profiles import Profiles, for_device, lesson
from storage.catalogue.tables import Device, Recording
from storage.errors import NotFound, Refused
from storage.records import Actor
from tests.support.footage import require
from tests.unit.pipeline.test_analyse import analyse, take_in

if TYPE_CHECKING:
    from pipeline.samples import Footage
    from tests.support.web import Bureau

CONSOLE = Actor("service", "console")
NOW = "2026-11-20T01:02:03.000Z"
LIMITS = Thresholds()


def register(office: Bureau, serial: str = "LH00012", model: str = "") -> Profiles:
    with office.services.catalogue.write() as session:
        session.add(Device(serial=serial, model=model, created=office.clock.now))
    return Profiles(office.services.catalogue, office.services.clock)


def remuxed(source: Path, folder: Path) -> Path:
    """The same pictures and sounds, packet for packet, in a container that FFmpeg wrote, without its name in it."""
    require("ffmpeg")
    target = folder / source.name
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-i",
        source,
        "-map",
        "0:v",
        "-map",
        "0:a",
        "-c",
        "copy",
        "-fflags",
        "+bitexact",
    ]
    subprocess.run([*map(str, command), str(target)], check=True)
    return target


def findings(report: dict[str, Any], severity: str = "violation") -> set[str]:
    return {
        f["code"].partition("/")[2] for file in report["files"] for f in file["findings"] if f["severity"] == severity
    }


def test_a_rewritten_container_of_a_known_device_is_a_violation(footage: Footage, tmp_path: Path) -> None:
    profile = lesson("LH00012", list(footage.segments), LIMITS, NOW).profile
    for segment in footage.segments:
        own = check_files([segment], device=profile).as_json()
        assert own["files"][0]["verdict"] == "continuous"
    copy = remuxed(footage.segments[1], tmp_path)
    unknown = check_files([copy]).as_json()
    assert findings(unknown) == set() and unknown["files"][0]["verdict"] == "review"
    known = check_files([copy], device=profile).as_json()
    assert known["files"][0]["verdict"] == "altered"
    assert {"PROFILE-BRAND", "PROFILE-TIMESCALE", "PROFILE-TAGS"} <= findings(known)
    recoded = check_files([footage.foreign], device=profile).as_json()
    assert {"PROFILE-SOFTWARE", "PROFILE-PARAMETERS", "PROFILE-TRACK"} <= findings(recoded)


def test_files_with_violations_are_not_learned_unless_they_must(footage: Footage) -> None:
    with pytest.raises(Refused, match="IDR-ID"):
        lesson("LH00012", [footage.cut_closed], LIMITS, NOW)
    taught = lesson("LH00012", [footage.cut_closed, footage.segments[0]], LIMITS, NOW)
    assert len(taught.learned) == 1 and "IDR-ID" in taught.refused[0].zh
    assert len(lesson("LH00012", [footage.cut_closed], LIMITS, NOW, anyway=True).learned) == 1
    with pytest.raises(Refused):
        lesson("LH00012", [footage.hostile / "playlist.mp4"], LIMITS, NOW, anyway=True)
    with pytest.raises(NotFound):
        lesson("LH00012", [footage.card / "absent.mp4"], LIMITS, NOW)


def test_a_profile_is_kept_and_its_making_is_in_the_ledger(office: Bureau, footage: Footage) -> None:
    kept = register(office)
    made = kept.learn("LH00012", [footage.card], LIMITS, by=CONSOLE)
    assert kept.get("LH00012") == made.profile and kept.all() == [made.profile]
    ((event, who, payload),) = office.events("device:LH00012")
    assert (event, who, payload["files"]) == ("device.learned", str(CONSOLE), 3)
    assert payload["newest"] == list(made.profile.files)
    kept.forget("LH00012", by=CONSOLE)
    assert [event for event, _, _ in office.events("device:LH00012")] == ["device.learned", "device.forgotten"]
    for forgotten in (lambda: kept.get("LH00012"), lambda: kept.forget("LH00012", by=CONSOLE)):
        with pytest.raises(NotFound):
            forgotten()


def test_learning_twice_adds_up(office: Bureau, footage: Footage) -> None:
    kept = register(office)
    kept.learn("LH00012", [footage.segments[0]], LIMITS, by=CONSOLE)
    again = kept.learn("LH00012", [footage.card], LIMITS, by=CONSOLE)
    assert len(again.profile.files) == 3
    with pytest.raises(NotFound):
        kept.learn("LH99999", [footage.card], LIMITS, by=CONSOLE)


def test_the_analysis_judges_in_the_light_of_the_devices_profile(
    office: Bureau, footage: Footage, tmp_path: Path
) -> None:
    register(office).learn("LH00012", [footage.card], LIMITS, by=CONSOLE)
    take_in(office, remuxed(footage.segments[1], tmp_path))
    analyse(office)
    with office.services.catalogue.read() as session:
        recording = session.scalars(select(Recording)).one()
    assert recording.verdict == "altered" and recording.report
    assert "PROFILE-BRAND" in findings(recording.report)


def test_a_device_of_the_same_model_lends_its_profile(office: Bureau, footage: Footage) -> None:
    kept = register(office, "LH00011", "Cam")
    register(office, "LH00012", "Cam")
    register(office, "LH00013", "Other")
    kept.learn("LH00011", [footage.card], LIMITS, by=CONSOLE)
    with office.services.catalogue.read() as session:
        own, lent, none, unknown = (for_device(session, f"LH{n}") for n in ("00011", "00012", "00013", "77777"))
    assert own and not own.borrowed and lent and lent.borrowed and none is None and unknown is None


def test_a_profile_file_goes_there_and_back(footage: Footage, tmp_path: Path) -> None:
    made = lesson("LH00012", [footage.card, *footage.photos], LIMITS, NOW).profile
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(profiles.as_json(made), ensure_ascii=False), encoding="utf-8")
    assert profiles.load(file) == made


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"schema": 1}', b"\xff\xfe", b'{"serial": "a", "learned": "b", "schema": "x"}']
)
def test_what_is_no_profile_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "profile.json"
    file.write_bytes(content)
    with pytest.raises(Refused):
        profiles.load(file)
    with pytest.raises(NotFound):
        profiles.load(tmp_path / "absent.json")


def test_what_a_photo_series_learned_sees_a_photo_saved_again(footage: Footage, tmp_path: Path) -> None:
    require("ffmpeg", "exiftool")
    profile = lesson("LHP00007", list(footage.photos), LIMITS, NOW).profile
    saved = tmp_path / footage.photos[2].name
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(footage.photos[2]), "-q:v", "3", "-huffman", "default", str(saved)],
        check=True,
    )
    tags = ["exiftool", "-q", "-overwrite_original", "-TagsFromFile", str(footage.photos[2]), "-all:all", str(saved)]
    subprocess.run(tags, check=True)
    again = tmp_path / footage.photos[3].name
    shutil.copyfile(footage.photos[3], again)
    report = check_files([saved, again], device=profile).as_json()
    assert [file["verdict"] for file in report["files"]] == ["altered", "continuous"]
    assert "PROFILE-PHOTO" in findings(report)
