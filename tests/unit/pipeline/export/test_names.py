from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.export.names import MAX_NAME, on_disc


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DCIM/100MEDIA/LH00012_0001.mp4", "001_LH00012_0001.mp4"),
        ("执法现场.MP4", "001_执法现场.MP4"),
        ("..\\..\\windows\\system32\\cmd.exe", "001_cmd.exe"),
        ("../../etc/passwd", "001_passwd"),
        ("-rf", "001_-rf"),
        ("a\u202egpj.exe", "001_a_gpj.exe"),
        ("con", "001_con"),
        ("100% <done>: a|b?.mp4", "001_100___done___a_b_.mp4"),
        ("line\nbreak\r.mp4", "001_line_break_.mp4"),
        ("😀.mp4", "001_mp4"),
        ("...", "001_file"),
        ("", "001_file"),
        ("x" * 300 + ".mp4", "001_" + "x" * (MAX_NAME - 4) + ".mp4"),
        ("x" * 300, "001_" + "x" * MAX_NAME),
        ("cafe\u0301.mov", "001_caf\u00e9.mov"),
    ],
)
def test_a_card_name_becomes_a_safe_one(name: str, expected: str) -> None:
    assert on_disc(1, name) == expected


@given(st.text(max_size=400), st.integers(1, 9999))
def test_every_name_can_stand_on_every_disc(name: str, number: int) -> None:
    safe = on_disc(number, name)
    assert re.fullmatch(r'\d{3,4}_[^\x00-\x20<>:"/\\|?*%;\x7f]+', safe)
    assert len(safe) <= MAX_NAME + 5
    assert len(safe.encode("utf-16-be")) == 2 * len(safe)
    assert len(safe.encode()) <= 255
    assert not safe.endswith((".", " "))
