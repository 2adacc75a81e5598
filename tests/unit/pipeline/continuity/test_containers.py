"""AVI, WAV, Matroska and MXF: what their readers' findings mean. Packet n of the film stands at byte 100 n."""

from __future__ import annotations

from typing import Any

from pipeline.continuity import container, unchecked
from pipeline.continuity.layouts import muxer
from pipeline.continuity.samples import SampleMap
from pipeline.continuity.structure import ClusterStep, Identification, Matroska, Mxf, Riff, Structure, Transport, Wave
from storage.records import Finding
from tests.support.pictures import LIMITS, audio, picture, steady, told, video

FILM = video(steady(10))


def found(structure: Structure | None) -> list[Finding]:
    file = picture(FILM, structure=structure)
    return [finding for check in container.CHECKS for finding in check(file, LIMITS)]


def avi(**facts: Any) -> Structure:
    ordinary: dict[str, Any] = {
        "frames_header": 250, "frames_stream": 250, "frames_index": 250, "frames_found": 250, "interval": 0.04,
        "index": "idx1", "listed": 500,
    }  # fmt: skip
    return Structure("avi", riff=Riff(**(ordinary | facts)))


def mkv(**facts: Any) -> Structure:
    return Structure("matroska", matroska=Matroska(**({"clusters": 10, "duration": 10.0, "last_cluster": 9.0} | facts)))


def mxf(**facts: Any) -> Structure:
    ordinary: dict[str, Any] = {"partitions": 3, "status": "closed, complete", "pattern": "0101"}
    return Structure("mxf", mxf=Mxf(**(ordinary | facts)))


def wav(**facts: Any) -> Structure:
    ordinary: dict[str, Any] = {"declared": 1000, "there": 1000, "data_offset": 44, "block": 2, "byte_rate": 32_000}
    return Structure("wav", wave=Wave(**(ordinary | facts)))


def test_whole_files_tell_nothing() -> None:
    for structure in (None, avi(), mkv(), mxf(), wav()):
        assert found(structure) == []


def test_missing_and_trailing_bytes_of_any_container() -> None:
    assert told(found(Structure("avi", missing=100))) == [("TRUNCATED", "violation")]
    assert told(found(Structure("matroska", trailing=(900, 9)))) == [("TRAILING", "suspicion")]
    assert told(found(Structure("wav", trailing=(900, 9), trailing_zero=True))) == [("TRAILING", "note")]


def test_footage_that_the_avi_index_leaves_out() -> None:
    (cut,) = found(avi(unlisted=((10_000, 100), (10_100, 100)), unlisted_count=2))
    assert told([cut]) == [("UNLISTED", "violation")] and (cut.start, cut.end) == (3.96, 4.08)
    assert told(found(avi(unlisted=((20_000, 9),), unlisted_count=1, unlisted_last=True))) == [
        ("UNLISTED", "suspicion")
    ]


def test_an_avi_index_that_names_what_is_not_there() -> None:
    (cut,) = found(avi(dangling=((200, 10_000),), dangling_count=300))
    assert told([cut]) == [("DANGLING", "violation")] and cut.start == 3.96
    assert told(found(avi(dangling=((0, 500),), dangling_count=500))) == [("DANGLING", "suspicion")], "of another file"
    damaged = avi(dangling=((200, 10_000),), dangling_count=1, damaged=(10_000,))
    assert told(found(damaged)) == [("DANGLING", "suspicion"), ("DAMAGED", "suspicion")]


def test_frame_counts_of_an_avi() -> None:
    assert told(found(avi(frames_header=400))) == [("FRAME-COUNT", "suspicion")]
    assert found(avi(frames_header=251, frames_stream=0, frames_index=249)) == [], "one more or less, or never written"


def test_files_that_were_never_finished() -> None:
    assert told(found(avi(closed=False))) == [("UNFINISHED", "suspicion")]
    assert told(found(avi(index="none", frames_index=-1))) == [("UNFINISHED", "suspicion")]
    assert told(found(wav(declared=0))) == [("UNFINISHED", "suspicion")]
    assert told(found(mxf(status="open, incomplete"))) == [("UNFINISHED", "suspicion")]


def test_a_sample_cut_in_two() -> None:
    assert told(found(wav(declared=1001))) == [("PARTIAL-SAMPLE", "suspicion")]


def test_a_broadcast_wave_against_the_clock() -> None:
    assert found(wav(originated="2026-11-18 09:30:00", reference=34_200.0)) == []
    assert told(found(wav(originated="2026-11-18 09:30:00", reference=34_205.0))) == [("TIME-REFERENCE", "suspicion")]
    assert found(wav(originated="2026-11-18 00:00:01", reference=86_399.5)) == [], "midnight"
    assert found(wav(originated="2026-11-18 09:30:00", reference=0.0)) == [], "a recorder without a clock"
    assert found(wav(originated="yesterday", reference=5.0)) == []


def test_clusters_that_are_not_where_they_say() -> None:
    (moved,) = found(mkv(steps=(ClusterStep("position", 10_000, 6.0, 12_000, 10_000),), step_count=1))
    assert told([moved]) == [("CLUSTER", "violation")] and (moved.start, moved.end) == (3.96, 6.0)
    (head,) = found(mkv(steps=(ClusterStep("position", 0, 0.0, 12, 50),), step_count=1))
    assert told([head]) == [("CLUSTER", "suspicion")] and head.code.startswith("REC-TRUE"), "the header was rewritten"
    assert told(found(mkv(steps=(ClusterStep("time", 10_000, 3.0, 4.0, 3.0),)))) == [("CLUSTER", "suspicion")]
    assert found(mkv(steps=(ClusterStep("time", 10_000, 3.9, 4.0, 3.9),))) == [], "pictures out of decoding order"


def test_cues_to_clusters_that_are_not_there() -> None:
    (cut,) = found(mkv(dangling=((4.0, 10_000),), dangling_count=6, cues=10))
    assert told([cut]) == [("CUES", "violation")] and cut.start == 4.0
    assert told(found(mkv(dangling=((0.0, 99),), dangling_count=10, cues=10))) == [("CUES", "suspicion")]


def test_a_wrong_checksum_is_proof() -> None:
    (wrong,) = found(mkv(checksums=(("Cluster", 10_000),)))
    assert told([wrong]) == [("CHECKSUM", "violation")] and wrong.start == 4.0


def test_blanked_out_clusters() -> None:
    assert told(found(mkv(void=((10_000, 5000),)))) == [("VOID", "suspicion")]
    assert found(mkv(void=((10_000, 100),))) == [] and found(mkv(void=((99_000, 5000),))) == [], "behind the footage"


def test_an_edited_order_in_matroska() -> None:
    assert told(found(mkv(ordered_chapters=True))) == [("ORDERED-CHAPTERS", "violation")]
    assert told(found(mkv(linked=True))) == [("LINKED", "suspicion")]


def test_the_declared_length_of_matroska() -> None:
    assert told(found(mkv(duration=15.0))) == [("DURATION", "suspicion")]
    assert found(mkv(duration=None)) == [], "a live stream has none"


def test_packages_and_partitions_of_mxf() -> None:
    (cut,) = found(mxf(counts=((100, 10_000, 100, 150),), packages=250))
    assert told([cut]) == [("PACKAGE-COUNT", "violation")] and (cut.start, cut.end) == (3.96, 4.0)
    assert told(found(mxf(broken=(10_000,)))) == [("PARTITION", "violation")]
    assert told(found(mxf(footer_noted=9000))) == [("TRUNCATED", "violation")]
    assert told(found(mxf(edit_units=300, edit_units_found=250))) == [("FRAME-COUNT", "suspicion")]


def test_a_second_program_in_mxf() -> None:
    camera, editor = (Identification(name, "", "", "", "") for name in ("Camera", "Editor"))
    assert found(mxf(identifications=(camera,))) == []
    assert told(found(mxf(identifications=(camera, editor)))) == [("WRITTEN-AGAIN", "suspicion")]


def test_what_could_not_be_read_is_named() -> None:
    def named(structure: Structure | None, **facts: Any) -> list[str]:
        return [each.check for each in unchecked.of_container(picture(FILM, structure=structure, **facts))]

    assert named(None, format="h264") == named(None, format="mp3") == named(None, format="asf") == ["container"]
    assert named(Structure("isobmff", samples=SampleMap())) == []
    assert named(Structure("isobmff", samples=SampleMap(complete=False))) == ["unreferenced-data"]
    assert named(Structure("avi", complete=False)) == ["container"]
    assert named(mkv(checksums_skipped=3)) == ["checksums"]
    ts = Structure("mpegts", transport=Transport(188, 9, sloppy=(0,), scrambled=2))
    assert named(ts) == ["transport-counters", "scrambled"]


def test_sound_alone_has_places_too() -> None:
    file = picture(audio(steady(10, 0.032)), structure=mkv(checksums=(("Cluster", 10_000),), duration=None))
    (wrong,) = [finding for check in container.CHECKS for finding in check(file, LIMITS)]
    assert wrong.start == 3.2


def test_muxers_are_known_by_how_they_build() -> None:
    stbl = "stbl(stsd avc1 stts stss stsc stsz stco)"
    track = f"trak(tkhd edts(elst) mdia(mdhd hdlr vide GoPro AVC minf(vmhd dinf(dref) {stbl})))"
    ffmpeg = ("ftyp isom 512 isom,iso2,avc1,mp41", "free", "mdat", "moov", "mvhd 1000", track, "udta")
    known = muxer(Structure("isobmff", ffmpeg))
    assert known is not None and known.name == "FFmpeg"
    for place, other in ((0, "ftyp isom 0 isom"), (4, "mvhd 600"), (5, track.replace(" edts(elst)", "")), (1, "skip")):
        assert muxer(Structure("isobmff", (*ffmpeg[:place], other, *ffmpeg[place + 1 :]))) is None


def test_other_programs_are_known_by_how_they_build() -> None:
    stbl = "stbl(stsd avc1 stts stss stsc stsz stco)"
    track = f"trak(tkhd edts(elst) mdia(mdhd hdlr vide VideoHandler minf(vmhd dinf(dref) {stbl})) udta)"
    gstreamer = ("ftyp mp42 0 mp42,mp41,isom,iso2", "free", "mdat", "moov", "mvhd 30000", track, "udta")
    early = ("ftyp mp42 0 mp42,mp41,isom,iso2", "moov", "mvhd 30000", track, "udta", "free", "mdat")
    vlc = ("ftyp isom 0 mp41,avc1", "moov", "mvhd 90000", track.replace(" udta", ""), "udta", "wide", "mdat")
    known = [muxer(Structure("isobmff", layout)) for layout in (gstreamer, early, vlc)]
    assert [each.name if each else None for each in known] == ["GStreamer", "GStreamer", "VLC"]
    phone = ("ftyp mp42 0 isom,mp42", "mdat", "moov", "mvhd 10000", track.replace("VideoHandler", "VideoHandle"))
    assert muxer(Structure("isobmff", phone)) is None
