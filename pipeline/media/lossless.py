"""How each stream of a recording is kept without loss: FFV1 for pictures, FLAC or plain PCM for sound.

Pure: a stream's properties in, the encoder's options and the form for comparison out. Sources: RFC 9043 (FFV1),
RFC 9639 (FLAC), RFC 9559 (Matroska); the pixel formats are those of `ffmpeg -h encoder=ffv1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.media.ffmpeg import Stream

FLAC_FRAME = 1024  # samples: after a gap in the sound, stamps are true to this much
_YUV = ("yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuva420p", "yuva422p", "yuva444p")
_DEEP = tuple(f"{base}{bits}le" for base in ("yuv420p", "yuv422p", "yuv444p") for bits in (9, 10, 12, 14, 16))
_RGB = ("bgra", "gbrp9le", "gbrp10le", "gbrp12le", "gbrp14le", "gbrp16le", "rgb48le", "rgba64le")
_KEPT = {*_YUV, *_DEEP, *_RGB, "gray", "gray9le", "gray10le", "gray12le", "gray16le", "ya8"}
# The same numbers in another order: going there and back loses nothing.
_REORDERED = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p", "yuyv422": "yuv422p",
    "uyvy422": "yuv422p", "uyyvyy411": "yuv411p", "p010le": "yuv420p10le", "p016le": "yuv420p16le",
    "rgb24": "bgr0", "bgr24": "bgr0", "rgb0": "bgr0", "0rgb": "bgr0", "0bgr": "bgr0", "bgr0": "bgr0", "gbrp": "bgr0",
    "rgba": "bgra", "argb": "bgra", "abgr": "bgra", "pal8": "bgra",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keeping:
    """`encode`: options of the master's stream. `compare`: of the hash output on both sides; `form` names it."""

    encode: Mapping[str, str]
    form: str
    compare: Mapping[str, str] = field(default_factory=dict)
    slack: float = 0.0  # seconds by which times may differ beyond the container's rounding


# What can't be compared in its own form: palettes, and formats with a byte that means nothing.
_COMPARED = {"pal8": "bgra", "rgb0": "rgb24", "0rgb": "rgb24", "0bgr": "rgb24", "bgr0": "rgb24"}
_FFV1 = {
    "c": "ffv1", "level": "3", "coder": "1", "context": "1", "g": "1", "slices": "24", "slicecrc": "1",
    "fps_mode": "passthrough", "enc_time_base": "-1",
}  # fmt: skip
_PICTURES = {"c": "rawvideo", "fps_mode": "passthrough", "enc_time_base": "-1"}


def picture(stream: Stream) -> Keeping | None:
    """How to keep a video stream; None where its pixel format has no lossless form in FFV1."""
    given = stream.pix_fmt
    if given.startswith("yuvj"):  # full-range samples under a name FFV1 lacks: same samples, range told beside them
        plain = given.replace("yuvj", "yuv")
        same = f"scale=in_range=full:out_range=full,format={plain}"
        return Keeping({**_FFV1, "filter": same, "color_range": "pc"}, f"{plain}, full range", _PICTURES)
    if given in _KEPT:
        return Keeping({**_FFV1, "pix_fmt": given}, given, _PICTURES)
    if given in _REORDERED:
        form = _COMPARED.get(given, given)
        return Keeping({**_FFV1, "pix_fmt": _REORDERED[given]}, form, {**_PICTURES, "pix_fmt": form})
    return None


def sound(stream: Stream) -> Keeping:
    """How to keep an audio stream.

    Integer samples stay as they are. Decoders of lossy codecs give floating point; both sides are then rounded to 24
    bits (144 dB below full scale), by the same converter, before they are compared. Floating-point and 32-bit
    originals stay as PCM.
    """
    planar = stream.sample_fmt.rstrip("p")
    if planar in ("u8", "s16"):
        return _sound(stream, {"c": "flac", "sample_fmt": "s16"}, "pcm_s16le")
    if planar == "s32" and 0 < stream.bits <= 24:
        return _sound(stream, {"c": "flac", "sample_fmt": "s32"}, "pcm_s24le")
    if planar == "flt" and not stream.codec.startswith("pcm_"):
        return _sound(stream, {"c": "flac", "sample_fmt": "s32"}, "pcm_s24le")
    form = {"s32": "pcm_s32le", "flt": "pcm_f32le"}.get(planar, "pcm_f64le")
    return _sound(stream, {"c": form}, form)


def _sound(stream: Stream, encode: Mapping[str, str], form: str) -> Keeping:
    """Compared in blocks of one second, so that different packet lengths don't matter and a difference is located."""
    blocks = {"c": form, "filter": f"asetnsamples=n={stream.rate}:p=0"}
    frame = {"frame_size": str(FLAC_FRAME)} if encode["c"] == "flac" else {}
    return Keeping({**encode, **frame}, f"{form}, blocks of {stream.rate} samples", blocks, FLAC_FRAME / stream.rate)
