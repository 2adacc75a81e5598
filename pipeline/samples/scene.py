"""The picture and the sound a sample camera records: a moving scene, clock and device number burned in, a live room."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipeline.samples.program import ffmpeg

DEVICE = "LH00012"
WIDTH, HEIGHT, RATE = 640, 360, 25
SOUND_RATE = 32_000  # 1024-sample AAC packets then fill 4 s, 8 s, 12 s … exactly
_NAL_SLICE, _NAL_IDR, _NAL_SPS, _NAL_PPS = 1, 5, 7, 8  # ITU-T H.264 table 7-1


_COLOURS = "c0=0x5b6b5e:c1=0x8d8a7c:c2=0x9fb0bd:c3=0x4a4f58"  # asphalt, sand, sky, shade


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> str:
    """A filter graph without end: drifting colours, three things moving smoothly through them, sensor noise.

    It never cuts and never stands still, as a worn camera never does.
    """
    size = f"{width}x{height}:r={RATE}"
    return (
        f"gradients=s={size}:seed={seed}:speed=0.008:n=4:{_COLOURS},format=yuv420p[ground];"
        f"testsrc2=s=160x90:r={RATE},format=yuv420p[sign];color=0x604020:s=44x120:r={RATE}[post];"
        f"color=0xd8c8b0:s=70x50:r={RATE}[box];"
        f"[ground][post]overlay=x='mod(40*t+{seed * 37 % 300},W+w)-w':y=H-h-20:shortest=1[a];"
        "[a][box]overlay=x='W*(0.5+0.35*sin(0.7*t))-w/2':y='H*(0.6+0.1*cos(1.1*t))'[b];"
        "[b][sign]overlay=x='W*(0.3+0.2*cos(0.4*t))':y='H*(0.3+0.1*sin(0.5*t))'[c];"
        f"[c]noise=alls=5:allf=t:all_seed={seed}"
    )


def osd(clock: datetime) -> str:
    """Filters that burn in the running local clock, from `clock` on, and the device number, as body cameras do."""
    epoch = int(clock.replace(tzinfo=UTC).timestamp())  # local time dressed as UTC: the filter knows no zones
    style = "font='DejaVu Sans Mono':fontsize=h/18:fontcolor=white:borderw=2:bordercolor=black"
    return (
        f"drawtext={style}:x=12:y=10:text='%{{pts\\:gmtime\\:{epoch}}}',drawtext={style}:x=w-tw-12:y=10:text='{DEVICE}'"
    )


def sound(seed: int, rate: int, seconds: float) -> str:
    """A filter graph: a tone that swells and fades over pink noise, so that no stretch is silent or alike."""
    return (
        f"anoisesrc=c=pink:r={rate}:a=0.06:seed={seed}:d={seconds}[room];"
        f"sine=f={300 + seed % 100}:r={rate}:d={seconds},tremolo=f=0.3:d=0.7,volume=0.8[voice];"
        "[room][voice]amix=2:duration=first:normalize=0"
    )


def film(work: Path, clock: datetime, seconds: int, seed: int) -> tuple[list[bytes], bytes, bytes]:
    """Film `seconds` from `clock` on. Returns (pictures, SPS, PPS), NAL units without start codes.

    One slice a picture, an instantaneous refresh each second, no reordering, and coded plainly enough (no psycho-visual
    offset, no weighted bi-prediction) that the parameter sets are not x264's own.
    """
    target = work / "film.h264"
    x264 = f"keyint={RATE}:min-keyint={RATE}:scenecut=0:bframes=0:weightp=0:no-psy=1:slices=1:threads=1:nal-hrd=none"
    ffmpeg(
        "-f", "lavfi", "-i", f"{picture(seed)},{osd(clock)}", "-t", seconds_text(seconds), "-an", "-threads", "1",
        "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-b:v", "320k", "-maxrate", "400k",
        "-bufsize", "400k", "-x264-params", x264, "-pix_fmt", "yuv420p", "-f", "h264", target,
    )  # fmt: skip
    units = _units(target.read_bytes())
    pictures = [unit for unit in units if unit[0] & 31 in (_NAL_SLICE, _NAL_IDR)]
    return pictures, _first(units, _NAL_SPS), _first(units, _NAL_PPS)


def listen(work: Path, seconds: int, seed: int) -> list[bytes]:
    """Record `seconds` of sound. Returns AAC-LC packets, mono, 32 kHz, 1024 samples each, without ADTS headers."""
    target = work / "sound.aac"
    ffmpeg(
        "-f", "lavfi", "-i", sound(seed, SOUND_RATE, seconds + 1), "-c:a", "aac", "-b:a", "48k", "-ac", "1",
        "-flags:a", "+bitexact", "-f", "adts", target,
    )  # fmt: skip
    return _packets(target.read_bytes())[: seconds * SOUND_RATE // 1024]


def is_refresh(picture_unit: bytes) -> bool:
    """Whether a picture can be decoded without those before it."""
    return picture_unit[0] & 31 == _NAL_IDR


def seconds_text(seconds: float) -> str:
    return f"{seconds:.3f}"


def _units(stream: bytes) -> list[bytes]:
    """The NAL units of an H.264 byte stream (ITU-T H.264 annex B)."""
    return [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1")[1:]]


def _first(units: list[bytes], kind: int) -> bytes:
    return next(unit for unit in units if unit[0] & 31 == kind)


def _packets(stream: bytes) -> list[bytes]:
    """The raw AAC packets of an ADTS stream (ISO/IEC 13818-7: 13 bits of length from bit 30, 7 bytes of header)."""
    packets, at = [], 0
    while at + 7 <= len(stream):
        size = int.from_bytes(stream[at + 3 : at + 6], "big") >> 5 & 0x1FFF
        packets.append(stream[at + 7 : at + size])
        at += size
    return packets
