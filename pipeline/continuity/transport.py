"""MPEG transport streams: do the packet counters and the clocks run on (ITU-T H.222.0)?

The multiplexer wrote them while it recorded. Where packets were taken out or files put together, every PID's counter is
wrong at once and the clock steps. A packet lost here and there is damage, not a cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.continuity import transport_packets
from pipeline.continuity.model import Picture
from pipeline.continuity.places import Places
from pipeline.continuity.structure import ClockStep, CounterBreak, Transport
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_TOGETHER = 1.0  # seconds: counters that break so close to each other break in one place


@dataclass(frozen=True, slots=True)
class _Place:
    """Counters that are wrong and clocks that step in one place of the stream."""

    breaks: tuple[CounterBreak, ...]
    clock: ClockStep | None

    @property
    def offset(self) -> int:
        return self.breaks[0].offset


def counters(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TS-COUNTER: transport packets are absent.

    A violation where several PIDs break together or the clock steps there: the stream was cut or joined. One PID alone,
    and the clock going on, is a lost packet: a suspicion.
    """
    transport = picture.structure.transport if picture.structure else None
    if not transport or not transport.breaks:
        return
    places = Places(picture)
    for place in _places(transport, _near(picture, transport)):
        cut = place.clock is not None or len({each.pid for each in place.breaks}) > 1
        yield _broken(place, places, Severity.VIOLATION if cut else Severity.SUSPICION)


def _near(picture: Picture, transport: Transport) -> int:
    """How many packets pass in the time within which breaks count as one."""
    seconds = picture.media_duration or picture.duration or 0.0
    return max(200, round(transport.packets / seconds * _TOGETHER)) if seconds > 0 else 5000


def _places(transport: Transport, near: int) -> list[_Place]:
    groups: list[list[CounterBreak]] = []
    for each in transport.breaks:
        if groups and each.packet - groups[-1][0].packet <= near and each.pid not in {b.pid for b in groups[-1]}:
            groups[-1].append(each)
        else:
            groups.append([each])
    return [_Place(tuple(group), _clock_at(transport.clock, group, near)) for group in groups]


def _clock_at(steps: Sequence[ClockStep], group: Sequence[CounterBreak], near: int) -> ClockStep | None:
    """The clock's step in this place: it shows in the first packet with a clock after it."""
    first = group[0].packet
    return next((step for step in steps if first - near // 4 <= step.packet <= first + near), None)


def _broken(place: _Place, places: Places, severity: Severity) -> Finding:
    start, end = _between(places, place.offset)
    pids = sorted({each.pid for each in place.breaks})
    zh, en = _how(place)
    at = f"{clock(start)} " if start is not None else ""
    step = place.clock
    return Finding(
        code="REC-CONTINUOUS/TS-COUNTER",
        axis=Axis.TIMELINE,
        severity=severity,
        start=start,
        end=end,
        zh=f"{at}处传输流的包计数中断（{len(pids)} 个 PID）：{zh}。",
        en=f"{at}the transport stream's packet counters break (PIDs {', '.join(map(str, pids[:8]))}): {en}",
        evidence={
            "offset": place.offset,
            "packet": place.breaks[0].packet,
            "breaks": [[each.pid, each.packet, each.offset, each.expected, each.found] for each in place.breaks[:20]],
            "clock_step": round(step.seconds, 6) if step else None,
            "clock_usual": round(step.usual, 6) if step else None,
        },
    )


def _between(places: Places, offset: int) -> tuple[float | None, float | None]:
    """The times of the pictures around an offset; where time runs back, twice that of the one before."""
    start, end = places.before(offset), places.after(offset)
    return start, start if start is not None and end is not None and end < start else end


def _how(place: _Place) -> tuple[str, str]:
    step = place.clock
    if step is None:
        if len(place.breaks) == 1:
            return "有数据包丢失", "packets were lost"
        return "此处有数据被移除或接入", "the stream was cut or joined here"
    if step.seconds < 0:
        return (
            f"时钟倒退 {-step.seconds:.2f} 秒，此处接入了其他内容",
            f"the clock steps back {-step.seconds:.2f} s: joined here",
        )
    return (
        f"时钟跳过 {step.seconds - step.usual:.2f} 秒，此处有内容被移除",
        f"the clock leaps over {step.seconds - step.usual:.2f} s: cut here",
    )


def programme_clock(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TS-CLOCK: the programme clock (PCR) leaps or runs back where the counters run on.

    A step back below 0.1 s is context: a broadcast multiplexer did it. A leap is a violation when the pictures leap
    with it; where the stream declares the step itself, a suspicion.
    """
    transport = picture.structure.transport if picture.structure else None
    if not transport or not transport.clock:
        return
    near = _near(picture, transport)
    told = {place.clock for place in _places(transport, near) if place.clock}
    places = Places(picture)
    for step in transport.clock:
        severity = None if step in told else _clock_severity(step, places, limits)
        if severity:
            yield _stepped(step, places, severity)


def _clock_severity(step: ClockStep, places: Places, limits: Thresholds) -> Severity | None:
    if step.seconds < 0:
        if step.seconds >= -limits.clock_back:
            return Severity.NOTE
        return Severity.VIOLATION if step.seconds < -limits.backwards and not step.declared else Severity.SUSPICION
    if step.seconds <= max(limits.clock_step, limits.clock_step_medians * step.usual):
        return None
    before, after = places.before(step.offset), places.after(step.offset)
    leap = before is not None and after is not None and after - before > step.seconds / 2
    return Severity.VIOLATION if leap and not step.declared else Severity.SUSPICION


def _stepped(step: ClockStep, places: Places, severity: Severity) -> Finding:
    start, end = _between(places, step.offset)
    back = step.seconds < 0
    at = f"{clock(start)} " if start is not None else ""
    zh = f"倒退 {-step.seconds:.3f}" if back else f"跳过 {step.seconds - step.usual:.3f}"
    en = f"runs back {-step.seconds:.3f}" if back else f"leaps over {step.seconds - step.usual:.3f}"
    declared_zh, declared_en = ("，码流自身声明了中断", ", as the stream declares") if step.declared else ("", "")
    return Finding(
        code="REC-CONTINUOUS/TS-CLOCK",
        axis=Axis.TIMELINE,
        severity=severity,
        start=start,
        end=end,
        zh=f"{at}处传输流时钟（PCR）{zh} 秒{declared_zh}。",
        en=f"{at}the stream's clock (PCR) {en} s{declared_en}",
        evidence=_step_evidence(step),
    )


def _step_evidence(step: ClockStep) -> dict[str, object]:
    return {
        "pid": step.pid,
        "packet": step.packet,
        "offset": step.offset,
        "step": round(step.seconds, 6),
        "usual": round(step.usual, 6),
        "declared": step.declared,
    }


def arrival_clock(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/ARRIVAL-CLOCK: in M2TS, packets' arrival times leap, or grow unlike the programme clock.

    A recorder takes both from one oscillator and sends the clock every 0.1 s.
    """
    transport = picture.structure.transport if picture.structure else None
    if not transport:
        return
    places = Places(picture)
    for step in transport.disagreements:
        if abs(step.seconds) > limits.clock_back:
            far = abs(step.seconds) > limits.clock_step and not step.declared
            yield _arrival(step, places, Severity.VIOLATION if far else Severity.SUSPICION)
    leaps = [step for step in transport.arrival if step.seconds < 0 or step.seconds > limits.clock_step]
    if leaps and not transport.disagreements and len(leaps) <= 20:
        for step in leaps:
            yield _arrival(step, places, Severity.SUSPICION)


def _arrival(step: ClockStep, places: Places, severity: Severity) -> Finding:
    start, end = _between(places, step.offset)
    at = f"{clock(start)} " if start is not None else ""
    return Finding(
        code="REC-CONTINUOUS/ARRIVAL-CLOCK",
        axis=Axis.TIMELINE,
        severity=severity,
        start=start,
        end=end,
        zh=f"{at}处数据包到达时间跳变 {abs(step.seconds):.2f} 秒，前后内容并非一次录成。",
        en=f"{at}the packets' arrival times step by {abs(step.seconds):.2f} s: not recorded in one go",
        evidence=_step_evidence(step),
    )


def programme_tables(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TS-TABLES: the tables that say what is in the stream change within it, as after a join."""
    transport = picture.structure.transport if picture.structure else None
    if transport and transport.tables:
        places = Places(picture)
        first = transport.tables[0]
        at = places.after(first.offset)
        yield Finding(
            code="REC-CONTINUOUS/TS-TABLES",
            axis=Axis.TIMELINE,
            severity=Severity.SUSPICION,
            start=at,
            end=at,
            zh=f"节目表（PAT/PMT）在录像中改变 {len(transport.tables)} 次，此处前后可能来自不同录像。",
            en=f"the programme tables (PAT/PMT) change {len(transport.tables)} times: perhaps joined recordings",
            evidence={
                "changes": [
                    [each.pid, each.packet, each.offset, each.before, each.version] for each in transport.tables[:20]
                ]
            },
        )


CHECKS = (counters, programme_clock, arrival_clock, programme_tables, *transport_packets.CHECKS)
