from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.continuity import signature, signers, trust
from pipeline.continuity.model import Picture
from pipeline.continuity.signed import Breach, Signature, Signer, Start, Tail
from pipeline.continuity.verdict import judge
from storage.records import Axis, Finding, Severity, Verdict
from tests.support.certificates import BORN, YEAR, chain
from tests.support.pictures import LIMITS, audio, picture, steady, told, video

KEY = ec.generate_private_key(ec.SECP256R1())
CHAIN = [each.decode() for each in chain(KEY.public_key())]


def signed(*breaches: Breach, **facts: Any) -> Signature:
    usual: dict[str, Any] = {
        "stream": 0,
        "scheme": "Axis Signed Video",
        "messages": 9,
        "groups": 9,
        "units": 225,
        "pictures": 225,
        "packets": (0, 224),
        "start": Start(1, True),
        "tail": Tail(25, 25, 225, 100, False),
        "breaches": breaches,
        "breach_count": len(breaches),
        "signers": (Signer("ab" * 32, 24),),
    }
    return Signature(**(usual | facts))


def recording(*breaches: Breach, **facts: Any) -> Picture:
    return picture(video(steady(10)), signatures=(signed(*breaches, **facts),))


def findings(found: Picture) -> list[Finding]:
    return [each for check in signature.CHECKS for each in check(found, LIMITS)]


def test_everything_signed_is_a_note() -> None:
    found = findings(recording())
    assert told(found) == [("SIGNATURE-OK", "note")]
    assert "225 帧" in found[0].zh
    assert "last 25 have no signature yet" in found[0].en
    assert "authentic" not in found[0].en


@pytest.mark.parametrize(
    "breach, code, axis, severity, verdict",
    [
        ({"modified": (137,), "modified_count": 1}, "SIGNED-CHANGED", "file", "violation", Verdict.ALTERED),
        (
            {"modified": (137,), "modified_count": 1, "link": True},
            "SIGNED-CHANGED",
            "file",
            "violation",
            Verdict.ALTERED,
        ),
        ({"expected": 25, "found": 25, "unproven": 25}, "SIGNED-CHANGED", "file", "violation", Verdict.ALTERED),
        ({"missing": 3}, "SIGNED-MISSING", "timeline", "violation", Verdict.INTERRUPTED),
        ({"absent": 2}, "SIGNED-MISSING", "timeline", "violation", Verdict.INTERRUPTED),
        ({"link": True}, "SIGNED-MISSING", "timeline", "violation", Verdict.INTERRUPTED),
        ({"inserted": 3}, "SIGNED-ORDER", "timeline", "violation", Verdict.INTERRUPTED),
        ({"moved": 1}, "SIGNED-ORDER", "timeline", "violation", Verdict.INTERRUPTED),
        ({"restart": True}, "SIGNED-RESTART", "timeline", "violation", Verdict.INTERRUPTED),
        ({"signature": "bad", "unproven": 25}, "SIGNATURE-INVALID", "file", "violation", Verdict.ALTERED),
        ({"signature": "unreadable"}, "SIGNATURE-INVALID", "file", "violation", Verdict.ALTERED),
        ({"signature": "absent", "unproven": 25}, "SIGNATURE-ABSENT", "file", "suspicion", Verdict.REVIEW),
        ({"unproven": 25}, "SIGNED-CHANGED", "file", "violation", Verdict.ALTERED),
    ],
)
def test_what_a_breach_is(breach: dict[str, Any], code: str, axis: str, severity: str, verdict: Verdict) -> None:
    there = recording(Breach((4, 4), (137, 140), **breach))
    found = findings(there)
    assert told(found) == [(code, severity), ("SIGNATURE-PARTIAL", "note")]
    first = found[0]
    assert (first.axis, first.start, first.end) == (Axis(axis), 5.48, 5.6)
    assert first.evidence["packets"] == [137, 140]
    assert first.evidence["offsets"] == [13700, 14000]
    assert first.zh.startswith("0:00:05.5 至 0:00:05.6（签名组 4）：")
    assert judge(there, "0" * 64, LIMITS).verdict is verdict


def test_in_a_bare_stream_packets_tell_the_place() -> None:
    from array import array
    from dataclasses import replace

    from pipeline.continuity.model import UNKNOWN

    track = video(steady(10))
    nowhere = array("q", [UNKNOWN] * 250)
    bare = replace(track, packets=replace(track.packets, pts=nowhere, dts=nowhere))
    found = findings(picture(bare, signatures=(signed(Breach((4, 5), (137, 140), missing=2)),)))
    assert found[0].en == "#137 to #140 (signed group 4–5): 2 picture units that were signed are missing"
    assert found[0].start is None


def test_more_breaches_than_are_listed() -> None:
    found = findings(recording(Breach(None, (3, 3), signature="bad"), breach_count=40))
    assert ("SIGNED-CHANGED/MORE", "note") in told(found)


@pytest.mark.parametrize("unread, code", [("bad", "SIGNATURE-INVALID"), ("other", "SIGNED-CHANGED")])
def test_nothing_fits(unread: str, code: str) -> None:
    assert told(findings(recording(groups=0, unread=unread, start=None, tail=None))) == [(code, "violation")]


@pytest.mark.parametrize("unread", ["version", "key", "keyless", "short"])
def test_what_can_not_be_verified_is_not_checked(unread: str) -> None:
    there = recording(groups=0, unread=unread, start=None, tail=None, signers=())
    assert findings(there) == []
    assert [each.check for each in signers.not_checked(there)] == ["signature"]


def test_a_head_that_is_not_there() -> None:
    assert told(findings(recording(start=Start(17, False))))[0] == ("SIGNED-BEFORE", "suspicion")
    assert told(findings(recording(start=Start(1, True, missing=4))))[0] == ("SIGNED-BEFORE", "suspicion")


def test_later_segments_begin_within_what_was_signed() -> None:
    later = recording(start=Start(17, False))
    named = picture(*later.tracks, name="LH00012_20261118093000_0002.MP4", signatures=later.signatures)
    assert told(findings(named))[0] == ("SIGNED-BEFORE", "note")


def test_unsigned_ends_and_kinds() -> None:
    assert told(findings(recording(start=Start(1, True, unsigned=12, packet=11))))[0] == ("UNSIGNED-HEAD", "suspicion")
    assert told(findings(recording(tail=Tail(125, 125, 125, 50, True))))[0] == ("UNSIGNED-TAIL", "suspicion")
    assert told(findings(recording(uncovered=3, uncovered_packet=50)))[0] == ("UNSIGNED-KIND", "suspicion")


@pytest.mark.parametrize("span, flagged", [(8.96, False), (10.5, False), (4.0, True), (60.0, True)])
def test_signed_times_against_the_containers(span: float, flagged: bool) -> None:
    found = told(findings(recording(times=(1_700_000_000.0, 1_700_000_000.0 + span))))
    assert (("SIGNED-TIME", "suspicion") in found) is flagged


def test_keys() -> None:
    two = (Signer("ab" * 32, 24), Signer("cd" * 32, 124))
    found = findings(recording(signers=two))
    assert told(found)[0] == ("KEY-CHANGED", "suspicion")
    assert found[0].start == pytest.approx(4.96)
    doubtful = (Signer("ab" * 32, 24, tuple(CHAIN[:2]), False),)
    assert told(findings(recording(signers=doubtful)))[0] == ("KEY-NOT-VOUCHED", "suspicion")


def trusting(*anchors: str, **facts: Any) -> Picture:
    there = recording(**({"signers": (Signer("ab" * 32, 24, tuple(CHAIN[:2]), True),)} | facts))
    return picture(*there.tracks, signatures=there.signatures, anchors=anchors)


def test_trust() -> None:
    assert told(findings(trusting(CHAIN[2]))) == [("SIGNATURE-OK", "note")]
    assert "trusted certificate" in findings(trusting(CHAIN[2]))[0].en
    other = chain(KEY.public_key())[2].decode()
    assert told(findings(trusting(other)))[0] == ("KEY-NOT-TRUSTED", "suspicion")
    assert told(findings(trusting(CHAIN[2], signers=(Signer("ab" * 32, 24),))))[0] == ("KEY-NOT-TRUSTED", "suspicion")


def test_without_trusted_certificates_the_key_is_an_open_question() -> None:
    assert {"signature-key", "signature-coverage"} <= {each.check for each in signers.not_checked(recording())}
    assert "signature-key" not in {each.check for each in signers.not_checked(trusting(CHAIN[2]))}
    assert [each.check for each in signers.not_checked(picture(video(steady(10))))] == ["signature"]
    assert list(signers.not_checked(picture(audio(steady(10))))) == []


TRACE = Finding("UP-ORIGINAL/ENCODER-TRACE", Axis.FILE, Severity.SUSPICION, "痕迹。", "a trace")


@pytest.mark.parametrize(
    "there, severity",
    [
        (recording(), Severity.NOTE),
        (recording(tail=None), Severity.NOTE),
        (trusting(CHAIN[2]), Severity.NOTE),
        (trusting(chain(KEY.public_key())[2].decode()), Severity.SUSPICION),
        (recording(Breach((4, 4), (1, 2), missing=1)), Severity.SUSPICION),
        (recording(tail=Tail(125, 125, 125, 50, True)), Severity.SUSPICION),
        (recording(start=Start(1, True, unsigned=3)), Severity.SUSPICION),
        (recording(uncovered=1), Severity.SUSPICION),
        (picture(video(steady(10))), Severity.SUSPICION),
        (picture(video(steady(10)), audio(steady(10)), signatures=(signed(),)), Severity.SUSPICION),
    ],
)
def test_a_muxers_trace_is_a_note_where_every_picture_is_proven(there: Picture, severity: Severity) -> None:
    assert [each.severity for each in signers.in_its_light([TRACE], there)] == [severity]


def test_other_findings_stay() -> None:
    gap = Finding("REC-CONTINUOUS/GAP-PTS", Axis.TIMELINE, Severity.VIOLATION, "缺。", "gap")
    assert list(signers.in_its_light([gap], recording())) == [gap]


def test_chains() -> None:
    leaf, between, root = CHAIN
    assert trust.why_not([leaf, between], [root], None) == ""
    assert trust.why_not([leaf, between, root], [root], None) == ""
    assert trust.why_not([leaf], [between], None) == ""
    assert trust.why_not([leaf], [leaf], None) == ""
    assert trust.why_not([leaf], [root], None) != ""
    assert trust.why_not([leaf, between], [], None) != ""
    assert trust.why_not(["nonsense"], [root], None) != ""


def test_who_may_issue() -> None:
    leaf, between, root = (each.decode() for each in chain(KEY.public_key(), may_issue=False))
    assert trust.why_not([leaf, between], [root], None) != ""
    leaf, between, root = (each.decode() for each in chain(KEY.public_key(), depth=0))
    assert trust.why_not([leaf, between], [root], None) == ""
    below = chain(KEY.public_key())[0].decode()
    assert trust.why_not([below, leaf, between], [root], None) != ""


@pytest.mark.parametrize(
    "when, fine", [(BORN + YEAR, True), (BORN - YEAR, False), (BORN + 11 * YEAR, False), (1e30, False)]
)
def test_validity_when_it_was_recorded(when: float, fine: bool) -> None:
    assert (trust.why_not(CHAIN[:2], [CHAIN[2]], when) == "") is fine


def test_anchors_from_a_file() -> None:
    assert trust.anchors("".join(CHAIN).encode()) == tuple(CHAIN)
    with pytest.raises(ValueError, match=r"."):
        trust.anchors(b"no certificate")
