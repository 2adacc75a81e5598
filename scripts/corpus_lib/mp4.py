"""Write MP4, MOV and 3GP as cameras do (ISO/IEC 14496-12, -14, -15, 3GPP TS 26.244): many habits, no editor's marks."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

from scripts.corpus_lib.media import Media, Packet, Track

_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True, slots=True)
class Style:
    """A camera's habits. `free`: bytes of padding before mdat. `first`: moov before mdat (rewritten at the end).

    `fragment`: seconds of each movie fragment, 0 for none. `edits`: write an edit list that takes out the reordering
    delay. `negative`: negative composition offsets instead. `ends`: modification date at the recording's end.
    """

    brand: bytes = b"mp42"
    minor: int = 0
    compatible: tuple[bytes, ...] = (b"mp42", b"isom")
    movie_scale: int = 90_000
    names: tuple[str, str] = ("VideoHandle", "SoundHandle")
    first: bool = False
    free: int = 0
    chunk: float = 0.5
    edits: bool = False
    negative: bool = False
    fragment: float = 0.0
    ends: bool = False
    quicktime: bool = False


def write(media: Media, style: Style) -> bytes:
    """The whole file."""
    if style.fragment:
        return _fragmented(media, style)
    head = box(b"ftyp", style.brand + struct.pack(">I", style.minor) + b"".join(style.compatible))
    if style.free:
        head += box(b"free", bytes(style.free))
    chunks = _chunks(media, style.chunk)
    if not style.first:
        data, offsets = _laid_out(media, chunks, len(head) + 8)
        return head + box(b"mdat", data) + _movie(media, style, chunks, offsets)
    size = len(_movie(media, style, chunks, _laid_out(media, chunks, 0)[1]))
    data, offsets = _laid_out(media, chunks, len(head) + size + 8)
    return head + _movie(media, style, chunks, offsets) + box(b"mdat", data)


Chunks = list[list[Sequence[Packet]]]  # for each track, its chunks


def _chunks(media: Media, length: float) -> Chunks:
    return [_grouped(track, length) for track in media.tracks]


def _grouped(track: Track, length: float) -> list[Sequence[Packet]]:
    """The packets of each `length` seconds."""
    first = track.packets[0].dts if track.packets else 0
    return [list(run) for _, run in groupby(track.packets, lambda p: int((p.dts - first) / track.scale / length))]


def _laid_out(media: Media, chunks: Chunks, at: int) -> tuple[bytes, list[list[int]]]:
    """The media data, chunks of all tracks in order of time, and each track's chunk offsets."""
    order = sorted(
        (chunk[0].dts / media.tracks[number].scale, number, chunk)
        for number, each in enumerate(chunks)
        for chunk in each
    )
    parts, offsets = [], [[] for _ in chunks]  # type: tuple[list[bytes], list[list[int]]]
    for _, number, chunk in order:
        offsets[number].append(at)
        parts += [packet.data for packet in chunk]
        at += sum(len(packet.data) for packet in chunk)
    return b"".join(parts), offsets


def _movie(media: Media, style: Style, chunks: Chunks, offsets: list[list[int]]) -> bytes:
    dates = _dates(media, style)
    traks = [
        _trak(number, track, style, dates, chunks[number - 1], offsets[number - 1])
        for number, track in enumerate(media.tracks, 1)
    ]
    return box(b"moov", _mvhd(media, style, dates), *traks, _user_data(media, style))


def _dates(media: Media, style: Style) -> bytes:
    end = media.start + timedelta(seconds=media.seconds if style.ends else 0)
    return struct.pack(">II", *(int((moment - _EPOCH).total_seconds()) for moment in (media.start, end)))


def _mvhd(media: Media, style: Style, dates: bytes, seconds: float | None = None) -> bytes:
    length = round((media.seconds if seconds is None else seconds) * style.movie_scale)
    header = dates + struct.pack(">IIIH10x", style.movie_scale, length, 0x10000, 0x100)
    return full(b"mvhd", header, _MATRIX, bytes(24), struct.pack(">I", len(media.tracks) + 1))


def _offset(track: Track) -> int:
    """The composition offset of the first picture shown."""
    return min(packet.pts for packet in track.packets) - track.packets[0].dts


def _trak(
    number: int, track: Track, style: Style, dates: bytes, chunks: list[Sequence[Packet]], offsets: list[int]
) -> bytes:
    played = track.packets[-1].dts + track.packets[-1].duration - track.packets[0].dts if track.packets else 0
    edits = _edits(track, style, played)
    shown = round((played / track.scale + _late(track)) * style.movie_scale)
    tables = _tables(track, style, chunks, offsets) if not style.fragment else _no_tables(track, style)
    return box(b"trak", _tkhd(number, track, dates, shown), edits, _mdia(track, style, dates, played, tables))


def _late(track: Track) -> float:
    """Seconds that sound begins after the picture (a pre-event buffer)."""
    return track.start if track.kind == "audio" and track.start > 0.05 else 0.0


def _edits(track: Track, style: Style, played: int) -> bytes:
    entries = []
    if _late(track):
        entries.append((round(_late(track) * style.movie_scale), -1))
    skipped = _offset(track) if style.edits and not style.negative and track.kind == "video" else 0
    if not entries and not (style.edits and track.kind == "video"):
        return b""
    entries.append((round(played / track.scale * style.movie_scale), skipped))
    rows = b"".join(struct.pack(">IiI", length, start, 0x10000) for length, start in entries)
    return box(b"edts", full(b"elst", struct.pack(">I", len(entries)), rows))


def _tkhd(number: int, track: Track, dates: bytes, shown: int) -> bytes:
    width, height = (side << 16 for side in track.size)
    volume = 0x100 if track.kind == "audio" else 0
    header = dates + struct.pack(">I4xI8xhhh2x", number, shown, 0, 0, volume)
    return full(b"tkhd", header, _MATRIX, struct.pack(">II", width, height), flags=3)


def _mdia(track: Track, style: Style, dates: bytes, played: int, tables: bytes) -> bytes:
    mdhd = full(b"mdhd", dates + struct.pack(">IIHH", track.scale, played, 0x55C4, 0))
    handler, name = (b"vide", style.names[0]) if track.kind == "video" else (b"soun", style.names[1])
    kind = b"mhlr" if style.quicktime else bytes(4)
    text = bytes([len(name)]) + name.encode() if style.quicktime else name.encode() + b"\0"
    hdlr = full(b"hdlr", kind + handler + bytes(12) + text)
    head = full(b"vmhd", bytes(8), flags=1) if track.kind == "video" else full(b"smhd", bytes(4))
    dinf = box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url ", flags=1)))
    return box(b"mdia", mdhd, hdlr, box(b"minf", head, dinf, tables))


def _tables(track: Track, style: Style, chunks: list[Sequence[Packet]], offsets: list[int]) -> bytes:
    packets = track.packets
    steps = [after.dts - before.dts for before, after in pairwise(packets)]
    steps.append(packets[-1].duration or (steps[-1] if steps else 0))
    parts = [full(b"stsd", struct.pack(">I", 1), entry(track, style)), full(b"stts", *_runs(steps, "II"))]
    parts += _composition(track, style)
    if track.kind == "video" and not all(packet.key for packet in packets):
        keys = [number for number, packet in enumerate(packets, 1) if packet.key]
        parts.append(full(b"stss", struct.pack(f">I{len(keys)}I", len(keys), *keys)))
    sizes = [len(packet.data) for packet in packets]
    if track.codec in _PCM:
        return box(b"stbl", parts[0], *_pcm_tables(track, chunks, offsets))
    lengths = [len(chunk) for chunk in chunks]
    runs = [(n + 1, length) for n, length in enumerate(lengths) if n == 0 or length != lengths[n - 1]]
    parts += [
        full(b"stsc", struct.pack(">I", len(runs)), *(struct.pack(">III", *run, 1) for run in runs)),
        full(b"stsz", struct.pack(f">II{len(sizes)}I", 0, len(sizes), *sizes)),
        full(b"stco", struct.pack(f">I{len(offsets)}I", len(offsets), *offsets)),
    ]
    return box(b"stbl", *parts)


_PCM = {"pcm_s16le": 2, "pcm_s16be": 2, "pcm_mulaw": 1, "pcm_alaw": 1, "pcm_u8": 1}  # bytes of a sample


def _pcm_tables(track: Track, chunks: list[Sequence[Packet]], offsets: list[int]) -> list[bytes]:
    """In PCM every sample of sound is a sample of the file (QuickTime)."""
    width = _PCM[track.codec] * track.channels
    lengths = [sum(len(packet.data) for packet in chunk) // width for chunk in chunks]
    runs = [(n + 1, length) for n, length in enumerate(lengths) if n == 0 or length != lengths[n - 1]]
    return [
        full(b"stts", struct.pack(">III", 1, sum(lengths), 1)),
        full(b"stsc", struct.pack(">I", len(runs)), *(struct.pack(">III", *run, 1) for run in runs)),
        full(b"stsz", struct.pack(">II", width, sum(lengths))),
        full(b"stco", struct.pack(f">I{len(offsets)}I", len(offsets), *offsets)),
    ]


def _composition(track: Track, style: Style) -> list[bytes]:
    shift = _offset(track) if style.negative else 0
    offsets = [packet.pts - packet.dts - shift for packet in track.packets]
    if track.kind != "video" or not any(offsets):
        return []
    version = 1 if min(offsets) < 0 else 0
    return [full(b"ctts", *_runs(offsets, "Ii"), version=version)]


def _runs(values: Sequence[int], code: str) -> list[bytes]:
    runs = [(len(list(run)), value) for value, run in groupby(values)]
    return [struct.pack(">I", len(runs)), *(struct.pack(f">{code}", *run) for run in runs)]


def entry(track: Track, style: Style) -> bytes:
    """The sample description of a track."""
    if track.kind == "video":
        kind, extra = _VIDEO[track.codec](track.config)
        visual = struct.pack(">6xH16xHHII4xH32xHh", 1, *track.size, 0x480000, 0x480000, 1, 24, -1)
        return box(kind, visual, extra)
    kind, extra = _AUDIO[track.codec](track)
    bits = 8 * _PCM.get(track.codec, 2)
    return box(kind, struct.pack(">6xH8xHHHHI", 1, track.channels, max(16, bits), 0, 0, track.rate << 16), extra)


def _mp4v(config: bytes) -> tuple[bytes, bytes]:
    return b"mp4v", _esds(0x20, 0x11, config)


_VIDEO: dict[str, Callable[[bytes], tuple[bytes, bytes]]] = {
    "h264": lambda config: (b"avc1", box(b"avcC", config)),
    "hevc": lambda config: (b"hvc1", box(b"hvcC", config)),
    "mpeg4": _mp4v,
    "mjpeg": lambda config: (b"jpeg", b""),
    "h263": lambda config: (b"s263", box(b"d263", b"LHCM\0\x0a\0")),
}
_AUDIO: dict[str, Callable[[Track], tuple[bytes, bytes]]] = {
    "aac": lambda track: (b"mp4a", _esds(0x40, 0x15, track.config)),
    "mp3": lambda track: (b"mp4a", _esds(0x6B, 0x15, b"")),
    "pcm_s16le": lambda track: (b"sowt", b""),
    "pcm_s16be": lambda track: (b"twos", b""),
    "pcm_mulaw": lambda track: (b"ulaw", b""),
    "pcm_alaw": lambda track: (b"alaw", b""),
    "pcm_u8": lambda track: (b"raw ", b""),
    "amr_nb": lambda track: (b"samr", box(b"damr", b"LHCM\0\x81\xff\0\1")),
    "ac3": lambda track: (b"ac-3", box(b"dac3", _dac3(track.packets[0].data))),
}


def _dac3(frame: bytes) -> bytes:
    """AC3SpecificBox from a sync frame (ETSI TS 102 366 annex F)."""
    fscod, code, bsid, bsmod = frame[4] >> 6, frame[4] & 63, frame[5] >> 3, frame[5] & 7
    acmod = frame[6] >> 5
    value = fscod << 22 | bsid << 17 | bsmod << 14 | acmod << 11 | (code >> 1) << 5
    return value.to_bytes(3, "big")


def _esds(kind: int, stream: int, config: bytes) -> bytes:
    inner = struct.pack(">BBBHII", kind, stream, 0, 768, 64_000, 48_000)
    decoder = _descriptor(4, inner + (_descriptor(5, config) if config else b""))
    return full(b"esds", _descriptor(3, struct.pack(">HB", 0, 0) + decoder + _descriptor(6, b"\2")))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes([tag, len(body)]) + body


def _user_data(media: Media, style: Style) -> bytes:
    if not media.tags:
        return b""
    texts = [(b"\xa9" + key[:3].encode(), value) for key, value in media.tags.items()]
    packed = [box(tag, struct.pack(">HH", len(text.encode()), 0x15C7), text.encode()) for tag, text in texts]
    return box(b"udta", *packed, *([box(b"SNum", media.serial.encode())] if media.serial else []))


def _no_tables(track: Track, style: Style) -> bytes:
    empty = [full(kind, bytes(4)) for kind in (b"stts", b"stsc", b"stco")]
    return box(b"stbl", full(b"stsd", struct.pack(">I", 1), entry(track, style)), *empty, full(b"stsz", bytes(8)))


def _fragmented(media: Media, style: Style) -> bytes:
    """ftyp, moov without samples, then moof + mdat each `style.fragment` seconds."""
    dates = _dates(media, style)
    traks = [_trak(number, track, style, dates, [], []) for number, track in enumerate(media.tracks, 1)]
    trexs = [full(b"trex", struct.pack(">5I", n, 1, 0, 0, 0)) for n in range(1, len(media.tracks) + 1)]
    out = [box(b"ftyp", style.brand + struct.pack(">I", style.minor) + b"".join(style.compatible))]
    out.append(box(b"moov", _mvhd(media, style, dates, 0), *traks, box(b"mvex", *trexs), _user_data(media, style)))
    steps = int(media.seconds / style.fragment) + 1
    chunks = _chunks(media, style.fragment)
    for number in range(steps):
        parts = [(n + 1, track, chunks[n][number]) for n, track in enumerate(media.tracks) if number < len(chunks[n])]
        if parts:
            out.append(_fragment(number + 1, parts))
    return b"".join(out)


def _fragment(number: int, parts: list[tuple[int, Track, Sequence[Packet]]]) -> bytes:
    size = len(_moof(number, parts, 0))
    return _moof(number, parts, size + 8) + box(b"mdat", *(packet.data for _, _, run in parts for packet in run))


def _moof(number: int, parts: list[tuple[int, Track, Sequence[Packet]]], at: int) -> bytes:
    trafs = []
    for track_id, track, run in parts:
        tfhd = full(b"tfhd", struct.pack(">I", track_id), flags=0x020000)
        tfdt = full(b"tfdt", struct.pack(">Q", run[0].dts - track.packets[0].dts), version=1)
        rows = b"".join(
            struct.pack(">IIIi", p.duration, len(p.data), 0x02000000 if p.key else 0x01010000, p.pts - p.dts)
            for p in run
        )
        trun = full(b"trun", struct.pack(">Ii", len(run), at), rows, flags=0xF01, version=1)
        trafs.append(box(b"traf", tfhd, tfdt, trun))
        at += sum(len(packet.data) for packet in run)
    return box(b"moof", full(b"mfhd", struct.pack(">I", number)), *trafs)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def full(kind: bytes, *parts: bytes, flags: int = 0, version: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)
