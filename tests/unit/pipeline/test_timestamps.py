"""Checkpoints stamped by real authorities on a schedule: archived, recorded, renewed; a failing one blocks nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline import timestamps
from pipeline.policy import load
from pipeline.timestamp_check import check_stamps
from pipeline.timestamps import Timestamps
from storage.catalogue.tables import Entry, Job
from storage.errors import IntegrityError, LiuhenError, NotFound, Refused, Transient
from storage.ledger.time import stamp_folder, stamps, timestamp
from storage.records import JobKind, JobState
from tests.support.ledger import VKEY
from tests.support.offices import Office
from tests.support.rotations import key_of, rotate
from tests.support.services import program
from tests.support.tsa import DAY, PEM, Authority, Server

KIND = "application/timestamp-reply"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path / "office", [stack.enter_context(Server()) for _ in range(2)])
        stack.callback(made.desk.close)
        yield made


def test_each_authority_stamps_the_checkpoint_and_the_log_says_so(office: Office) -> None:
    office.log(3)
    assert office.stamp() == [f"timestamps/3/{office.path(0)}", f"timestamps/3/{office.path(1)}"]
    assert [each["size"] for each in office.entries()] == [3, 3]
    examined = office.examine()
    assert examined.wrong == ()
    assert examined.unrecorded == ()
    assert {each.index for each in examined.kept} == {3, 4}
    assert [each.stamp.tsa for each in examined.kept] == ["TSA0 rsa", "TSA1 rsa"]


def test_the_archive_is_no_fault_of_the_log(office: Office) -> None:
    office.log()
    office.stamp()
    assert office.desk.audit().checkpoint.size == 5


def test_an_unchanged_log_is_not_stamped_twice(office: Office) -> None:
    office.log()
    office.stamp()
    assert office.stamp() == []
    assert office.stamp() == []
    assert len(office.servers[0].asked) == 1
    office.log(1)
    assert len(office.stamp()) == 2


def test_an_empty_log_is_not_stamped(office: Office) -> None:
    with pytest.raises(NotFound):
        office.service().stamp()
    office.publish()
    assert office.stamp() == []


def test_without_an_authority_nothing_happens(office: Office) -> None:
    office.log()
    office.servers = []
    assert office.stamp() == []
    assert not (office.desk.folder.root / "timestamps").exists()


def test_an_authority_that_is_down_is_tried_again_and_blocks_nobody(office: Office) -> None:
    office.log(3)
    office.servers[0].post = lambda body: (503, "text/plain", b"busy")
    with pytest.raises(Transient, match="HTTP 503"):
        office.stamp()
    assert [each["path"] for each in office.entries()] == [f"timestamps/3/{office.path(1)}"]
    office.log(2)
    office.servers[0].stamp_by(office.authorities[0])
    assert office.stamp() == [f"timestamps/6/{office.path(0)}", f"timestamps/6/{office.path(1)}"]
    assert office.wrong() == []


def test_an_authority_that_does_not_listen_is_down(tmp_path: Path, office: Office) -> None:
    office.log()
    with Server() as gone:
        pass
    office.servers[0] = gone
    with pytest.raises(Transient, match="is down"):
        office.stamp()
    assert len(office.entries()) == 1


HTML = "text/html"


@pytest.mark.parametrize(
    ("status", "kind", "body", "error"),
    [
        (200, HTML, b"<html>please sign in</html>", Refused),
        (200, KIND, b"<html>please sign in</html>", IntegrityError),
        (200, KIND, b"", IntegrityError),
        (200, KIND, b"\x30" * 1000, IntegrityError),
        (200, KIND, bytes((1 << 20) + 1), Refused),
        (302, HTML, b"", Refused),
        (403, HTML, b"", Refused),
        (404, HTML, b"", Refused),
        (429, HTML, b"", Transient),
        (500, HTML, b"", Transient),
    ],
)
def test_a_wrong_answer_is_told_and_nothing_is_kept_of_it(
    office: Office, status: int, kind: str, body: bytes, error: type[LiuhenError]
) -> None:
    office.log()
    office.servers[0].post = lambda _: (status, kind, body)
    with pytest.raises(error):
        office.stamp()
    assert len(office.entries()) == 1
    assert [path for path in stamp_folder.names(office.desk.folder.root) if office.path(0) in path] == []


def test_a_reply_to_another_request_is_refused(office: Office) -> None:
    """Recorded and played again, for the very checkpoint."""
    office.log()
    office.stamp()
    old = next((office.desk.folder.root / "timestamps").rglob("reply.tsr")).read_bytes()
    office.log()
    office.servers[0].post = lambda _: (200, KIND, old)
    with pytest.raises(IntegrityError, match="other bytes"):
        office.stamp()
    again = timestamp.request(office.desk.folder.read("checkpoint")).body
    office.servers[0].post = lambda _: (200, KIND, office.authorities[0].reply(again))
    office.log()
    with pytest.raises(IntegrityError):
        office.stamp()


def test_an_authority_of_another_root_is_refused(office: Office, tmp_path: Path) -> None:
    office.log()
    office.servers[0].stamp_by(Authority(tmp_path / "other", root_name="Stranger"))
    with pytest.raises(IntegrityError, match="no trusted root"):
        office.stamp()
    assert len(office.entries()) == 1


def test_a_refusal_is_told(office: Office, tmp_path: Path) -> None:
    office.log()
    office.servers[0].stamp_by(Authority(tmp_path / "other", "TSA0", digests="sha512"))
    with pytest.raises(Refused, match="not supported"):
        office.stamp()
    office.policy["digest"] = "sha512"
    assert office.stamp()[0] == f"timestamps/4/{office.path(0)}"


def test_the_policy_may_be_pinned(office: Office) -> None:
    office.log()
    office.policy["tsa_policy"] = "1.2.3"
    with pytest.raises(IntegrityError, match="policy"):
        office.stamp()


def test_a_removed_stamp_is_noticed(office: Office) -> None:
    for _ in range(3):
        office.log()
        office.stamp()
    shutil.rmtree(office.desk.folder.root / office.entries()[2]["path"])
    assert [office.entries()[2]["path"] in wrong and "missing" in wrong for wrong in office.wrong()] == [True]


def test_the_whole_archive_removed_is_noticed(office: Office) -> None:
    office.log()
    office.stamp()
    shutil.rmtree(office.desk.folder.root / "timestamps")
    assert len(office.wrong()) == 2


def test_a_crash_between_folder_and_entry_is_mended_by_the_next_run(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    office.log(3)
    with monkeypatch.context() as patch:
        patch.setattr(Timestamps, "_record", crash)
        with pytest.raises(Crash):
            office.service().stamp()
    examined = office.examine()
    assert examined.unrecorded == (f"timestamps/3/{office.path(0)}",)
    assert examined.wrong == ()
    assert office.stamp() == [f"timestamps/3/{office.path(1)}"]
    assert office.examine().unrecorded == ()
    assert [each["path"] for each in office.entries()] == [
        f"timestamps/3/{office.path(0)}",
        f"timestamps/3/{office.path(1)}",
    ]


def test_lists_of_revoked_certificates_are_kept_with_the_stamp(office: Office, tmp_path: Path) -> None:
    office.log()
    with Server() as issuer:
        authority = Authority(tmp_path / "crl", "TSA0", crl=issuer.url)
        issuer.lists = {"/Between.crl": authority.revoke(None), "/Root.crl": authority.revoke(None, issuer="Root")}
        office.trusted.append(authority.root)
        office.servers[0].stamp_by(authority)
        made = office.service().stamp()
    assert set(made[0].files) == {"checkpoint", "reply.tsr", "chain.pem", "0.crl", "1.crl"}
    assert made[0].stamp.checked
    assert not made[1].stamp.checked
    assert office.wrong() == []


def test_a_revoked_authority_is_not_archived(office: Office, tmp_path: Path) -> None:
    office.log()
    with Server() as issuer:
        authority = Authority(tmp_path / "crl", "TSA0", crl=issuer.url)
        issuer.lists = {"/Between.crl": authority.revoke(datetime.now(UTC) - DAY), "/Root.crl": b"<html>"}
        office.trusted.append(authority.root)
        office.servers[0].stamp_by(authority)
        with pytest.raises(IntegrityError, match="revoked"):
            office.stamp()
    assert len(office.entries()) == 1


# ── renewal ──


@pytest.fixture
def ageing(office: Office, tmp_path: Path) -> Office:
    """One authority, whose certificate has fifty days left; the log does not grow any more."""
    office.servers.pop()
    authority = Authority(tmp_path / "old", "TSA0", days=51)
    office.trusted.append(authority.root)
    office.servers[0].stamp_by(authority)
    office.log()
    office.policy["renew_before_days"] = 40
    assert len(office.stamp()) == 1
    return office


def test_nothing_is_renewed_too_early(ageing: Office) -> None:
    assert ageing.stamp() == []


def test_a_certificate_about_to_expire_is_renewed_and_holds_afterwards(ageing: Office) -> None:
    ageing.ahead = 20 * DAY
    ageing.servers[0].stamp_by(ageing.authorities[0])
    (path,) = ageing.stamp()
    assert path.startswith("timestamps/renewed/")
    assert ageing.stamp() == []
    ageing.ahead = 60 * DAY
    assert ageing.wrong() == []
    assert [each.get("renews") for each in ageing.entries()] == [None, 3]
    shutil.rmtree(ageing.desk.folder.root / path)
    assert len(ageing.wrong()) == 2  # the renewal is missing, and so the first one has expired


def test_without_renewal_it_expires(ageing: Office) -> None:
    ageing.ahead = 60 * DAY
    assert ["expired on" in wrong for wrong in ageing.wrong()] == [True]


def test_the_same_old_certificate_prolongs_nothing(ageing: Office) -> None:
    ageing.ahead = 20 * DAY
    assert ageing.stamp() == []
    assert len(ageing.entries()) == 1


def test_a_later_stamp_makes_a_renewal_needless(ageing: Office) -> None:
    """It covers the entry that names the older one's files."""
    ageing.ahead = 20 * DAY
    ageing.servers[0].stamp_by(ageing.authorities[0])
    ageing.log()
    (path,) = ageing.stamp()
    assert path == f"timestamps/7/{ageing.path()}"
    ageing.ahead = 60 * DAY
    assert ageing.wrong() == []


def test_a_renewal_by_a_larger_digest(ageing: Office) -> None:
    ageing.ahead = 20 * DAY
    ageing.policy["digest"] = "sha512"
    ageing.servers[0].stamp_by(ageing.authorities[0])
    (path,) = ageing.stamp()
    manifest = (ageing.desk.folder.root / path / "manifest").read_text()
    assert all(len(line.split("  ")[0]) == 128 for line in manifest.splitlines())
    assert ageing.wrong() == []


def test_a_larger_digest_renews_what_has_the_smaller_at_once_and_only_once(office: Office) -> None:
    office.log()
    office.stamp()
    office.policy["digest"] = "sha512"
    (path,) = office.stamp()
    assert path.startswith("timestamps/renewed/")
    assert office.entries()[-1]["renews"] == 6
    assert office.stamp() == []
    office.log()
    office.stamp()
    assert [each["digest"] for each in office.entries()] == ["sha256"] * 2 + ["sha512"] * 3
    assert office.stamp() == []
    assert office.wrong() == []


def test_a_broken_stamp_does_not_keep_the_others_from_being_renewed(office: Office) -> None:
    office.log()
    broken, sound = office.stamp()
    (office.desk.folder.root / broken / "reply.tsr").unlink()
    office.policy["digest"] = "sha512"
    with pytest.raises(IntegrityError, match="missing"):
        office.stamp()
    assert office.entries()[-1]["renews"] == 3
    manifest = (office.desk.folder.root / office.entries()[-1]["path"] / "manifest").read_text()
    assert sound in manifest and broken not in manifest


def test_evidence_of_the_old_chain_is_fetched_once_more(office: Office, tmp_path: Path) -> None:
    office.servers.pop()
    with Server() as issuer:
        old = Authority(tmp_path / "old", "TSA0", days=51, crl=issuer.url)
        issuer.lists = {"/Between.crl": old.revoke(None)}
        office.trusted.append(old.root)
        office.servers[0].stamp_by(old)
        office.log()
        office.stamp()
        office.ahead = 20 * DAY
        office.policy["renew_before_days"] = 40
        office.servers[0].stamp_by(office.authorities[0])
        (path,) = office.stamp()
    manifest = (office.desk.folder.root / path / "manifest").read_text()
    assert f"  {path}/old-0.crl\n" in manifest
    assert office.wrong() == []


# ── the schedule ──


def job(state: JobState, finished: datetime) -> Job:
    key = f"timestamp:{finished.isoformat()}"
    facts = {"id": key, "kind": JobKind.TIMESTAMP, "subject": "s", "key": key, "args": {}, "run_at": finished}
    return Job(**facts, created=finished, state=state, finished=finished)


def test_the_first_run_is_at_once_then_by_the_interval_sooner_after_a_failure(office: Office) -> None:
    when, now = timestamps.when(timedelta(hours=24)), datetime(2026, 11, 21, tzinfo=UTC)
    with office.desk.catalogue.write() as session:
        assert when(session, now) == now
        session.add(job(JobState.DONE, now))
        session.flush()
        assert when(session, now) == now + timedelta(hours=24)
        session.add(job(JobState.FAILED, now + timedelta(hours=24)))
        session.flush()
        assert when(session, now) == now + timedelta(minutes=10)


def test_as_a_job_it_writes_nothing_but_its_stamps(office: Office) -> None:
    office.log()
    finish = office.service().run(job(JobState.RUNNING, office.clock()), lambda done: None)
    with office.desk.catalogue.write() as session:
        finish(session)
        waiting = session.scalars(select(Entry.event).where(Entry.index.is_(None))).all()
    assert list(waiting) == [stamps.EVENT] * 2


def test_roots_that_are_none_are_named(office: Office, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_bytes(office.authorities[0].root.public_bytes(PEM))
    bad.write_bytes(b"no certificate")
    assert timestamps.read_roots([good]) == [office.authorities[0].root]
    with pytest.raises(Refused, match=r"bad\.pem, .*gone\.pem"):
        timestamps.read_roots([good, bad, tmp_path / "gone.pem"])


def test_stamps_from_before_and_after_a_change_of_key_hold(office: Office) -> None:
    office.sequencer.stop()
    office.desk.key = key_of()
    office.sequencer = office.desk.sequencer()
    office.log()
    office.stamp()
    rotate(office.desk)
    office.publish()
    office.log()
    assert len(office.stamp()) == 2
    assert office.wrong() == []
    found = check_stamps(office.desk.folder.root, VKEY, office.trusted, office.clock())
    assert found.wrong == ()
    assert found.examined is not None and len(found.examined.kept) == 4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tsa: ['ftp://tsa.example.org']", "http://"),
        ("tsa: ['http://']", "http://"),
        ("tsa: ['http://127.0.0.1:99999']", "Port out of range"),
        ("tsa: ['http://[']", "Invalid IPv6"),
        ("tsa: ['http://tsa.example.org', 'https://tsa.example.org/']", "twice"),
        ("tsa: ['http://tsa.example.org'], roots: []", "time.roots"),
        ("interval_hours: 0", "interval_hours"),
        ("digest: sha1", "digest"),
        ("tsa_policy: mine", "tsa_policy"),
    ],
)
def test_a_wrong_policy_is_named(tmp_path: Path, text: str, named: str) -> None:
    if "roots" not in text:
        text += ", roots: [root.pem]"
    (tmp_path / "policy.yaml").write_text(f"time: {{{text}}}")
    with pytest.raises(Refused, match=named):
        load(tmp_path / "policy.yaml")


def test_a_stranger_verifies_with_common_tools_alone(ageing: Office, tmp_path: Path) -> None:
    """The commands of docs/ledger.md, before and after the certificate has expired."""

    def run(*command: object) -> bool:
        folder = ageing.desk.folder.root
        return subprocess.run([*map(str, command)], cwd=folder, capture_output=True, check=False).returncode == 0

    def verified(stamp: str, what: str, authority: Authority, *at: object) -> bool:
        root = tmp_path / "root.pem"
        root.write_bytes(authority.root.public_bytes(PEM))
        chain = ("-CAfile", root, "-untrusted", f"{stamp}/chain.pem")
        files = ("-data", f"{stamp}/{what}", "-in", f"{stamp}/reply.tsr")
        return run(program("openssl"), "ts", "-verify", *files, *chain, *at)

    first, old, new = ageing.entries()[0]["path"], Authority(tmp_path / "again", "TSA0"), ageing.authorities[0]
    old.root = ageing.trusted[-1]
    ageing.ahead = 20 * DAY
    ageing.servers[0].stamp_by(new)
    (renewed,) = ageing.stamp()
    expired = int((datetime.now(UTC) + 60 * DAY).timestamp())
    renewal = int(datetime.fromisoformat(ageing.entries()[1]["time"]).timestamp())
    assert verified(first, "checkpoint", old)
    assert not verified(first, "checkpoint", new)
    assert not verified(first, "checkpoint", old, "-attime", expired)
    assert verified(first, "checkpoint", old, "-attime", renewal)
    assert run(program("sha256sum"), "-c", "--quiet", f"{renewed}/manifest")
    assert verified(renewed, "manifest", new, "-attime", expired)
    file = ageing.desk.folder.root / first / "checkpoint"
    file.write_bytes(file.read_bytes() + b"\n")
    assert not verified(first, "checkpoint", old)
    assert not run(program("sha256sum"), "-c", "--quiet", f"{renewed}/manifest")
