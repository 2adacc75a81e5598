"""Pictures that don't follow from the one before: footage missing, or footage of another place put in.

A body camera never cuts. What counts is not how much two pictures differ (a worn camera shakes, turns, meets lamps) but
whether they differ far more than all those near them, in difference, structure, motion and phase at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity.content import REFRESH, Break, Content, Sight
from pipeline.continuity.deep.strength import only_light, sound_breaks, strength, too_dark
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_TOGETHER = 0.25  # seconds: breaks this close are one event, shown at the strongest
_MOST_LIKE = 0.95  # likeness: nearly every block is found again near by
_MOVED, _WIDE = 4.0, 0.25  # luma, share of the picture: more than lamps, figures and screens change
_PROVEN, _UNLIKE = 2.5, 0.75  # strength and likeness from which picture and sound together prove a splice
_FLASH = 20.0  # luma


def scene_cuts(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SCENE-CUT: the picture jumps. With a break in the sound at the same moment, both weaker suffice.

    Left out: another light on the same place; and, unless the sound breaks too, jumps into or out of darkness (a hand
    over the lens) and those in which most of the picture stays and little changes (a screen in view). Always left out:
    a key picture after a still scene. A violation needs a jump to an unlike place and a break in the sound at once.
    """
    content = picture.content
    if not content or not content.sight:
        return
    stream = content.sight.stream
    for found in _strongest(content):
        if _refreshes(content.sight, found):
            continue
        loud = sound_breaks(content, found.time)
        if found.returns:
            yield from _short(found, stream, limits)
        elif _counts(found, limits, loud=loud):
            yield _cut(found, stream, loud=loud)


def _refreshes(sight: Sight, found: Break) -> bool:
    """A key picture after a still scene: nearly all of it stays, coded better or worse."""
    keys = (sight.flags & REFRESH) > 0
    return _stays(found) and bool(keys[found.frame : found.frame + 1].any()) and not keys.all()


def _stays(found: Break) -> bool:
    return found.likeness is not None and found.likeness >= _MOST_LIKE


def _moved_on(found: Break) -> bool:
    """What stands still is the same; what moved is elsewhere, in more of the picture than a screen in view takes up."""
    return found.step[0] >= _MOVED and found.area >= _WIDE


def _strongest(content: Content) -> list[Break]:
    """One break for each event."""
    kept: list[Break] = []
    for found in content.sight.breaks if content.sight else ():
        if kept and found.time - kept[-1].time < _TOGETHER and not kept[-1].returns:
            kept[-1] = max(kept[-1], found, key=strength)
        else:
            kept.append(found)
    return kept


def _counts(found: Break, limits: Thresholds, *, loud: bool) -> bool:
    if only_light(found) or (_stays(found) and not loud and not _moved_on(found)):
        return False
    if too_dark(found):
        return loud and strength(found) >= limits.picture_break
    return strength(found) >= (limits.picture_break_with_sound if loud else limits.picture_break)


def _cut(found: Break, stream: int, *, loud: bool) -> Finding:
    unlike = found.likeness is not None and found.likeness < _UNLIKE
    proven = loud and unlike and strength(found) >= _PROVEN and not too_dark(found)
    zh, en = ("，同一时刻声音也中断", ", and the sound breaks at the same moment") if loud else ("", "")
    return Finding(
        code="REC-CONTINUOUS/SCENE-CUT",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if proven else Severity.SUSPICION,
        start=round(found.before, 6),
        end=round(found.time, 6),
        zh=f"{clock(found.time)} 处画面突变，与前一帧不衔接{zh}：可能剪去或插入了内容。",
        en=f"the picture jumps at {clock(found.time)}{en}: something may have been cut out or put in",
        evidence=_evidence(found, stream) | {"sound_breaks": loud},
    )


def _short(found: Break, stream: int, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/FOREIGN-PICTURES: a few pictures unlike those around them. A flash is brighter, and no finding."""
    flash = found.luma[1] - found.luma[0] > _FLASH
    like = found.likeness is not None and found.likeness >= _UNLIKE
    if flash or like or only_light(found) or too_dark(found) or strength(found) < limits.picture_break:
        return
    yield Finding(
        code="REC-CONTINUOUS/FOREIGN-PICTURES",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=round(found.time, 6),
        end=round(found.time, 6),
        zh=f"{clock(found.time)} 处有 {found.returns} 帧画面与前后内容不同，随后恢复。",
        en=f"{found.returns} pictures at {clock(found.time)} are unlike those before and after them",
        evidence=_evidence(found, stream) | {"pictures": found.returns},
    )


def _evidence(found: Break, stream: int) -> dict[str, object]:
    return {
        "stream": stream,
        "picture": found.frame,
        "strength": round(strength(found), 2),
        "step": [round(value, 3) for value in found.step],
        "contrast": [round(value, 4) for value in found.contrast],
        "residual": [round(value, 3) for value in found.residual],
        "peak": [round(value, 4) for value in found.peak],
        "likeness": None if found.likeness is None else round(found.likeness, 3),
        "histogram": round(found.histogram, 3),
        "area": round(found.area, 2),
        "luma": [round(value, 1) for value in found.luma],
    }


CHECKS = (scene_cuts,)
