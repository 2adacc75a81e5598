"""Everything decoded and encoded again, with and without an edit on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from scripts.corpus_lib import avi, mkv, sources
from scripts.corpus_lib.coders import read
from scripts.corpus_lib.edits import Edit, Job, NotHere, Truth
from scripts.corpus_lib.media import Media, Track
from scripts.corpus_lib.programs import Failed, Missing, ffmpeg, run

_YUV = ("-pix_fmt", "yuv420p", "-threads", "1")
_PLAIN: dict[str, tuple[str, ...]] = {
    "x264-ultrafast": ("-c:v", "libx264", "-preset", "ultrafast", *_YUV),
    "x264-veryfast": ("-c:v", "libx264", "-preset", "veryfast", *_YUV),
    "x264-medium": ("-c:v", "libx264", *_YUV),
    "x264-slow": ("-c:v", "libx264", "-preset", "slow", "-crf", "18", *_YUV),
    "x265": (
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=error:pools=none:frame-threads=1",
        *_YUV,
    ),
    "mpeg4": ("-c:v", "mpeg4", "-q:v", "4", *_YUV),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p", "-threads", "1"),
}
_CLEAN = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")


def _sound(job: Job, *, changed: bool) -> tuple[str, ...]:
    """Sound copied, or encoded again where an edit changes it."""
    if job.media.audio is None:
        return ("-an",)
    if not changed:
        return ("-c:a", "copy")
    if isinstance(job.source.style, avi.Style | mkv.Style):
        return ("-c:a", "pcm_s16le")
    return ("-c:a", "aac", "-b:a", "64k")


def _h265_here(job: Job, name: str) -> None:
    if name == "x265" and (isinstance(job.source.style, avi.Style) or job.target.suffix == ".3gp"):
        raise NotHere("no HEVC in this container")
    if name == "mjpeg" and not job.intra:
        raise NotHere("for cameras that record MJPEG")


def plain(name: str) -> Callable[[Job], Truth]:
    def make(job: Job) -> Truth:
        _h265_here(job, name)
        ffmpeg(
            "-i",
            job.genuine,
            "-map",
            "0:v",
            "-map",
            "0:a?",
            *_PLAIN[name],
            *_sound(job, changed=False),
            *job.form(),
            job.target,
        )
        return Truth()

    return make


def clean(name: str) -> Callable[[Job], Truth]:
    """No metadata, no names: SEI taken out, bitexact."""

    def make(job: Job) -> Truth:
        _h265_here(job, name)
        types = {"x265": "39-40"}.get(name, "6")
        strip = ("-bsf:v", f"filter_units=remove_types={types}") if name.startswith("x26") else ()
        ffmpeg(
            "-i", job.genuine, "-map", "0:v", "-map", "0:a?", *_PLAIN[name], *_sound(job, changed=False), *_CLEAN,
            *strip, *job.form(), job.target,
        )  # fmt: skip
        return Truth()

    return make


def openh264(job: Job) -> Truth:
    """By GStreamer's OpenH264, muxed by GStreamer: another family of programs altogether."""
    if not job.is_mp4 or job.source.picture.timing:
        raise NotHere("MP4 with even times only")
    raw = job.work / "raw.y4m"
    ffmpeg("-i", job.genuine, "-map", "0:v", "-pix_fmt", "yuv420p", raw)
    _gst(raw, job)
    raw.unlink()
    return Truth(tool="gstreamer")


def _gst(raw: Path, job: Job) -> None:
    try:
        run(["gst-inspect-1.0", "openh264enc"])
    except Failed as error:
        raise Missing("GStreamer's openh264enc is not installed") from error
    run([
        "gst-launch-1.0", "-q", "filesrc", f"location={raw}", "!", "y4mdec", "!", "openh264enc", "multi-thread=1",
        "gop-size=60", "!", "h264parse", "!", "mp4mux", "!", "filesink", f"location={job.target}",
    ])  # fmt: skip


def disguised(job: Job) -> Truth:
    """Encoded again with the camera's own encoder and settings, written as the camera writes."""
    return _disguise(job, "null", "anull", Truth(tool="ffmpeg + surgery"))


def _disguise(job: Job, video: str, audio: str, truth: Truth) -> Truth:
    """Through a filter, the camera's own encoder, name stripping and muxer."""
    if job.source.picture.coding[:1] in ((), ("openh264",)) or job.media.video is None:
        raise NotHere("another encoder")
    target = job.work / "again.mov"
    timing = ("-vsync", "passthrough", "-enc_time_base", "1:30000") if job.source.picture.timing else ()
    ffmpeg(
        "-i", job.genuine, "-map", "0:v", "-vf", video, "-an", "-threads", "1", *timing, *job.source.picture.coding,
        "-bitexact", "-flags:v", "+bitexact", "-video_track_timescale", "90000", target,
    )  # fmt: skip
    track = sources.as_camera(job.source, read(target, "video"))
    job.save(Media((track, *_sound_again(job, audio, track.end)), job.media.start, job.media.serial, job.media.tags))
    return truth


def _sound_again(job: Job, audio: str, end: float) -> tuple[Track, ...]:
    track = job.media.audio
    if track is None:
        return ()
    if audio == "anull":
        return (track,)
    if track.codec != "aac":
        raise NotHere("sound of another codec")
    target = job.work / "again-sound.mov"
    ffmpeg(
        "-i",
        job.genuine,
        "-map",
        "0:a",
        "-af",
        audio,
        "-c:a",
        "aac",
        "-b:a",
        "48k",
        "-flags:a",
        "+bitexact",
        "-bitexact",
        target,
    )
    sound = read(target, "audio")
    return (replace(sound, packets=tuple(p for p in sound.packets if p.pts / sound.scale < end - 1e-3)),)


def _trims(a: float, b: float) -> tuple[str, str]:
    """Filters that take out a..b."""
    where = f"not(between(t,{a:.4f},{b - 0.001:.4f}))"
    return f"select='{where}',setpts='PTS-gte(T,{b - 0.001:.4f})*{b - a:.4f}/TB'", f"aselect='{where}',asetpts=N/SR/TB"


def cut(length: float) -> Callable[[Job], Truth]:
    def make(job: Job) -> Truth:
        a, b = job.cut(length)
        a, b = a - 0.3, b - 0.3
        if a < 0.4:
            raise NotHere("too short for this cut")
        _filtered(job, *_trims(a, b))
        return Truth(((a, a),))

    return make


def disguised_cut(length: float) -> Callable[[Job], Truth]:
    def make(job: Job) -> Truth:
        if job.source.late:
            raise NotHere("sound begins later")
        a, b = job.cut(length)
        a, b = a - 0.3, b - 0.3
        if a < 0.4:
            raise NotHere("too short for this cut")
        return _disguise(job, *_trims(a, b), Truth(((a, a),), tool="ffmpeg + surgery"))

    return make


def _filtered(job: Job, video: str, audio: str = "", *, more: tuple[str, ...] = ()) -> None:
    """Both through filters, encoded by x264, muxed by ffmpeg."""
    sound = ("-af", audio) if audio and job.media.audio else ()
    ffmpeg(
        "-i", job.genuine, "-map", "0:v", "-map", "0:a?", "-vf", video, *sound, *_PLAIN["x264-veryfast"],
        *_sound(job, changed=bool(audio)), *more, *job.form(), job.target,
    )  # fmt: skip


def speed(job: Job) -> Truth:
    _filtered(job, "setpts=PTS/1.1", "atempo=1.1")
    return Truth()


def dropped(every: int) -> Callable[[Job], Truth]:
    """Every n-th picture left out, the others at their times."""

    def make(job: Job) -> Truth:
        if isinstance(job.source.style, avi.Style):
            raise NotHere("AVI has one picture rate")
        _filtered(job, f"select='mod(n+1,{every})'", more=("-vsync", "vfr"))
        return Truth()

    return make


def freeze(job: Job) -> Truth:
    a, b = job.cut(2.0)
    rate = job.source.picture.rate
    first, last = round(a * rate), round(b * rate) - 1
    ffmpeg(
        "-i", job.genuine, "-map", "0:a?", "-filter_complex",
        f"[0:v]split[a][b];[a][b]freezeframes=first={first}:last={last}:replace={first - 1}[v]", "-map", "[v]",
        *_PLAIN["x264-veryfast"], *_sound(job, changed=False), *job.form(), job.target,
    )  # fmt: skip
    return Truth(((a, b),))


def blank(job: Job) -> Truth:
    a, b = job.cut(1.0)
    _filtered(job, f"drawbox=c=black:t=fill:enable='between(t,{a:.3f},{b - 0.002:.3f})'")
    return Truth(((a, b),))


def inserted(job: Job) -> Truth:
    """One second of another recording of this camera, everything encoded again."""
    at = job.cut(0.5)[0]
    _, path = job.other()
    size = "x".join(map(str, job.source.picture.size))
    rate = job.source.picture.rate
    form = f"fps={rate},settb=1/{rate},format=yuv420p,scale={size.replace('x', ':')},setsar=1"
    video = (
        f"[0:v]{form},split[a][b];[1:v]{form},trim=end=1,setpts=PTS-STARTPTS[x];[a]trim=end={at:.3f}[h];"
        f"[b]trim=start={at:.3f},setpts=PTS-STARTPTS[t];[h][x][t]concat=n=3:v=1:a=0[v]"
    )
    maps: tuple[str, ...] = ("-map", "[v]")
    if job.media.audio and not job.source.late:
        video += (
            f";[0:a]asplit[p][q];[1:a]atrim=end=1,asetpts=PTS-STARTPTS[m];[p]atrim=end={at:.3f}[l];"
            f"[q]atrim=start={at:.3f},asetpts=PTS-STARTPTS[n];[l][m][n]concat=n=3:v=0:a=1[s]"
        )
        maps = (*maps, "-map", "[s]")
    ffmpeg(
        "-i", job.genuine, "-i", path, "-filter_complex", video, *maps, *_PLAIN["x264-veryfast"],
        *_sound(job, changed=True), *job.form(), job.target,
    )  # fmt: skip
    return Truth(((at, at), (at + 1, at + 1)))


EDITS = (
    *(Edit(f"reencode-{name}", "reencode", plain(name), quick=name == "x264-veryfast") for name in _PLAIN),
    *(Edit(f"reencode-clean-{name}", "reencode-clean", clean(name), quick=name == "x264-ultrafast")
      for name in ("x264-ultrafast", "x264-medium", "x264-slow", "x265", "mpeg4")),
    Edit("reencode-openh264", "reencode-gstreamer", openh264),
    Edit("reencode-disguised", "reencode-disguised", disguised),
    Edit("reencode-cut-1.0", "reencode-cut", cut(1.0), quick=True),
    Edit("reencode-cut-3.0", "reencode-cut", cut(3.0)),
    Edit("disguised-cut-1.0", "disguised-cut", disguised_cut(1.0)),
    Edit("disguised-cut-3.0", "disguised-cut", disguised_cut(3.0)),
    Edit("reencode-insert", "insert-reencoded", inserted),
    Edit("speed", "speed", speed),
    Edit("drop-every-2nd", "frames-dropped", dropped(2)),
    Edit("drop-every-10th", "frames-dropped", dropped(10)),
    Edit("freeze-2s", "freeze", freeze, quick=True),
    Edit("blank-1s", "blank", blank),
)  # fmt: skip
