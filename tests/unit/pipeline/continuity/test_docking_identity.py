from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.continuity.docking import DockedCopy
from pipeline.continuity.docking_identity import Refused, check_refused, check_same_name, check_two_devices

MONDAY = datetime(2026, 11, 16, 18, tzinfo=UTC)
FILE = DockedCopy("d1", MONDAY, "A.MP4", "aa", MONDAY)


@pytest.mark.parametrize(
    ("own", "other", "digest", "told"),
    [
        ("LH1", "LH2", "aa", True),
        ("LH1", "LH2", "bb", False),
        ("LH1", "UNKNOWN-3f2a", "aa", False),  # named after its quarantine
        ("UNKNOWN-3f2a", "LH2", "aa", False),
        ("", "LH2", "aa", False),
    ],
)
def test_one_card_as_two_cameras(own: str, other: str, digest: str, told: bool) -> None:
    elsewhere = [(other, DockedCopy("d0", MONDAY, "DCIM/A.MP4", digest, MONDAY))]
    found = list(check_two_devices(FILE, own, elsewhere))
    assert [each.code for each in found] == ["REC-TRUE/DOCK-TWO-DEVICES"] * told


def test_one_name_with_a_start_and_two_contents() -> None:
    name = "LH1_20261120093000_0001.MP4"
    (found,) = check_same_name([(name, "aa"), (name, "bb"), ("B.MP4", "cc")])
    assert (found.code, found.evidence["sha256_other"]) == ("REC-TRUE/SAME-NAME", "bb")


def test_names_that_count_or_lie_elsewhere_may_come_again() -> None:
    assert list(check_same_name([("IMG_0001.JPG", "aa"), ("IMG_0001.JPG", "bb")])) == []
    name = "LH1_20261120093000_0001.MP4"
    assert list(check_same_name([(f"100/{name}", "aa"), (f"101/{name}", "bb"), (f"100/{name}", "aa")])) == []


def test_other_bytes_than_listed_are_told_until_the_listed_ones_come() -> None:
    refused = [Refused("r1", "d1", "A.MP4", "aa", "xx")]
    assert [each.code for each in check_refused([FILE], refused, set())] == ["REC-TRUE/DOCK-DIFFERS"]
    assert list(check_refused([FILE], refused, {"aa"})) == []
    assert list(check_refused([FILE], [Refused("r1", "d1", "B.MP4", "bb", "xx")], set())) == []
