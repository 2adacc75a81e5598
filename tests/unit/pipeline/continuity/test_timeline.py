"""Gaps, overlaps and steps back in packet times."""

from __future__ import annotations

import dataclasses
from array import array

from pipeline.continuity import timeline
from pipeline.continuity.model import CORRUPT, DISCARD, Picture, Track
from storage.records import Finding
from tests.support.pictures import LIMITS, TICKS, audio, picture, steady, told, video


def found(file: Picture) -> list[Finding]:
    return [finding for check in timeline.CHECKS for finding in check(file, LIMITS)]


def test_a_steady_recording_has_no_findings() -> None:
    assert found(picture(video(steady(10)), audio(steady(10, 0.032)))) == []


def test_missing_pictures_are_located_and_counted() -> None:
    (gap,) = found(picture(video(steady(4) + steady(4, start=7.0))))
    assert told([gap]) == [("GAP-PTS", "violation")]
    assert (gap.start, gap.end) == (4.0, 7.0)
    assert gap.evidence["packet_before"] == 99 and gap.evidence["packet_after"] == 100
    assert "75 帧" in gap.zh and "75 pictures" in gap.en


def test_a_short_hole_is_a_suspicion() -> None:
    assert told(found(picture(video(steady(4) + steady(4, start=4.2))))) == [("GAP-PTS", "suspicion")]


def test_a_hole_just_below_the_limits_is_none() -> None:
    assert found(picture(video(steady(4) + steady(4, start=3.96 + 0.149)))) == []


def test_the_first_and_last_interval_may_be_uneven() -> None:
    times = [0.0, *steady(4, start=1.0), 7.0]
    assert found(picture(video(times))) == []


def test_a_slow_camera_is_measured_by_its_own_rhythm() -> None:
    assert found(picture(video(steady(60, 1.0), duration=1.0))) == []


def test_the_order_of_coding_does_not_matter() -> None:
    times = steady(4)
    times[10:13] = [times[12], times[10], times[11]]  # a B-frame pyramid: shown in another order than stored
    track = video(times)
    assert told(list(timeline.picture_gaps(picture(track), LIMITS))) == []


def test_pictures_hidden_by_an_edit_list_do_not_count() -> None:
    track = video([*steady(1), *steady(4, start=9.0)])
    for n in range(25):
        track.packets.flags[n] |= DISCARD
    assert found(picture(track)) == []


def test_missing_sound_beside_pictures_is_a_suspicion() -> None:
    file = picture(video(steady(10)), audio(steady(4.8, 0.032) + steady(4.8, 0.032, start=5.2)))
    assert told(found(file)) == [("GAP-AUDIO", "suspicion")]


def test_missing_sound_in_a_sound_recording_is_a_violation() -> None:
    (gap,) = found(picture(audio(steady(4.8, 0.032) + steady(4.8, 0.032, start=6.4))))
    assert told([gap]) == [("GAP-AUDIO", "violation")] and (gap.start, gap.end) == (4.8, 6.4)


def test_a_packet_declared_as_long_as_the_gap_does_not_hide_it() -> None:
    track = audio(steady(4.8, 0.032) + steady(4.8, 0.032, start=6.4))
    track.packets.duration[149] = round((6.4 - 4.768) * TICKS)  # what an MP4 sample table says
    assert told(found(picture(track))) == [("GAP-AUDIO", "violation")]


def test_packets_of_different_sizes_last_as_long_as_their_bytes() -> None:
    track = audio([0.0, 0.032, 0.064, 0.096, 0.192, 0.224, 0.256])
    track.packets.duration[3] = round(0.096 * TICKS)
    track.packets.size[3] = 300
    assert found(picture(track)) == []


def test_time_that_runs_back_is_a_violation() -> None:
    findings = found(picture(video(steady(4) + steady(2, start=1.0))))
    assert ("TIME-BACKWARDS", "violation") in told(findings)


def test_a_small_step_back_is_a_suspicion() -> None:
    findings = list(timeline.backwards(picture(video(steady(4) + steady(2, start=3.9))), LIMITS))
    assert told(findings) == [("TIME-BACKWARDS", "suspicion")]
    assert findings[0].evidence["packet"] == 100


def test_two_pictures_at_one_moment_are_a_suspicion() -> None:
    times = steady(4)
    times[50] = times[49]
    assert ("SAME-TIME", "suspicion") in told(found(picture(video(times))))


def test_pictures_heaped_on_the_first_moment_are_context() -> None:
    assert told(found(picture(video([0.0, 0.0, 0.0, *steady(4)])))) == [("SAME-TIME", "note")]


def test_sound_that_ends_long_before_the_picture_is_a_suspicion() -> None:
    (end,) = found(picture(video(steady(10)), audio(steady(8, 0.032))))
    assert told([end]) == [("AV-END", "suspicion")] and (end.start, end.end) == (8.0, 10.0)


def test_sound_that_starts_late_is_a_suspicion() -> None:
    assert told(found(picture(video(steady(8)), audio(steady(6.4, 0.032, start=1.6))))) == [("AV-START", "suspicion")]
    assert told(found(picture(video(steady(50)), audio(steady(20, 0.032, start=30.2))))) == [("AV-START", "note")]
    assert told(found(picture(video(steady(50)), audio(steady(27, 0.032, start=23.0))))) == [("AV-START", "suspicion")]


def test_damaged_packets_are_named() -> None:
    track = video(steady(4))
    track.packets.flags[7] |= CORRUPT
    (damage,) = found(picture(track))
    assert told([damage]) == [("DAMAGED", "suspicion")] and damage.evidence["packets"] == [7]


def test_a_file_read_only_in_part_is_a_suspicion() -> None:
    (stop,) = found(picture(video(steady(4)), stopped="InvalidDataError"))
    assert told([stop]) == [("READ-STOPPED", "suspicion")] and stop.start == 4.0


def test_a_stream_without_times_gives_no_findings() -> None:
    track = video(steady(4))
    unknown = array("q", [-(1 << 63)] * 100)
    bare = Track(track.stream, dataclasses.replace(track.packets, pts=unknown, dts=unknown))
    assert found(picture(bare)) == [] and bare.end is None
