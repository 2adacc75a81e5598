"""`liuhen check` as a user runs it, on the sample footage and on real camera files."""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import typer
from typer.testing import CliRunner

from api.commands.check import check
from pipeline.check import check_files, walk
from pipeline.samples import Footage
from storage.errors import NotFound, Refused
from tests.support.footage import require

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "footage"


def run(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and standard output of the command."""
    cli = typer.Typer(pretty_exceptions_enable=False)
    cli.command()(check)
    done = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def report(*paths: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", *paths)[1])
    return found


def signals(part: dict[str, Any], *severities: str) -> set[str]:
    kept = severities or ("violation",)
    return {finding["code"].partition("/")[2] for finding in part["findings"] if finding["severity"] in kept}


def test_a_whole_recording_is_continuous(footage: Footage) -> None:
    code, text = run(footage.card)
    assert code == 0
    assert text.count("✔ 连续") == 4 and "共 3 个文件: 连续 3" in text and "未检查" in text


def test_a_missing_segment_is_found_and_placed(footage: Footage) -> None:
    found = report(*footage.missing)
    (series,) = found["series"]
    assert series["verdict"] == "interrupted" and signals(series) == {"SEGMENT-MISSING"}
    assert (series["findings"][0]["start"], series["findings"][0]["end"]) == (12.0, 24.0)
    assert run(*footage.missing)[0] == 1


def test_a_piece_cut_out_is_found_and_placed(footage: Footage) -> None:
    opened, closed = (report(path)["files"][0] for path in (footage.cut_open, footage.cut_closed))
    gap = next(finding for finding in opened["findings"] if finding["code"] == "REC-CONTINUOUS/GAP-PTS")
    assert opened["verdict"] == "interrupted" and (gap["start"], gap["end"]) == (4.0, 7.0)
    jump = next(finding for finding in closed["findings"] if finding["code"] == "REC-CONTINUOUS/IDR-ID")
    assert closed["verdict"] == "interrupted" and jump["start"] == pytest.approx(4.0, abs=1.0)


@pytest.mark.parametrize("case", ["foreign", "frozen"])
def test_a_recoded_file_is_for_a_person_to_look_at(footage: Footage, case: str) -> None:
    file = report(getattr(footage, case))["files"][0]
    assert file["verdict"] == "review" and "ENCODER-TRACE" in signals(file, "suspicion")


def test_an_audio_memo_is_continuous(footage: Footage) -> None:
    assert report(footage.audio)["files"][0]["verdict"] == "continuous"


def test_a_missing_photo_is_found(footage: Footage) -> None:
    assert run(*footage.photos)[0] == 0
    (series,) = report(*footage.photos_missing)["series"]
    assert series["verdict"] == "interrupted" and signals(series) == {"PHOTO-MISSING"}


def test_hostile_files_are_unreadable_with_a_reason_and_give_nothing_away(footage: Footage) -> None:
    baits = [path for path in sorted(footage.hostile.iterdir()) if path.is_file()]
    found = report(*baits)
    assert {file["verdict"] for file in found["files"]} == {"unreadable"} and len(found["files"]) >= 6
    assert all(file["findings"][0]["zh"] and file["findings"][0]["en"] for file in found["files"])
    assert "private" not in json.dumps(found) and "320" not in run(*baits)[1]


def test_a_playlist_calls_nobody(tmp_path: Path) -> None:
    bait = tmp_path / "a.mp4"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        bait.write_text(f"#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:{server.getsockname()[1]}/x.ts\n#EXT-X-ENDLIST\n")
        assert report(bait)["files"][0]["verdict"] == "unreadable"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_json_fits_its_schema(footage: Footage) -> None:
    schema = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema_rs.validator_for(schema)
    found = report(footage.root)
    validator.validate(found)
    assert len(found["files"]) > 20 and len(found["series"]) > 5
    del found["files"][0]["verdict"]
    assert not validator.is_valid(found)


def test_the_same_file_gives_the_same_report(footage: Footage) -> None:
    assert report(footage.cut_open) == report(footage.cut_open)


def test_the_text_can_be_english(footage: Footage) -> None:
    code, text = run("--lang", "en", footage.cut_open)
    assert code == 1 and "✖ interrupted" in text and "not checked:" in text and "violation" in text
    assert "0:00:00 ━" in text and "◆" in text


def test_a_page_is_written_beside_the_text(tmp_path: Path, footage: Footage) -> None:
    page = tmp_path / "report.html"
    code, text = run("--html", page, *footage.missing, footage.cut_open)
    written = page.read_text(encoding="utf-8")
    assert code == 1 and "✖ 中断" in text
    assert written.count("data:image/jpeg;base64,") >= 6 + 6 + 5
    assert "SEGMENT-MISSING" in written and "GAP-PTS" in written and "<script" not in written


@pytest.mark.parametrize("name", ["a.MP4", "report", "report.json"])
def test_a_page_never_takes_the_place_of_a_recording(tmp_path: Path, footage: Footage, name: str) -> None:
    """As in `liuhen check --html *.MP4`."""
    recording = Path(shutil.copy(footage.audio, tmp_path / name))
    with pytest.raises(Refused, match=r"\.html"):
        run("--html", recording, footage.audio)
    assert recording.read_bytes() == footage.audio.read_bytes()


def test_a_page_that_can_not_be_written_is_an_error(tmp_path: Path, footage: Footage) -> None:
    with pytest.raises(Refused, match="can't write"):
        run("--html", tmp_path / "absent" / "report.html", footage.audio)


def test_evidence_is_listed_where_it_is_asked_for(footage: Footage) -> None:
    assert "packet_before: 99" in run("--verbose", footage.cut_open)[1]
    assert "packet_before" not in run(footage.cut_open)[1]


def test_what_was_not_checked_is_said_once_for_many_files(footage: Footage) -> None:
    _, text = run(*footage.segments)
    assert text.count("未检查") == 1 and "所有视频未检查" in text


def test_a_makers_name_is_not_doubled(tmp_path: Path, footage: Footage) -> None:
    photo = Path(shutil.copy(footage.photos[0], tmp_path / "a.jpg"))
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-Make=Canon", "-Model=Canon EOS", str(photo)], check=True)
    assert "Canon EOS" in run(photo)[1] and "Canon Canon" not in run(photo)[1]


def test_json_is_utf8_and_text_readable_in_any_locale(footage: Footage) -> None:
    def liuhen(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        program = [sys.executable, "-c", "from api.cli import main; main()", "check", str(footage.cut_open), *arguments]
        environment = {**os.environ, "PYTHONIOENCODING": "gbk"}
        return subprocess.run(program, capture_output=True, check=False, env=environment)

    assert json.loads(liuhen("--json").stdout.decode("utf-8"))["files"]
    text = liuhen()
    assert text.returncode == 1 and "中断".encode("gbk") in text.stdout and b"Traceback" not in text.stderr


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        run(tmp_path / "nothing.mp4")


def test_the_program_itself_ends_with_0_1_or_2(footage: Footage, tmp_path: Path) -> None:
    def liuhen(path: Path) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", "from api.cli import main; main()", "check", str(path)]
        return subprocess.run(program, capture_output=True, text=True, check=False)

    assert liuhen(footage.audio).returncode == 0
    assert liuhen(footage.cut_open).returncode == 1
    absent = liuhen(tmp_path / "nothing.mp4")
    assert absent.returncode == 2 and "找不到文件" in absent.stderr and "no such file" in absent.stderr
    assert "Traceback" not in absent.stderr and absent.stdout == ""


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file to check"):
        run(tmp_path)


def test_escape_sequences_in_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    odd = tmp_path / "a\x1b]0;owned\x07.mp4"
    odd.write_bytes(b"")
    assert "\x1b" not in run(odd)[1]


def test_names_of_any_bytes_are_reported(tmp_path: Path) -> None:
    odd = Path(str(tmp_path).encode().decode() + "/" + b"\xff\xfe.mp4".decode("utf-8", "surrogateescape"))
    odd.write_bytes(b"")
    assert report(odd)["files"][0]["path"].endswith("\\xff\\xfe.mp4")


def test_a_walk_takes_recordings_and_leaves_side_files(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.jpg", "notes.txt", ".hidden.mp4", "sub/c.wav", "sub/.trash/d.mp4", "no-suffix"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "b.MP4")
    found = [path.relative_to(tmp_path).as_posix() for path in walk([tmp_path, tmp_path / "b.MP4"])]
    assert found == ["a.jpg", "b.MP4", "no-suffix", "sub/c.wav"]
    assert walk([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]


def test_display_names_make_the_series_of_stored_files(tmp_path: Path, footage: Footage) -> None:
    stored = [Path(shutil.copy(path, tmp_path / f"{n:064x}")) for n, path in enumerate(footage.missing)]
    found = check_files(stored, names=[path.name for path in footage.missing])
    assert [file.path for file in found.files] == [path.name for path in footage.missing]
    assert signals(found.as_json()["series"][0]) == {"SEGMENT-MISSING"}


def test_progress_grows_to_the_whole(footage: Footage) -> None:
    shares: list[float] = []
    check_files(footage.segments, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0


def shared_files() -> Sequence[tuple[str, str]]:
    if not SHARED.exists():
        return []
    with (SHARED / "INDEX.csv").open(encoding="utf-8", newline="") as file:
        return [(row["file"], row["truth"]) for row in csv.DictReader(file)]


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of real camera files is not beside the project")
def test_genuine_camera_files_have_no_violation() -> None:
    require("exiftool")
    genuine = [SHARED / name for name, truth in shared_files() if truth == "continuous"]
    found = report(*genuine)
    assert len(found["files"]) == len(genuine) >= 9
    for file in found["files"]:
        assert signals(file) == set() and file["verdict"] in ("continuous", "review"), file["path"]


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of real camera files is not beside the project")
def test_real_edits_are_found() -> None:
    require("exiftool")
    for name in ("iphone_trimmed_editlist.mov", "iphone_trim_nosync.mov"):
        file = report(SHARED / "edited" / name)["files"][0]
        assert file["verdict"] == "altered" and signals(file) == {"EDIT-LIST"}
    canon = report(SHARED / "photos" / "canon")
    (gap,) = canon["series"][0]["findings"]
    assert canon["series"][0]["verdict"] == "interrupted" and gap["evidence"]["missing"] == [451]
    dji = {Path(file["path"]).stem: file["verdict"] for file in report(SHARED / "photos" / "dji")["files"]}
    assert dji == {"DJI_0022": "continuous", "DJI_0023": "continuous", "DJI_0024": "review", "DJI_0025": "review"}
