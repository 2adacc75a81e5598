"""Do signs of different kinds meet at one place? Each by itself has honest reasons; together they are a joint.

A camera that puts in a key picture early does not disturb its sound; a clock that is set does not end a group of
pictures. Where the coded stream is broken off and the times or the sound are too, something was cut, joined or stopped.
The third kind of sign is that an editing or remuxing program wrote the file: by stream copy, programs cut and join only
before key pictures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pipeline.continuity.groups import is_strict
from pipeline.continuity.model import KEY, Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

# What each kind of sign speaks of: the coded stream, its times (of picture or sound), what is seen when decoded.
_CODED = {
    "FRAME-NUM", "IDR-ID", "PICTURE-ORDER", "GOP-BREAK", "ENCODER-AGAIN", "ENCODER-START", "ENCODER-RESTART",
    "SEQUENCE-END", "SPLICE-MARK", "PARAMETERS-CHANGED",
}  # fmt: skip
_TIMED = {"OFF-GRID", "TOO-CLOSE", "GAP-PTS", "GAP-AUDIO", "SAME-TIME", "TIME-BACKWARDS", "SOUND-FRAMES"}
_SEEN = {"SCENE-CUT", "FOREIGN-PICTURES"}
_TOOLS = {"UP-ORIGINAL/ENCODER-TRACE", "UP-ORIGINAL/LAYOUT", "UP-ORIGINAL/EDITOR"}
_UNLIKE = 0.75  # likeness: the picture after the jump shows another place
# Seconds from the key picture: sound is cut at its own frames.
_AT_KEY = {"heard": 0.1, "timed": 0.003, "seen": 0.1, "jump": 0.003}
_LONG = 3.0  # seconds: a sign that is spread further stands at its two ends


def joints(findings: Sequence[Finding], picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/JOINT: suspicions of different kinds at one place, where nothing is proven yet."""
    proven = [f for f in findings if f.severity is Severity.VIOLATION and f.axis is Axis.TIMELINE]
    suspicions = [f for f in findings if f.severity is Severity.SUSPICION and f.start is not None]
    kinds = {id(f): kind for f in suspicions if (kind := _kind(f, picture))}
    for first in (f for f in suspicions if kinds.get(id(f)) == "coded"):
        others = [f for f in suspicions if kinds.get(id(f)) not in (None, "coded") and _meet(first, f, limits.joint)]
        if others and not any(_meet(first, f, limits.joint) for f in proven):
            proven.append(_joint(first, others))
            yield proven[-1]
    for sign in (f for f in suspicions if _is_jump(f, picture, limits)):
        if not any(_meet(sign, f, limits.joint) for f in proven):
            proven.append(_at_key(sign, sign.end or 0.0))
            yield proven[-1]
    tool = next((f for f in findings if f.code in _TOOLS and f.severity is Severity.SUSPICION), None)
    often = {code for code, count in Counter(f.code for f in suspicions).items() if count > limits.few_breaks}
    for sign in (f for f in suspicions if tool and id(f) in kinds and f.code not in often):
        place = _place_of(sign, kinds[id(sign)], picture)
        if tool and place is not None and not any(_meet(sign, f, limits.joint) for f in proven):
            proven.append(_by_tool(sign, tool, place))
            yield proven[-1]


def _is_jump(sign: Finding, picture: Picture, limits: Thresholds) -> bool:
    """Does the picture jump to an unlike place exactly at a key picture, in a stream that sets those by the count?

    An encoder that counts does not know of the jump. That both fall on one picture of 25 or 60 by chance is unlikely;
    where a piece was put on by stream copy, they always do.
    """
    likeness = sign.evidence.get("likeness")
    if sign.code != "REC-CONTINUOUS/SCENE-CUT" or not isinstance(likeness, float) or likeness >= _UNLIKE:
        return False
    track = next(iter(picture.of_kind("video")), None)
    return bool(track and is_strict(picture, track, limits)) and _place_of(sign, "jump", picture) is not None


def _place_of(sign: Finding, kind: str, picture: Picture) -> float | None:
    """Where a program would have joined: at a key picture. Signs of the coded stream stand at one as it is."""
    if kind == "coded":
        return sign.start
    keys, near = _keys(picture), _AT_KEY[kind]
    for edge in reversed(_edges(sign)) if kind != "jump" else (sign.end or 0.0,):
        first = bisect_left(keys, edge - near)
        if first < len(keys) and keys[first] <= edge + near:
            return keys[first]
    return None


def _keys(picture: Picture) -> list[float]:
    """Seconds of the key pictures but the first; [] where most pictures are such, so that being at one says nothing."""
    track = next(iter(picture.of_kind("video")), None)
    if track is None:
        return []
    keys = [time for time, number in track.shown if track.packets.flags[number] & KEY]
    return keys[1:] if 3 * len(keys) < len(track.shown) else []


def _kind(finding: Finding, picture: Picture) -> str | None:
    signal = finding.code.partition("/")[2]
    if signal in _CODED:
        return "coded"
    if signal in _SEEN:
        return "seen"
    if signal not in _TIMED:
        return None
    stream = finding.evidence.get("stream")
    sound = any(track.stream.index == stream for track in picture.of_kind("audio"))
    return "heard" if sound or signal == "GAP-AUDIO" else "timed"


def _edges(finding: Finding) -> tuple[float, ...]:
    start = finding.start if finding.start is not None else 0.0
    end = finding.end if finding.end is not None else start
    return tuple(sorted((start, end)))


def _meet(first: Finding, second: Finding, near: float) -> bool:
    """Whether an end of one stands at an end of the other, or at a short one as a whole."""
    if first.start is None or second.start is None:
        return False
    a, b = _edges(first), _edges(second)
    if b[1] - b[0] <= _LONG and any(b[0] - near <= edge <= b[1] + near for edge in a):
        return True
    return any(abs(x - y) <= near for x in a for y in b)


def _joint(first: Finding, others: Sequence[Finding]) -> Finding:
    signs = [first, *others]
    edges = [edge for other in others for edge in _edges(other)]
    moment = min(_edges(first), key=lambda edge: min(abs(edge - each) for each in edges))
    return _finding(
        moment,
        f"{clock(moment)} 处几种互不相干的迹象重合（{'、'.join(_names(signs))}）：录像在此被剪断、拼接或中断。",
        f"at {clock(moment)} signs of different kinds meet ({', '.join(_names(signs))}): the recording was cut, joined "
        "or stopped here",
        signs,
    )


def _at_key(sign: Finding, moment: float) -> Finding:
    return _finding(
        moment,
        f"{clock(moment)} 处画面突变，恰在按固定间隔出现的关键帧上：录像在此被剪断或拼接。",
        f"at {clock(moment)} the picture jumps, exactly at a key picture of those that come by the count: "
        "the recording was cut or joined here",
        [sign],
    )


def _by_tool(sign: Finding, tool: Finding, place: float) -> Finding:
    name = sign.code.partition("/")[2]
    return _finding(
        place,
        f"文件由其他软件写成，且 {clock(place)} 处关键帧前录像不连贯（{name}）：录像在此被剪断或拼接。",
        f"other software wrote this file, and at {clock(place)}, before a key picture, the recording does not run on "
        f"({name}): it was cut or joined here",
        [sign, tool],
    )


def _finding(moment: float, zh: str, en: str, signs: Iterable[Finding]) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/JOINT",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=round(moment, 6),
        end=round(moment, 6),
        zh=zh,
        en=en,
        evidence={"signs": [[each.code, each.start, each.end] for each in signs][:8]},
    )


def _names(signs: Iterable[Finding]) -> list[str]:
    return list(dict.fromkeys(each.code.partition("/")[2] for each in signs))
