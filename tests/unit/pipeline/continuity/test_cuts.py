"""Real encodes, cut by stream copy the way people do it: each cut is located by what the encoder counted."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.continuity import bitstream, order
from pipeline.media.picture import picture_of
from storage.records import Finding, Severity
from tests.support.footage import require
from tests.support.pictures import LIMITS

SECONDS, CUT = 14, (5, 8)
_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=160x128:r=25,noise=alls=6:allf=t:all_seed=3")
_SOUND = ("-f", "lavfi", "-i", "sine=f=330:r=48000,tremolo=f=5:d=0.9")
_NAMELESS = ("-bsf:v", "filter_units=remove_types=6")
_EVERY_SECOND = "keyint=25:min-keyint=25:scenecut=0"
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "300k", "-c:a", "aac", *_NAMELESS)
_HRD = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "300k", "-maxrate", "300k", "-bufsize", "300k")
SOURCES = {
    "open.mp4": (*_X264, "-x264-params", f"{_EVERY_SECOND}:bframes=2:b-adapt=0:open-gop=1"),
    "closed.mp4": (*_X264, "-x264-params", f"{_EVERY_SECOND}:bframes=2:b-adapt=0"),
    "running.mp4": (*_X264, "-x264-params", "keyint=500:scenecut=0:bframes=0:intra-refresh=1"),
    "buffer.mp4": (*_HRD, "-an", "-x264-params", f"{_EVERY_SECOND}:bframes=0:nal-hrd=cbr"),
    "hevc.mp4": ("-c:v", "libx265", "-preset", "ultrafast", "-b:v", "300k", "-tag:v", "hvc1", "-c:a", "aac",
                 "-x265-params", f"log-level=none:pools=2:{_EVERY_SECOND}:open-gop=1:bframes=2:b-adapt=0"),
    "mpeg4.mp4": ("-c:v", "mpeg4", "-g", "25", "-b:v", "400k", "-c:a", "aac"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-b:v", "800k", "-c:a", "mp2"),
    "h263.3gp": ("-s", "176x144", "-r", "30000/1001", "-c:v", "h263", "-b:v", "300k", "-c:a", "aac"),
}  # fmt: skip


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoded")


def ffmpeg(*arguments: str | Path) -> None:
    require("ffmpeg")
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def source(shelf: Path, name: str) -> Path:
    path = shelf / name
    if not path.exists():
        ffmpeg(*_PICTURE, *_SOUND, "-t", str(SECONDS), *SOURCES[name], path)
    return path


def joined(of: Path, target: Path, pieces: Sequence[tuple[float, float]]) -> Path:
    """The pieces (seconds) one after the other, by stream copy."""
    lines = ["ffconcat version 1.0"]
    for start, end in pieces:
        lines += [f"file '{of}'", f"inpoint {start}", f"outpoint {end}"]
    recipe = target.with_suffix(".txt")
    recipe.write_text("\n".join(lines), encoding="utf-8")
    tag = ("-tag:v", "hvc1") if of.name.startswith("hevc") else ()
    ffmpeg("-f", "concat", "-safe", "0", "-i", recipe, "-map", "0", "-c", "copy", *tag, target)
    return target


def proven(path: Path) -> list[Finding]:
    picture = picture_of(path)
    found = (finding for check in bitstream.CHECKS for finding in check(picture, LIMITS))
    return [finding for finding in found if finding.severity is Severity.VIOLATION]


def near(findings: Sequence[Finding], moment: float, within: float = 1.1) -> bool:
    """Whether one of them is located within a group of pictures of the moment."""
    return any(
        f.start is not None and f.end is not None and f.start - within <= moment <= f.end + within for f in findings
    )


@pytest.mark.parametrize("name", SOURCES)
def test_an_uncut_recording_has_no_violation(shelf: Path, name: str) -> None:
    assert proven(source(shelf, name)) == []


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "running.mp4"])
def test_a_piece_cut_out_is_located(shelf: Path, tmp_path: Path, name: str) -> None:
    whole = source(shelf, name)
    findings = proven(joined(whole, tmp_path / f"cut{whole.suffix}", [(0, CUT[0]), (CUT[1], SECONDS)]))
    assert near(findings, CUT[0]), findings


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in ("running.mp4", "h263.3gp")])
def test_pieces_that_change_places_are_located(shelf: Path, tmp_path: Path, name: str) -> None:
    whole = source(shelf, name)
    pieces = [(0, 4), (8, 11), (4, 8), (11, SECONDS)]
    findings = proven(joined(whole, tmp_path / f"moved{whole.suffix}", pieces))
    assert near(findings, 4) and near(findings, 7), findings


def test_pictures_dropped_from_a_recording_with_one_key_picture_are_located(shelf: Path, tmp_path: Path) -> None:
    target = tmp_path / "hole.mp4"
    hole = "noise=drop='between(pts*tb,5,7.999)'"
    ffmpeg("-i", source(shelf, "running.mp4"), "-map", "0:v", "-c", "copy", "-bsf:v", hole, "-copyts", target)
    findings = proven(target)
    assert [finding.code for finding in findings] == ["REC-CONTINUOUS/FRAME-NUM"] and near(findings, CUT[1])


def test_a_picture_without_reference_dropped_from_the_stream_is_missed(shelf: Path, tmp_path: Path) -> None:
    """frame_num does not tell of it; the order of display does. Without timestamps that is a suspicion."""
    raw, fewer = tmp_path / "raw.h264", tmp_path / "fewer.h264"
    ffmpeg("-i", source(shelf, "closed.mp4"), "-map", "0:v", "-c", "copy", "-f", "h264", raw)
    units = raw.read_bytes().split(b"\0\0\1")
    place = next(n for n, unit in enumerate(units) if n > 150 and unit[:1] == b"\x01")
    fewer.write_bytes(b"\0\0\1".join([*units[:place], *units[place + 1 :]]))
    assert orders(raw) == [] and len(orders(fewer)) == 1


def orders(path: Path) -> list[Finding]:
    picture = picture_of(path)
    return list(order.picture_order(picture, LIMITS))


def test_sound_of_mp3_cut_by_frames_draws_on_what_is_gone(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp3"
    ffmpeg(*_SOUND, "-t", str(SECONDS), "-c:a", "libmp3lame", "-b:a", "96k", whole)
    assert proven(whole) == []
    found = [proven(joined(whole, tmp_path / f"cut{n}.mp3", [(0, 5), (6 + 0.1 * n, SECONDS)])) for n in range(8)]
    located = [findings for findings in found if findings]
    assert len(located) >= 2 and all(near(findings, 5) for findings in located)
