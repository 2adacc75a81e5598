"""A station's state as a page sees it: whatever another machine says, it is shown or left out, never an error."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import docked, words
from ingest import station_state

SAID: dict[str, Any] = {
    "schema": "liuhen.station-state/1",
    "station": "ST-01",
    "agent": "0.1.0",
    "watching": True,
    "clock": {"synchronised": True, "error": 0.012, "jumped": 0.0},
    "clock_offset": 0.4,
    "free": 52428800000,
    "problem": None,
    "cards": [
        {
            "card": "6A1B-33F0", "place": "/run/liuhen/cards/sdb1", "serial": "LH00012", "model": "LH-1",
            "state": "sending", "since": "2026-11-20T00:58:00.000Z", "docking": "01m7abc", "files": 12, "safe": 3,
            "failed": 0, "size": 1000, "hashed": 1000, "sent": 250, "rate": 48234496.0, "eta": 401.0,
            "zh": "正在上传", "en": "uploading",
        }
    ],
}  # fmt: skip


def card(**changed: Any) -> docked.Card:
    (found,) = docked.read({"cards": [SAID["cards"][0] | changed]}).cards
    return found


def test_a_whole_state() -> None:
    report = docked.read(SAID)
    (one,) = report.cards
    assert (one.serial, one.tone, one.sent, one.read, one.docking) == ("LH00012", "busy", 0.25, 1.0, "01m7abc")
    assert one.since == datetime(2026, 11, 20, 0, 58, tzinfo=UTC)
    assert (report.busy, report.stuck, report.safe) == (1, 0, 0)
    assert (report.synchronised, report.offset, report.free) == (True, 0.4, 52428800000)
    assert not report.clock_wrong


@pytest.mark.parametrize("state", ["unsafe", "failed", "quarantined", "gone"])
def test_what_somebody_must_go_to_is_stuck(state: str) -> None:
    assert card(state=state).stuck
    assert docked.read({"cards": [SAID["cards"][0] | {"state": state}]}).safe == 0


def test_a_file_with_an_error_makes_its_card_stuck_whatever_it_does() -> None:
    assert card(failed=1).stuck and not card(failed=0).stuck


def test_a_wrong_clock_is_shown() -> None:
    assert docked.read({"clock_offset": -3601.5}).clock_wrong
    assert docked.read({"clock": {"jumped": 86400}}).clock_wrong
    assert not docked.read({"clock_offset": 1.9}).clock_wrong


@pytest.mark.parametrize("said", [None, [], "x", 7, {}, {"cards": {}}, {"cards": [None, 3, "x", []]}])
def test_what_says_nothing_is_an_empty_report(said: object) -> None:
    report = docked.read(said)
    assert report.cards == () and report.synchronised is None and report.problem is None


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("serial", "LH\x0000\u202e12\n", "LH0012"),
        ("serial", "x" * 500, "x" * 63 + "…"),
        ("serial", ["LH"], ""),
        ("state", "exploding", "unknown"),
        ("state", None, "unknown"),
        ("docking", "../../admin", ""),
        ("docking", "ABC", ""),
        ("since", "yesterday", None),
        ("since", "2026-11-20T00:58:00", None),  # of no zone
        ("since", "0001-01-01T00:00:00+14:00", None),
        ("files", -4, 0),
        ("files", True, 0),
        ("files", 10**400, 0),
        ("rate", float("nan"), None),
        ("eta", float("inf"), None),
        ("sent", 10**12, 1.0),
        ("size", 0, 0),
    ],
)
def test_what_is_wrong_is_cut_or_left_out(field: str, value: object, shown: object) -> None:
    assert getattr(card(**{field: value}), field) == shown


def test_no_more_cards_than_a_page_can_show() -> None:
    assert len(docked.read({"cards": SAID["cards"] * 1000}).cards) == docked.MAX_CARDS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)
FIELDS = st.sampled_from([*SAID, *SAID["cards"][0], "synchronised", "jumped", "error", "code"])


@given(st.dictionaries(FIELDS, JSON, max_size=6), st.lists(st.dictionaries(FIELDS, JSON, max_size=8), max_size=3))
def test_anything_at_all_can_be_read(said: dict[str, Any], cards: list[dict[str, Any]]) -> None:
    for state in (said, said | {"cards": cards, "clock": said, "problem": said}):
        report = docked.read(state)
        for each in report.cards:
            assert 0 <= each.read <= 1 and 0 <= each.sent <= 1 and each.tone in {"busy", "good", "bad", "warn", "grey"}
            assert all(text.isprintable() for text in (each.serial, each.model, each.place, each.zh, each.en))


def test_what_the_protocol_documents_and_the_server_keeps_is_what_a_page_shows() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "docking-protocol.md").read_text(encoding="utf-8")
    example = documented.split("liuhen.station-state/1", 1)[1]
    text = '{"schema": "liuhen.station-state/1' + example.split("```", 1)[0].replace("01m7…", "01m7")
    kept = json.loads(json.dumps(station_state.as_stored(station_state.parse(text.encode()), 1.5)))
    report = docked.read(kept)
    (one,) = report.cards
    assert (one.serial, one.state, one.files, one.safe, one.docking) == ("LH00012", "sending", 12, 3, "01m7")
    assert one.since == datetime(2026, 11, 20, 0, 58, tzinfo=UTC) and one.sent == 0.25
    assert (report.offset, report.synchronised, report.agent) == (1.5, True, "0.1.0")


def test_every_documented_state_of_a_card_has_a_colour_and_a_word() -> None:
    documented = set(get_args(station_state.CardPhase))
    assert documented == set(docked._TONES) and documented <= set(words.CARD_STATES)
