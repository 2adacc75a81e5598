"""What was not checked is said once where it is the same for all files of a kind, and nowhere left out."""

from __future__ import annotations

from typing import Any

from api import unchecked


def file(kind: str, *checks: str, verdict: str = "continuous") -> dict[str, Any]:
    items = [{"check": check, "why": f"{check} why", "zh": f"{check} 原因"} for check in checks]
    return {"verdict": verdict, "media": {"kind": kind}, "not_checked": items}


def names(items: list[Any]) -> list[str]:
    return [each["check"] for each in items]


def test_what_all_files_of_a_kind_share_is_said_for_the_kind() -> None:
    files = [file("video", "a", "b", "c"), file("video", "a", "b"), file("photos", "p"), file("photos", "p")]
    common = unchecked.of_many(files)
    assert {kind: names(items) for kind, items in common.items()} == {"video": ["a", "b"], "photos": ["p"]}
    assert names(unchecked.own(files[0], common)) == ["c"] and unchecked.own(files[1], common) == []


def test_one_file_of_a_kind_says_its_own() -> None:
    files = [file("video", "a"), file("audio", "a")]
    assert unchecked.of_many(files) == {}
    assert names(unchecked.own(files[0], {})) == ["a"]


def test_unreadable_files_neither_share_nor_spoil_it() -> None:
    files = [file("video", "a"), file("video", "a"), file("video", "all", verdict="unreadable")]
    common = unchecked.of_many(files)
    assert names(common["video"]) == ["a"] and unchecked.own(files[2], common) == []


def test_nothing_is_lost() -> None:
    files = [file("video", "a", "b"), file("video", "b", "c"), file("video", "b", "d", "d")]
    common = unchecked.of_many(files)
    for each in files:
        said = {*names(common["video"]), *names(unchecked.own(each, common))}
        assert said == set(names(each["not_checked"]))
