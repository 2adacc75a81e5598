"""Use case: make a recording's derivatives (衍生件): access copy (调阅件), poster (封面) and archival master (归档件).

A master counts only with its proof of being identical to the original (docs/decisions/0004-masters.md). The original
is only ever read; everything is written into a directory that the caller gives and owns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.master import MASTER, Master
from pipeline.media import ffmpeg
from pipeline.media.ffmpeg import ORIGINAL, Progress, Ran, Survey
from storage.errors import Refused
from storage.records import DerivativeKind, MediaKind, RetentionClass

_POSTER_AT = 0.1  # of the duration
_VIDEO_BOX, _PHOTO_SIDE = (1280, 720), 1600  # pixels


_AAC = {"c:a": "aac", "b:a": "96k", "ac": "2"}
_BARE = {"map_metadata": "-1", "map_chapters": "-1", "fflags": "+bitexact"}  # nothing of place, device or program


@dataclass(frozen=True, slots=True)
class Made:
    """One derivative. `proof`: plain JSON; of a master how it was proven identical, of a copy how it was made."""

    kind: DerivativeKind
    path: Path
    media_type: str
    proof: dict[str, Any]


def make_access(
    original: Path, out_dir: Path, *, kind: MediaKind, duration: float | None, progress: Progress
) -> list[Made]:
    """The access copy, and for video a poster: small, playable in a browser, without metadata such as places.

    `duration`: seconds, where known already. Raises Unreadable, Transient (disk full).
    """
    found = ffmpeg.survey(original)
    length = duration or found.duration
    if kind is MediaKind.PHOTOS:
        return [_photo(original, out_dir, progress)]
    if found.of_kind("video"):
        copy = _access_video(original, out_dir, found, length, progress)
        return [copy, _poster(original, out_dir, found, length)]
    if found.of_kind("audio"):
        return [_access_audio(original, out_dir, found, length, progress)]
    raise ffmpeg.unreadable("no picture and no sound that can be decoded")


def make_master(
    original: Path, out_dir: Path, *, retention: RetentionClass, kind: MediaKind, progress: Progress
) -> Made:
    """The archival master in Matroska, proven identical to `original`.

    Long-term: FFV1 and FLAC, each picture and sample proven. Five years: the streams copied, each packet proven; where
    Matroska wants another form of a stream, proven by decoding, and where it can't hold it, made as for long-term.
    Raises IntegrityError where the proof fails, Unreadable, Refused for photos, Transient (disk full).
    """
    if kind is MediaKind.PHOTOS:
        raise Refused(
            "照片以原件归档，不另制归档件。", "a photo's original is its archival form: there is no master of it"
        )
    maker = Master(original, out_dir, ffmpeg.survey(original), progress)
    proof = maker.copy() if retention is RetentionClass.FIVE_YEARS else maker.lossless()
    return Made(DerivativeKind.MASTER, out_dir / MASTER, "video/x-matroska", {"retention": retention.value, **proof})


def verify_master(
    original: Path, master: Path, work: Path, *, progress: Progress = lambda fraction: None
) -> dict[str, Any]:
    """Prove again, decoding both, that `master` holds what `original` shows and sounds. Returns the proof.

    Raises IntegrityError where it doesn't. `work`: a directory for the hash lists.
    """
    maker = Master(original, work, ffmpeg.survey(original), progress)
    maker.hash(original, "original", maker.compared(), 0.0, 0.5)
    return maker.decoded_proof(master, 0.5, 1.0)


def _access_video(original: Path, out: Path, found: Survey, duration: float | None, progress: Progress) -> Made:
    """H.264 and AAC in an MP4 whose index comes first; the original's picture times, its turn applied."""
    source = ffmpeg.source()
    streams = [_fit(source[str(found.of_kind("video")[0].index)], *_VIDEO_BOX)]
    streams += [source[str(stream.index)] for stream in found.of_kind("audio")[:1]]
    options = {
        "c:v": "libx264", "preset": "veryfast", "crf": "26", "pix_fmt": "yuv420p", "profile:v": "high",
        "force_key_frames": "expr:gte(t,n_forced*2)", "fps_mode": "vfr", "enc_time_base:v": "-1",
        "video_track_timescale": "90000", **_AAC, **_BARE,
    }  # fmt: skip
    target = ffmpeg.output(streams, "access.mp4", format="mp4", movflags="+faststart", **options)
    ran = ffmpeg.run([target], files={ORIGINAL: original}, out=out, duration=duration, progress=progress)
    return Made(DerivativeKind.ACCESS, out / "access.mp4", "video/mp4", _recipe("H.264 CRF 26, AAC", ran))


def _access_audio(original: Path, out: Path, found: Survey, duration: float | None, progress: Progress) -> Made:
    source = ffmpeg.source()[str(found.of_kind("audio")[0].index)]
    target = ffmpeg.output([source], "access.m4a", format="ipod", movflags="+faststart", **_AAC, **_BARE)
    ran = ffmpeg.run([target], files={ORIGINAL: original}, out=out, duration=duration, progress=progress)
    return Made(DerivativeKind.ACCESS, out / "access.m4a", "audio/mp4", _recipe("AAC 96 kbit/s", ran))


def _photo(original: Path, out: Path, progress: Progress) -> Made:
    picture = _fit(ffmpeg.source()["V:0"], _PHOTO_SIDE, _PHOTO_SIDE)
    ran = ffmpeg.run([_still(picture, "access.jpg")], files={ORIGINAL: original}, out=out, progress=progress)
    return Made(DerivativeKind.ACCESS, out / "access.jpg", "image/jpeg", _recipe("JPEG", ran))


def _poster(original: Path, out: Path, found: Survey, duration: float | None) -> Made:
    """One picture from a tenth of the way, or the first one where the file can't be searched."""
    index = str(found.of_kind("video")[0].index)
    for where in ({"ss": f"{(duration or 0) * _POSTER_AT:.3f}"}, {}):
        picture = _fit(ffmpeg.source(**where)[index], 640, 640)
        ran = ffmpeg.run([_still(picture, "poster.jpg")], files={ORIGINAL: original}, out=out)
        poster = out / "poster.jpg"
        if poster.exists() and poster.stat().st_size:
            return Made(
                DerivativeKind.POSTER, poster, "image/jpeg", _recipe(f"picture at {where.get('ss', '0')} s", ran)
            )
    raise ffmpeg.unreadable("no picture could be decoded")


def _fit(picture: Any, long: int, short: int) -> Any:
    """Shrink into a box that lies or stands as the picture does, both sides even; never enlarge."""
    box = {"w": f"min(iw,if(gte(iw,ih),{long},{short}))", "h": f"min(ih,if(gte(iw,ih),{short},{long}))"}
    return picture.filter("scale", **box, force_original_aspect_ratio="decrease", force_divisible_by=2)


def _still(picture: Any, name: str) -> Any:
    return ffmpeg.output([picture], name, format="mjpeg", **{"frames:v": 1, "q:v": 4, "pix_fmt": "yuvj420p"}, **_BARE)


def _recipe(how: str, ran: Ran) -> dict[str, Any]:
    """What a copy for viewing can say of itself: it proves nothing, the original does."""
    recipe = {"method": how, "tools": {"ffmpeg": ffmpeg.version()}, "isolated": ran.isolated}
    return recipe | ({"complaints": list(ran.complaints[:20])} if ran.complaints else {})
