"""Where damage shows: the desk, its page, the figures, the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import make_cli
from pipeline.intake import original_key
from storage.records import JobKind
from tests.support.web import Browser, Bureau, Kept, keep


def damage(office: Bureau, kept: Kept) -> None:
    blob = office.services.settings.data / "blobs" / "five_years" / original_key(kept.original)
    blob.chmod(0o644)
    blob.write_bytes(b"\0" * 3000)


def check(office: Bureau) -> None:
    office.publish()
    assert office.services.runner.run(office.services.schedule.hasten(JobKind.FIXITY))


@pytest.mark.parametrize("login", ["admin", "auditor", "archivist"])
def test_damage_is_told_to_those_who_keep_the_store(office: Bureau, kept: Kept, login: str) -> None:
    damage(office, kept)
    check(office)
    browser = Browser(office, login)
    assert 'href="/fixity"' in browser.get("/").text
    told = browser.get("/fixity").text
    assert original_key(kept.original) in told and "损坏" in told and kept.recording in told


def test_the_page_is_not_for_others(office: Bureau, kept: Kept) -> None:
    damage(office, kept)
    check(office)
    assert Browser(office, "officer").get("/fixity").status_code == 403
    assert 'href="/fixity"' not in Browser(office, "officer").get("/").text


def test_the_page_speaks_english_too(office: Bureau, kept: Kept) -> None:
    damage(office, kept)
    check(office)
    browser = Browser(office, "auditor")
    browser.client.cookies.set("liuhen_lang", "en")
    told = browser.get("/fixity").text
    assert "Files not as the ledger says" in told


def test_the_figures_say_how_many_are_damaged(office: Bureau, kept: Kept) -> None:
    damage(office, kept)
    check(office)
    told = Browser(office, "admin").get("/metrics").text
    assert 'liuhen_fixity_files{state="damaged",tier="five_years"} 1.0' in told


def test_the_command_checks_and_tells(office: Bureau) -> None:
    kept = keep(office)
    damage(office, kept)
    office.publish()
    office.services.sequencer.stop()
    data: Path = office.services.settings.data
    done = CliRunner().invoke(make_cli(), ["admin", "fixity", "--data", str(data), "--run", "--json"])
    said = json.loads(done.stdout)
    assert done.exit_code == 1
    assert {each["state"] for each in said["found"] if kept.original in each["key"]} == {"damaged"}
    again = CliRunner().invoke(make_cli(), ["admin", "fixity", "--data", str(data)])
    assert again.exit_code == 1 and "damaged" in again.stdout
