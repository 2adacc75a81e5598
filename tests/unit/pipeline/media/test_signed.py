from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.continuity.signed import Breach, Signature
from pipeline.media import sei, signed
from tests.support.signing import EXTRADATA, Camera, Packets, camera, gops, prefixed, verify

SCHEMES = ("axis", "onvif", "old")


def facts(breach: Breach) -> dict[str, Any]:
    """What a breach says beside its place."""
    names = (
        "modified",
        "missing",
        "inserted",
        "moved",
        "unproven",
        "expected",
        "found",
        "absent",
        "signature",
        "restart",
    )
    told = {name: getattr(breach, name) for name in names}
    return {name: value for name, value in told.items() if value}


def only(found: Signature) -> Breach:
    assert found.breach_count == 1, found.breaches
    return found.breaches[0]


def without_messages(packets: Packets) -> Packets:
    return [[unit for unit in packet if unit[0] != 6] for packet in packets]


def changed(packets: Packets, number: int) -> Packets:
    """The picture of that packet with one bit of its slice turned."""
    edited = [list(packet) for packet in packets]
    unit = edited[number][-1]
    edited[number][-1] = unit[:-2] + bytes([unit[-2] ^ 16]) + unit[-1:]
    return edited


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scheme": "onvif"},
        {"scheme": "old"},
        {"scheme": "oldest"},
        {"scheme": "old", "escape": False},
        {"delay": 0},
        {"delay": 5},
        {"delay": 9},
        {"listed": False},
        {"scheme": "onvif", "listed": False},
        {"part": 4},
        {"part": 4, "listed": False, "delay": 2},
        {"every": 3},
        {"scheme": "onvif", "every": 2, "escape": False},
        {"every": 3, "listed": False, "escape": False},
        {"escape": False},
        {"algorithm": "sha512"},
        {"scheme": "onvif", "algorithm": "sha384", "listed": False},
    ],
    ids=str,
)
def test_what_was_signed_is_proven_but_for_the_end(options: dict[str, Any]) -> None:
    made = camera(**options)
    found = verify(made.sign(gops(12, 6)))
    assert found.breaches == ()
    assert found.unread == ""
    assert found.pictures >= 72 - 6 * (made.every + 2)
    assert found.start is not None
    assert found.start.begins
    pending = found.tail.pictures if found.tail else 0
    assert found.pictures + pending == 72
    assert found.tail is None or not found.tail.late


def test_several_slices_make_one_picture() -> None:
    found = verify(camera().sign(gops(5, 6, slices=3)))
    assert (found.units, found.pictures, found.breaches) == (24 * 3, 24, ())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_h265(scheme: str) -> None:
    found = verify(camera(scheme, codec="hevc").sign(gops(6, codec="hevc")), "hevc")
    assert (found.breaches, found.units >= 29) == ((), True)


@pytest.mark.parametrize("scheme", ["axis", "onvif"])
def test_rsa(scheme: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    found = verify(camera(scheme, key=key).sign(gops(4)))
    assert (found.breaches, found.groups) == ((), 3)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("number", [20, 24, 29], ids=["inner", "key", "last"])
def test_a_changed_picture_is_found(scheme: str, number: int) -> None:
    breach = only(verify(changed(camera(scheme).sign(gops(12, 6)), number)))
    assert facts(breach) == {"modified": (number,)}
    assert breach.packets == (number, number)


@pytest.mark.parametrize("scheme", ["axis", "onvif", "oldest"])
def test_without_a_list_the_group_of_a_changed_picture_is_found(scheme: str) -> None:
    found = verify(changed(camera(scheme, listed=False).sign(gops(12, 6)), 20))
    assert [(each.packets, each.unproven, each.expected) for each in found.breaches] == [((18, 23), 6, 6)]
    assert found.groups >= 10


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("first, count", [(20, 1), (20, 3), (29, 1), (18, 1), (21, 2)])
def test_missing_pictures_are_counted_and_located(scheme: str, first: int, count: int) -> None:
    packets = camera(scheme).sign(gops(12, 6))
    for packet in packets[first : first + count]:
        packet[:] = [unit for unit in packet if unit[0] == 6]
    breach = only(verify(packets))
    assert facts(breach) == {"missing": count}
    assert breach.packets[0] <= first <= breach.packets[1] + count


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_picture_put_in(scheme: str) -> None:
    packets = camera(scheme).sign(gops(12, 6))
    breach = only(verify([*packets[:20], gops(1, 2, seed="foreign")[0][1], *packets[20:]]))
    assert (facts(breach), breach.packets) == ({"inserted": 1}, (20, 20))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pictures_out_of_order(scheme: str) -> None:
    packets = camera(scheme).sign(gops(12, 6))
    packets[21], packets[22] = packets[22], packets[21]
    breach = only(verify(packets))
    assert facts(breach) == {"moved": 1}
    assert breach.packets[0] in (21, 22)


@pytest.mark.parametrize(
    "scheme, listed", [("axis", True), ("axis", False), ("onvif", True), ("onvif", False), ("old", True)]
)
@pytest.mark.parametrize("delay", [0, 1, 4])
def test_groups_cut_out(scheme: str, listed: bool, delay: int) -> None:
    packets = camera(scheme, listed=listed, delay=delay).sign(gops(12, 6))
    found = verify(packets[:24] + packets[36:])
    assert found.breach_count == 1
    assert found.breaches[0].packets[0] <= 24 <= found.breaches[0].packets[1] + 1
    assert found.breaches[0].missing >= 6 or found.breaches[0].absent >= 1 or found.breaches[0].expected


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("cut", [6, 12, 8])
def test_a_head_cut_off_is_a_beginning_and_no_breach(scheme: str, cut: int) -> None:
    found = verify(camera(scheme).sign(gops(12, 6))[cut:])
    assert found.start is not None
    assert not found.start.begins or found.start.missing
    assert found.breach_count == 0


def test_a_clean_end_is_just_not_proven_yet() -> None:
    found = verify(camera().sign(gops(12, 6))[:45])
    assert (found.breaches, found.tail is not None and found.tail.late) == ((), False)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_footage_behind_the_last_signature_is_more_than_its_rhythm(scheme: str) -> None:
    foreign = [packet for gop in gops(4, 6, seed="foreign") for packet in gop]
    found = verify(camera(scheme).sign(gops(8, 6)) + foreign)
    assert found.tail is not None
    assert found.tail.late
    assert found.tail.pictures >= 24


def test_footage_before_the_first_signature() -> None:
    foreign = [packet for gop in gops(2, 6, seed="foreign") for packet in gop]
    found = verify(foreign + camera().sign(gops(8, 6)))
    assert found.start is not None
    assert (found.start.unsigned, found.start.packet, found.breaches) == (12, 11, ())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_footage_between_signed_groups(scheme: str) -> None:
    packets = camera(scheme).sign(gops(8, 6))
    foreign = [packet for gop in gops(2, 6, seed="foreign") for packet in gop]
    breach = only(verify(packets[:24] + foreign + packets[24:]))
    assert breach.inserted + breach.unproven == 12


def test_two_recordings_joined() -> None:
    one, other = (camera().sign(gops(6, 6, seed=seed)) for seed in "ab")
    found = verify(one + other)
    assert [each.restart for each in found.breaches] == [True]
    assert len(found.signers) == 2


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_message_taken_out(scheme: str) -> None:
    packets = camera(scheme).sign(gops(12, 6))
    at = [n for n, packet in enumerate(packets) if any(unit[0] == 6 for unit in packet)][4]
    packets[at] = [unit for unit in packets[at] if unit[0] != 6]
    breach = only(verify(packets))
    assert facts(breach) == {"unproven": 6, "signature": "absent"}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("place", [30, 60, 200, 330, -30])
def test_a_message_tampered_with(scheme: str, place: int) -> None:
    packets = camera(scheme).sign(gops(12, 6))
    at = [n for n, packet in enumerate(packets) if any(unit[0] == 6 for unit in packet)][4]
    unit = bytearray(packets[at][0])
    unit[place] ^= 0x55
    packets[at][0] = bytes(unit)
    found = verify(packets)
    assert {each.signature for each in found.breaches} & {"bad", "unreadable", "absent"}
    assert found.groups >= 9


@pytest.mark.parametrize("scheme", ["axis", "onvif"])
def test_the_key_may_come_late_or_by_itself(scheme: str) -> None:
    made = camera(scheme, keyed=False)
    packets = made.sign(gops(8, 6))
    assert verify(packets).unread == "keyless"
    packets[30].insert(0, made.key_message())
    found = verify(packets)
    assert (found.groups, found.breaches, len(found.signers)) == (7, (), 1)


def test_another_key_within_the_file() -> None:
    made, recording = camera(), gops(8, 6)
    packets = made.sign(recording)
    made.key = Camera().key
    resigned = made.sign(recording)
    found = verify(packets[:30] + resigned[30:])
    assert [each.packet for each in found.signers] == [7, 31]
    assert found.breaches == ()


def test_signatures_of_somebody_else() -> None:
    made, other = camera(keyed=False), camera()
    packets = made.sign(gops(8, 6))
    packets[0].insert(0, other.key_message())
    found = verify(packets)
    assert (found.unread, found.groups) == ("bad", 0)


def test_messages_on_other_pictures() -> None:
    packets = camera().sign(gops(8, 6))
    other = gops(8, 6, seed="re-encoded")
    pictures = [packet for gop in other for packet in gop]
    found = verify([[*(u for u in old if u[0] == 6), *new] for old, new in zip(packets, pictures, strict=True)])
    assert (found.unread, found.groups) == ("other", 0)


def test_a_short_piece_may_hold_no_whole_group() -> None:
    assert verify(camera().sign(gops(8, 6))[24:28]).unread == "short"


def test_messages_of_an_unknown_version() -> None:
    packets = camera(escape=False).sign(gops(4, 6))
    strange = [[unit.replace(b"\x0b\6\x09", b"\x0b\6\x08") for unit in packet] for packet in packets]
    assert verify(strange).unread == "version"


def test_unsigned_messages_without_the_signed_one_prove_nothing() -> None:
    packets = camera(every=4).sign(gops(16, 6))
    signed_at = [n for n, packet in enumerate(packets) if any(unit[0] == 6 for unit in packet)][7]
    packets[signed_at] = [unit for unit in packets[signed_at] if unit[0] != 6]
    found = verify(packets)
    assert found.breach_count >= 1
    assert found.pictures < 80


def test_pictures_of_a_kind_that_is_not_signed() -> None:
    packets = camera(codec="hevc").sign(gops(6, codec="hevc"))
    packets[10].append(b"\x10\x01\x80" + bytes(range(1, 60)))  # RASL_N
    found = verify(packets, "hevc")
    assert (found.uncovered, found.uncovered_packet, found.breaches) == (1, 10, ())


def test_zeros_behind_units_are_not_theirs() -> None:
    packets = [[unit + b"\0\0" for unit in packet] for packet in camera().sign(gops(5))]
    assert verify(packets).breaches == ()


def test_start_codes() -> None:
    packets = camera().sign(gops(5))
    bare = [(n, b"".join(b"\0\0\0\1" + unit for unit in packet)) for n, packet in enumerate(packets)]
    found = signed.verify(lambda: bare, stream=3, codec="h264", extradata=b"")
    assert found is not None
    assert (found.stream, found.groups, found.breaches) == (3, 4, ())


def test_a_message_that_fell_apart_is_as_good_as_absent() -> None:
    packets = camera().sign(gops(12, 6))
    at = [n for n, packet in enumerate(packets) if any(unit[0] == 6 for unit in packet)][4]
    packets[at][0] = packets[at][0][:200]
    assert facts(only(verify(packets))) == {"unproven": 6, "signature": "absent"}
    assert verify([[unit[:200] for unit in packet] for packet in packets]).unread == "version"


def test_no_messages_no_signature() -> None:
    packets = without_messages(camera().sign(gops(5)))
    assert signed.verify(lambda: prefixed(packets), stream=0, codec="h264", extradata=EXTRADATA) is None


def test_the_serial_number_and_times_come_along() -> None:
    found = verify(camera().sign(gops(5)))
    signer = found.signers[0]
    assert (signer.maker, signer.serial, signer.firmware, signer.vouched) == ("Test AB", "SN42", "1.0", None)
    assert found.times == pytest.approx((1_700_000_001.0, 1_700_000_005.0))
    assert verify(camera("onvif").sign(gops(5))).times == pytest.approx((1_700_000_001.0, 1_700_000_005.0))


def test_more_units_than_can_wait_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.media.chain._MOST_WAITING", 100)
    packets = camera().sign(gops(20, 6))
    foreign = [packet for gop in gops(30, 10, seed="foreign") for packet in gop]
    breach = only(verify(packets[:60] + foreign + packets[60:]))
    # the group whose message comes behind what was put in is lost with it
    assert breach.unproven == 306
    assert breach.packets == (54, 359)


@pytest.mark.parametrize(
    "payload, expected", [(b"\0\0\0\5\x41" + sei.AXIS, False), (b"\0\0\0\x20\6\5" + sei.AXIS, True)]
)
def test_a_packet_is_looked_at_only_when_it_begins_otherwise_than_with_a_slice(payload: bytes, expected: bool) -> None:
    assert sei.signed(memoryview(payload), 4, "h264") is expected
