from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.media.framehash import Match, match
from storage.errors import IntegrityError


def hash_list(path: Path, base: str, stamps: list[int], *, digests: list[str] | None = None) -> Path:
    names = digests or [f"{number:064x}" for number in range(len(stamps))]
    rows = [f"0, {stamp}, {stamp}, 1, 10, {name}" for stamp, name in zip(stamps, names, strict=True)]
    path.write_text("\n".join(["#version: 2", f"#tb 0: {base}", *rows]) + "\n", encoding="ascii")
    return path


def compare(one: Path, other: Path) -> Match:
    return match([one], [other], slack=[0.0])[0]


def test_the_same_frames_in_another_time_base_match(tmp_path: Path) -> None:
    one = hash_list(tmp_path / "a", "1/90000", [0, 3003, 6006])
    other = hash_list(tmp_path / "b", "1/1000", [0, 33, 67])
    found = compare(one, other)
    assert (found.frames, found.size, found.orderly) == (3, 30, True)
    assert found.drift == pytest.approx(0.000367, abs=1e-6)


def test_another_frame_is_named_with_its_place(tmp_path: Path) -> None:
    one = hash_list(tmp_path / "a", "1/25", [0, 1, 2])
    other = hash_list(tmp_path / "b", "1/25", [0, 1, 2], digests=[f"{number:064x}" for number in (0, 9, 2)])
    with pytest.raises(IntegrityError, match=r"frame 1 \(at 0.040 s\)"):
        compare(one, other)


@pytest.mark.parametrize("count", [2, 4])
def test_a_missing_or_extra_frame_is_a_difference(tmp_path: Path, count: int) -> None:
    one = hash_list(tmp_path / "a", "1/25", [0, 1, 2])
    with pytest.raises(IntegrityError):
        compare(one, hash_list(tmp_path / "b", "1/25", list(range(count))))


def test_a_frame_out_of_its_time_is_a_difference(tmp_path: Path) -> None:
    one = hash_list(tmp_path / "a", "1/1000", [0, 40, 80])
    with pytest.raises(IntegrityError, match="out of the original's time"):
        compare(one, hash_list(tmp_path / "b", "1/1000", [0, 43, 80]))


def test_sound_that_slips_against_the_picture_is_a_difference(tmp_path: Path) -> None:
    picture, sound = (hash_list(tmp_path / name, "1/1000", [0, 40]) for name in ("picture", "sound"))
    late = hash_list(tmp_path / "late", "1/1000", [20, 60])
    with pytest.raises(IntegrityError, match="stream 1"):
        match([picture, sound], [picture, late], slack=[0.0, 0.0])


def test_both_streams_shifted_alike_still_match(tmp_path: Path) -> None:
    early = [hash_list(tmp_path / name, "1/1000", [-20, 20]) for name in ("picture", "sound")]
    late = [hash_list(tmp_path / f"late-{name}", "1/1000", [0, 40]) for name in ("picture", "sound")]
    assert [found.drift for found in match(early, late, slack=[0.0, 0.0])] == [0.0, 0.0]


def test_an_original_whose_own_times_go_backwards_is_not_held_against_the_copy(tmp_path: Path) -> None:
    one = hash_list(tmp_path / "a", "1/1000", [0, 80, 40])
    assert not compare(one, hash_list(tmp_path / "b", "1/1000", [0, 80, 81])).orderly
