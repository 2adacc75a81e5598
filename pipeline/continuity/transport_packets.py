"""MPEG transport streams: is the file made of whole packets from its first byte to its last?"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity.model import Picture
from pipeline.continuity.places import Places
from pipeline.continuity.structure import Transport
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity


def packets(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/TS-SYNC: bytes between the packets that are no packets. REC-TRUE/DAMAGED: packets marked as faulty.

    REC-CONTINUOUS/TRUNCATED, HEAD-CUT: the file ends within a packet, or begins within a picture.
    """
    transport = picture.structure.transport if picture.structure else None
    if not transport:
        return
    if transport.lost_count:
        yield _lost(transport, Places(picture))
    if transport.rest:
        yield _ends_within(transport, picture)
    if transport.headless and not (transport.lost and transport.lost[0][0] == 0):
        yield _begins_within(transport)
    if transport.errors:
        yield _faulty(transport)
    if transport.stopped:
        yield _gave_up(transport)


def _lost(transport: Transport, places: Places) -> Finding:
    offset, count = transport.lost[0]
    at = places.before(offset) if offset else None
    return Finding(
        code="REC-TRUE/TS-SYNC",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        start=at,
        end=at,
        zh=f"有 {transport.lost_count} 处数据不是传输流包（首处在偏移 {offset}，{count} 字节）。",
        en=f"in {transport.lost_count} places there is something that is no packet (first: {count} bytes at {offset})",
        evidence={"lost": [list(each) for each in transport.lost[:20]]},
    )


def _ends_within(transport: Transport, picture: Picture) -> Finding:
    ends = [track.end for track in picture.tracks if track.end is not None]
    at = round(max(ends), 6) if ends else None
    return Finding(
        code="REC-CONTINUOUS/TRUNCATED",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=at,
        end=at,
        zh=f"文件在传输流包的中间结束（余 {transport.rest} 字节）：末尾被截断，或录制时断电。",
        en=f"the file ends within a packet ({transport.rest} bytes of it): cut off, or the power failed",
        evidence={"rest": transport.rest, "packet_size": transport.packet_size, "size": picture.size},
    )


def _begins_within(transport: Transport) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/HEAD-CUT",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=0.0,
        end=0.0,
        zh="文件从画面或声音数据的中间开始：开头可能被截去。",
        en="the file begins in the middle of a picture or sound: its head may have been cut off",
        evidence={"pids": list(transport.headless[:20])},
    )


def _faulty(transport: Transport) -> Finding:
    return Finding(
        code="REC-TRUE/DAMAGED",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        zh=f"有 {transport.errors} 个传输流包被标记为有误。",
        en=f"{transport.errors} transport packets are marked as faulty",
        evidence={"transport_error_indicator": transport.errors},
    )


def _gave_up(transport: Transport) -> Finding:
    return Finding(
        code="REC-TRUE/READ-STOPPED",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        zh="传输流损坏处过多，其后内容未检查。",
        en=f"the rest of the stream is unchecked: {transport.stopped}",
        evidence={"reason": transport.stopped},
    )


CHECKS = (packets,)
