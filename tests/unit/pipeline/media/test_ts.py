"""The transport stream reader: counters, clocks, tables, lost synchrony; and that no bytes can make it fail."""

from __future__ import annotations

import io
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.structure import Transport
from pipeline.media import ts
from pipeline.media.window import Window
from tests.support.footage import require
from tests.support.transport import PMT, SOUND, VIDEO, arriving, packet, stream, tables


def read(packets: list[bytes] | bytes) -> Transport:
    data = packets if isinstance(packets, bytes) else b"".join(packets)
    found = ts.read(Window(io.BytesIO(data)))
    assert found is not None and found.transport is not None
    return found.transport


def test_a_whole_stream_has_nothing_to_tell() -> None:
    packets = stream(20)
    found = read(packets)
    assert (found.packet_size, found.packets) == (188, len(packets))
    assert found.breaks == () and found.clock == () and found.lost == () and found.tables == () and found.rest == 0
    assert found.pids[VIDEO] == 4000 and found.streams == ((VIDEO, 0x1B), (SOUND, 15)) and found.headless == ()


def test_packets_taken_out_break_every_counter() -> None:
    packets = stream(20)
    found = read(packets[:1000] + packets[1500:])
    assert {each.pid for each in found.breaks} == {0, PMT, VIDEO, SOUND}
    first = found.breaks[0]
    assert 1000 <= first.packet <= 1010 and first.offset == first.packet * 188
    (step,) = found.clock
    assert 1.9 < step.seconds < 2.3 and step.usual == pytest.approx(0.04) and not step.declared


def test_one_packet_lost_is_one_break() -> None:
    packets = stream(20)
    (broken,) = read(packets[:1002] + packets[1003:]).breaks
    assert (broken.pid, broken.packet, (broken.found - broken.expected) % 16) == (VIDEO, 1002, 1)


def test_a_packet_may_come_twice_but_not_three_times() -> None:
    packets = stream(20)
    assert read([*packets[:1003], packets[1002], *packets[1003:]]).breaks == ()
    (broken,) = read([*packets[:1003], packets[1002], packets[1002], *packets[1003:]]).breaks
    assert broken.packet == 1004


def test_a_declared_discontinuity_is_respected() -> None:
    packets = [packet(VIDEO, n) for n in range(100)] + [packet(VIDEO, 9, declared=True)]
    packets += [packet(VIDEO, 10 + n) for n in range(100)]
    assert read(packets).breaks == ()


def test_packets_without_payload_do_not_count() -> None:
    packets = []
    for n in range(100):
        packets += [packet(VIDEO, n), packet(VIDEO, n, empty=True, pcr=n * 1_000_000)]
    assert read(packets).breaks == ()


def test_null_packets_have_no_counter() -> None:
    packets = [each for n in range(100) for each in (packet(VIDEO, n), packet(0x1FFF, 0))]
    assert read(packets).breaks == ()


def test_a_counter_that_never_counts_proves_nothing() -> None:
    packets = [each for n in range(200) for each in (packet(VIDEO, n), packet(SOUND, 0))]
    found = read(packets)
    assert found.breaks == () and found.sloppy == (SOUND,)


def test_clocks_that_step_back_or_wrap() -> None:
    wrap = (1 << 33) * 300
    ticks = [(wrap - 50 * 1_000_000 + n * 1_000_000) % wrap for n in range(100)]
    assert read([packet(VIDEO, n, pcr=tick) for n, tick in enumerate(ticks)]).clock == ()
    back = ticks[:60] + [tick - 30 * 1_000_000 for tick in ticks[60:]]
    (step,) = read([packet(VIDEO, n, pcr=tick % wrap) for n, tick in enumerate(back)]).clock
    assert step.packet == 60 and step.seconds == pytest.approx(-29 / 27)


def test_arrival_times_wrap_without_a_word() -> None:
    found = read(arriving(stream(60), begin=(1 << 30) - 1_000_000))
    assert found.packet_size == 192 and found.arrival == () and found.disagreements == ()


def test_a_splice_in_m2ts_shows_in_both_clocks() -> None:
    """The packets come 120,000 ticks apart (9 packets and 0.4 of a table in 0.04 s), as the programme clock has it."""
    packets = arriving(stream(20), step=round(27_000_000 / 25 / 9.4))
    found = read(packets[:1000] + packets[3000:])
    assert len(found.arrival) == 1 and found.arrival[0].packet == 1000 and 7 < found.arrival[0].seconds < 10


def test_arrival_times_that_another_recording_wrote() -> None:
    first, second = arriving(stream(10), step=114_894), arriving(stream(10, begin=11.0), begin=5, step=114_894)
    (apart,) = read(first + second).disagreements
    assert apart.packet == len(first) + 2 and abs(apart.seconds) > 5


def test_tables_that_change() -> None:
    found = read(stream(10) + stream(10, begin=11.0, kind=0x24, version=1))
    (change,) = found.tables
    assert (change.pid, change.before, change.version) == (PMT, 0, 1) and change.packet == len(stream(10)) + 1


def test_bytes_between_packets_are_lost() -> None:
    packets = stream(10)
    found = read(b"".join(packets[:500]) + b"x" * 77 + b"".join(packets[500:]))
    assert found.lost == ((500 * 188, 77),) and found.breaks == () and found.packets == len(packets)


def test_a_file_that_begins_and_ends_within_packets() -> None:
    data = b"".join(stream(10))
    found = read(data[100:-100])
    assert found.lost == ((0, 88),) and found.rest == 88
    assert read(data + bytes(5000)).padding == 5000


def test_a_file_that_begins_within_a_picture() -> None:
    assert read(stream(10)[4:]).headless == (VIDEO,)


def test_faulty_and_scrambled_packets_are_counted() -> None:
    packets = [bytearray(each) for each in stream(10)]
    packets[50][1] |= 0x80
    packets[60][3] |= 0xC0
    found = read([bytes(each) for each in packets])
    assert (found.errors, found.scrambled) == (1, 1)


def test_names_in_the_service_table() -> None:
    name = b"\x48\x10\x01\x06FFmpeg\x07Service"
    body = b"\0\1\xff\0\1\xfc\x80" + bytes([len(name)]) + name
    sdt = b"\0\x42" + (0xF000 | len(body) + 9).to_bytes(2, "big") + b"\0\1\xc1\0\0" + body + bytes(4)
    data = [packet(0x11, 0, start=True, payload=sdt), *stream(4)]
    found = ts.read(Window(io.BytesIO(b"".join(data))))
    assert found is not None and found.signed == (("sdt/provider", "FFmpeg"), ("sdt/service", "Service"))


@pytest.mark.parametrize("data", [b"", b"G" * 100, bytes(5000), b"G" + bytes(187), b"\0\0\0\1g" * 500])
def test_other_files_are_no_transport_streams(data: bytes) -> None:
    assert ts.read(Window(io.BytesIO(data))) is None


def one_by_one(packets: list[bytes]) -> list[int]:
    """The packets whose counter is wrong, by the letter of 2.4.3.3."""
    last: dict[int, int] = {}
    twice: dict[int, bool] = {}
    wrong = []
    for number, each in enumerate(packets):
        pid, counter = int.from_bytes(each[1:3], "big") & 0x1FFF, each[3] & 15
        before = last.get(pid)
        if before is not None and counter != (before + 1) & 15:
            if counter == before and not twice.get(pid):
                twice[pid] = True
                continue
            wrong.append(number)
        last[pid], twice[pid] = counter, False
    return wrong


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 12))
def test_columns_tell_what_packets_tell(seed: int, faults: int) -> None:
    """The reader compares thousands of packets at once; the result must be that of looking at each."""
    chance = random.Random(seed)
    pids = [VIDEO, SOUND, 0x200, 0x300]  # the last two differ in the upper byte only
    counters = dict.fromkeys(pids, 0)
    packets = []
    for _ in range(chance.randrange(200, 20_000)):
        pid = chance.choices(pids, (80, 10, 5, 5))[0]
        packets.append(packet(pid, counters[pid]))
        counters[pid] += 1
    for _ in range(faults):
        at = chance.randrange(10, len(packets) - 10)
        if chance.random() < 0.5:
            del packets[at]
        else:
            packets.insert(at, packets[at])
    assert [each.packet for each in read(packets).breaks] == one_by_one(packets)


@settings(deadline=None)
@given(st.binary(max_size=4000))
def test_any_bytes(data: bytes) -> None:
    ts.read(Window(io.BytesIO(data)))
    ts.read(Window(io.BytesIO(b"".join(stream(1)) + data)))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    whole = bytearray(b"".join(arriving(stream(2)) if data.draw(st.booleans()) else stream(2)))
    for _ in range(data.draw(st.integers(1, 30))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    ts.read(Window(io.BytesIO(bytes(whole))))


def test_a_stream_that_is_lost_again_and_again_is_given_up() -> None:
    row = b"".join(packet(VIDEO, n) for n in range(8)) + b"x"
    found = read(row * 12_000)
    assert found.stopped and found.lost_count >= 10_000


@pytest.mark.parametrize("name", ["a.ts", "a.m2ts"])
def test_what_ffmpeg_writes_is_whole(name: str, tmp_path: Path) -> None:
    require("ffmpeg")
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=25", "-f", "lavfi", "-i", "sine=r=48000", "-t", "6"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-g", "10", "-c:a", "ac3", str(tmp_path / name)], check=True)
    data = (tmp_path / name).read_bytes()
    found = read(data)
    assert found.breaks == () and found.clock == () and found.lost == () and found.disagreements == ()
    size = found.packet_size
    cut = read(data[: 200 * size] + data[400 * size :])
    assert len({each.pid for each in cut.breaks}) > 1 and cut.clock


def test_tables_are_as_the_standard_has_them() -> None:
    """The helper's own tables, so that the tests above stand on something."""
    pat, pmt = tables()
    assert pat[1] == 0 and pmt[1] == 2 and len(pat) == 4 + int.from_bytes(pat[2:4], "big") % 4096
