"""Which reader follows which stream: from a codec's name to what reads the heads of its packets."""

from __future__ import annotations

from array import array
from typing import Protocol

from pipeline.continuity.coding import Coding
from pipeline.media import h263, h264, hevc, mpeg2, mpeg4, sound, sound_frames


class Pictures(Protocol):
    """Follows a video stream."""

    def take(self, payload: memoryview) -> None: ...

    def arrays(self) -> list[array[int]]: ...

    def coding(self) -> Coding: ...


def of_video(codec: str, extradata: bytes) -> Pictures | None:
    """`codec`: libav's name. None where a stream of that codec counts nothing."""
    match codec:
        case "h264":
            return h264.Reader(extradata)
        case "hevc":
            return hevc.Reader(extradata)
        case "mpeg4":
            return mpeg4.Reader(extradata)
        case "h263":
            return h263.Reader()
        case "mpeg1video" | "mpeg2video":
            return mpeg2.Reader(extradata)
    return None


def of_audio(codec: str, extradata: bytes) -> sound.Reader | None:
    """None where the frames of that codec neither lean on each other nor tell a number, a length or a sum."""
    if codec == "aac":
        return sound.Reader(codec, sound.Aac(extradata))
    if codec.startswith("mp3"):
        return sound.Reader("mp3", sound.Mp3())
    if codec == "flac":
        return sound.Reader(codec, sound_frames.Flac())
    if codec in ("ac3", "eac3"):
        return sound.Reader(codec, sound_frames.Ac3())
    if codec in ("amrnb", "amrwb", "amr_nb", "amr_wb", "libopencore_amrnb", "libopencore_amrwb"):
        return sound.Reader("amr", sound_frames.Amr(wide=codec.endswith("wb")))
    return None
