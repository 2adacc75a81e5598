"""What is handed out for a docking station: units, udev rule, configuration."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ingest.station_settings import load
from tests.support.server import ROOT

STATION = ROOT / "deploy" / "station"


def test_the_units_are_well_formed(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd on this machine")
    agent, card = tmp_path / "liuhen-dock.service", tmp_path / "liuhen-card@sdb1.service"
    shutil.copy(STATION / "liuhen-card@.service", card)
    unit = (STATION / agent.name).read_text()
    agent.write_text(unit.replace("/opt/liuhen/bin/liuhen", "/bin/true"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", agent, card], check=False, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_udev_rule_is_well_formed() -> None:
    rule = STATION / "90-liuhen-cards.rules"
    if not shutil.which("udevadm"):
        pytest.skip("no udev on this machine")
    checked = subprocess.run(["udevadm", "verify", rule], check=False, capture_output=True, text=True)
    if "Unknown command" in checked.stderr:
        pytest.skip("this udev can't verify rules (254 and later can)")
    assert checked.returncode == 0, checked.stderr


def test_rule_unit_and_configuration_speak_of_the_same_places() -> None:
    assert "liuhen-card@%k.service" in (STATION / "90-liuhen-cards.rules").read_text()
    settings = load(STATION / "dock.toml", {})
    agent = (STATION / "liuhen-dock.service").read_text()
    assert "--config /etc/liuhen/dock.toml" in agent
    assert f"StateDirectory={settings.state.name}\n" in agent
    card = (STATION / "liuhen-card@.service").read_text()
    assert f"{settings.mounts[0]}/%I" in card
    assert f"d {settings.mounts[0]} " in (STATION / "liuhen-station.conf").read_text()


def test_the_agent_may_ask_the_kernel_about_its_clock_and_not_set_it() -> None:
    agent = (STATION / "liuhen-dock.service").read_text()
    assert "SystemCallFilter=@system-service adjtimex" in agent
    assert "ProtectClock" not in agent.replace("So no ProtectClock", "")
    assert "CapabilityBoundingSet=CAP_DAC_READ_SEARCH\n" in agent
