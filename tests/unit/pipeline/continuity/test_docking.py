from datetime import UTC, datetime, timedelta

from pipeline.continuity.docking import DockedCopy, check_history

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
