"""What the child writes is read back whole, and nothing else is."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity.coding import Change, Coding, Sound
from pipeline.continuity.model import Trace
from pipeline.media import wire
from tests.support.pictures import audio, boxes, steady, track_box, video, with_slices

SEEN = with_slices(video(steady(1), width=640), [n % 16 for n in range(25)], {0: 0})
HEARD = audio(steady(0.96, 0.032))
HEAD = wire.Head(
    kind="video",
    format="mov",
    duration=1.0,
    tags={"encoder": "镜头"},
    streams=(SEEN.stream, HEARD.stream),
    coding={0: Coding(max_frame_num=16, changes=(Change(3, "sps", ("size",)),))},
    sound={1: Sound("aac", 1024)},
    boxes=boxes(track_box()),
    metadata={"IFD0:Make": "x", "Composite:GPSLatitude": 31.5, "Track1:TrackID": 1, "A:B": True},
    traces=(Trace(0, 0, "x264"),),
)


def sent(head: wire.Head = HEAD) -> bytes:
    assert SEEN.slices is not None
    columns = [[getattr(track.packets, name) for name in track.packets.__slots__] for track in (SEEN, HEARD)]
    columns[0] += [getattr(SEEN.slices, name) for name in SEEN.slices.__slots__]
    return b"".join(wire.encode(head, columns))


def test_a_picture_comes_through_whole() -> None:
    picture = wire.decode(sent(), name="a.mp4", size=7)
    assert (picture.name, picture.size, picture.kind, picture.tags) == ("a.mp4", 7, "video", {"encoder": "镜头"})
    assert picture.tracks[0].packets == SEEN.packets and picture.tracks[0].slices == SEEN.slices
    assert picture.tracks[1].packets == HEARD.packets and picture.tracks[1].slices is None
    assert picture.boxes == HEAD.boxes and picture.traces == HEAD.traces
    assert dict(picture.metadata.tags) == dict(HEAD.metadata)


def test_a_problem_comes_through() -> None:
    head = wire.Head(kind="unknown", problem=("坏了", "broken"))
    assert wire.decode(b"".join(wire.encode(head, [])), name="a", size=0).problem == ("坏了", "broken")


@pytest.mark.parametrize(
    "data", [b"", b"LHP1", b"{}", b"LHP1\xff\xff\xff\xff{}", b"LHP1\2\0\0\0{}", sent()[:-1], sent() + b"\0"]
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode(data, name="a", size=0)


@pytest.mark.parametrize("packets", [-1, 24, 26, 1 << 40])
def test_counts_that_do_not_fit_are_refused(packets: int) -> None:
    streams = (dataclasses.replace(SEEN.stream, packets=packets), HEARD.stream)
    with pytest.raises(wire.Malformed):
        wire.decode(sent(dataclasses.replace(HEAD, streams=streams)), name="a", size=0)


@given(st.data())
def test_damage_is_refused_or_read_but_never_fails_otherwise(data: st.DataObject) -> None:
    raw = bytearray(sent())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(wire.Malformed):
        wire.decode(bytes(raw), name="a", size=0)


def test_what_json_cannot_carry_does_not_stop_the_child() -> None:
    head = dataclasses.replace(HEAD, tags={"encoder": "\udcff"})
    assert wire.decode(sent(head), name="a", size=0).tags == {"encoder": "?"}
