"""Mutated recordings through the readers, many in one sandbox. For scripts/fuzz and tests/properties."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pipeline.media import sandbox
from pipeline.media.sandbox import Limits

CHILD = Path(__file__).with_name("fuzz_child.py")
_BATCH = 400  # files of one child
# Time for a batch: who takes longer hangs inside libav, where no alarm reaches.
_LIMITS = Limits(cpu_seconds=1200, wall_seconds=600.0, memory_bytes=3 << 30, file_bytes=1 << 20, stdout_bytes=1 << 30)
_LIBAV = re.compile(rb"^Assertion .* failed at src/lib(av|sw)", re.MULTILINE)
_VIDEO = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25")
_SOUND = ("-f", "lavfi", "-i", "sine=r=16000:b=4")
_H264, _HEVC = ("-c:v", "libx264", "-g", "8", "-bf", "1"), ("-c:v", "libx265", "-x265-params", "log-level=none")
_AAC = ("-c:a", "aac", "-b:a", "24k")
# Container → file name of a seed → how ffmpeg makes it.
SEEDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "mp4": {
        "a.mp4": (*_H264, *_AAC, "-movflags", "+faststart"),
        "b.mp4": (*_H264, *_AAC, "-movflags", "+frag_keyframe+empty_moov"),
        "c.mp4": (*_HEVC, *_AAC, "-tag:v", "hvc1"),
        "d.3gp": ("-c:v", "h263", "-s", "128x96", "-an"),
    },
    "mov": {
        "a.mov": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"),
        "b.mov": (*_H264, *_AAC, "-timecode", "01:02:03:04"),
        "c.mov": ("-c:v", "mpeg4", "-c:a", "pcm_mulaw"),
    },
    "ts": {
        "a.ts": (*_H264, *_AAC),
        "b.m2ts": ("-c:v", "mpeg2video", "-c:a", "ac3", "-mpegts_m2ts_mode", "1"),
        "c.ts": (*_HEVC, "-c:a", "mp2"),
    },
    "avi": {
        "a.avi": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"),
        "b.avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
        "c.avi": (*_H264, "-c:a", "pcm_s16le"),
    },
    "mkv": {
        "a.mkv": (*_H264, *_AAC),
        "b.mkv": ("-c:v", "mpeg4", "-c:a", "flac", "-cluster_time_limit", "200"),
        "c.mkv": (*_HEVC, "-c:a", "pcm_s16le"),
    },
    "wav": {
        "a.wav": ("-map", "1", "-c:a", "pcm_s16le"),
        "b.wav": ("-map", "1", "-c:a", "pcm_s24le", "-write_bext", "1", "-metadata", "originator=LH"),
    },
    "mp3": {
        "a.mp3": ("-map", "1", "-c:a", "mp3", "-metadata", "title=x"),
        "b.mp3": ("-map", "1", "-c:a", "mp3", "-write_xing", "0", "-id3v2_version", "0"),
        "c.mp3": ("-map", "1", "-c:a", "mp3", "-ar", "44100", "-b:a", "32k", "-write_id3v1", "1"),
    },
    "aac": {"a.aac": ("-map", "1", *_AAC)},
    "ac3": {"a.ac3": ("-map", "1", "-c:a", "ac3"), "b.eac3": ("-map", "1", "-c:a", "eac3")},
    "flac": {"a.flac": ("-map", "1"), "b.flac": ("-map", "1", "-frame_size", "256", "-metadata", "title=x")},
    "ogg": {
        "a.opus": ("-map", "1", "-c:a", "libopus", "-page_duration", "200000"),
        "b.ogg": ("-map", "1", "-c:a", "libvorbis", "-page_duration", "200000"),
        "c.oga": ("-map", "1", "-c:a", "flac", "-page_duration", "200000"),
        "d.ogg": ("-map", "1", "-c:a", "libspeex", "-page_duration", "200000"),
    },
    "amr": {"a.amr": (), "b.awb": ()},
    "jpeg": {
        "a.jpg": ("-frames:v", "1", "-map", "0", "-pix_fmt", "yuvj420p"),
        "b.jpg": ("-frames:v", "1", "-map", "0"),
    },
    "h264": {"a.h264": ("-map", "0", *_H264), "b.h264": ("-map", "0", *_H264, "-x264-params", "interlaced=1:slices=2")},
    "hevc": {"a.hevc": ("-map", "0", *_HEVC)},
    "mxf": {"a.mxf": ("-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", "48000")},
    "flv": {"a.flv": ("-c:v", "flv", "-c:a", "mp3", "-ar", "22050"), "b.flv": (*_H264, *_AAC)},
}
# AMR as it stands in files (RFC 4867 5): speech with a pause, and its wide-band kin.
_BY_HAND = {
    "a.amr": b"#!AMR\n" + (b"\x3c" + bytes(range(31))) * 20 + b"\x44abcde" + b"\x7c" * 7 + (b"\x3c" + bytes(31)) * 15,
    "b.awb": b"#!AMR-WB\n" + (b"\x14" + bytes(range(32))) * 40,
}


@dataclass
class Tally:
    """What became of the mutated files. `failures`: number of the file, and where a reader or a check failed."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)


def make_seeds(container: str, folder: Path) -> list[Path]:
    """Small recordings in that container, 0.7 s each; a coder that this ffmpeg lacks is left out."""
    made = []
    for name, coding in SEEDS[container].items():
        if name in _BY_HAND:  # few have an encoder of that
            (folder / name).write_bytes(_BY_HAND[name])
            made.append(folder / name)
            continue
        command = ["ffmpeg", "-v", "error", "-y", *_VIDEO, *_SOUND, "-t", "0.7", *coding, str(folder / name)]
        if not subprocess.run(command, check=False, capture_output=True).returncode:
            made.append(folder / name)
    if not made:
        raise FileNotFoundError(f"ffmpeg can make no seed for {container}")
    return made


def fuzz(
    container: str, seeds: list[Path], first: int, last: int, tell: Callable[[int], None] = lambda number: None
) -> Tally:
    """Put the mutated files number `first` up to `last` through the readers; a crash or a hang is counted, no end."""
    tally, at = Tally(), first
    files = {"child.py": CHILD, **{f"seed{number}": seed for number, seed in enumerate(seeds)}}
    while at < last:
        reached, until = [at - 1], min(at + _BATCH, last)
        argv = [*sandbox.python_module("x")[:3], "/in/child.py", container, str(at), str(until), str(len(seeds))]
        done = sandbox.run(argv, files=files, limits=_LIMITS, on_line=partial(_take, tally, reached, tell))
        if not done.ok:
            said = done.stderr[-300:].decode(errors="replace")
            if reached[0] < at:
                raise RuntimeError(said)
            if _LIBAV.search(done.stderr):  # it ended itself; for the file that means "unreadable", as it should
                tally.counts["ended by libav"] += 1
            else:
                tally.counts["hung" if done.stopped == "time" else "crashed"] += 1
                tally.failures[reached[0]] = done.stopped or f"exit {done.returncode}: {said}"
        at = until if done.ok else reached[0] + 1
    del tally.counts["begun"]
    return tally


def _take(tally: Tally, reached: list[int], tell: Callable[[int], None], line: bytes) -> None:
    number, _, became = line.decode(errors="replace").partition("\t")
    reached[0] = int(number)
    tell(reached[0])
    if became.startswith("failed "):
        tally.failures[reached[0]] = json.loads(became[7:])
    tally.counts[became.partition(" ")[0]] += 1
