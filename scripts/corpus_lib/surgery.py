"""Cuts, joins and trims on the coded packets, the container written anew as the camera writes it.

No tool leaves a mark: only the stream itself, its times and its sound can tell. This is the attacker who knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from scripts.corpus_lib.copies import LENGTHS
from scripts.corpus_lib.edits import Edit, Job, NotHere, Truth
from scripts.corpus_lib.media import Packet, Track, spliced

_TOOL = "surgery"


def cut(length: float) -> Callable[[Job], Truth]:
    def make(job: Job) -> Truth:
        a, b = job.cut(length)
        media, meets = spliced(job.media, [(job.media, 0, a), (job.media, b, 1e9)])
        job.save(media)
        return Truth(((meets[0], meets[0]),), _TOOL, job.source.hard if aligned(job, a) else "")

    return make


def aligned(job: Job, moment: float) -> bool:
    """Does a group of pictures begin there, so that no counter within a group can tell?"""
    return job.intra or any(abs(key - moment) < 0.005 for key in job.keys)


def group_removed(job: Job) -> Truth:
    if job.intra:
        raise NotHere("no groups of pictures")
    inner = [key for key in job.keys if key > 0.45 * job.media.seconds]
    if len(inner) < 2:
        raise NotHere("too few groups")
    media, meets = spliced(job.media, [(job.media, 0, inner[0]), (job.media, inner[1], 1e9)])
    job.save(media)
    return Truth(((meets[0], meets[0]),), _TOOL, job.source.hard)


def gap_left(job: Job) -> Truth:
    """A hole of three seconds in the times, the container otherwise as the camera writes it."""
    if job.media.video is None or not job.is_mp4:
        raise NotHere("times are kept in MP4")
    a, b = job.cut(3.0)
    job.save(
        replace(
            job.media, tracks=tuple(replace(t, packets=_without(t.packets, t.scale, a, b)) for t in job.media.tracks)
        )
    )
    return Truth(((a, b),), _TOOL)


def _without(packets: tuple[Packet, ...], scale: int, a: float, b: float) -> tuple[Packet, ...]:
    kept = [packet for packet in packets if not a <= packet.pts / scale < b - 1e-4]
    return (*(replace(packet, duration=after.dts - packet.dts) for packet, after in pairwise(kept)), kept[-1])


def head_trim(job: Job) -> Truth:
    _, key = job.cut(0.4)
    media, _ = spliced(job.media, [(job.media, key, 1e9)])
    job.save(media)
    return Truth(((0, 0),), _TOOL)


def tail_trim(job: Job) -> Truth:
    if job.source.late:
        raise NotHere("sound begins later")
    media, _ = spliced(job.media, [(job.media, 0, 0.6 * job.media.seconds)])
    job.save(media)
    return Truth((), _TOOL, "a clean tail trim")


def join_same(job: Job) -> Truth:
    media, _ = job.other()
    joined, meets = spliced(job.media, [(job.media, 0, 1e9), (media, 0, 1e9)])
    job.save(joined)
    return Truth(((meets[0], meets[0]),), _TOOL)


def insert_same(job: Job) -> Truth:
    at = job.cut(0.2)[1]
    media, _ = job.other()
    inserted, meets = spliced(job.media, [(job.media, 0, at), (media, 0, 2.0), (job.media, at, 1e9)])
    job.save(inserted)
    return Truth(tuple((meet, meet) for meet in meets), _TOOL)


def reorder(job: Job) -> Truth:
    inner = [key for key in job.keys if 0.3 * job.media.seconds < key < 0.9 * job.media.seconds]
    if len(inner) < 3 or inner[-1] - inner[0] < 2 * max(job.group, 0.4):
        raise NotHere("too few groups")
    a, b, c = inner[0], inner[len(inner) // 2], inner[-1]
    whole = job.media
    media, meets = spliced(whole, [(whole, 0, a), (whole, b, c), (whole, a, b), (whole, c, 1e9)])
    job.save(media)
    return Truth(tuple((meet, meet) for meet in meets), _TOOL, job.source.hard)


def audio_cut(job: Job) -> Truth:
    """One second of sound taken out, the rest moved up."""
    audio = _sound(job)
    a, _ = job.cut(1.0)
    step = audio.packets[0].duration / audio.scale
    first = int((a - audio.start) / step)
    gone = round(1.0 / step)
    if first < 2 or first + gone >= len(audio.packets):
        raise NotHere("no sound there")
    kept, shift = audio.packets[:first], audio.packets[first + gone].pts - audio.packets[first].pts
    rest = tuple(replace(p, pts=p.pts - shift, dts=p.dts - shift) for p in audio.packets[first + gone :])
    _save_sound(job, (*kept, *rest))
    at = audio.packets[first].pts / audio.scale
    return Truth(((at, at),), _TOOL)


def audio_shifted(job: Job) -> Truth:
    """The sound begins a second late (its first second cut away, silence by an empty edit or nothing at all)."""
    audio = _sound(job)
    moved = tuple(
        replace(p, pts=p.pts - audio.scale, dts=p.dts - audio.scale) for p in audio.packets if p.pts >= audio.scale
    )
    if not moved:
        raise NotHere("too short for this shift")
    _save_sound(job, moved)
    return Truth((), _TOOL)


def audio_replaced(job: Job) -> Truth:
    """The sound of another recording of this camera under these pictures, as long as it lasts."""
    _sound(job)
    other = job.other()[0].audio
    assert other and job.media.audio
    _save_sound(job, other.packets)
    return Truth((), _TOOL)


def _sound(job: Job) -> Track:
    if job.media.audio is None or job.source.late:
        raise NotHere("no sound from the start")
    return job.media.audio


def _save_sound(job: Job, packets: tuple[Packet, ...]) -> None:
    tracks = tuple(replace(t, packets=packets) if t.kind == "audio" else t for t in job.media.tracks)
    job.save(replace(job.media, tracks=tracks))


def speed(job: Job) -> Truth:
    """All times of the picture a tenth shorter, nothing else."""
    if not job.is_mp4:
        raise NotHere("times are kept in MP4")
    tracks = tuple(replace(t, scale=t.scale * 11 // 10) if t.kind == "video" else t for t in job.media.tracks)
    job.save(replace(job.media, tracks=tracks))
    return Truth((), _TOOL)


EDITS = (
    *(Edit(f"surgery-cut-{length}", "surgery-cut", cut(length), quick=length in (0.5, 3.0)) for length in LENGTHS),
    Edit("surgery-group-removed", "surgery-group-removed", group_removed, quick=True),
    Edit("surgery-gap-left", "surgery-gap-left", gap_left, quick=True),
    Edit("surgery-head-trim", "surgery-trim-head", head_trim),
    Edit("surgery-tail-trim", "surgery-trim-tail", tail_trim),
    Edit("surgery-join-same", "surgery-join", join_same, quick=True),
    Edit("surgery-insert-same", "surgery-insert", insert_same),
    Edit("surgery-reorder", "surgery-reorder", reorder),
    Edit("surgery-audio-cut", "surgery-audio-cut", audio_cut),
    Edit("surgery-audio-shifted", "surgery-audio-shifted", audio_shifted),
    Edit("surgery-audio-replaced", "surgery-audio-replaced", audio_replaced),
    Edit("surgery-speed", "surgery-speed", speed),
)
