"""Steady tones, mains hum above all, whose phase jumps: sound was cut out or put in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.continuity.content import Content, Sound, ToneBreak
from pipeline.continuity.deep.strength import strength
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_TOGETHER = 0.15  # seconds
_LASTING = 3.0  # seconds before and after: longer than notes are held
_SUPPORT = 1.2  # strength of a break in the picture
_MAINS, _HARMONICS, _DRIFT = (50.0, 60.0), 8, 0.004  # hertz; how many; relative: grids keep to 0.2 %, sample clocks too


def broken_tones(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TONE-BREAK: a tone goes on at the same frequency and level but out of step with itself.

    A suspicion for mains hum, for a tone that lasts long before and after, and where the picture stumbles too; else a
    note: an instrument may strike the same note twice.
    """
    content = picture.content
    if not content or not content.sound:
        return
    for group in _groups(content.sound.tones):
        yield _finding(content, content.sound, group)


def _groups(tones: Sequence[ToneBreak]) -> list[list[ToneBreak]]:
    """Breaks of several tones at one moment."""
    groups: list[list[ToneBreak]] = []
    for tone in sorted(tones, key=lambda each: each.time):
        if groups and tone.time - groups[-1][-1].time < _TOGETHER:
            groups[-1].append(tone)
        else:
            groups.append([tone])
    return groups


def _finding(content: Content, sound: Sound, group: Sequence[ToneBreak]) -> Finding:
    strongest = max(group, key=lambda tone: tone.level)
    time = strongest.time + sound.start
    hum = [tone for tone in group if _is_mains(tone.hertz)]
    names = ", ".join(f"{tone.hertz:.1f} Hz" for tone in sorted(group, key=lambda each: -each.level)[:3])
    lasting = any(min(tone.before, tone.after) >= _LASTING for tone in group)
    seen = _picture_strength(content, time)
    support = seen is not None and seen >= _SUPPORT
    zh, en = ("（市电哼声）", " (mains hum)") if hum else ("", "")
    return Finding(
        code="REC-CONTINUOUS/TONE-BREAK",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION if hum or lasting or support else Severity.NOTE,
        start=round(time, 3),
        end=round(time, 3),
        zh=f"{clock(time)} 处持续的 {names} 音{zh}相位突变：声音可能被剪接。",
        en=f"at {clock(time)} a steady tone of {names}{en} jumps in phase: the sound may have been cut or joined there",
        evidence={
            "stream": sound.stream,
            "hertz": [tone.hertz for tone in group[:8]],
            "jump_radians": [tone.jump for tone in group[:8]],
            "lasts": [[tone.before, tone.after] for tone in group[:8]],
            "picture_strength": seen,
        },
    )


def _is_mains(hertz: float) -> bool:
    return any(
        abs(hertz - base * number) < _DRIFT * base * number for base in _MAINS for number in range(1, _HARMONICS + 1)
    )


def _picture_strength(content: Content, time: float) -> float | None:
    near = [strength(b) for b in (content.sight.breaks if content.sight else ()) if abs(b.time - time) <= _TOGETHER]
    return round(max(near), 2) if near else None


CHECKS = (broken_tones,)
