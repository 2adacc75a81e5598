"""Sound that is digitally nothing where a microphone always hears something."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import HOP, Sound
from pipeline.continuity.deep.frozen import runs
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_NOTHING = 99  # percent of the samples
_FAINT = 1e-4  # of full scale, -80 dB: nothing, after a lossy encoder
_OVER = 6.0  # times: the quietest sound elsewhere against the stretch
_START_UP = 0.5  # seconds at the beginning, where microphones start (genuine up to 0.34 s), and at the end
_HABIT = 8  # stretches: a gate or a speech coder switches off and on all the time
_HABIT_SHARE = 0.3  # of the time


def silent(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SILENCE: no sound at all for a while, not even noise: muted, put in, or lost.

    Devices that fall silent by habit (noise gates, speech coders) get one note, and so does a stream that is silent
    from its first sample to its last: many cameras write one when the microphone is switched off.
    """
    sound = picture.content.sound if picture.content else None
    if sound is None or len(sound.rms) < 100:
        return
    nothing = _nothing(sound)
    if nothing[sound.zero <= 100].all():
        yield _throughout(sound)
        return
    found = [(first, last) for first, last in runs(nothing) if (last - first) * HOP >= limits.silence]
    inner = [(first, last) for first, last in found if not _at_edge(sound, first, last)]
    if len(inner) > _HABIT and sum(last - first for first, last in inner) < _HABIT_SHARE * len(nothing):
        yield _habit(sound, inner)
        return
    for first, last in inner:
        yield _silent(sound, first, last)


def _nothing(sound: Sound) -> NDArray[np.bool_]:
    """Digital nothing, or next to it where the quietest sound elsewhere is far above; holes in the stream are not."""
    audible = sound.rms[sound.rms > _FAINT]
    floor = float(np.percentile(audible, 5)) if len(audible) else 0.0
    faint = (sound.rms < _FAINT) & (floor > _OVER * _FAINT)
    nothing: NDArray[np.bool_] = ((sound.zero >= _NOTHING) & (sound.zero <= 100)) | (faint & (sound.zero <= 100))
    return nothing


def _at_edge(sound: Sound, first: int, last: int) -> bool:
    """Within the first or last half second: starting and stopping."""
    return last * HOP <= _START_UP or (len(sound.rms) - first) * HOP <= _START_UP


def _silent(sound: Sound, first: int, last: int) -> Finding:
    start, end = sound.start + first * HOP, sound.start + last * HOP
    return Finding(
        code="REC-CONTINUOUS/SILENCE",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=round(start, 2),
        end=round(end, 2),
        zh=f"{clock(start)} 至 {clock(end)} 声音为数字静音（{end - start:.2f} 秒），连本底噪声也没有。",
        en=f"the sound is digitally nothing from {clock(start)} to {clock(end)} ({end - start:.2f} s), not even noise",
        evidence={"stream": sound.stream, "seconds": round(end - start, 2)},
    )


def _throughout(sound: Sound) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/SILENCE",
        axis=Axis.TIMELINE,
        severity=Severity.NOTE,
        start=round(sound.start, 2),
        end=round(sound.start + len(sound.rms) * HOP, 2),
        zh="声音轨道全程为数字静音：麦克风可能被关闭。",
        en="the sound is digitally nothing throughout: the microphone may have been off",
        evidence={"stream": sound.stream, "seconds": round(len(sound.rms) * HOP, 2)},
    )


def _habit(sound: Sound, found: list[tuple[int, int]]) -> Finding:
    total = sum(last - first for first, last in found) * HOP
    return Finding(
        code="REC-CONTINUOUS/SILENCE",
        axis=Axis.TIMELINE,
        severity=Severity.NOTE,
        start=round(sound.start + found[0][0] * HOP, 2),
        end=round(sound.start + found[-1][1] * HOP, 2),
        zh=f"声音 {len(found)} 次变为数字静音（共 {total:.1f} 秒），可能是设备的噪声门所致。",
        en=f"the sound falls digitally silent {len(found)} times ({total:.1f} s in all), perhaps by a noise gate",
        evidence={"stream": sound.stream, "times": len(found), "seconds": round(total, 2)},
    )


CHECKS = (silent,)
