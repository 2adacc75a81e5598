"""The only module that starts ffmpeg and ffprobe on media, always inside the sandbox.

Inputs appear under the neutral name /in/NAME, output in /out. Protocols and formats are named one by one: a playlist
dressed as a video (HLS, DASH, concat, SDP …) is refused before it can point anywhere, and inside the sandbox there
would be nothing to point at. Command graphs are built with ffmpeg-python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ffmpeg as graph

from pipeline.media import sandbox
from pipeline.media.sandbox import Limits, Outcome
from storage.errors import LiuhenError, Transient, Unreadable

# Formats that hold media and nothing else. Left out on purpose: hls, dash, concat, sdp, rtsp, image2, tee, lavfi.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,asf,flv,mxf,dv,h264,hevc,m4v,mpegvideo,ogg,"
    "wav,w64,aiff,mp3,aac,amr,flac,caf,jpeg_pipe,png_pipe,bmp_pipe,tiff_pipe,webp_pipe"
)
ORIGINAL = "original"
_GUARD = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
_QUIET = ("-nostdin", "-hide_banner", "-v", "error", "-nostats", "-progress", "pipe:1", "-y")
_PREFIX = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\] ?)+")
_DISK = ("No space left on device", "Disk quota exceeded", "Input/output error", "File too large")
_SURVEY = Limits(cpu_seconds=60, wall_seconds=120, memory_bytes=4 << 30, file_bytes=1 << 20)

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as ffprobe names it. `rotation` in degrees; `bits`: significant bits of a sample, 0 where unknown."""

    index: int
    kind: str
    codec: str
    tag: str
    pix_fmt: str = ""
    sample_fmt: str = ""
    bits: int = 0
    rate: int = 0
    size: tuple[int, int] = (0, 0)
    rotation: int = 0
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What ffprobe sees at first look. `duration` in seconds, None where the container doesn't say."""

    format: str
    duration: float | None
    streams: tuple[Stream, ...]

    def of_kind(self, kind: str) -> list[Stream]:
        """The streams of `kind` that can be decoded and play in time (no cover pictures)."""
        return [each for each in self.streams if each.kind == kind and each.codec and not each.attached]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run went that ended well. `complaints`: what ffmpeg said on the way, each line once."""

    complaints: tuple[str, ...]
    isolated: bool
    why_not: str


def source(name: str = ORIGINAL, **options: Any) -> Any:
    """An input of a command graph: the file that the sandbox shows as /in/`name`, guarded."""
    return graph.input(f"/in/{name}", **_GUARD, **options)


def output(streams: Sequence[Any], name: str, **options: Any) -> Any:
    """An output of a command graph: `streams` into the file that appears as `name` in the run's directory."""
    return graph.output(*streams, f"/out/{name}", **options)


def survey(path: Path) -> Survey:
    """Look at the container and its streams. Raises Unreadable where there is nothing ffprobe may or can read."""
    guard = [part for key, value in _GUARD.items() for part in (f"-{key}", value)]
    argv = ["ffprobe", "-v", "error", *guard, "-show_format", "-show_streams", "-of", "json", f"/in/{ORIGINAL}"]
    outcome = _start(argv, files={ORIGINAL: path}, out=None, limits=_SURVEY, on_line=None)
    if not outcome.ok:
        raise _failure(outcome)
    found = json.loads(outcome.stdout)
    streams = tuple(_stream(each) for each in found.get("streams", []))
    if not streams:
        raise unreadable("no stream in it")
    form = found["format"]
    return Survey(form["format_name"], float(form["duration"]) if "duration" in form else None, streams)


def run(
    outputs: Sequence[Any],
    *,
    files: Mapping[str, Path],
    out: Path,
    duration: float | None = None,
    progress: Progress = lambda fraction: None,
    options: Sequence[str] = (),
) -> Ran:
    """Run a command graph with `outputs` under /out and wait for it; `options` are global ones.

    `progress` gets the fraction of `duration` (seconds) done, growing, and 1.0 at the end. Raises Unreadable with
    ffmpeg's first complaint, Transient where the disk is full or ffmpeg is missing.
    """
    argv = ["ffmpeg", *_QUIET, *options, *graph.get_args(graph.merge_outputs(*outputs))]
    follow = _Follow(duration, progress)
    outcome = _start(argv, files=files, out=out, limits=_limits(duration), on_line=follow.line)
    if not outcome.ok:
        raise _failure(outcome)
    progress(1.0)
    return Ran(tuple(_lines(outcome.stderr)), outcome.isolated, outcome.why_not)


@cache
def version() -> str:
    """The ffmpeg that runs here: "5.1.9-0+deb12u1"."""
    outcome = _start(["ffmpeg", "-version"], files={}, out=None, limits=_SURVEY, on_line=None)
    words = outcome.stdout.decode(errors="replace").split()
    return words[2] if outcome.ok and len(words) > 2 else "unknown"


def unreadable(reason: str) -> Unreadable:
    """The clear sentence for media that can't be read; `reason` is ffmpeg's own."""
    return Unreadable(
        f"无法读取该媒体文件（{reason}）。原件仍完整保存。",
        f"this media file can't be read ({reason}); the original is kept all the same",
    )


class _Follow:
    """Turns ffmpeg's -progress lines into fractions that never go back."""

    def __init__(self, duration: float | None, progress: Progress) -> None:
        self._duration, self._progress, self._reached = duration, progress, 0.0

    def line(self, line: bytes) -> None:
        key, _, value = line.partition(b"=")
        if key != b"out_time_us" or not self._duration or not value.strip().isdigit():
            return
        fraction = min(int(value) / 1e6 / self._duration, 0.99)
        if fraction > self._reached:
            self._reached = fraction
            self._progress(fraction)


def _start(
    argv: Sequence[str],
    *,
    files: Mapping[str, Path],
    out: Path | None,
    limits: Limits,
    on_line: Callable[[bytes], None] | None,
) -> Outcome:
    if shutil.which(argv[0]) is None:
        raise Transient(
            f"缺少程序 {argv[0]}，请安装后重试。", f"the program {argv[0]} is missing: install it, try again"
        )
    return sandbox.run(argv, files=files, writable=out, limits=limits, on_line=on_line)


def _limits(duration: float | None) -> Limits:
    """Room for the slowest honest run: thirty times real time; of unknown length, as for an hour."""
    wall = 600 + 30 * (duration or 3600)
    cores = os.cpu_count() or 1
    return Limits(cpu_seconds=int(wall * cores), wall_seconds=wall, memory_bytes=8 << 30, file_bytes=1 << 40)


def _failure(outcome: Outcome) -> LiuhenError:
    lines = _lines(outcome.stderr)
    full = next((line for line in lines for sign in _DISK if sign in line), None)
    if full is not None:
        return Transient(
            "磁盘空间不足，转码未完成；请清理磁盘后重试。",
            f"the disk is full, transcoding stopped ({full}): free space, try again",
        )
    if any("not on whitelist" in line for line in lines):
        return unreadable("a format that can point at other files, such as a playlist; such formats are refused")
    if outcome.stopped == "time":
        return unreadable("time limit reached")
    return unreadable(lines[0] if lines else f"exit status {outcome.returncode}")


def _lines(stderr: bytes) -> list[str]:
    """What was said, once each, without memory addresses and bare of our own paths."""
    lines = (_PREFIX.sub("", line).strip() for line in stderr.decode(errors="replace").splitlines())
    return list(dict.fromkeys(line.replace("/in/", "") for line in lines if line))


def _stream(found: Mapping[str, Any]) -> Stream:
    matrices = [data["rotation"] for data in found.get("side_data_list", []) if "rotation" in data]
    codec = found.get("codec_name", "")
    return Stream(
        index=found["index"],
        kind=found.get("codec_type", "unknown"),
        codec="" if codec in ("unknown", "none") else codec,
        tag=found.get("codec_tag_string", ""),
        pix_fmt=found.get("pix_fmt", ""),
        sample_fmt=found.get("sample_fmt", ""),
        bits=int(found.get("bits_per_raw_sample", 0)),
        rate=int(found.get("sample_rate", 0)),
        size=(found.get("width", 0), found.get("height", 0)),
        rotation=int(matrices[0]) if matrices else 0,
        attached=bool(found.get("disposition", {}).get("attached_pic", 0)),
    )
