"""Whose signatures are in the stream, how much of the recording they prove, and what they leave open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pipeline.continuity.model import Picture, Track
from pipeline.continuity.moments import time_of
from pipeline.continuity.signed import Signature, Signer
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, NotChecked, Severity

_PLAUSIBLE = 946_684_800.0  # signed times before the year 2000 are the running time of a device whose clock is not set
_WRITER = ("UP-ORIGINAL/ENCODER-TRACE", "UP-ORIGINAL/LAYOUT")


def signed(picture: Picture) -> Iterator[tuple[Track, Signature]]:
    """The tracks with signatures, each with what was found of them."""
    tracks = {track.stream.index: track for track in picture.tracks}
    return ((tracks[each.stream], each) for each in picture.signatures if each.stream in tracks)


def keys(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/KEY-CHANGED, KEY-NOT-VOUCHED, KEY-NOT-TRUSTED."""
    for track, signature in signed(picture):
        for before, after in zip(signature.signers, signature.signers[1:], strict=False):
            yield _changed(track, before, after)
        for signer in signature.signers:
            if signer.vouched is False:
                yield _doubtful(track, signer, "KEY-NOT-VOUCHED", *_NOT_VOUCHED)
            if picture.anchors and (why := _untrusted(picture, signature, signer)):
                zh, en = "签名密钥不能追溯到所给的信任证书", f"the signing key leads to no trusted certificate: {why}"
                yield _doubtful(track, signer, "KEY-NOT-TRUSTED", zh, en)


_NOT_VOUCHED = (
    "随签名附带的证书并不证明这把密钥",
    "the certificates that come with the signatures don't vouch for their key",
)


def _changed(track: Track, before: Signer, after: Signer) -> Finding:
    return Finding(
        code="UP-ORIGINAL/KEY-CHANGED",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh="签名密钥在文件中途更换。",
        en="the signing key changes within the file",
        start=time_of(track, after.packet),
        end=time_of(track, after.packet),
        evidence={"stream": track.stream.index, "packet": after.packet, "before": before.key, "after": after.key},
    )


def _doubtful(track: Track, signer: Signer, code: str, zh: str, en: str) -> Finding:
    return Finding(
        code=f"UP-ORIGINAL/{code}",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh=f"{zh}。",
        en=en,
        start=time_of(track, signer.packet),
        evidence={"stream": track.stream.index, "packet": signer.packet, "key": signer.key},
    )


def _untrusted(picture: Picture, signature: Signature, signer: Signer) -> str:
    """Why the key does not go back to a trusted certificate, "" when it does."""
    if not signer.certificates or not signer.vouched:
        return "no certificate vouches for it"
    times = signature.times
    when = times[0] if times and times[0] > _PLAUSIBLE else picture.created
    from pipeline.continuity import trust  # brings cryptography: only where something is signed

    return trust.why_not(signer.certificates, picture.anchors, when)


# What is proven.


def proven(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/SIGNATURE-OK, SIGNATURE-PARTIAL: how much of the recording is as it was signed."""
    for track, signature in signed(picture):
        if not signature.groups:
            continue
        whole = _whole(signature)
        first, last = (time_of(track, packet) for packet in signature.packets)
        tail = signature.tail
        rest = (
            (f"；末尾 {tail.pictures} 帧尚无签名", f"; the last {tail.pictures} have no signature yet")
            if tail
            else ("", "")
        )
        span = f" ({clock(first)}–{clock(last)})" if first is not None and last is not None else ""
        yield Finding(
            code=f"UP-ORIGINAL/{'SIGNATURE-OK' if whole else 'SIGNATURE-PARTIAL'}",
            axis=Axis.PROVENANCE,
            severity=Severity.NOTE,
            zh=f"{signature.scheme}：{signature.groups} 组、{signature.pictures} 帧画面与签名一致{span}{rest[0]}。"
            f"{_whose(picture, signature)[0]}",
            en=f"{signature.scheme}: {signature.pictures} pictures in {signature.groups} groups are as they were signed"
            f"{span}{rest[1]}. {_whose(picture, signature)[1]}",
            evidence=_proof(signature, tail.pictures if tail else 0),
        )


def _proof(signature: Signature, pending: int) -> dict[str, Any]:
    signer = signature.signers[-1] if signature.signers else None
    facts: dict[str, Any] = {
        "stream": signature.stream,
        "scheme": signature.scheme,
        "groups": signature.groups,
        "pictures": signature.pictures,
        "packets": list(signature.packets),
        "pending": pending,
    }
    if signer:
        told = {"maker": signer.maker, "serial": signer.serial, "firmware": signer.firmware}
        facts |= {"key": signer.key, **{name: value for name, value in told.items() if value}}
    return facts


def _whose(picture: Picture, signature: Signature) -> tuple[str, str]:
    if not picture.anchors or not signature.signers:
        return "密钥属于谁未经核实。", "Whose key it is was not verified."
    if any(_untrusted(picture, signature, each) for each in signature.signers):
        return "密钥不能追溯到所给的信任证书。", "The key does not go back to a trusted certificate."
    return "密钥可追溯到所给的信任证书。", "The key goes back to a trusted certificate."


def _whole(signature: Signature) -> bool:
    """Everything but the usual tail is proven."""
    free = signature.start is None or not signature.start.unsigned
    late = signature.tail is not None and signature.tail.late
    return bool(signature.groups) and free and not (late or signature.breach_count or signature.uncovered)


def in_its_light(findings: Iterable[Finding], picture: Picture) -> Iterator[Finding]:
    """Traces of the program that wrote the container are notes where signatures prove every picture.

    Not where there is sound, which they don't cover, nor with a key that the user's certificates speak against.
    """
    tracks = picture.of_kind("video")
    signatures = {signature.stream: signature for _, signature in signed(picture)}
    proved = bool(tracks) and not picture.of_kind("audio")
    for track in tracks:
        signature = signatures.get(track.stream.index)
        proved = proved and signature is not None and _whole(signature)
        if proved and signature and picture.anchors:
            proved = not any(_untrusted(picture, signature, each) for each in signature.signers)
    for finding in findings:
        if proved and finding.code in _WRITER and finding.severity is Severity.SUSPICION:
            zh, en = "画面均有签名证明。", " (the pictures are proven by their signatures)"
            yield replace(finding, severity=Severity.NOTE, zh=finding.zh + zh, en=finding.en + en)
        else:
            yield finding


def not_checked(picture: Picture) -> Iterator[NotChecked]:
    """What signatures leave open in this file."""
    if not picture.of_kind("video"):
        return
    if not picture.signatures:
        why = "no signature of a kind we know is in the stream; one that was taken out leaves no trace"
        yield NotChecked("signature", why, "码流中没有可识别的签名；签名若被整体去除则无迹可查")
        return
    for signature in picture.signatures:
        if signature.unread in _UNREAD:
            en, zh = _UNREAD[signature.unread]
            scheme = signature.scheme or "?"
            yield NotChecked("signature", f"{scheme}: {en}", f"{scheme}：{zh}")
        if signature.groups and not picture.anchors:
            why = "the signing key is not attested: no trusted certificates were given (--trust)"
            yield NotChecked("signature-key", why, "签名密钥属于谁未核实：未给出信任证书（--trust）")
    if any(signature.groups for signature in picture.signatures):
        why = "the signatures don't cover sound, parameter sets and the times in the container"
        yield NotChecked("signature-coverage", why, "签名不覆盖声音、参数集和容器中的时间")


_UNREAD = {
    "failed": ("the signatures could not be read", "签名信息无法读取"),
    "version": ("its messages are of a version that is not known", "签名信息的版本无法识别"),
    "key": ("the signing key can't be read", "签名密钥无法识别"),
    "keyless": ("the stream does not hold the signing key", "码流中没有签名密钥"),
    "short": ("too short to hold a whole signed group", "录像过短，不含完整的签名组"),
}


CHECKS = (keys, proven)
