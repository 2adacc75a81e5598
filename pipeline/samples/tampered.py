"""Alter a recording the way people do, with a common editing program: each leaves what the checks must find."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipeline.samples.program import exiftool, ffmpeg
from pipeline.samples.scene import HEIGHT, RATE, SOUND_RATE, WIDTH

CUT = 4, 7  # seconds taken out; whole groups of pictures, so that the rest decodes cleanly
INSERT_AT, FREEZE = 5, (4, 7)
_STREAMS = ("-map", "0:v", "-map", "0:a")
_ENCODE = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "350k", "-threads", "1", "-pix_fmt", "yuv420p",
           "-c:a", "aac", "-b:a", "48k", "-flags:a", "+bitexact")  # fmt: skip


def cut_open(source: Path, target: Path) -> None:
    """Drop the packets of the cut and leave their time empty."""
    drop = f"noise=drop='between(pts*tb,{CUT[0]},{CUT[1] - 0.001})'"
    ffmpeg("-i", source, *_STREAMS, "-c", "copy", "-bsf:v", drop, "-bsf:a", drop, "-copyts", target)


def cut_closed(source: Path, target: Path, work: Path) -> None:
    """Join what is before and after the cut, as if nothing had been between."""
    recipe = work / "cut.txt"
    lines = "ffconcat version 1.0", f"file '{source}'", f"outpoint {CUT[0]}", f"file '{source}'", f"inpoint {CUT[1]}"
    recipe.write_text("\n".join(lines), encoding="utf-8")
    ffmpeg(
        "-f", "concat", "-safe", "0", "-i", recipe, "-i", source, *_STREAMS,
        "-map_metadata", "1", "-c", "copy", target,
    )  # fmt: skip


def insert_foreign(source: Path, target: Path) -> None:
    """Put one second of another scene, with silence, in the middle, and encode all of it again."""
    graph = (
        f"[0:v]split[v1][v2];[v1]trim=end={INSERT_AT}[a];[v2]trim=start={INSERT_AT},setpts=PTS-STARTPTS[c];"
        f"mandelbrot=s={WIDTH}x{HEIGHT}:r={RATE},trim=end=1,format=yuv420p[b];"
        f"[0:a]asplit[s1][s2];[s1]atrim=end={INSERT_AT}[x];[s2]atrim=start={INSERT_AT},asetpts=PTS-STARTPTS[z];"
        f"anullsrc=r={SOUND_RATE}:cl=mono,atrim=end=1[y];[a][x][b][y][c][z]concat=n=3:v=1:a=1[v][s]"
    )
    ffmpeg("-i", source, "-filter_complex", graph, "-map", "[v]", "-map", "[s]", *_ENCODE, target)


def cut_encoded(source: Path, target: Path) -> None:
    """Take the cut out and encode all of it again: no counter of the camera's is left."""
    keep = f"not(between(t,{CUT[0]},{CUT[1] - 0.001}))"
    video, sound = f"select='{keep}',setpts=N/{RATE}/TB", f"aselect='{keep}',asetpts=N/SR/TB"
    ffmpeg("-i", source, *_STREAMS, "-vf", video, "-af", sound, *_ENCODE, target)


def redate(target: Path, moment: datetime) -> None:
    """Rewrite every date of the file's header, as if it had been recorded at another time."""
    names = ("CreateDate", "ModifyDate", "TrackCreateDate", "TrackModifyDate", "MediaCreateDate", "MediaModifyDate")
    dates = [f"-QuickTime:{name}={moment.astimezone(UTC):%Y:%m:%d %H:%M:%S}" for name in names]
    exiftool("-overwrite_original", *dates, target)


def freeze(source: Path, target: Path) -> None:
    """Hold one picture for three seconds, keep the sound, and encode all of it again."""
    first, last = FREEZE[0] * RATE, FREEZE[1] * RATE - 1
    graph = f"[0:v]split[a][b];[a][b]freezeframes=first={first}:last={last}:replace={first - 1}[v]"
    ffmpeg("-i", source, "-filter_complex", graph, "-map", "[v]", "-map", "0:a", *_ENCODE, target)
