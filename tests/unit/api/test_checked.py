from __future__ import annotations

from typing import Any

from api.checked import Line, lines


def file(*open_: tuple[str, str, str], kind: str = "video", verdict: str = "review") -> dict[str, Any]:
    not_checked = [{"check": check, "why": why, "zh": zh} for check, why, zh in open_]
    return {"path": "a", "verdict": verdict, "media": {"kind": kind}, "findings": [], "not_checked": not_checked}


UNDECODED = ("decoding", "pictures were not decoded (--deep)", "画面未解码（--deep）")
UNSIGNED = ("signature", "no signature", "没有签名")
NO_PROFILE = ("device-profile", "no profile", "没有档案")


def by_words(report: dict[str, Any]) -> dict[str, Line]:
    return {line.words[0][:4]: line for line in lines(report)}


def test_what_nothing_is_said_against_was_made() -> None:
    told = by_words({"files": [file(UNDECODED, UNSIGNED)], "series": []})
    assert told["容器结构"] == Line(told["容器结构"].words, "made", [])
    assert told["画面与声"].state == "open" and told["设备在码"].state == "open"


def test_the_reason_is_said_without_the_command_line() -> None:
    told = by_words({"files": [file(UNDECODED)], "series": []})
    assert told["画面与声"].reasons == [(("画面未解码", "pictures were not decoded"), 0)]


def test_what_some_files_lack_is_a_reservation_with_their_number() -> None:
    told = by_words({"files": [file(UNSIGNED), file(), file(verdict="unreadable")], "series": []})
    assert told["设备在码"].state == "limited"
    assert told["设备在码"].reasons == [(("没有签名", "no signature"), 1)]


def test_without_a_profile_there_is_no_comparison_and_with_one_a_reservation() -> None:
    report = {"files": [file(NO_PROFILE)], "series": []}
    assert by_words(report)["与该设备"].state == "open"
    assert by_words(report | {"profile": {"serial": "A"}})["与该设备"].state == "limited"


def test_photos_have_checks_of_their_own() -> None:
    told = [line.words[0] for line in lines({"files": [file(kind="photos")], "series": []})]
    assert "照片画面的内容" in told and "画面上的时钟" not in told


def test_without_a_stations_list_there_is_nothing_to_compare() -> None:
    report = {"files": [file()], "series": []}
    assert by_words(report | {"docking": {"findings": [], "listed": True}})["设备历次"].state == "made"
    assert by_words(report | {"docking": {"findings": [], "listed": False}})["设备历次"].state == "open"


def test_an_entry_that_no_group_knows_is_said() -> None:
    assert by_words({"files": [file(("new-check", "why", "为何"))], "series": []})["其他"].reasons[0][0] == (
        "为何",
        "why",
    )


def test_what_cannot_be_read_was_not_checked_at_all() -> None:
    assert lines({"files": [file(verdict="unreadable")], "series": []}) == []
    assert lines({}) == []
