"""Encode what a camera sees and hears, and take the coded packets out of the encoder's file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av

from pipeline.samples import scene
from scripts.corpus_lib import world
from scripts.corpus_lib.media import Packet, Track
from scripts.corpus_lib.programs import Failed, Missing, ffmpeg, run

_SCALE = 90_000
_FINE = 30_000  # units a second for uneven pictures; MPEG-4 part 2 takes at most 65,535
_KINDS = {"amrnb": "amr_nb", "mp3float": "mp3"}  # libav's names of decoders → of codecs


@dataclass(frozen=True, slots=True)
class Picture:
    """How a camera films. `coding`: arguments of ffmpeg, or ("openh264", properties of the GStreamer element …).

    `look`: see world.view. `timing`: "" even, "jitter" as phones, "halving" when the light is low, "drops".
    """

    coding: tuple[str, ...]
    size: tuple[int, int] = (640, 360)
    rate: int = 25
    look: str = "walk"
    osd: bool = True
    timing: str = ""
    people: bool = True


@dataclass(frozen=True, slots=True)
class Sound:
    """How a camera hears: codec (aac, pcm_s16le, amr …), samples a second, channels, bits a second ("" default)."""

    codec: str
    rate: int = 32_000
    channels: int = 1
    bits: str = "48k"


_TIMINGS = {
    "": "",
    "jitter": ",setpts='PTS+0.003*(random(1)-0.5)/TB'",
    "halving": ",select='if(between(mod(t,8),3,5.5),mod(n,2),1)',setpts='PTS+0.002*(random(1)-0.5)/TB'",
    "drops": ",select='gt(mod(n,37),0)'",
}


def graph(picture: Picture, seed: int, clock: datetime) -> str:
    """The filter graph from [0:v], a painted world, to [v]."""
    parts = [
        f"[0:v]loop=loop=-1:size=1:start=0,setpts=N/({picture.rate}*TB),{world.view(picture.look, *picture.size, seed)}"
    ]
    parts[0] += "[view]" if picture.people else "[seen]"
    if picture.people:
        parts.append(world.people(seed))
    osd = f",{scene.osd(clock)}" if picture.osd else ""
    end = f"[seen]format=yuv420p{osd},settb=1/{_SCALE}{_TIMINGS[picture.timing]}[v]"
    return ";".join([*parts, end])


def film(picture: Picture, seconds: float, seed: int, clock: datetime, work: Path) -> Track:
    """The picture of a recording that begins at `clock` (local time as burned in)."""
    painted = work / f"world-{seed}.png"
    if not painted.exists():
        world.paint(painted, seed)
    start = (
        "-framerate",
        str(picture.rate),
        "-i",
        painted,
        "-filter_complex",
        graph(picture, seed, clock),
        "-map",
        "[v]",
    )
    if picture.coding[0] == "openh264":
        return _openh264(picture, start, seconds, work)
    target = work / "film.mov"
    ffmpeg(
        *start, "-t", f"{seconds:.3f}", "-an", "-threads", "1", "-vsync", "passthrough", "-enc_time_base",
        f"1:{_FINE}" if picture.timing else f"1:{picture.rate}", *picture.coding, "-bitexact", "-flags:v", "+bitexact",
        "-video_track_timescale", str(_SCALE), target,
    )  # fmt: skip
    return read(target, "video")


def _openh264(picture: Picture, start: tuple[object, ...], seconds: float, work: Path) -> Track:
    raw, target = work / "film.y4m", work / "film.mp4"
    ffmpeg(*start, "-t", f"{seconds:.3f}", "-r", str(picture.rate), "-pix_fmt", "yuv420p", raw)  # type: ignore[arg-type]
    try:
        run(["gst-inspect-1.0", "openh264enc"])
    except Failed as error:
        raise Missing("GStreamer's openh264enc is not installed") from error
    run([
        "gst-launch-1.0", "-q", "filesrc", f"location={raw}", "!", "y4mdec", "!", "openh264enc", "multi-thread=1",
        *picture.coding[1:], "!", "h264parse", "!", "mp4mux", f"trak-timescale={_SCALE}", "!",
        "filesink", f"location={target}",
    ])  # fmt: skip
    raw.unlink()
    return read(target, "video")


def listen(sound: Sound, seconds: float, seed: int, work: Path) -> Track:
    """The sound of a recording."""
    wave = ("-f", "lavfi", "-i", scene.sound(seed, sound.rate, seconds + 1), "-t", f"{seconds:.3f}")
    layout = ("-ac", str(sound.channels), "-bitexact", "-flags:a", "+bitexact")
    if sound.codec == "amr_nb":
        ffmpeg(*wave, "-ac", "1", "-c:a", "pcm_s16le", work / "sound.wav")
        return _amr(work / "sound.wav", work / "sound.amr")
    rate = ("-b:a", sound.bits) if sound.bits else ()
    coder = {"mp3": "libshine"}.get(sound.codec, sound.codec)
    target = work / {"mp3": "sound.mp4", "flac": "sound.flac"}.get(sound.codec, "sound.mov")
    ffmpeg(*wave, *layout, "-c:a", coder, *rate, target)
    return read(target, "audio")


def _amr(wave: Path, target: Path) -> Track:
    """AMR narrow band from the coder in PyAV's libraries: Debian's ffmpeg has none."""
    try:
        with av.open(str(wave)) as source, av.open(str(target), "w") as sink:
            stream = sink.add_stream("libopencore_amrnb", rate=8000)
            stream.bit_rate, stream.layout = 12_200, "mono"
            for frame in source.decode(audio=0):
                for packet in stream.encode(frame):
                    sink.mux(packet)
            sink.mux(stream.encode(None))
    except (ValueError, av.error.FFmpegError) as error:
        raise Missing(f"no AMR encoder: {error}") from error
    return read(target, "audio")


def read(path: Path, kind: str) -> Track:
    """The first stream of that kind: packets from time 0 on, in the stream's units."""
    with av.open(str(path)) as container:
        stream = next(each for each in container.streams if each.type == kind)
        context: Any = stream.codec_context
        codec = _KINDS.get(context.name, context.name)
        if kind == "video":
            scale, base = _SCALE, stream.time_base
            facts = {"size": (context.width, context.height)}
        else:
            scale, base = context.sample_rate, stream.time_base
            facts = {"rate": context.sample_rate, "channels": context.channels}
        assert base
        ratio = base * scale
        raw = [
            (int(p.pts * ratio), int((p.dts if p.dts is not None else p.pts) * ratio), int((p.duration or 0) * ratio),
             p.is_keyframe, bytes(p))
            for p in container.demux(stream) if p.size and p.pts is not None
        ]  # fmt: skip
        config = bytes(context.extradata or b"")
    return Track(kind, codec, scale, _from_zero(raw, kind), config, **facts)  # type: ignore[arg-type]


def _from_zero(raw: list[tuple[int, int, int, bool, bytes]], kind: str) -> tuple[Packet, ...]:
    """The first picture at 0; durations between pictures as they are decoded, so that any container can carry them."""
    first = min(each[0] for each in raw)
    packets = []
    for number, (pts, dts, given, key, data) in enumerate(raw):
        duration = raw[number + 1][1] - dts if number + 1 < len(raw) else given
        packets.append(Packet(pts - first, dts - first, duration, key or kind == "audio", data))
    return tuple(packets)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
