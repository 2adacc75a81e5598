"""Sound memos as recorders and phones keep them: WAV, MP3, AAC, AMR, FLAC, M4A; whole, cut, joined, encoded again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.corpus_lib import mp4, ts
from scripts.corpus_lib.coders import Sound, listen
from scripts.corpus_lib.media import Media, Packet, Track
from scripts.corpus_lib.programs import Failed, ffmpeg

_SECONDS = 10.0
_CUT = 4.0, 6.0
_START = datetime(2026, 11, 18, 2, 15, tzinfo=UTC)
RowOf = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Memo:
    """A kind of recorder: its sound, its file name, how it writes packets."""

    name: str
    file: str
    sound: Sound
    write: Callable[[Track], bytes]


def _raw(track: Track) -> bytes:
    return b"".join(packet.data for packet in track.packets)


def _m4a(track: Track) -> bytes:
    style = mp4.Style(brand=b"M4A ", compatible=(b"M4A ", b"mp42"), movie_scale=16_000, names=("", "Core Media Audio"))
    return mp4.write(Media((track,), _START), style)


def _flac(track: Track) -> bytes:
    """The head as a recorder closes it: smallest and largest frame, samples in all; no sum of the samples."""
    sizes = [len(packet.data) for packet in track.packets]
    samples = sum(packet.duration for packet in track.packets)
    fixed = int.from_bytes(track.config[10:18], "big") >> 36 << 36
    info = track.config[:4] + min(sizes).to_bytes(3, "big") + max(sizes).to_bytes(3, "big")
    info += (fixed | samples).to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80\0\0\x22" + info + _raw(track)


MEMOS = (
    Memo("memo-mp3", "REC0007.MP3", Sound("mp3", 32_000, 1, "64k"), _raw),
    Memo("memo-mp3-44", "MIC00021.MP3", Sound("mp3", 44_100, 1, "128k"), _raw),
    Memo("memo-flac", "REC_0031.flac", Sound("flac", 48_000, 1, ""), _flac),
    Memo("memo-aac", "voice_0012.aac", Sound("aac", 16_000), lambda t: b"".join(ts.adts(t, p.data) for p in t.packets)),
    Memo("memo-amr", "Voice0003.amr", Sound("amr_nb", 8000, 1, ""), lambda t: b"#!AMR\n" + _raw(t)),
    Memo("memo-m4a", "Recording 5.m4a", Sound("aac", 16_000), _m4a),
)


def make(root: Path, seed: int, wave: Path, row: RowOf) -> list[dict[str, Any]]:
    """The rows of all memos; files under `root`. `wave`: the sample memo."""
    rows = _waves(root / "memo-wav", wave, row)
    for memo in MEMOS:
        try:
            with tempfile.TemporaryDirectory() as work:
                track = listen(memo.sound, _SECONDS, seed, Path(work))
                other = listen(memo.sound, _SECONDS / 2, seed + 1, Path(work))
        except Failed as error:
            rows.append(row(memo.name, "genuine", "genuine-memo", [], skipped=str(error)))
            continue
        rows += _coded(root / memo.name, memo, track, other, row)
    return rows


def _coded(root: Path, memo: Memo, track: Track, other: Track, row: RowOf) -> list[dict[str, Any]]:
    genuine = _laid(root / "genuine" / memo.file, memo.write(track))
    rows = [row(memo.name, "genuine", "genuine-memo", [genuine], seconds=_SECONDS)]
    facts = {"at": ((_CUT[0], _CUT[0]),), "group": 0.1, "seconds": _SECONDS}
    cut = _laid(root / "surgery-cut" / memo.file, memo.write(replace(track, packets=_without(track))))
    blind = {"blind": "frames without numbers"} if memo.name == "memo-amr" else {}
    rows.append(row(memo.name, "surgery-cut", "memo-surgery-cut", [cut], tool="surgery", **facts, **blind))
    whole = genuine.read_bytes()
    half = _laid(root / "truncated" / memo.file, whole[: len(whole) // 2])
    rows.append(row(memo.name, "truncated", "memo-truncated", [half], tool="bytes"))
    if memo.write is not _m4a:
        rows += _by_bytes(root, memo, whole, memo.write(other), row)
    rows += _by_ffmpeg(root, memo, genuine, row, facts)
    return rows


def _by_bytes(root: Path, memo: Memo, whole: bytes, other: bytes, row: RowOf) -> list[dict[str, Any]]:
    """Another memo put behind; bytes taken out wherever they lie. Bare frames behind bare frames show no joint."""
    joined = _laid(root / "joined" / memo.file, whole + other)
    a, b = (round(edge / _SECONDS * len(whole)) + 3 for edge in _CUT)
    holed = _laid(root / "bytes-out" / memo.file, whole[:a] + whole[b:])
    bare = memo.name in ("memo-mp3", "memo-aac")
    facts = {"group": 0.1, "seconds": _SECONDS, "tool": "bytes"}
    at, hole = ((_SECONDS, _SECONDS),), ((_CUT[0], _CUT[0]),)
    blind = "bare frames behind bare frames" if bare else ""
    return [
        row(memo.name, "joined", "memo-joined", [joined], at=at, blind=blind, **facts),
        row(memo.name, "bytes-out", "memo-bytes-out", [holed], at=hole, **facts),
    ]


def _without(track: Track) -> tuple[Packet, ...]:
    """The packets but those of the cut, moved up."""
    a, b = (round(edge * track.scale) for edge in _CUT)
    before = [packet for packet in track.packets if packet.pts < a]
    after = [packet for packet in track.packets if packet.pts >= b]
    shift = after[0].pts - (before[-1].pts + before[-1].duration)
    return (*before, *(replace(packet, pts=packet.pts - shift, dts=packet.dts - shift) for packet in after))


def _by_ffmpeg(root: Path, memo: Memo, genuine: Path, row: RowOf, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Encoded again with a piece taken out; encoded again whole. There is no AMR encoder in Debian's ffmpeg."""
    if memo.file.endswith(".amr"):
        return []
    rows = []
    without = f"aselect='not(between(t,{_CUT[0]},{_CUT[1]}))',asetpts=N/SR/TB"
    for name, family, filters, more in (
        ("cut", "memo-cut", without, facts),
        ("reencoded", "memo-reencoded", "anull", {"seconds": _SECONDS}),
    ):
        target = root / name / memo.file
        target.parent.mkdir(parents=True)
        try:
            ffmpeg("-i", genuine, "-af", filters, target)
        except Failed as error:
            rows.append(row(memo.name, name, family, [], skipped=str(error)))
            continue
        rows.append(row(memo.name, name, family, [target], tool="ffmpeg", **more))
    return rows


def _laid(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def _waves(root: Path, wave: Path, row: RowOf) -> list[dict[str, Any]]:
    """Broadcast Wave: by hand, and by ffmpeg."""
    genuine = root / "genuine" / wave.name
    genuine.parent.mkdir(parents=True)
    shutil.copy2(wave, genuine)
    whole = wave.read_bytes()
    facts = {"at": ((_CUT[0], _CUT[0]),), "group": 0.1, "seconds": _SECONDS}
    cut = _laid(root / "surgery-cut" / wave.name, _samples_out(whole))
    half = _laid(root / "truncated" / wave.name, whole[: len(whole) // 2])
    joined, coded = root / "cut" / wave.name, (root / "reencoded" / wave.name).with_suffix(".MP3")
    for path in (joined, coded):
        path.parent.mkdir(parents=True)
    without = f"aselect='not(between(t,{_CUT[0]},{_CUT[1]}))',asetpts=N/SR/TB"
    ffmpeg("-i", genuine, "-af", without, "-c:a", "pcm_s16le", joined)
    ffmpeg("-i", genuine, "-c:a", "libmp3lame", coded)
    return [
        row("memo-wav", "genuine", "genuine-memo", [genuine], seconds=_SECONDS),
        row("memo-wav", "surgery-cut", "memo-surgery-cut", [cut], tool="bytes", **facts),
        row("memo-wav", "truncated", "memo-truncated", [half], tool="bytes"),
        row("memo-wav", "cut", "memo-cut", [joined], tool="ffmpeg", **facts),
        row("memo-wav", "reencoded", "memo-reencoded", [coded], tool="ffmpeg"),
    ]


def _samples_out(whole: bytes) -> bytes:
    """Samples taken out of a WAV file (16 bit, mono, 16 kHz) by hand, its sizes mended."""
    at = whole.find(b"data") + 8
    a, b = (round(edge * 32_000) for edge in _CUT)
    made = bytearray(whole[: at + a] + whole[at + b :])
    made[4:8] = (len(made) - 8).to_bytes(4, "little")
    made[at - 4 : at] = (int.from_bytes(whole[at - 4 : at], "little") - (b - a)).to_bytes(4, "little")
    return bytes(made)
