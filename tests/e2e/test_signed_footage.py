"""A recording that its camera signed, from the file to the verdict: real pictures, real containers, our own camera."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.check import check_files
from tests.support.footage import require
from tests.support.signing import Camera, Packets, camera, started


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> list[Packets]:
    """Twelve seconds of H.264 in GOPs of a second, without frames that lean forward; each packet a picture."""
    require("ffmpeg")
    path = tmp_path_factory.mktemp("plain") / "plain.h264"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=15:duration=12"]
    coder = ["-c:v", "libx264", "-g", "15", "-bf", "0", "-sc_threshold", "0", "-bsf:v", "h264_metadata=aud=insert"]
    subprocess.run(["ffmpeg", "-v", "error", *source, *coder, "-f", "h264", str(path)], check=True)
    units = [unit.rstrip(b"\0") for unit in path.read_bytes().split(b"\0\0\1")[1:]]
    packets: Packets = []
    for unit in units:
        if unit[0] & 31 == 9:  # access unit delimiter
            packets.append([])
        packets[-1].append(unit)
    assert len(packets) == 180
    return [packets[n : n + 15] for n in range(0, 180, 15)]


def signed(made: Camera, gops: list[Packets]) -> Packets:
    """The camera signs slices only; its messages go before them, behind delimiters and parameter sets."""
    slices = [[[unit for unit in packet if unit[0] & 31 in (1, 5)] for packet in gop] for gop in gops]
    rest = [[unit for unit in packet if unit[0] & 31 not in (1, 5)] for gop in gops for packet in gop]
    return [[*before, *packet] for before, packet in zip(rest, made.sign(slices), strict=True)]


def check(packets: Packets, path: Path) -> dict[str, Any]:
    bare = path.with_suffix(".h264")
    bare.write_bytes(started(packets))
    if path.suffix != ".h264":
        command = ["ffmpeg", "-v", "error", "-r", "15", "-i", str(bare), "-c", "copy", "-y", str(path)]
        subprocess.run(command, check=True)
    report: dict[str, Any] = check_files([path]).files[0].as_json()
    return report


def severities(report: dict[str, Any]) -> dict[str, str]:
    return {found["code"].partition("/")[2]: found["severity"] for found in report["findings"]}


@pytest.mark.parametrize("suffix", [".h264", ".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("scheme", ["axis", "onvif"])
def test_a_signed_recording_in_any_container(
    recording: list[Packets], tmp_path: Path, scheme: str, suffix: str
) -> None:
    found = severities(check(signed(camera(scheme), recording), tmp_path / f"a{suffix}"))
    assert found["SIGNATURE-OK"] == "note"
    assert "violation" not in found.values()
    assert not [code for code in found if code.startswith(("SIGNED", "UNSIGNED"))]


def test_a_changed_picture_in_an_mp4(recording: list[Packets], tmp_path: Path) -> None:
    packets = signed(camera(), recording)
    unit = packets[100][-1]
    packets[100][-1] = unit[:-3] + bytes([unit[-3] ^ 16]) + unit[-2:]
    report = check(packets, tmp_path / "a.mp4")
    assert report["verdict"] == "altered"
    found = next(each for each in report["findings"] if each["code"] == "REC-TRUE/SIGNED-CHANGED")
    assert found["evidence"]["modified_packets"] == [100]
    assert found["start"] == pytest.approx(100 / 15, abs=0.1)


def test_groups_cut_out_of_an_mp4(recording: list[Packets], tmp_path: Path) -> None:
    packets = signed(camera("onvif"), recording)
    report = check(packets[:60] + packets[90:], tmp_path / "a.mp4")
    found = next(each for each in report["findings"] if each["code"] == "REC-CONTINUOUS/SIGNED-MISSING")
    assert found["severity"] == "violation"
    assert found["start"] - 1.1 <= 60 / 15 <= found["end"] + 1.1


def test_without_its_messages_nothing_is_known(recording: list[Packets], tmp_path: Path) -> None:
    report = check([packet for gop in recording for packet in gop], tmp_path / "a.mp4")
    assert "signature" in {each["check"] for each in report["not_checked"]}
    assert not [code for code in severities(report) if "SIGN" in code]
