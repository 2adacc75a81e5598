"""The ledger page's section on timestamps: what to set, what to expect, the newest one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalogue import jobs as table
from storage.catalogue.tables import Job
from storage.records import JobKind
from tests.support.tsa import PEM, Authority, Server
from tests.support.web import Browser, Bureau, bureau, keep


@pytest.fixture
def stamping(tmp_path: Path) -> Iterator[Bureau]:
    """A bureau with a recording, whose policy names an authority."""
    authority, data = Authority(tmp_path / "tsa", "时间中心"), tmp_path / "data"
    data.mkdir()
    (data / "root.pem").write_bytes(authority.root.public_bytes(PEM))
    with Server() as server:
        server.stamp_by(authority)
        (data / "policy.yaml").write_text(f"time: {{tsa: ['{server.url}'], roots: [root.pem]}}")
        with bureau(data) as made:
            keep(made)
            made.publish()
            yield made


def waiting(made: Bureau) -> list[Job]:
    """The runs that are due."""
    with made.services.catalogue.read() as session:
        ready = [session.get_one(Job, job) for job, _ in table.due(session, made.clock.now)]
    return [job for job in ready if job.kind == JobKind.TIMESTAMP]


def run_next(made: Bureau) -> str:
    """Carry out the run that is due after a start, and give its state."""
    made.services.schedule.start()
    (job,) = waiting(made)
    assert made.services.runner.run(job.id)
    with made.services.catalogue.read() as session:
        return session.get_one(Job, job.id).state


def test_without_an_authority_the_page_says_what_to_set(office: Bureau) -> None:
    page = Browser(office, "auditor").get("/ledger").text
    assert "未设置时间戳服务" in page and "policy.yaml" in page
    office.services.schedule.start()
    assert waiting(office) == []


def test_the_newest_timestamp_is_shown_in_local_time(stamping: Bureau) -> None:
    browser = Browser(stamping, "auditor")
    assert "还没有时间戳" in browser.get("/ledger").text
    assert run_next(stamping) == "done"
    stamping.publish()
    page = browser.get("/ledger").text
    assert "时间中心 rsa" in page
    ((event, actor, payload),) = stamping.events("ledger:time")
    assert f"前 {payload['size']} 条" in page
    assert (event, actor) == ("ledger.timestamped", "service:timestamps")
    assert payload["time"].replace(".000Z", "+00:00") in page
    browser.get("/language/en")
    english = browser.get("/ledger").text
    assert f"the first {payload['size']}" in english and "checkpoint timestamped" in english


def test_the_next_run_is_queued_for_the_next_day(stamping: Bureau) -> None:
    assert run_next(stamping) == "done"
    stamping.clock.forward(hours=23)
    assert waiting(stamping) == []
    stamping.clock.forward(hours=1)
    assert len(waiting(stamping)) == 1


def test_a_failed_run_is_told_to_administrators(stamping: Bureau) -> None:
    folder = stamping.services.settings.ledger / "timestamps"
    folder.write_bytes(b"in the way")
    assert run_next(stamping) == "queued"  # to be tried again
    assert "加盖时间戳" in Browser(stamping, "admin").get("/admin/jobs").text


def test_strangers_fetch_the_files_of_the_timestamps(stamping: Bureau) -> None:
    stranger = Browser(stamping)
    assert stranger.get("/ledger/timestamps").text == ""
    assert run_next(stamping) == "done"
    names = stranger.get("/ledger/timestamps").text.splitlines()
    assert [name.rpartition("/")[2] for name in names] == ["chain.pem", "checkpoint", "reply.tsr"]
    for name in names:
        assert stranger.get(f"/ledger/{name}").content == (stamping.services.settings.ledger / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    ["1", "1/tsa", "1/tsa/none", "%2e%2e/checkpoint", "1/%2e%2e/checkpoint", "%2e%2e/%2e%2e/liuhen.db", "1/.new/x"],
)
def test_nothing_else_is_fetched(stamping: Bureau, name: str) -> None:
    assert run_next(stamping) == "done"
    answer = Browser(stamping).client.get(f"/ledger/timestamps/{name}", headers={"accept": "*/*"})
    assert answer.status_code == 404
