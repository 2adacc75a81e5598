"""The corpus says the truth of its files; and on its quick part the checks keep the least they must."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.check import check_files
from scripts.corpus_lib import avi, mkv, mp4, nal, sources, ts
from scripts.corpus_lib.build import Row, build, read_index
from scripts.corpus_lib.cameras import SOURCES, x264
from scripts.corpus_lib.coders import Picture, Sound
from scripts.corpus_lib.media import Media, Track, group_seconds, key_times, spliced
from scripts.corpus_lib.sources import Source, Style
from tests.support.footage import file_bytes, require

CLOSED = "keyint=25:min-keyint=25:bframes=0:weightp=0"
CUTS = {"cut-open", "cut-closed", "group-removed"}


def camera(params: str = CLOSED, profile: str = "main") -> Source:
    picture = Picture(x264("ultrafast", profile, "200k", params), size=(192, 108), osd=False)
    return Source("test", "TEST.MP4", 4.0, picture, Sound("aac", 16_000), mp4.Style())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Media:
    require("ffmpeg", "ffprobe")
    return sources.record(camera(), 1, tmp_path_factory.mktemp("film"))


def packets(path: Path, stream: str) -> list[float]:
    """Seconds of each packet: when it is shown, or decoded where the container knows no more (AVI)."""
    entries = ["-show_entries", "packet=pts_time,dts_time", "-of", "csv=p=0"]
    argv: list[str | Path] = ["ffprobe", "-v", "error", "-select_streams", stream, *entries, path]
    lines = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.splitlines()
    shown = [[part for part in line.split(",") if part not in ("", "N/A")] for line in lines]
    return sorted(float(parts[0]) for parts in shown if parts)


def pictures(path: Path) -> str:
    """The checksum of all decoded pictures; empty complaints are part of the promise."""
    argv: list[str | Path] = ["ffmpeg", "-v", "warning", "-i", path, "-map", "0:v", "-f", "md5", "-"]
    done = subprocess.run(argv, capture_output=True, check=True, text=True)
    assert done.stderr == ""
    return str(done.stdout)


def saved(folder: Path, media: Media, style: Style, name: str) -> Path:
    path = folder / name
    path.write_bytes(sources.write(media, style))
    return path


@pytest.mark.parametrize(
    ("style", "name"),
    [
        (mp4.Style(), "a.mp4"),
        (mp4.Style(first=True, free=100, edits=True), "first.mp4"),
        (mp4.Style(fragment=1.0), "fragments.mp4"),
        (mp4.Style(brand=b"qt  ", quicktime=True), "a.mov"),
        (ts.Style(), "a.ts"),
        (ts.Style(m2ts=True), "a.m2ts"),
        (mkv.Style(), "a.mkv"),
        (avi.Style(), "a.avi"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_container_carries_every_packet_at_its_time(
    recording: Media, tmp_path: Path, style: Style, name: str
) -> None:
    path = saved(tmp_path, recording, style, name)
    plain = saved(tmp_path, recording, mp4.Style(), "plain.mp4")
    times = packets(path, "v")
    assert [t - times[0] for t in times] == pytest.approx([n / 25 for n in range(100)], abs=0.002)
    assert len(packets(path, "a")) == len(packets(plain, "a"))
    assert pictures(path) == pictures(plain)


def test_genuine_files_name_no_program(recording: Media) -> None:
    for style in (mp4.Style(), ts.Style(), avi.Style(), mkv.Style()):
        content = sources.write(recording, style)
        assert not any(name in content for name in (b"Lavf", b"Lavc", b"x264", b"libmatroska"))


@pytest.mark.parametrize("profile", ["main", "baseline"])
def test_new_counters_leave_the_pictures_alone(tmp_path: Path, profile: str) -> None:
    """CABAC and CAVLC: the slice data moves by bits, what it says stays."""
    require("ffmpeg")
    media = sources.record(camera(profile=profile), 1, tmp_path)
    assert media.video
    renumbered = nal.h264_track(media.video, vui=False, idr=lambda number: 3000 + number)
    before = saved(tmp_path, media, mp4.Style(), "before.mp4")
    after = saved(tmp_path, replace(media, tracks=(renumbered, *media.tracks[1:])), mp4.Style(), "after.mp4")
    assert pictures(after) == pictures(before)
    argv: list[str | Path] = ["ffmpeg", "-v", "trace", "-i", after, "-map", "0:v", "-c", "copy"]
    argv += ["-bsf:v", "trace_headers", "-f", "null", "-"]
    trace = subprocess.run(argv, capture_output=True, check=True, text=True).stderr
    ids = [int(line.rpartition("=")[2]) for line in trace.splitlines() if " idr_pic_id " in line]
    assert ids[-4:] == [3000, 3001, 3002, 3003]


def test_a_splice_says_where_the_pieces_meet(recording: Media) -> None:
    media, meets = spliced(recording, [(recording, 0, 1.0), (recording, 3.0, 9.0)])
    assert meets == [1.0]
    assert media.video
    assert len(media.video.packets) == 50
    assert key_times(media.video) == [0.0, 1.0]
    assert group_seconds(media) == 1.0


def test_sound_of_a_splice_stays_beside_the_picture(recording: Media) -> None:
    media, _ = spliced(recording, [(recording, 0, 1.0), (recording, 2.0, 3.0), (recording, 3.0, 9.0)])
    assert media.video
    assert media.audio
    assert abs(media.audio.end - media.video.end) < 0.1


def test_file_dates_and_names_agree() -> None:
    source = next(each for each in SOURCES if each.name == "body-main")
    local = source.start.astimezone(UTC).timestamp() + 8 * 3600
    assert f"{datetime.fromtimestamp(local, UTC):%Y%m%d%H%M%S}" in source.file()
    assert source.file(1) != source.file(0)


def test_there_are_enough_cameras_of_enough_kinds() -> None:
    assert len(SOURCES) >= 25
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert {type(source.style) for source in SOURCES} == {mp4.Style, ts.Style, avi.Style, mkv.Style}


@dataclass(frozen=True)
class Corpus:
    root: Path
    rows: list[Row]

    def of(self, wanted: Callable[[Row], bool]) -> list[Row]:
        return [row for row in self.rows if row.files and wanted(row)]

    def worst(self, row: Row) -> str:
        report = check_files([self.root / file for file in row.files])
        found = [each.findings for each in report.files] + [each.findings for each in report.series]
        severities = {finding.severity.value for findings in found for finding in findings}
        return next((each for each in ("violation", "suspicion") if each in severities), "")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    require("ffmpeg", "exiftool")
    root = tmp_path_factory.mktemp("corpus")
    return Corpus(root, build(root, quick=True))


@pytest.mark.slow
@pytest.mark.shared("corpus")
@pytest.mark.timeout(1200)
def test_no_genuine_recording_is_called_violated(corpus: Corpus) -> None:
    genuine = corpus.of(lambda row: row.truth == "genuine")
    assert len(genuine) >= 10
    assert [row.id for row in genuine if corpus.worst(row) == "violation"] == []


@pytest.mark.slow
@pytest.mark.shared("corpus")
@pytest.mark.timeout(1200)
def test_every_cut_by_stream_copy_is_found(corpus: Corpus) -> None:
    cuts = corpus.of(lambda row: row.family in CUTS and not row.blind)
    assert len(cuts) >= 40
    assert [row.id for row in cuts if not corpus.worst(row)] == []


@pytest.mark.slow
@pytest.mark.shared("corpus")
@pytest.mark.timeout(1200)
def test_a_second_run_makes_nothing_anew(corpus: Corpus) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.root.rglob("*") if path.is_file()}
    assert build(corpus.root, quick=True) == corpus.rows == read_index(corpus.root)
    changed = [path.name for path, moment in before.items() if path.stat().st_mtime_ns != moment]
    assert sorted(changed) == ["INDEX.csv", "INDEX.json"]


@pytest.mark.slow
@pytest.mark.shared("corpus")
@pytest.mark.timeout(1200)
def test_the_index_tells_how_much_a_cut_took(corpus: Corpus) -> None:
    """An open cut leaves its hole where the index says, as long as it says."""
    for row in corpus.of(lambda row: row.family == "surgery-gap-left"):
        times = packets(corpus.root / row.files[0], "v")
        ((start, end),) = row.at
        assert not [t for t in times if start + 0.01 < t < end - 0.01]
        assert [t for t in times if abs(t - end) < 0.01]


@pytest.mark.slow
@pytest.mark.shared("corpus")
@pytest.mark.timeout(1200)
def test_the_same_seed_gives_the_same_bytes(corpus: Corpus, tmp_path: Path) -> None:
    """Stream copies and surgery; encoders run with one thread each."""
    again = build(tmp_path, quick=True, only=["clip-2s"])
    assert again
    before = {name: content for name, content in file_bytes(corpus.root / "clip-2s").items() if ".row" not in name}
    after = {name: content for name, content in file_bytes(tmp_path / "clip-2s").items() if ".row" not in name}
    assert [name for name in after if before.get(name) != after[name]] == []


def test_a_track_knows_its_ends(recording: Media) -> None:
    video: Track | None = recording.video
    assert video
    assert (video.start, video.end) == (0.0, 4.0)
