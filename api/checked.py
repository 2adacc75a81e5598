"""What was checked and what was not, as a list a person can read: from the `not_checked` entries of a report. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.words import Pair

Json = Mapping[str, Any]

_LASTING = frozenset({"video", "audio"})
_PHOTOS = frozenset({"photos"})


@dataclass(frozen=True, slots=True)
class _Group:
    """A kind of check. `opens`: names of `not_checked` entries that say that it was not made; `limits`: that it was
    made with a reservation. `of`: kinds of media that it is for.
    """

    words: Pair
    opens: frozenset[str]
    limits: frozenset[str] = frozenset()
    of: frozenset[str] = _LASTING


@dataclass(frozen=True, slots=True)
class Line:
    """`state`: made, limited or open. `reasons`: why it is not simply made, each with the number of files it is for
    where that is not all of them (else 0).
    """

    words: Pair
    state: str
    reasons: Sequence[tuple[Pair, int]]


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


_GROUPS = (
    _Group(("容器结构、日期、索引与数据", "structure, dates, index and data of the file"), _names("container"),
           _names("unreferenced-data", "checksums", "scrambled")),
    _Group(("每一帧画面和声音的时间", "the time of every picture and sound"), _names("timestamps")),
    _Group(("编码器写在码流里的计数", "what the encoder counted in the stream"), _names("frame-counters"),
           _names("whole-groups", "transport-counters", "sound-frames")),
    _Group(("编辑软件的痕迹、元数据", "traces of software, metadata"), _names("metadata"), of=_LASTING | _PHOTOS),
    _Group(("定位与传感器数据", "positions and sensor data"), _names("telemetry")),
    _Group(("设备在码流中的签名", "the camera's signature in the stream"), _names("signature"),
           _names("signature-key", "signature-coverage"), of=_LASTING | _PHOTOS),
    _Group(("与该设备真实文件的特征比对", "against the device's genuine files"), frozenset(), _names("device-profile"),
           of=_LASTING | _PHOTOS),
    _Group(("画面与声音的内容（逐帧解码）", "what is seen and heard (every picture decoded)"), _names("decoding"),
           _names("sound")),
    _Group(("画面上的时钟", "the clock in the picture"), _names("burned-in-clock")),
    _Group(("照片画面的内容", "what the photos show"), _names("picture"), of=_PHOTOS),
)  # fmt: skip
_SEGMENTS: Pair = ("分段或照片之间的衔接与编号", "joins and numbers between segments or photos")
_DOCKING: Pair = ("设备历次采集的签名清单", "the signed lists of the device's dockings")
_UNLISTED: Pair = ("录像不是经采集站的签名清单入库的", "no station's signed list brought this recording")
_OTHER: Pair = ("其他", "other")
_NO_PROFILE = "device-profile"


def lines(report: Json) -> list[Line]:
    """The kinds of checks that this recording has something for, in the order of a report; [] without a report."""
    files = [file for file in report.get("files", ()) if file["verdict"] != "unreadable"]
    if not files:
        return []
    kinds = {file["media"].get("kind") for file in files}
    told = [_line(group, files, report) for group in _GROUPS if group.of & kinds]
    between = _between(report)
    if len(files) > 1 or between.reasons:
        told.append(between)
    if "docking" in report:
        listed = report["docking"].get("listed", True)
        told.append(Line(_DOCKING, "made", ()) if listed else Line(_DOCKING, "open", [(_UNLISTED, 0)]))
    return [*told, *_others(files)]


def _line(group: _Group, files: Sequence[Json], report: Json) -> Line:
    own = [file for file in files if file["media"].get("kind") in group.of]
    reasons = list(_reasons(own, group.opens | group.limits))
    without = sum(any(each["check"] in group.opens for each in file.get("not_checked", ())) for file in own)
    if _NO_PROFILE in group.limits and reasons and not report.get("profile"):
        without = len(own)
    state = "open" if without == len(own) else "limited" if reasons else "made"
    return Line(group.words, state, reasons)


def _reasons(files: Sequence[Json], names: frozenset[str]) -> Iterator[tuple[Pair, int]]:
    found: dict[Pair, int] = {}
    for file in files:
        said = {(_plain(each.get("zh", each["why"])), _plain(each["why"]))
                for each in file.get("not_checked", ()) if each["check"] in names}  # fmt: skip
        for pair in sorted(said):
            found[pair] = found.get(pair, 0) + 1
    for pair, count in found.items():
        yield pair, count if count < len(files) else 0


def _plain(text: str) -> str:
    """Without the command line's options: here the policy decides."""
    for option in ("（--deep）", " (--deep)", "（--trust）", " (--trust)"):
        text = text.replace(option, "")
    return text


def _between(report: Json) -> Line:
    entries = [each for series in report.get("series", ()) for each in series.get("not_checked", ())]
    reasons = {(each.get("zh", each["why"]), each["why"]): 0 for each in entries}
    return Line(_SEGMENTS, "limited" if reasons else "made", list(reasons.items()))


def _others(files: Sequence[Json]) -> Iterator[Line]:
    """Entries that no group knows: nothing that was left open is passed over."""
    known = frozenset().union(*(group.opens | group.limits for group in _GROUPS))
    names = {each["check"] for file in files for each in file.get("not_checked", ())} - known
    if names:
        yield Line(_OTHER, "open", list(_reasons(files, frozenset(names))))
