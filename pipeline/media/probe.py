"""The program that opens an untrusted file, run by `pipeline.media.picture` inside the sandbox.

    python -m pipeline.media.probe /in/media

It writes a picture of the file (see `pipeline.media.wire`) on standard output. This is the only module that imports av.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import av
import av.logging
from av.container import InputContainer

from pipeline.continuity.coding import Coding, Sound
from pipeline.continuity.model import CORRUPT, DISCARD, KEY, UNKNOWN, Boxes, Photo, Stream, Tag, Telemetry, Trace
from pipeline.continuity.signed import Signature
from pipeline.media import heads, jpeg, kinds, metadata, sei, structure, telemetry, wire
from pipeline.media.warm import Warm

# Containers that hold their own data. Left out on purpose: hls, dash, concat, sdp, rtsp, image2 and the rest of those
# that open other files or addresses.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,mxf,wav,w64,mp3,aac,ac3,eac3,amr,amrnb,amrwb,flac,ogg,"
    "h264,hevc,m4v,mpegvideo,mjpeg,asf,flv,dhav,caf,aiff"
)
_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": FORMATS}
_MOST_PACKETS = 8_000_000  # a day of 30 pictures and 47 sounds a second, with room
_TRACES = (b"x264 - core", b"x265 (build", b"Lavc", b"Lavf")
_MOST_TRACES = 20
_LOOK = 1024  # bytes at the head of a packet where encoders leave their names


def main(path: str, warm: Warm | None = None) -> None:
    exif = metadata.Beside(path, warm)
    with Path(path).open("rb") as file:
        start = file.read(4096)
        kind = kinds.sniff(start)
        problem = kinds.problem(start)
        if problem:
            _write(wire.Head(kind=kinds.UNKNOWN, problem=problem), [])
        elif kind == kinds.PHOTOS:
            _write(_photo(file, exif.tags()), [])
        else:
            _media(file, exif)


def _photo(file: BinaryIO, tags: dict[str, Tag]) -> wire.Head:
    mime = str(tags.get("File:MIMEType", "image/jpeg"))
    if tags.get("ExifTool:Error"):
        problem = ("这不是完好的照片，无法读取。", "this is no sound photo: it cannot be read")
        return wire.Head(kind=kinds.UNKNOWN, metadata=tags, problem=problem)
    thumbnail = tags.get("IFD1:ThumbnailOffset")
    coding = jpeg.read(file, thumbnail_at=thumbnail if isinstance(thumbnail, int) else None)
    photo = Photo(mime, kinds.jpeg_complete(file), coding)
    return wire.Head(kind=kinds.PHOTOS, format=mime, metadata=tags, photo=photo)


def _media(file: BinaryIO, exif: metadata.Beside) -> None:
    box_tree, found = structure.read(file)
    file.seek(0)
    try:
        with opened(file) as container:
            sensors = telemetry.Reader()
            tracks = [_Track(stream, sensors) for stream in container.streams]
            stopped = _demux(container, tracks)
            sensed = sensors.result(_timecode(container), exif.positions())
            head = _head(container, tracks, box_tree, exif.tags(), stopped=stopped, sensors=sensed)
            head = dataclasses.replace(head, structure=found, signatures=_signatures(file, tracks))
            _write(head, [track.arrays() for track in tracks])
    except (av.error.FFmpegError, OSError, ValueError) as error:
        tags, problem = exif.tags(), _why(error, box_tree)
        head = wire.Head(kind=kinds.UNKNOWN, boxes=box_tree, structure=found, metadata=tags, problem=problem)
        _write(head, [])


def _timecode(container: InputContainer) -> str:
    """Of the first picture, as libav reads it from a tmcd track or MXF; "" without."""
    return next((each.metadata["timecode"] for each in container.streams if "timecode" in each.metadata), "")


@contextlib.contextmanager
def opened(file: BinaryIO) -> Iterator[InputContainer]:
    with av.open(file, "r", options=_OPTIONS, io_open=_deny, metadata_errors="replace") as container:
        yield container


def _deny(url: str, flags: int, options: dict[str, Any]) -> NoReturn:
    raise PermissionError("the file asks for another file or address; it is not opened")


def _demux(container: InputContainer, tracks: list[_Track]) -> str:
    """Take every packet. Returns "" or why that ended before the file did, when something could be read at all."""
    taken = 0
    try:
        for packet in container.demux():
            if packet.size or packet.pts is not None:
                tracks[packet.stream.index].take(packet)
                taken += 1
                if taken > _MOST_PACKETS:
                    return f"more than {_MOST_PACKETS} packets"
    except av.error.EOFError:
        return ""
    except (av.error.FFmpegError, OSError) as error:
        if not taken:
            raise
        return type(error).__name__
    except IndexError:  # PyAV 18 can't take up a stream that appears after the start
        return "a stream appears after the start"
    return ""


def _signatures(file: BinaryIO, tracks: Sequence[_Track]) -> tuple[Signature, ...]:
    """Of the streams in which a signer's message was seen: those are read a second time."""
    if not any(track.signed for track in tracks):
        return ()
    from pipeline.media import signed  # brings certificates and keys: a tenth of a second that most files do without

    found = (
        signed.verify(partial(_packets, file, index), stream=index, codec=track.codec, extradata=track.extradata)
        for index, track in enumerate(tracks)
        if track.signed
    )
    return tuple(filter(None, found))


def _packets(file: BinaryIO, stream: int) -> Iterator[tuple[int, bytes]]:
    """The packets of one stream from the beginning, numbered as the first reading did; those that can be read."""
    file.seek(0)
    with contextlib.suppress(av.error.FFmpegError, OSError, IndexError), opened(file) as container:
        there = (each for each in container.demux(container.streams[stream]) if each.size or each.pts is not None)
        for number, packet in enumerate(there):
            yield number, bytes(packet)
            if number >= _MOST_PACKETS:
                return


class _Track:
    """One stream's packets as they come. `signed`: a signer's message was seen among them."""

    def __init__(self, stream: Any, sensors: telemetry.Reader) -> None:
        self._stream = stream
        self._sensors = sensors if stream.type in ("data", "subtitle") else None
        self._columns = [array(code) for code in "qqqqiB"]
        self.traces: list[Trace] = []
        context = stream.codec_context
        self.codec: str = context.name if context else ""
        self.extradata: bytes = (context.extradata or b"") if context else b""
        self.signed = False
        self._unsigned = stream.type == "video" and self.codec in ("h264", "hevc")
        self._length = sei.length_size(self.extradata, self.codec)
        self._pictures = heads.of_video(self.codec, self.extradata) if stream.type == "video" else None
        self._sounds = heads.of_audio(self.codec, self.extradata) if stream.type == "audio" else None
        self._heads = self._pictures or self._sounds
        self._look(0, self.extradata)

    def take(self, packet: Any) -> None:
        pts, dts, duration, pos, size, flags = self._columns
        pts.append(UNKNOWN if packet.pts is None else packet.pts)
        dts.append(UNKNOWN if packet.dts is None else packet.dts)
        duration.append(packet.duration or 0)
        pos.append(-1 if packet.pos is None else packet.pos)
        size.append(packet.size)
        key = packet.is_keyframe
        flags.append(
            (KEY if key else 0) | (DISCARD if packet.is_discard else 0) | (CORRUPT if packet.is_corrupt else 0)
        )
        if self._sensors:
            self._sensors.take(packet, float(self._stream.time_base or 0), self._stream.index, len(size) - 1)
        if self._heads:
            self._heads.take(memoryview(packet))
        if self._unsigned and sei.signed(memoryview(packet), self._length, self.codec):
            self.signed, self._unsigned = True, False
        if (key and self._stream.type == "video") or len(size) == 1:
            self._look(len(size) - 1, bytes(memoryview(packet)[:_LOOK]))

    def _look(self, number: int, piece: bytes) -> None:
        for word in _TRACES:
            at = piece.find(word)
            if at >= 0 and len(self.traces) < _MOST_TRACES:
                text = "".join(chr(byte) if 32 <= byte < 127 else " " for byte in piece[at : at + 40])
                self.traces.append(Trace(self._stream.index, number, text.split("  ")[0].strip()))

    def arrays(self) -> list[array[int]]:
        return self._columns + (self._pictures.arrays() if self._pictures else [])

    @property
    def coding(self) -> Coding | None:
        return self._pictures.coding() if self._pictures else None

    @property
    def sound(self) -> Sound | None:
        return self._sounds.sound() if self._sounds else None

    def stream(self) -> Stream:
        base, stream = self._stream.time_base, self._stream
        context = stream.codec_context  # None for a codec libav does not know
        seen, heard = (context if stream.type == kind else None for kind in ("video", "audio"))
        rate = stream.average_rate if seen else None
        cover = bool(stream.disposition & av.stream.Disposition.attached_pic)
        return Stream(
            index=stream.index,
            kind=stream.type or "data",
            codec=self.codec,
            time_base=(base.numerator, base.denominator) if base else (1, 1),
            packets=len(self._columns[0]),
            frame_rate=float(rate) if rate else None,
            width=seen.width if seen else None,
            height=seen.height if seen else None,
            sample_rate=heard.sample_rate if heard else None,
            channels=heard.channels if heard else None,
            extradata_sha256=hashlib.sha256(self.extradata).hexdigest() if self.extradata else "",
            still=stream.type == "video" and (len(self._columns[0]) <= 1 or cover),
        )


def _head(
    container: InputContainer,
    tracks: list[_Track],
    box_tree: Boxes | None,
    tags: dict[str, Tag],
    *,
    stopped: str,
    sensors: Telemetry,
) -> wire.Head:
    streams = tuple(track.stream() for track in tracks)
    kind = kinds.of_streams(streams)
    coding = {stream.index: track.coding for stream, track in zip(streams, tracks, strict=True)}
    sound = {stream.index: track.sound for stream, track in zip(streams, tracks, strict=True)}
    return wire.Head(
        kind=kind,
        format=container.format.name,
        duration=container.duration / av.time_base if container.duration else None,
        tags={key[:100]: value[:400] for key, value in list(container.metadata.items())[:200]},
        streams=streams,
        coding={index: fact for index, fact in coding.items() if fact},
        sound={index: fact for index, fact in sound.items() if fact},
        boxes=box_tree,
        metadata=tags,
        traces=tuple(trace for track in tracks for trace in track.traces),
        telemetry=sensors,
        stopped=stopped,
        problem=None if kind != kinds.UNKNOWN else ("文件中没有视频或音频。", "there is no video or audio in the file"),
    )


def _why(error: Exception, box_tree: Boxes | None) -> tuple[str, str]:
    if box_tree and not any(box.type in ("moov", "moof") for box in box_tree.top):
        return (
            "文件不完整：缺少索引（moov），多为录制时断电或文件被截断所致。",
            "the file is incomplete: its index (moov) is missing, as after a power cut or a truncation",
        )
    return (
        "不是可识别的音视频文件，或文件已损坏，或格式不在允许之列。",
        f"no recording that a reader knows, or damaged, or of a format that is not allowed ({type(error).__name__})",
    )


def _write(head: wire.Head, arrays: list[list[array[int]]]) -> None:
    with os.fdopen(1, "wb", closefd=False) as out:
        for piece in wire.encode(head, arrays):
            out.write(piece)
    sys.stdout = io.StringIO()  # nothing else may follow the picture
    os._exit(0)  # not waiting for exiftool on a file we refuse


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    main(sys.argv[1])
