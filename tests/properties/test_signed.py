"""Whatever is in the messages of a signed stream: an answer, in bounded time, and never a proof of what was changed."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.media import axis, matching, onvif, sei, signed
from tests.support.signing import AXIS, EXTRADATA, ONVIF, Packets, camera, gops, prefixed

_SIGNED = {scheme: camera(scheme).sign(gops(6, 5)) for scheme in ("axis", "onvif", "old", "oldest")}
_HEADERS = {"h264": b"\6\5", "hevc": b"\x4e\1\5"}


@given(st.sampled_from(["h264", "hevc"]), st.sampled_from([AXIS, ONVIF]), st.integers(0, 600), st.binary(max_size=800))
@example("h264", AXIS, 255, b"\xb0" + b"\4\xff\xff")
@example("h264", ONVIF, 16, b"")
@settings(max_examples=500)
def test_any_message_is_read_or_refused(codec: str, uuid: bytes, size: int, body: bytes) -> None:
    unit = _HEADERS[codec] + b"\xff" * (size // 255) + bytes([size % 255]) + uuid + body + b"\x80"
    data = sei.user_data(unit, codec)
    assert data is not None
    read = axis.read if uuid == AXIS else onvif.read
    try:
        message = read(data)
    except ValueError:
        return
    assert sum(map(len, message.hashes)) + len(message.document) <= 2 * len(unit)


@given(st.binary(max_size=3000), st.sampled_from(["h264", "hevc"]), st.sampled_from([0, 1, 2, 4]))
@settings(max_examples=300)
def test_any_packet(payload: bytes, codec: str, length: int) -> None:
    extradata = b"" if not length else b"\1" + bytes([0xFC | length - 1]) * 30
    reader = signed.Reader(codec, extradata, "sha256")
    for number in range(3):
        reader.take(number, payload)
    reader.result(0)


@st.composite
def tampered(draw: st.DrawFn) -> tuple[str, Packets, bool]:
    """A signed recording after a few edits, and whether any slice is not where it was."""
    scheme = draw(st.sampled_from(sorted(_SIGNED)))
    packets = [list(packet) for packet in _SIGNED[scheme]]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(packets) - 1))
        match draw(st.sampled_from(["byte", "drop", "copy", "swap", "unit"])):
            case "byte" if packets[at]:
                n = draw(st.integers(0, len(packets[at]) - 1))
                unit = bytearray(packets[at][n])
                unit[draw(st.integers(0, len(unit) - 1))] ^= draw(st.integers(1, 255))
                packets[at][n] = bytes(unit)
            case "drop":
                packets[at] = []
            case "copy":
                packets.insert(at, list(packets[draw(st.integers(0, len(packets) - 1))]))
            case "swap":
                other = draw(st.integers(0, len(packets) - 1))
                packets[at], packets[other] = packets[other], packets[at]
            case "unit":
                packets[at].append(draw(st.binary(min_size=3, max_size=40)))
    return scheme, packets, _slices(packets) != _slices(_SIGNED[scheme])


def _slices(packets: Packets) -> list[bytes]:
    units = [unit.rstrip(b"\0") for packet in packets for unit in packet]
    return [unit for unit in units if len(unit) > 2 and sei.kind_of(unit[0], "h264") in (1, 5)]


@given(tampered())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_not_as_signed_is_never_proven_whole(case: tuple[str, Packets, bool]) -> None:
    _, packets, edited = case
    found = signed.verify(lambda: prefixed(packets), stream=0, codec="h264", extradata=EXTRADATA)
    assert found is None or found.unread != "failed"
    if found is None or not edited:
        return
    # Only the ends may differ in silence: a head or a tail cut off, or a tail that is not proven yet.
    inside = _slices(_SIGNED[case[0]])
    ends = found.start is None or not found.start.begins or found.start.missing or found.start.unsigned
    tail = found.tail.units if found.tail else 0
    proven = _slices(packets)[: len(_slices(packets)) - tail]
    assert found.breach_count or found.unread or ends or proven == inside[: len(proven)]


@given(st.lists(st.integers(0, 9), max_size=60), st.lists(st.integers(0, 9), max_size=60))
def test_common_is_a_subsequence_of_both(listed: list[int], there: list[int]) -> None:
    pairs = matching.common([bytes([n]) for n in listed], [(bytes([n]),) for n in there])
    assert all(listed[i] == there[n] for i, n in pairs)
    assert pairs == sorted(pairs)
    assert len({i for i, _ in pairs}) == len({n for _, n in pairs}) == len(pairs)


@given(st.permutations(range(20)))
def test_common_is_the_longest(there: list[int]) -> None:
    pairs = matching.common([bytes([n]) for n in range(20)], [(bytes([n]),) for n in there])
    best = [1] * 20  # the longest increasing sequence that ends at each place
    for n in range(20):
        best[n] = 1 + max((best[m] for m in range(n) if there[m] < there[n]), default=0)
    assert len(pairs) == max(best)
