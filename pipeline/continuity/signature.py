"""Checks on signatures inside the stream: what a camera signed against what is there.

The signature covers the coded pictures and their order. It does not cover sound, parameter sets, or the times that the
container gives to pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.continuity import signers
from pipeline.continuity.model import Picture, Track
from pipeline.continuity.moments import time_of
from pipeline.continuity.series import series_key
from pipeline.continuity.signed import Breach, Signature
from pipeline.continuity.signers import signed
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

# What is not as it was signed.


def broken(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """Pictures changed, missing, put in or moved since they were signed; signatures that don't fit."""
    for track, signature in signed(picture):
        yield from (_breach(track, each) for each in signature.breaches)
        if signature.breach_count > len(signature.breaches):
            yield _many(signature)


def _breach(track: Track, breach: Breach) -> Finding:
    code, axis, severity = _class(breach)
    zh, en = zip(*_parts(breach), strict=True)
    start, end = (time_of(track, packet) for packet in breach.packets)
    groups = "–".join(str(each) for each in sorted(set(breach.groups or ())))
    where_zh = f"{_span(track, breach, '至')}（签名组 {groups}）" if groups else _span(track, breach, "至")
    where_en = f"{_span(track, breach, 'to')} (signed group {groups})" if groups else _span(track, breach, "to")
    return Finding(
        code=code,
        axis=axis,
        severity=severity,
        zh=f"{where_zh}：{'；'.join(zh)}。",
        en=f"{where_en}: {'; '.join(en)}",
        start=start,
        end=end,
        evidence=_evidence(track, breach),
    )


def _class(breach: Breach) -> tuple[str, Axis, Severity]:
    """What weighs most in it: time that is missing or foreign before contents before the signature itself.

    A message that is gone is no violation: a signer that can't keep up leaves a group out, which is then not proven.
    """
    changed = breach.modified_count or breach.expected
    classes = (
        (breach.restart, "REC-CONTINUOUS/SIGNED-RESTART", Axis.TIMELINE),
        (breach.missing or breach.absent, "REC-CONTINUOUS/SIGNED-MISSING", Axis.TIMELINE),
        (breach.link and not changed, "REC-CONTINUOUS/SIGNED-MISSING", Axis.TIMELINE),
        (breach.inserted or breach.moved, "REC-CONTINUOUS/SIGNED-ORDER", Axis.TIMELINE),
        (changed, "REC-TRUE/SIGNED-CHANGED", Axis.FILE),
        (breach.signature == "absent", "REC-TRUE/SIGNATURE-ABSENT", Axis.FILE),
        (breach.signature, "REC-TRUE/SIGNATURE-INVALID", Axis.FILE),
    )
    code, axis = next(((code, axis) for there, code, axis in classes if there), ("REC-TRUE/SIGNED-CHANGED", Axis.FILE))
    return code, axis, Severity.SUSPICION if code.endswith("ABSENT") else Severity.VIOLATION


def _parts(breach: Breach) -> list[tuple[str, str]]:
    """The sentence in pieces, in Chinese and English."""
    told = (
        (breach.restart, "另一条签名链从此开始", "another chain of signatures begins here"),
        (breach.absent, f"有 {breach.absent} 个已签名的画面组整组缺失", f"{breach.absent} signed groups are absent"),
        (
            breach.missing,
            f"缺少 {breach.missing} 个已签名的画面单元",
            f"{breach.missing} picture units that were signed are missing",
        ),
        (
            breach.modified_count,
            f"{breach.modified_count} 个画面单元与签名不符（数据包 {_few(breach)}）",
            f"{breach.modified_count} picture units are not those that were signed (packets {_few(breach)})",
        ),
        (
            breach.inserted,
            f"插入了 {breach.inserted} 个未签名的画面单元",
            f"{breach.inserted} picture units that were not signed are put in",
        ),
        (breach.moved, f"{breach.moved} 个画面单元不在原位", f"{breach.moved} picture units are out of order"),
        (
            breach.expected,
            f"签名包含 {breach.expected} 个画面单元，实有 {breach.found} 个，内容不符",
            f"{breach.expected} picture units were signed, the {breach.found} that are there are not all the same",
        ),
        (
            breach.unproven and not breach.expected,
            f"{breach.unproven} 个画面单元没有有效签名",
            f"{breach.unproven} picture units have no valid signature",
        ),
        (
            breach.link and not breach.modified_count,
            "相邻的画面组不是签名时相邻的那一组",
            "the group beside it is not the one that was signed beside it",
        ),
        (breach.signature, *_FAULTS.get(breach.signature, ("", ""))),
    )
    return [(zh, en) for there, zh, en in told if there] or [("与签名不符", "not as it was signed")]


_FAULTS = {
    "bad": ("签名与密钥不符", "the signature does not fit its key"),
    "unreadable": ("签名信息已损坏", "the message with the signature is damaged"),
    "absent": ("签名信息缺失", "the message with the signature is gone"),
}


def _few(breach: Breach) -> str:
    more = " …" if breach.modified_count > len(breach.modified) else ""
    return ", ".join(map(str, breach.modified)) + more


def _span(track: Track, breach: Breach, to: str) -> str:
    first, last = (time_of(track, packet) for packet in breach.packets)
    if first is None or last is None:
        return (
            f"#{breach.packets[0]} {to} #{breach.packets[1]}"
            if breach.packets[0] != breach.packets[1]
            else (f"#{breach.packets[0]}")
        )
    return f"{clock(first)} {to} {clock(last)}" if clock(first) != clock(last) else clock(first)


def _evidence(track: Track, breach: Breach) -> dict[str, Any]:
    offsets = [track.packets.pos[n] if 0 <= n < len(track.packets.pos) else None for n in breach.packets]
    facts = {
        "stream": track.stream.index,
        "packets": list(breach.packets),
        "offsets": offsets,
        "groups": list(breach.groups) if breach.groups else None,
        "modified_packets": list(breach.modified),
    }
    counts = ("modified_count", "missing", "inserted", "moved", "unproven", "expected", "found", "absent", "signature")
    told = {name: getattr(breach, name) for name in (*counts, "link", "restart")}
    return {name: value for name, value in (facts | told).items() if value not in (None, 0, "", [], False)}


def _many(signature: Signature) -> Finding:
    rest = signature.breach_count - len(signature.breaches)
    return Finding(
        code="REC-TRUE/SIGNED-CHANGED/MORE",
        axis=Axis.FILE,
        severity=Severity.NOTE,
        zh=f"另有 {rest} 处与签名不符，未逐一列出。",
        en=f"{rest} more places that are not as they were signed are not listed",
        evidence={"not_listed": rest},
    )


def nothing_fits(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """There are signatures, and none fits: neither its key nor the pictures beside it."""
    for track, signature in signed(picture):
        if signature.unread == "bad":
            code, zh, en = "SIGNATURE-INVALID", "没有一个签名有效", "none of the signatures is valid"
        elif signature.unread == "other":
            code, zh = "SIGNED-CHANGED", "签名有效，但画面都不是签名时的画面"
            en = "the signatures are valid, but none of the pictures is one that was signed"
        else:
            continue
        yield Finding(
            code=f"REC-TRUE/{code}",
            axis=Axis.FILE,
            severity=Severity.VIOLATION,
            zh=f"码流内有 {signature.messages} 条签名信息（{signature.scheme}）：{zh}。",
            en=f"{signature.messages} signing messages in the stream ({signature.scheme}): {en}",
            evidence={"stream": track.stream.index, "messages": signature.messages},
        )


# Where the signed recording begins and ends.


def begins(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SIGNED-BEFORE, REC-TRUE/UNSIGNED-HEAD: does the file begin where the signer did?"""
    for track, signature in signed(picture):
        start = signature.start
        if start is None:
            continue
        if start.unsigned:
            yield _unsigned_head(track, start.unsigned, start.packet)
        if not start.begins or start.missing:
            later = (series_key(picture.name).sequence or 0) > 1
            yield Finding(
                code="REC-CONTINUOUS/SIGNED-BEFORE",
                axis=Axis.TIMELINE,
                severity=Severity.NOTE if later else Severity.SUSPICION,
                zh=f"签名从第 {start.first} 组起可核对，此前已签名的画面不在文件中："
                "开头可能被剪去，也可能设备跨文件连续签名或先行缓存。",
                en=f"what was signed begins before this file (first group that is there: {start.first}): the head may "
                "have been cut off, or the device signs across files or while it buffers",
                start=0.0,
                end=0.0,
                evidence={"stream": track.stream.index, "first_group": start.first, "missing": start.missing},
            )


def _unsigned_head(track: Track, units: int, packet: int) -> Finding:
    return Finding(
        code="REC-TRUE/UNSIGNED-HEAD",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        zh=f"开头 {units} 个画面在签名开始之前，没有签名。",
        en=f"the first {units} pictures come before the signatures begin: they are not signed",
        start=0.0,
        end=time_of(track, packet),
        evidence={"stream": track.stream.index, "packets": [0, packet], "unsigned": units},
    )


def ends(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/UNSIGNED-TAIL: more pictures at the end without signature than the signer's rhythm leaves."""
    for track, signature in signed(picture):
        tail = signature.tail
        if tail and tail.late:
            yield Finding(
                code="REC-TRUE/UNSIGNED-TAIL",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                zh=f"末尾 {tail.pictures} 帧画面没有签名，多于签名间隔所能解释的数量。",
                en=f"the last {tail.pictures} pictures are not signed, more than the rhythm of the signatures explains",
                start=time_of(track, tail.packet),
                end=track.end,
                evidence={
                    "stream": track.stream.index,
                    "packet": tail.packet,
                    "units": tail.units,
                    "usual": tail.usual,
                },
            )


def uncovered(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/UNSIGNED-KIND: coded pictures of a kind that these signatures leave out."""
    for track, signature in signed(picture):
        if signature.uncovered and signature.groups:
            yield Finding(
                code="REC-TRUE/UNSIGNED-KIND",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                zh=f"有 {signature.uncovered} 个画面单元属于签名不覆盖的类型，未得到证明。",
                en=f"{signature.uncovered} coded units are of a kind that these signatures leave out: not proven",
                start=time_of(track, signature.uncovered_packet),
                evidence={"stream": track.stream.index, "packet": signature.uncovered_packet},
            )


def signed_time(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SIGNED-TIME: the times that were signed with the pictures against those the container gives them."""
    for track, signature in signed(picture):
        first, last = (time_of(track, packet) for packet in signature.packets)
        if not signature.times or first is None or last is None or signature.groups < 3 or signature.breach_count:
            continue
        meant, shown = signature.times[1] - signature.times[0], last - first
        group = shown / signature.groups
        if meant > 0 and abs(meant - shown) > max(limits.signed_time, 2 * group, limits.signed_time_share * shown):
            yield Finding(
                code="REC-TRUE/SIGNED-TIME",
                axis=Axis.TIMELINE,
                severity=Severity.SUSPICION,
                zh=f"随画面签名的时间共 {meant:.1f} 秒，文件中的播放时间为 {shown:.1f} 秒。",
                en=f"the times signed with the pictures span {meant:.1f} s, the file shows them within {shown:.1f} s",
                evidence={"stream": track.stream.index, "signed": round(meant, 3), "shown": round(shown, 3)},
            )


CHECKS = (broken, nothing_fits, begins, ends, uncovered, signed_time, *signers.CHECKS)
