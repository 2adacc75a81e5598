"""Containers rewritten, dates changed, sound exchanged, bytes lost or flipped: the pictures stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts.corpus_lib import avi, mkv
from scripts.corpus_lib.edits import Edit, Job, NotHere, Truth
from scripts.corpus_lib.programs import Failed, ffmpeg, run

_COPY = ("-map", "0:v", "-map", "0:a?", "-c", "copy")


def remux(job: Job) -> Truth:
    ffmpeg("-i", job.genuine, *_COPY, *job.form(), job.target)
    return Truth()


def remux_bitexact(job: Job) -> Truth:
    """Without the names and dates that ffmpeg writes by itself."""
    ffmpeg(
        "-i",
        job.genuine,
        *_COPY,
        "-map_metadata",
        "-1",
        "-fflags",
        "+bitexact",
        "-flags",
        "+bitexact",
        *job.form(),
        job.target,
    )
    return Truth()


def remux_mkvmerge(job: Job) -> Truth:
    job.target = job.target.with_suffix(".mkv")
    run(["mkvmerge", "-q", "--deterministic", "1", "-o", job.target, job.genuine], accept=(0, 1))
    return Truth(tool="mkvmerge")


def remux_gstreamer(job: Job) -> Truth:
    if not job.is_mp4 or job.fragmented or not job.media.video or job.media.video.codec != "h264":
        raise NotHere("H.264 in MP4 only")
    if job.source.late:
        raise NotHere("a plain pipeline waits for the sound and never ends")
    aac = job.media.audio and job.media.audio.codec == "aac"
    run([
        "gst-launch-1.0", "-q", "filesrc", f"location={job.genuine}", "!", "qtdemux", "name=d", "d.video_0", "!",
        "queue", "!", "h264parse", "!", "mp4mux", "name=m", "!", "filesink", f"location={job.target}",
        *(("d.audio_0", "!", "queue", "!", "aacparse", "!", "m.") if aac else ()),
    ])  # fmt: skip
    return Truth(tool="gstreamer")


def melt(job: Job) -> Truth:
    """The MLT framework (Shotcut, Kdenlive): it always encodes again."""
    size = job.source.picture.size
    profile = job.work / "mlt.profile"
    profile.write_text(
        f"description=x\nframe_rate_num={job.source.picture.rate}\nframe_rate_den=1\nwidth={size[0]}\nheight={size[1]}\n"
        f"progressive=1\nsample_aspect_num=1\nsample_aspect_den=1\ndisplay_aspect_num={size[0]}\ndisplay_aspect_den={size[1]}\n"
        "colorspace=709\n"
    )
    job.target = job.target.with_suffix(".mp4")
    argv: list[str | Path] = [
        "melt", "-silent", "-profile", profile, f"avformat:{job.genuine}", "-consumer", f"avformat:{job.target}",
        "vcodec=libx264", "acodec=aac", "threads=1", "real_time=-1",
    ]  # fmt: skip
    try:
        run(argv, limit=60)
    except Failed:  # it hangs now and then, and does well the next time
        run(argv, limit=120)
    return Truth(tool="melt")


def redate_header(job: Job) -> Truth:
    """The movie's dates only, as people use exiftool."""
    _needs_dates(job)
    _exiftool(job, "-CreateDate+=0:0:3 02:00:00", "-ModifyDate+=0:0:3 02:00:00")
    return Truth(tool="exiftool")


def redate_all(job: Job) -> Truth:
    """All dates of all tracks alike."""
    _needs_dates(job)
    names = ("CreateDate", "ModifyDate", "TrackCreateDate", "TrackModifyDate", "MediaCreateDate", "MediaModifyDate")
    _exiftool(job, *(f"-QuickTime:{name}+=0:0:3 02:00:00" for name in names))
    return Truth(tool="exiftool")


def _needs_dates(job: Job) -> None:
    if not job.is_mp4 or job.fragmented:
        raise NotHere("dates are kept in MP4")


def _exiftool(job: Job, *arguments: str) -> None:
    job.target.write_bytes(job.genuine.read_bytes())
    run(["exiftool", "-q", "-overwrite_original", *arguments, job.target])


def truncated(share: float) -> Callable[[Job], Truth]:
    def make(job: Job) -> Truth:
        whole = job.genuine.read_bytes()
        job.target.write_bytes(whole[: int(len(whole) * share)])
        return Truth(tool="bytes")

    return make


def flipped_media(job: Job) -> Truth:
    """Forty bytes changed in the middle of the media data."""
    whole = bytearray(job.genuine.read_bytes())
    for _ in range(40):
        at = job.dice.randrange(int(len(whole) * 0.3), int(len(whole) * 0.6))
        whole[at] ^= job.dice.randrange(1, 256)
    job.target.write_bytes(bytes(whole))
    return Truth(tool="bytes")


def flipped_header(job: Job) -> Truth:
    """Twelve bytes changed in the sample tables (MP4), or in the first 2000 bytes."""
    whole = bytearray(job.genuine.read_bytes())
    start = whole.find(b"stts") if job.is_mp4 and not job.fragmented else 16
    for _ in range(12):
        whole[job.dice.randrange(start, min(len(whole), start + 1500))] ^= job.dice.randrange(1, 256)
    job.target.write_bytes(bytes(whole))
    return Truth(tool="bytes")


def _sound_codec(job: Job) -> tuple[str, ...]:
    if job.media.audio is None or job.source.late:
        raise NotHere("no sound from the start")
    if isinstance(job.source.style, avi.Style | mkv.Style):
        return ("-c:a", "pcm_s16le")
    return ("-c:a", "aac", "-b:a", "64k", "-flags:a", "+bitexact")


def _sound(job: Job, *arguments: str) -> None:
    """The picture copied, the sound through a filter."""
    codec = _sound_codec(job)
    ffmpeg("-i", job.genuine, "-map", "0:v", "-map", "0:a", "-c:v", "copy", *arguments, *codec, *job.form(), job.target)


def audio_cut(job: Job) -> Truth:
    a, b = job.cut(1.0)
    _sound(job, "-af", f"aselect='not(between(t,{a:.4f},{b:.4f}))',asetpts=N/SR/TB")
    return Truth(((a, a),))


def audio_muted(job: Job) -> Truth:
    a, b = job.cut(2.0)
    _sound(job, "-af", f"volume=0:enable='between(t,{a:.4f},{b:.4f})'")
    return Truth(((a, b),))


def audio_replaced(job: Job) -> Truth:
    codec = _sound_codec(job)
    _, path = job.other()
    ffmpeg(
        "-i",
        job.genuine,
        "-stream_loop",
        "3",
        "-i",
        path,
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "copy",
        *codec,
        "-t",
        f"{job.media.seconds}",
        *job.form(),
        job.target,
    )
    return Truth()


def audio_shifted(job: Job) -> Truth:
    """By stream copy, a second late."""
    _sound_codec(job)
    ffmpeg(
        "-i",
        job.genuine,
        "-itsoffset",
        "1",
        "-i",
        job.genuine,
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c",
        "copy",
        *job.form(),
        job.target,
    )
    return Truth()


def audio_removed(job: Job) -> Truth:
    _sound_codec(job)
    ffmpeg("-i", job.genuine, "-map", "0:v", "-c", "copy", *job.form(), job.target)
    return Truth()


EDITS = (
    Edit("remux-ffmpeg", "remux", remux, quick=True),
    Edit("remux-bitexact", "remux", remux_bitexact),
    Edit("remux-mkvmerge", "remux", remux_mkvmerge, quick=True),
    Edit("remux-gstreamer", "remux", remux_gstreamer),
    Edit("melt", "melt", melt),
    Edit("dates-header", "dates", redate_header, quick=True),
    Edit("dates-all", "dates-all", redate_all),
    Edit("truncated-50", "truncated", truncated(0.5)),
    Edit("truncated-90", "truncated", truncated(0.9), quick=True),
    Edit("flipped-media", "flipped-media", flipped_media),
    Edit("flipped-header", "flipped-header", flipped_header),
    Edit("audio-cut", "audio", audio_cut),
    Edit("audio-muted", "audio", audio_muted, quick=True),
    Edit("audio-replaced", "audio", audio_replaced),
    Edit("audio-shifted", "audio", audio_shifted),
    Edit("audio-removed", "audio", audio_removed),
)
