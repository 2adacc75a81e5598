"""What of a file is the device's habit: the traits a profile learns and a file is compared by. Pure.

Traits that a rewritten container or another encoder changes are WRITER and ENCODER; the rest (HABIT) a user may change
by a setting. What varies with circumstances (positions, durations, bit rates, optional boxes) is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from pipeline.continuity.clocks import name_and_date
from pipeline.continuity.coding import IDR
from pipeline.continuity.model import KEY, Picture, Track
from pipeline.continuity.photos import built
from pipeline.continuity.traces import LIBAV, program
from pipeline.continuity.writers import signatures

WRITER, ENCODER, HABIT = "writer", "encoder", "habit"
_NAMED_AT = 30.0  # seconds from the name to the first picture, as Thresholds.name_date
_RATES = (10, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 200, 240)  # with those a thousandth below
# Boxes that come and go with circumstances: a position found, sound that starts late, files beyond 4 GiB, B pictures.
_OPTIONAL = {
    "udta",
    "meta",
    "iods",
    "free",
    "skip",
    "wide",
    "uuid",
    "edts",
    "stss",
    "sdtp",
    "sgpd",
    "sbgp",
    "subs",
    "ctts",
}
_NAMES = {
    "format": (WRITER, "文件格式", "its container format"),
    "brand": (WRITER, "文件类型标识（ftyp）", "its brand (ftyp)"),
    "boxes": (WRITER, "文件结构的次序", "the order of its boxes"),
    "track": (WRITER, "轨道的结构与处理程序名", "the structure and handler name of a track"),
    "timescale": (WRITER, "时间刻度", "its time scale"),
    "layout": (WRITER, "文件结构", "how its container is laid out"),
    "software": (WRITER, "软件痕迹", "traces of software"),
    "photo": (WRITER, "照片的构成", "how the photo is built"),
    "parameters": (ENCODER, "编码参数集", "the encoder's parameter sets"),
    "counters": (ENCODER, "编码器计数方式", "how its encoder counts"),
    "sound": (HABIT, "声音格式", "the sound's format"),
    "extras": (HABIT, "可选的数据盒", "an optional box"),
    "signed": (HABIT, "设备的署名", "what the device signs"),
    "group": (HABIT, "画面组长度", "the length of its groups of pictures"),
    "sensors": (HABIT, "传感器数据", "its sensors' data"),
    "metadata": (HABIT, "元数据的种类", "the kinds of its metadata"),
    "named": (HABIT, "文件名中的时间", "the time in its name"),
    "name": (HABIT, "文件命名方式", "how the file is named"),
}
NAMES = {trait: (zh, en) for trait, (_, zh, en) in _NAMES.items()}
KINDS = {trait: kind for trait, (kind, _, _) in _NAMES.items()}


@dataclass(frozen=True, slots=True)
class Trait:
    """One habit seen in one file: `name` is a key of NAMES."""

    name: str
    value: str


def mode(picture: Picture) -> str:
    """The setting in which the device recorded, such as "h264 1920x1080@25": traits are compared within one."""
    if picture.photo:
        return picture.photo.mime
    video = picture.of_kind("video")
    if video:
        stream = video[0].stream
        interval = video[0].median_interval
        return f"{stream.codec} {stream.width}x{stream.height}@{_rate(1 / interval if interval > 0 else None)}"
    return " ".join(_sound(track) for track in picture.of_kind("audio")[:1])


def _rate(rate: float | None) -> str:
    """A usual rate, or "variable". By the median interval: an average changes with every gap."""
    usual = min(_RATES, key=lambda each: abs(each - (rate or 0)))
    return f"{usual:g}" if rate and abs(rate - usual) <= 0.02 * usual else "variable"


def traits(picture: Picture) -> list[Trait]:
    """Every trait of the file, each once."""
    found = [*_container(picture), *_software(picture), *_tracks(picture), *_photo(picture)]
    found += [Trait("name", name_form(picture)), Trait("named", _named(picture))]
    found += [Trait("sensors", source) for source in picture.telemetry.sources]
    found += [Trait("metadata", group) for group in sorted(_groups(picture))]
    return list(dict.fromkeys(Trait(trait.name, _printable(trait.value)) for trait in found if trait.value))


def _printable(text: str) -> str:
    """Databases refuse NUL, terminals obey the rest."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _container(picture: Picture) -> Iterator[Trait]:
    layout = picture.structure.layout if picture.structure else ()
    yield Trait("format", picture.format)
    if picture.boxes is None:
        yield Trait("layout", " ".join(layout)[:400])
        return
    yield Trait("brand", f"{picture.boxes.brand} {picture.boxes.minor} {','.join(picture.boxes.compatible)}")
    yield Trait("timescale", str(picture.boxes.timescale))
    yield Trait("boxes", _order([item.split("(")[0].split(" ")[0] for item in layout]))
    for item in layout:
        if item.startswith("trak"):
            yield Trait("track", _required(item))
        yield from (Trait("extras", box) for box in re.findall(r"[^ ()]+", item) if box in _OPTIONAL)


def _order(boxes: Sequence[str]) -> str:
    """Repetitions once (movie fragments, tracks), optional boxes left out."""
    kept = [box for box in boxes if box not in _OPTIONAL]
    return " ".join(box for n, box in enumerate(kept) if n == 0 or box not in kept[:n])


def _required(track: str) -> str:
    """A trak without its optional boxes; 64-bit chunk offsets count as 32-bit ones."""
    for box in _OPTIONAL:
        track = re.sub(rf"(?<=[ (]){box}(\([^()]*\))? ?", "", track)
    return re.sub(r" (?=\))", "", track.replace("co64", "stco"))


def _software(picture: Picture) -> Iterator[Trait]:
    """Programs of our tables, and everything else that is signed, with its figures left open (versions, serials)."""
    for where, text in signatures(picture):
        if LIBAV.search(text):
            yield Trait("software", "FFmpeg, x264, x265")
        elif own := program(text):
            yield Trait("software", own.name)
        elif not re.search("trak|handler", where, re.IGNORECASE):
            yield Trait("signed", re.sub(r"\d+", "#", text)[:80])
    for trace in picture.traces:
        yield Trait("software", "FFmpeg, x264, x265" if LIBAV.search(trace.text) else trace.text[:20])
    for track in picture.tracks:
        if track.coding and track.coding.encoder:
            yield Trait(
                "software", "FFmpeg, x264, x265" if LIBAV.search(track.coding.encoder) else track.coding.encoder
            )


def _tracks(picture: Picture) -> Iterator[Trait]:
    for track in picture.of_kind("video"):
        if track.coding:
            yield Trait("parameters", track.coding.parameters)
        yield Trait("counters", _counting(track))
        yield Trait("group", _group(track))
    for track in picture.of_kind("audio"):
        yield Trait("sound", _sound(track))


def _sound(track: Track) -> str:
    stream = track.stream
    return f"{stream.codec} {stream.sample_rate} Hz {stream.channels} ch"


def _counting(track: Track) -> str:
    """How idr_pic_id goes on, whether pictures are shown in coding order."""
    if not track.slices or len(track.slices.flags) < 2:
        return ""
    ids = [value for value in track.slices.idr_pic_id if value >= 0]
    steps = Counter(after - before for before, after in pairwise(ids))
    shown = [time for time in track.packets.pts[:300] if time >= 0]
    order = "in order" if shown == sorted(shown) else "reordered"
    return f"idr_pic_id {_pattern(steps, ids)}, {order}"


def _pattern(steps: Counter[int], ids: Sequence[int]) -> str:
    """Too few steps prove nothing: a short file has any pattern."""
    if len(ids) < 4:
        return "any"
    if set(steps) == {0}:
        return "constant"
    if set(ids) == {0, 1} or set(map(abs, steps)) == {1}:
        return "alternating" if len(set(ids)) == 2 else "counting"
    return "other"


def _group(track: Track) -> str:
    """The number of pictures from key to key where four of five agree; "variable" where not, "" for too few."""
    keys = [number for number, flags in enumerate(track.packets.flags) if flags & KEY]
    sizes = [after - before for before, after in pairwise(keys)]
    if len(sizes) < 4:
        return ""
    usual, count = Counter(sizes).most_common(1)[0]
    kind = "IDR" if track.slices and all(track.slices.flags[number] & IDR for number in keys) else "key"
    return f"{usual} {kind}" if count >= 0.8 * len(sizes) else "variable"


def _photo(picture: Picture) -> Iterator[Trait]:
    if picture.photo and picture.photo.jpeg:
        habits = built(picture)
        yield Trait("photo", "; ".join(f"{name}: {habits[name]}" for name in _PHOTO_HABITS))
        yield Trait("signed", re.sub(r"\d+", "#", habits["software"])[:80])


_PHOTO_HABITS = ("JFIF", "segments", "Huffman tables", "byte order", "maker notes")


def name_form(picture: Picture) -> str:
    """The file's name with its figures left open: LH00012_20261118093000_0001.MP4 is LH#_#_#.MP4."""
    path = PurePath(picture.name.replace("\\", "/"))
    return re.sub(r"\d+", "#", path.stem)[:80] + path.suffix.upper()


def _named(picture: Picture) -> str:
    """Whether the time in the name is the one inside."""
    told, apart = name_and_date(picture)
    return ("as inside" if abs(apart) <= _NAMED_AT else "other than inside") if told else ""


def _groups(picture: Picture) -> set[str]:
    return {re.sub(r"\d+", "#", key.partition(":")[0]) for key in tag_names(picture)}


def tag_names(picture: Picture) -> frozenset[str]:
    """Metadata tags that are there, those of positions and of the file as such left out."""
    names = {key for key, value in picture.metadata.tags.items() if str(value).strip(" 0")}
    return frozenset(_printable(key) for key in names if not _PASSING.search(key))


_PASSING = re.compile(
    r"GPS|Location|Latitude|Longitude|Rotation|^(Composite|File|ExifTool|Liuhen|System):|Warning|Error"
)
IDENTITY = (
    "Make",
    "Model",
    "SerialNumber",
    "CameraSerialNumber",
    "FirmwareVersion",
    "CameraModelName",
    "AndroidVersion",
)
