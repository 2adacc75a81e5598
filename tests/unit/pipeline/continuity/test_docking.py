from datetime import UTC, datetime, timedelta

import pytest

from pipeline.continuity.docking import DockedCopy, check_card_date, check_history, check_vanished

MONDAY = datetime(2026, 11, 16, 18, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def line(docking: str, time: datetime, path: str, sha256: str, modified: datetime) -> DockedCopy:
    return DockedCopy(docking, time, path, sha256, modified)


def codes(file: DockedCopy, history: list[DockedCopy]) -> list[str]:
    return [finding.code for finding in check_history(file, history)]


def test_a_new_file_shot_after_the_last_docking_is_fine() -> None:
    new = line("d2", TUESDAY, "B.MP4", "bb", TUESDAY - timedelta(hours=3))
    assert codes(new, [line("d1", MONDAY, "A.MP4", "aa", MONDAY - timedelta(hours=1))]) == []


def test_the_same_bytes_listed_before_are_fine() -> None:
    shot = MONDAY - timedelta(hours=1)
    assert codes(line("d2", TUESDAY, "A.MP4", "aa", shot), [line("d1", MONDAY, "A.MP4", "aa", shot)]) == []


def test_other_bytes_under_a_listed_name_and_date_are_a_violation() -> None:
    shot = MONDAY - timedelta(hours=1)
    history = [line("d1", MONDAY, "A.MP4", "aa", shot)]
    assert codes(line("d2", TUESDAY, "A.MP4", "xx", shot), history) == ["REC-TRUE/DOCK-CHANGED"]


def test_a_camera_that_counts_from_one_again_after_a_wipe_is_fine() -> None:
    history = [line("d1", MONDAY, "IMG_0001.JPG", "aa", MONDAY - timedelta(hours=1))]
    assert codes(line("d2", TUESDAY, "IMG_0001.JPG", "bb", TUESDAY - timedelta(hours=1)), history) == []


def test_a_file_dated_before_a_docking_that_did_not_list_it_is_backdated() -> None:
    history = [line("d1", MONDAY, "A.MP4", "aa", MONDAY - timedelta(hours=1))]
    late = line("d2", TUESDAY, "B.MP4", "bb", MONDAY - timedelta(hours=2))
    assert codes(late, history) == ["REC-CONTINUOUS/DOCK-BACKDATED"]


def test_a_clock_that_drifts_by_a_minute_is_no_backdating() -> None:
    history = [line("d1", MONDAY, "A.MP4", "aa", MONDAY - timedelta(hours=1))]
    assert codes(line("d2", TUESDAY, "B.MP4", "bb", MONDAY - timedelta(seconds=60)), history) == []


def test_a_later_docking_says_nothing_about_an_earlier_file() -> None:
    early = line("d1", MONDAY, "A.MP4", "aa", MONDAY - timedelta(hours=1))
    assert codes(early, [line("d2", TUESDAY, "B.MP4", "bb", MONDAY)]) == []


def test_a_counter_that_goes_on_while_the_clock_goes_back() -> None:
    history = [line("d1", MONDAY, "DCIM/IMG_0450.JPG", "aa", MONDAY - timedelta(hours=1))]
    back = line("d2", TUESDAY, "DCIM/IMG_0451.JPG", "bb", MONDAY - timedelta(days=9))
    (finding,) = check_history(back, history)
    assert (finding.code, finding.severity) == ("REC-CONTINUOUS/DOCK-CLOCK-BACK", "violation")
    assert finding.evidence["earlier_path"] == "DCIM/IMG_0450.JPG"


def test_a_factory_date_after_the_battery_ran_out_is_a_suspicion() -> None:
    history = [line("d1", MONDAY, "DCIM/IMG_0450.JPG", "aa", MONDAY - timedelta(hours=1))]
    reset = line("d2", TUESDAY, "DCIM/IMG_0451.JPG", "bb", datetime(2015, 1, 1, 0, 12, tzinfo=UTC))
    (finding,) = check_history(reset, history)
    assert (finding.code, finding.severity) == ("REC-CONTINUOUS/DOCK-CLOCK-BACK", "suspicion")


def test_an_older_number_with_an_older_date_was_hidden_from_the_docking() -> None:
    history = [line("d1", MONDAY, "DCIM/IMG_0450.JPG", "aa", MONDAY - timedelta(hours=1))]
    assert codes(line("d2", TUESDAY, "DCIM/IMG_0449.JPG", "bb", MONDAY - timedelta(hours=2)), history) == [
        "REC-CONTINUOUS/DOCK-BACKDATED"
    ]


def test_chapters_of_a_gopro_count_by_their_recording() -> None:
    history = [line("d1", MONDAY, "GH010123.MP4", "aa", MONDAY - timedelta(hours=1))]
    assert codes(line("d2", TUESDAY, "GH010124.MP4", "bb", MONDAY - timedelta(days=3)), history) == [
        "REC-CONTINUOUS/DOCK-CLOCK-BACK"
    ]


def late(history: list[DockedCopy], kept: set[str], hours: float) -> list[str]:
    found = check_vanished(history, kept, MONDAY + timedelta(hours=hours), timedelta(hours=24))
    return [str(finding.evidence["path"]) for finding in found]


def test_a_listed_file_that_never_arrives_is_a_violation_when_its_time_is_over() -> None:
    history = [line("d1", MONDAY, name, name[0] * 2, MONDAY - timedelta(hours=1)) for name in ("A.MP4", "B.MP4")]
    assert late(history, {"AA"}, 23) == []
    assert late(history, {"AA"}, 25) == ["B.MP4"]
    assert late(history, {"AA", "BB"}, 25) == []


def test_a_file_listed_again_waits_from_its_last_listing() -> None:
    shot = MONDAY - timedelta(hours=1)
    history = [line("d1", MONDAY, "A.MP4", "aa", shot), line("d2", TUESDAY, "A.MP4", "aa", shot)]
    assert late(history, set(), 25) == [] and late(history, set(), 49) == ["A.MP4"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (timedelta(0), []),
        (timedelta(minutes=10), []),  # by its end
        (timedelta(minutes=10, hours=8), []),  # the card keeps local time
        (timedelta(minutes=22), ["REC-TRUE/DOCK-DATE"]),
        (timedelta(days=3), ["REC-TRUE/DOCK-DATE"]),
        (timedelta(days=-3), ["REC-TRUE/DOCK-DATE"]),
    ],
)
def test_the_cards_date_against_the_recordings(written: timedelta, expected: list[str]) -> None:
    file = line("d1", TUESDAY, "A.MP4", "aa", MONDAY + written)
    assert [finding.code for finding in check_card_date(file, MONDAY, 600.0)] == expected


def test_bytes_that_were_changed_later_are_told_where_they_were_first() -> None:
    shot = MONDAY - timedelta(hours=1)
    first = line("d1", MONDAY, "A.MP4", "aa", shot)
    (finding,) = check_history(first, [first, line("d2", TUESDAY, "A.MP4", "xx", shot)])
    assert (finding.code, finding.evidence["sha256_after"]) == ("REC-TRUE/DOCK-CHANGED", "xx")


def test_a_later_film_of_the_same_counter_changes_nothing_before() -> None:
    first = line("d1", MONDAY, "IMG_0001.JPG", "aa", MONDAY - timedelta(hours=1))
    assert codes(first, [first, line("d2", TUESDAY, "IMG_0001.JPG", "bb", TUESDAY - timedelta(hours=1))]) == []


def test_a_changed_time_zone_of_the_card_backdates_nothing() -> None:
    """Old files are dated eight hours earlier than they were: so are the new ones."""
    eight = timedelta(hours=8)
    old, new = MONDAY - timedelta(hours=1), MONDAY + timedelta(hours=2)
    history = [
        line("d1", MONDAY, "A.MP4", "aa", old),
        line("d2", TUESDAY, "A.MP4", "aa", old - eight),
        line("d2", TUESDAY, "B.MP4", "bb", new - eight),
    ]
    assert codes(history[2], history) == []
    assert codes(history[2], [history[0], history[2]]) == ["REC-CONTINUOUS/DOCK-BACKDATED"]


def test_files_that_shift_differently_are_no_changed_zone() -> None:
    eight, old = timedelta(hours=8), MONDAY - timedelta(hours=1)
    history = [
        line("d1", MONDAY, "A.MP4", "aa", old),
        line("d1", MONDAY, "C.MP4", "cc", old),
        line("d2", TUESDAY, "A.MP4", "aa", old - eight),
        line("d2", TUESDAY, "C.MP4", "cc", old),
        line("d2", TUESDAY, "B.MP4", "bb", MONDAY - timedelta(hours=6)),
    ]
    assert codes(history[-1], history) == ["REC-CONTINUOUS/DOCK-BACKDATED"]


CARD = [line("d1", MONDAY, name, name[0] * 2, MONDAY - timedelta(hours=1)) for name in ("A.MP4", "B.MP4")]


def gone(later: list[DockedCopy], kept: set[str]) -> list[str]:
    lists = [*CARD, *later]
    found = check_vanished(lists, kept, TUESDAY, timedelta(days=30), lists)
    return [str(finding.evidence.get("later_docking")) for finding in found]


def test_a_file_that_is_gone_from_the_same_card_before_it_came_is_told_at_once() -> None:
    assert gone([line("d2", TUESDAY, "A.MP4", "AA", MONDAY)], {"AA"}) == ["d2"]


def test_a_file_wiped_after_its_receipt_is_not_gone() -> None:
    assert gone([line("d2", TUESDAY, "A.MP4", "AA", MONDAY)], {"AA", "BB"}) == []


def test_another_card_of_the_camera_says_nothing_about_the_first() -> None:
    assert gone([line("d2", TUESDAY, "C.MP4", "CC", MONDAY)], {"AA", "CC"}) == []


def test_a_file_that_can_not_be_read_any_more_is_still_on_the_card() -> None:
    later = [line("d2", TUESDAY, "A.MP4", "AA", MONDAY), line("d2", TUESDAY, "B.MP4", "", MONDAY)]
    assert gone(later, {"AA"}) == []


def test_a_station_whose_clock_is_years_behind_is_not_late_at_once() -> None:
    listed = DockedCopy("d1", MONDAY - timedelta(days=900), "A.MP4", "aa", MONDAY, received=MONDAY)
    day = timedelta(hours=24)
    assert list(check_vanished([listed], set(), MONDAY + timedelta(hours=23), day)) == []
    assert len(list(check_vanished([listed], set(), MONDAY + timedelta(hours=25), day))) == 1
