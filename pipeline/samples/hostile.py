"""Files that are not what their names say: what an attacker, or a broken card, hands to the reader of media.

The playlists point at `private/`, a file that nobody handed over. A reader that follows them has been tricked.
"""

from __future__ import annotations

import random
from pathlib import Path

from pipeline.samples.program import ffmpeg

LURE = "private/secret.ts"  # a small, readable recording: a trick that works shows its pictures


def make(folder: Path, genuine: Path, work: Path, seed: int) -> dict[str, str]:
    """Write the files into `folder`. `genuine`: a recording to truncate. Returns name → what it is."""
    _write_secret(folder, work)
    whole = genuine.read_bytes()
    baits = {
        "truncated.mp4": (whole[: len(whole) * 6 // 10], "a recording that breaks off before its index"),
        "empty.mp4": (b"", "no bytes at all"),
        "playlist.mp4": (_PLAYLIST.encode(), "an HLS playlist that points at another local file and at a server"),
        "concat.mp4": (_CONCAT.encode(), "an ffconcat list that points at another local file"),
        "dash.mp4": (_DASH.encode(), "a DASH manifest that points at another local file"),
        "garbage.mp4": (random.Random(seed).randbytes(65_536), "random bytes"),  # noqa: S311 - test data
    }
    for name, (content, _) in baits.items():
        (folder / name).write_bytes(content)
    return {name: what for name, (_, what) in baits.items()}


def _write_secret(folder: Path, work: Path) -> None:
    secret = folder / LURE
    secret.parent.mkdir(exist_ok=True)
    for target in (secret, secret.with_suffix(".mp4")):
        ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10", "-t", "2", "-c:v", "libx264", "-threads", "1",
            "-fflags", "+bitexact", "-flags:v", "+bitexact", "-pix_fmt", "yuv420p", target,
        )  # fmt: skip


_PLAYLIST = f"""#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXTINF:2.0,
{LURE}
#EXTINF:2.0,
http://127.0.0.1:9/secret.ts
#EXT-X-ENDLIST
"""
_CONCAT = f"ffconcat version 1.0\nfile '{LURE}'\n"
_DASH = """<?xml version="1.0" encoding="utf-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S" minBufferTime="PT1S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="1" bandwidth="100000" width="320" height="180"><BaseURL>private/secret.mp4</BaseURL>
<SegmentBase indexRange="0-0"/></Representation></AdaptationSet></Period></MPD>
"""
