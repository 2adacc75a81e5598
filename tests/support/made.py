"""Short recordings in every container, made by the real programs, once a session for each kind."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

from tests.support.footage import require

_SOURCE = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=25", "-f", "lavfi", "-i", "sine=r=48000", "-t", "4"]
_KINDS = {
    "a.mp4": ["-g", "10", "-c:a", "aac"],
    "fragmented.mp4": ["-g", "10", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
    "faststart.mp4": ["-g", "10", "-c:a", "aac", "-movflags", "faststart"],
    "a.mov": ["-g", "10", "-c:a", "pcm_s16le"],
    "a.avi": ["-c:v", "mjpeg", "-c:a", "pcm_s16le"],
    "a.mkv": ["-g", "10", "-c:a", "aac", "-cluster_time_limit", "1000"],
    "live.webm": ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1"],
    "a.mxf": ["-c:v", "mpeg2video", "-c:a", "pcm_s16le"],
    "a.wav": ["-vn", "-c:a", "pcm_s16le", "-write_bext", "1", "-metadata", "origination_date=2026-11-18", "-metadata",
              "origination_time=09:30:00", "-metadata", "time_reference=1641600000"],
    "a.ts": ["-g", "10", "-c:a", "aac"],
    "a.mp3": ["-map", "1", "-t", "8", "-ar", "44100", "-c:a", "libmp3lame", "-b:a", "128k"],
    "plain.mp3": ["-map", "1", "-t", "8", "-ar", "44100", "-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", "0",
                  "-id3v2_version", "0"],
    "variable.mp3": ["-map", "1", "-ar", "44100", "-c:a", "libmp3lame", "-q:a", "4"],
    "a.aac": ["-map", "1", "-ar", "16000", "-c:a", "aac"],
    "a.ac3": ["-map", "1", "-c:a", "ac3", "-b:a", "96k"],
    "a.eac3": ["-map", "1", "-c:a", "eac3", "-b:a", "96k"],
    "a.flac": ["-map", "1", "-ar", "16000", "-c:a", "flac"],
    "a.opus": ["-map", "1", "-c:a", "libopus", "-page_duration", "500000"],
    "a.ogg": ["-map", "1", "-c:a", "libvorbis", "-page_duration", "500000"],
    "flac.oga": ["-map", "1", "-ar", "16000", "-c:a", "flac", "-page_duration", "500000"],
}  # fmt: skip


@functools.cache
def made(name: str) -> bytes:
    """The file of that name."""
    require("ffmpeg")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        bare = ["-fflags", "+bitexact", "-flags", "+bitexact"]
        subprocess.run(["ffmpeg", "-v", "error", *_SOURCE, *bare, *_KINDS[name], str(path)], check=True)
        return path.read_bytes()


@functools.cache
def merged() -> bytes:
    """a.mp4 as mkvmerge puts it into Matroska."""
    require("mkvmerge")
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder) / "a.mp4", Path(folder) / "a.mkv"
        source.write_bytes(made("a.mp4"))
        clusters = ["--cluster-length", "1000ms"]
        subprocess.run(["mkvmerge", "-q", *clusters, "-o", str(path), str(source)], check=True)
        return path.read_bytes()
