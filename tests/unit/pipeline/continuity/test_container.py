"""Edit lists, durations, dates, truncation: what the boxes give away."""

from __future__ import annotations

from typing import Any

from pipeline.continuity import container
from pipeline.continuity.model import Box, Boxes, Edit
from storage.records import Finding
from tests.support.pictures import LIMITS, boxes, picture, steady, told, track_box, video


def found(structure: Boxes) -> list[Finding]:
    file = picture(video(steady(10)), boxes=structure)
    return [finding for check in container.CHECKS for finding in check(file, LIMITS)]


def test_an_ordinary_container_has_no_findings() -> None:
    assert found(boxes(track_box(), track_box("soun"))) == []


def test_a_file_without_boxes_has_no_findings() -> None:
    file = picture(video(steady(10)))
    assert [finding for check in container.CHECKS for finding in check(file, LIMITS)] == []


def test_a_hidden_head_is_a_violation() -> None:
    (trim,) = found(boxes(track_box(edits=[Edit(9.5, 0.455)], duration=9.5), duration=9.5))
    assert told([trim]) == [("EDIT-LIST", "violation")] and trim.evidence["hidden"] == 0.455


def test_reordered_pictures_at_the_head_are_not_hidden_ones() -> None:
    """A stream with B-frames starts with a composition offset, and its edit list skips just that."""
    assert found(boxes(track_box(edits=[Edit(10.0, 0.4)], first_offset=0.4))) == []


def test_the_priming_of_a_sound_encoder_is_normal() -> None:
    assert found(boxes(track_box("soun", edits=[Edit(9.95, 0.048)]))) == []


def test_an_empty_edit_is_a_delay_and_no_cut() -> None:
    assert found(boxes(track_box(edits=[Edit(0.5, None), Edit(10.0, 0.0)]))) == []


def test_two_pieces_are_a_violation() -> None:
    findings = found(boxes(track_box(edits=[Edit(4.0, 0.0), Edit(3.0, 7.0)], duration=7.0), duration=7.0))
    assert told(findings) == [("EDIT-LIST", "violation")] and findings[0].evidence["pieces"] == 2


def test_a_hidden_tail_is_a_suspicion() -> None:
    findings = found(boxes(track_box(edits=[Edit(8.0, 0.0)], duration=8.0), duration=8.0))
    assert told(findings) == [("EDIT-LIST-TAIL", "suspicion")] and (findings[0].start, findings[0].end) == (8.0, 10.0)


def test_other_tracks_may_be_edited() -> None:
    assert found(boxes(track_box(), track_box("meta", edits=[Edit(1.0, 5.0), Edit(1.0, 1.0)]))) == []


def test_headers_that_disagree_on_the_length_are_a_suspicion() -> None:
    assert told(found(boxes(track_box(), duration=14.0))) == [("DURATION", "suspicion")]
    assert told(found(boxes(track_box(media_duration=9.0)))) == [("DURATION", "suspicion")]


def test_packets_that_end_before_the_declared_length_are_a_suspicion() -> None:
    findings = found(boxes(track_box(duration=12.0, media_duration=12.0), duration=12.0))
    assert told(findings) == [("DURATION", "suspicion")] and findings[0].evidence["packets"] == 10.0


def test_track_dates_beside_the_movie_date_are_a_suspicion() -> None:
    assert told(found(boxes(track_box(created=1_699_999_000)))) == [("DATES", "suspicion")]
    assert told(found(boxes(track_box(media_created=1_700_000_100)))) == [("DATES", "suspicion")]
    assert found(boxes(track_box(created=1_700_000_001, media_created=None))) == []


def test_a_header_written_again_later_is_a_suspicion() -> None:
    assert told(found(boxes(track_box(), modified=1_700_000_000 + 3600))) == [("MODIFIED-LATER", "suspicion")]
    assert found(boxes(track_box(), modified=1_700_000_000 + 40)) == []


def test_no_date_is_context() -> None:
    assert told(found(boxes(track_box(), created=None))) == [("NO-DATE", "note")]


def test_a_file_cut_off_is_a_violation_of_the_timeline() -> None:
    (cut,) = found(boxes(track_box(duration=20.0, media_duration=20.0), duration=20.0, missing=5000))
    assert told([cut]) == [("TRUNCATED", "violation")] and cut.axis.value == "timeline"
    assert (cut.start, cut.end) == (10.0, 20.0)


def test_bytes_after_the_last_box() -> None:
    assert told(found(boxes(track_box(), trailing=(900, 100)))) == [("TRAILING", "suspicion")]
    assert told(found(boxes(track_box(), trailing=(900, 100), trailing_zero=True))) == [("TRAILING", "note")]


def test_two_sample_descriptions_are_a_suspicion() -> None:
    assert told(found(boxes(track_box(descriptions=("avc1", "avc1"))))) == [("SAMPLE-DESCRIPTIONS", "suspicion")]


def test_pictures_declared_but_absent_are_a_suspicion() -> None:
    assert told(found(boxes(track_box(samples=300)))) == [("SAMPLES", "suspicion")]
    assert found(boxes(track_box(samples=300, edits=[Edit(10.0, 0.0)]))) == []


def test_an_index_before_the_footage_is_context() -> None:
    def order(*types: str, **facts: Any) -> Boxes:
        return boxes(track_box(), top=tuple(Box(kind, 0, 8) for kind in types), **facts)

    assert told(found(order("ftyp", "moov", "mdat"))) == [("BOX-ORDER", "note")]
    assert found(order("ftyp", "mdat", "moov")) == []
