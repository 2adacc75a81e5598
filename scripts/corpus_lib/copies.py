"""Cuts, joins, insertions and trims by stream copy with the ffmpeg and mkvmerge programs: nothing is encoded again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av

from scripts.corpus_lib import avi
from scripts.corpus_lib.edits import Edit, Job, NotHere, Truth
from scripts.corpus_lib.programs import ffmpeg, run

LENGTHS = (0.2, 0.5, 1.0, 3.0)


def cut_open(length: float) -> Callable[[Job], Truth]:
    """Packets dropped, their time left empty."""

    def make(job: Job) -> Truth:
        a, b = job.cut(length)
        time = "dts" if isinstance(job.source.style, avi.Style) else "pts"  # AVI has no other times
        drop = f"noise=drop='between({time}*tb,{a + job.zero - 0.002},{b + job.zero - 0.004})'"
        filters = ("-bsf:v", drop, *(("-bsf:a", drop) if job.media.audio else ()))
        ffmpeg(
            "-copyts", "-i", job.genuine, "-map", "0:v", "-map", "0:a?", "-c", "copy", *filters, *_same_scale(job),
            *job.form(), job.target,
        )  # fmt: skip
        return Truth(((a, b),))

    return make


def _same_scale(job: Job) -> tuple[str, ...]:
    """The bit stream filter counts in the source's units and takes them for the target's: they have to be the same."""
    if not job.source.real:
        return ()
    with av.open(str(job.genuine)) as container:
        base = container.streams.video[0].time_base
    return ("-video_track_timescale", str(base.denominator)) if base else ()


def concat(job: Job, pieces: list[tuple[Path, float | None, float | None]], zero: float | None = None) -> None:
    """ffmpeg's concat of pieces (file, from, to), by stream copy."""
    lines = ["ffconcat version 1.0"]
    base = job.zero if zero is None else zero
    for file, start, end in pieces:
        lines.append(f"file '{file.resolve()}'")
        lines += [f"inpoint {start + base:.6f}"] if start is not None else []
        lines += [f"outpoint {end + base:.6f}"] if end is not None else []
    recipe = job.work / "list.ffconcat"
    recipe.write_text("\n".join(lines), encoding="utf-8")
    ffmpeg(
        "-f", "concat", "-safe", "0", "-i", recipe, "-map", "0:v", "-map", "0:a?", "-c", "copy", *job.form(), job.target
    )


def cut_closed(length: float) -> Callable[[Job], Truth]:
    """What is before and after the cut joined."""

    def make(job: Job) -> Truth:
        a, b = job.cut(length)
        concat(job, [(job.genuine, None, a), (job.genuine, b, None)])
        return Truth(((a, a),))

    return make


def group_removed(job: Job) -> Truth:
    if job.intra:
        raise NotHere("no groups of pictures")
    before, after = _middle_group(job)
    concat(job, [(job.genuine, None, before), (job.genuine, after, None)])
    return Truth(((before, before),))


def _middle_group(job: Job) -> tuple[float, float]:
    inner = [key for key in job.keys if key > 0.45 * job.media.seconds]
    if len(inner) < 2:
        raise NotHere("too few groups")
    return inner[0], inner[1]


def head_trim(job: Job) -> Truth:
    """From a key picture on."""
    _, key = job.cut(0.4)
    ffmpeg("-ss", f"{key:.6f}", "-i", job.genuine, "-map", "0:v", "-map", "0:a?", "-c", "copy", *job.form(), job.target)
    return Truth(((0, 0),))


def head_trim_hidden(job: Job) -> Truth:
    """From between two key pictures on: an edit list hides what is needed to decode."""
    if not job.is_mp4 or job.intra or job.group < 0.7:
        raise NotHere("needs an edit list")
    _, key = job.cut(0.4)
    start = ("-ss", f"{key + 0.6 * job.group:.6f}")
    ffmpeg(*start, "-i", job.genuine, "-map", "0:v", "-map", "0:a?", "-c", "copy", *job.form(), job.target)
    return Truth(((0, 0),))


def tail_trim(job: Job) -> Truth:
    ffmpeg(
        "-i",
        job.genuine,
        "-t",
        f"{0.6 * job.media.seconds:.3f}",
        "-map",
        "0:v",
        "-map",
        "0:a?",
        "-c",
        "copy",
        *job.form(),
        job.target,
    )
    return Truth()


def join_same(job: Job) -> Truth:
    """Two recordings of one camera made into one."""
    _, path = job.other()
    concat(job, [(job.genuine, None, None), (path, None, None)])
    return Truth(((job.media.seconds, job.media.seconds),))


def join_other(job: Job) -> Truth:
    """A recording of another camera put after this one."""
    _, path = job.stranger()
    concat(job, [(job.genuine, None, None), (path, None, None)])
    return Truth(((job.media.seconds, job.media.seconds),))


def insert_same(job: Job) -> Truth:
    """Two seconds of another recording of this camera in the middle."""
    at = job.cut(0.2)[1]
    _, path = job.other()
    concat(job, [(job.genuine, None, at), (path, None, 2.0), (job.genuine, at, None)])
    return Truth(((at, at), (at + 2.0, at + 2.0)))


def reorder(job: Job) -> Truth:
    """Two stretches changed round."""
    inner = [key for key in job.keys if 0.3 * job.media.seconds < key < 0.9 * job.media.seconds]
    if len(inner) < 3 or inner[-1] - inner[0] < 2 * max(job.group, 0.4):
        raise NotHere("too few groups")
    a, b, c = inner[0], inner[len(inner) // 2], inner[-1]
    concat(job, [(job.genuine, None, a), (job.genuine, b, c), (job.genuine, a, b), (job.genuine, c, None)])
    return Truth(((a, a), (a + c - b, a + c - b), (c, c)))


def mkvmerge_cut(job: Job) -> Truth:
    """Two parts kept and joined by mkvmerge, as Matroska."""
    a, b = job.cut(3.0)
    job.target = job.target.with_suffix(".mkv")
    keys = [key for key in job.keys if key <= a]
    if not keys or keys[-1] < 0.4:
        raise NotHere("too short for this cut")
    parts = f"parts:00:00:00-{_clock(keys[-1])},+{_clock(b)}-{_clock(job.media.seconds + 1)}"
    run(["mkvmerge", "-q", "--deterministic", "1", "-o", job.target, "--split", parts, job.genuine], accept=(0, 1))
    return Truth(((keys[-1], keys[-1]),), tool="mkvmerge")


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{seconds % 60:09.6f}"


EDITS = (
    *(Edit(f"cut-open-{length}", "cut-open", cut_open(length), quick=length in (0.5, 3.0)) for length in LENGTHS),
    *(Edit(f"cut-closed-{length}", "cut-closed", cut_closed(length), quick=length in (0.5, 3.0)) for length in LENGTHS),
    Edit("group-removed", "group-removed", group_removed, quick=True),
    Edit("mkvmerge-cut", "cut-mkvmerge", mkvmerge_cut),
    Edit("head-trim", "trim-head", head_trim),
    Edit("head-trim-hidden", "trim-head", head_trim_hidden, quick=True),
    Edit("tail-trim", "trim-tail", tail_trim),
    Edit("join-same", "join-same-camera", join_same, quick=True),
    Edit("join-other", "join-two-cameras", join_other),
    Edit("insert-same", "insert-copy", insert_same, quick=True),
    Edit("reorder", "reorder", reorder),
)
