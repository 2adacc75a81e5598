"""Single pictures for film strips: the right ones, small, plain JPEGs, whatever the file is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.media import sandbox
from pipeline.media import stills as module
from pipeline.media.stills import HEIGHT, Moment, stills
from pipeline.samples import Footage
from tests.support.footage import require


def test_the_last_before_and_the_first_after_a_gap(footage: Footage) -> None:
    before, after = stills(footage.cut_open, [Moment("before", 4.0), Moment("at", 7.0)])
    assert before is not None and before.at == pytest.approx(3.96)
    assert after is not None and after.at == pytest.approx(7.0)


def test_pictures_come_in_the_order_they_were_asked_for(footage: Footage) -> None:
    wanted = [8.0, 0.0, 4.0, 8.0]
    found = stills(footage.segments[0], [Moment("at", at) for at in wanted])
    assert [each.at if each else None for each in found] == wanted


def test_beyond_either_end_there_is_none(footage: Footage) -> None:
    last, behind, ahead, first = stills(
        footage.segments[0],
        [Moment("before", 1e6), Moment("at", 1e6), Moment("before", -5.0), Moment("at", -5.0)],
    )
    assert behind is None and ahead is None
    assert first is not None and first.at == 0.0
    assert last is None or last.at == pytest.approx(11.96)


def test_a_photo_is_its_own_picture(footage: Footage) -> None:
    (found,) = stills(footage.photos[0], [Moment("photo")])
    assert found is not None and module._is_plain_jpeg(found.jpeg)


def test_a_turned_recording_is_shown_upright(tmp_path: Path, footage: Footage) -> None:
    require("exiftool")
    turned = Path(shutil.copy(footage.segments[0], tmp_path / "a.mp4"))
    subprocess.run(["exiftool", "-q", "-n", "-overwrite_original", "-Rotation=90", str(turned)], check=True)
    (found,) = stills(turned, [Moment("at", 1.0)])
    assert found is not None
    at = found.jpeg.index(b"\xff\xc0")
    height, width = (int.from_bytes(found.jpeg[at + n : at + n + 2], "big") for n in (5, 7))
    assert height == HEIGHT and width < height


@pytest.mark.parametrize("name", ["garbage.mp4", "empty.mp4", "playlist.mp4", "truncated.mp4"])
def test_hostile_files_give_none(footage: Footage, name: str) -> None:
    moments = [Moment("at", 0.0), Moment("before", 3.0)]
    assert stills(footage.hostile / name, moments) == [None, None]


def test_nothing_asked_nothing_started(footage: Footage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "run", lambda *a, **k: pytest.fail("started"))
    assert stills(footage.segments[0], []) == []


@pytest.fixture(scope="module")
def jpeg(footage: Footage) -> bytes:
    (found,) = stills(footage.photos[0], [Moment("photo")])
    assert found is not None
    return found.jpeg


def test_only_one_plain_picture_of_our_size_is_believed(jpeg: bytes) -> None:
    size = jpeg.index(b"\xff\xc0") + 5
    assert module._is_plain_jpeg(jpeg)
    assert not module._is_plain_jpeg(jpeg + b"<script>")
    assert not module._is_plain_jpeg(jpeg[:-2])
    assert not module._is_plain_jpeg(jpeg[:-2] + b"\xff\xe1\x00\x02\xff\xd9")
    assert not module._is_plain_jpeg(jpeg[:size] + b"\xff\xff" + jpeg[size + 2 :])
    assert not module._is_plain_jpeg(jpeg.replace(b"\xff\xc0", b"\xff\xc2"))
    assert not module._is_plain_jpeg(b"\xff\xd8\xff\xe1\x00\x04ab" + jpeg[2:])
    assert not module._is_plain_jpeg(b"") and not module._is_plain_jpeg(b"\xff\xd8\xff\xd9")


def test_what_a_child_says_is_believed_up_to_the_first_nonsense(jpeg: bytes) -> None:
    def part(number: int, body: bytes) -> bytes:
        return f"{number} 1.500000 {len(body)}\n".encode() + body

    whole = part(0, jpeg) + part(1, jpeg)
    assert [number for number, _ in module._parse(whole)] == [0, 1]
    assert [number for number, _ in module._parse(whole[:-3])] == [0]
    assert list(module._parse(part(0, b"nonsense") + part(1, jpeg))) == []
    assert list(module._parse(b"x")) == []
