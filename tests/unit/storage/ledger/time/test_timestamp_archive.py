"""The archive of stamps: whatever is taken away, altered or added is named; what expired was renewed or is told."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.errors import Conflict, IntegrityError
from storage.ledger import checkpoint
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.folder import LedgerFolder
from storage.ledger.merkle import leaf_hash, root
from storage.ledger.time import renewal, stamp_folder, stamps, timestamp
from storage.ledger.time.renewal import Span
from storage.ledger.time.stamps import Archive, Kept, Record, StampFault
from tests.support.ledger import SIGNER, bodies, log
from tests.support.tsa import DAY, Authority

NOW = datetime.now(UTC)


def archive(ledger: Path, *authorities: Authority) -> Archive:
    """The archive in a log's folder, by somebody who trusts these."""
    read = LedgerFolder(ledger).read
    held = stamps.log_of(read, lambda signed: checkpoint.verify(signed, SIGNER.verifier))
    return Archive(read, stamp_folder.names(ledger), held, [each.root for each in authorities])


class Kiosk:
    """A log of some entries in a folder, and an authority that stamps its beginnings."""

    def __init__(self, ledger: Path, authority: Authority, size: int = 7) -> None:
        self.ledger, self.authority, self.size = ledger, authority, size
        self.entries = bodies(size)
        self.records: list[Record] = []
        for name, content in log(self.entries).items():
            (ledger / name).parent.mkdir(parents=True, exist_ok=True)
            (ledger / name).write_bytes(content)

    def signed(self, size: int) -> bytes:
        top = root([leaf_hash(body) for body in self.entries[:size]])
        return checkpoint.sign(Checkpoint(SIGNER.name, size, top), SIGNER)

    def files(self, name: str, message: bytes) -> dict[str, bytes]:
        """What a stamp of `message` consists of."""
        reply = self.authority.reply(timestamp.request(message).body)
        stamp = timestamp.verify(reply, message, [self.authority.root])
        return {name: message, stamps.REPLY: reply, stamps.CHAIN: stamp.chain}

    def stamp(self, size: int, index: int | None = 0) -> str:
        """Stamp the log's first entries and record it as entry `index`."""
        path = f"timestamps/{size}/tsa"
        stamp_folder.write(self.ledger, path, self.files(stamps.CHECKPOINT, self.signed(size)))
        self.record(path, index)
        return path

    def renew(self, paths: list[str], name: str = "r1", extra: dict[str, bytes] | None = None) -> str:
        path = f"timestamps/renewed/{name}"
        contents = {f"{path}/{file}": content for file, content in (extra or {}).items()}
        for old in paths:
            for file in (self.ledger / old).iterdir():
                contents[f"{old}/{file.name}"] = file.read_bytes()
        files = self.files(stamps.MANIFEST, renewal.write_manifest(contents))
        stamp_folder.write(self.ledger, path, {**files, **(extra or {})})
        self.record(path)
        return path

    def record(self, path: str, index: int | None = None) -> None:
        self.records.append(Record(path, index, self.archive().load(path).payload))

    def archive(self) -> Archive:
        return archive(self.ledger, self.authority)

    def check(self, now: datetime = NOW) -> list[str]:
        """What is wrong."""
        return [fault.en for fault in self.archive().examine(self.records, now).wrong]


@pytest.fixture
def kiosk(tmp_path: Path) -> Kiosk:
    return Kiosk(tmp_path / "ledger", Authority(tmp_path / "tsa"))


def test_stamps_of_several_sizes_hold(kiosk: Kiosk) -> None:
    for size in (1, 4, 7):
        kiosk.stamp(size)
    examined = stamps.stamps(kiosk.archive(), kiosk.records, NOW)
    assert sorted(each.head.size for each in examined.kept if each.head) == [1, 4, 7]
    assert examined.unrecorded == ()
    assert set(examined.until.values()) == {kiosk.authority.own.not_valid_after_utc}


def test_what_the_entry_says_is_what_is_there(kiosk: Kiosk) -> None:
    path = kiosk.stamp(4)
    said = kiosk.records[0].payload
    assert (said["path"], said["size"], said["tsa"], said["digest"]) == (path, 4, "TSA rsa", "sha256")
    assert set(said["files"]) == {"checkpoint", "reply.tsr", "chain.pem"}
    assert abs(datetime.fromisoformat(said["time"]) - datetime.now(UTC)) < DAY


def test_a_removed_stamp_is_missed(kiosk: Kiosk) -> None:
    for size in (1, 4, 7):
        kiosk.stamp(size)
    shutil.rmtree(kiosk.ledger / "timestamps/4")
    (wrong,) = kiosk.check()
    assert wrong.startswith("timestamps/4/tsa/")
    assert "missing" in wrong
    with pytest.raises(StampFault) as raised:
        stamps.stamps(kiosk.archive(), kiosk.records, NOW)
    assert raised.value.path.startswith("timestamps/4/tsa/")


@pytest.mark.parametrize("name", ["checkpoint", "reply.tsr", "chain.pem"])
def test_a_removed_file_is_missed(kiosk: Kiosk, name: str) -> None:
    path = kiosk.stamp(4)
    (kiosk.ledger / path / name).unlink()
    assert [f"{path}/{name}" in wrong and "missing" in wrong for wrong in kiosk.check()] == [True]


@pytest.mark.parametrize("name", ["checkpoint", "reply.tsr", "chain.pem"])
def test_a_single_altered_byte_of_any_file_is_found(kiosk: Kiosk, name: str) -> None:
    file = kiosk.ledger / kiosk.stamp(4) / name
    content = file.read_bytes()
    for at in range(len(content)):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert [name in wrong for wrong in kiosk.check()] == [True]
    file.write_bytes(content)
    assert kiosk.check() == []


def test_an_added_file_is_named(kiosk: Kiosk) -> None:
    path = kiosk.stamp(4)
    (kiosk.ledger / path / "more").write_bytes(b"x")
    assert [f"{path}/more" in wrong and "does not name" in wrong for wrong in kiosk.check()] == [True]


def test_a_stamp_that_no_entry_names_is_verified_and_told(kiosk: Kiosk) -> None:
    kiosk.stamp(4)
    kiosk.records.clear()
    assert kiosk.archive().examine([], NOW).unrecorded == ("timestamps/4/tsa",)
    file = kiosk.ledger / "timestamps/4/tsa/reply.tsr"
    file.write_bytes(file.read_bytes()[:-1])
    assert len(kiosk.check()) == 1


def test_a_stamp_of_another_log_is_refused(kiosk: Kiosk, tmp_path: Path) -> None:
    """Signed by the same key, and no beginning of this log: two histories."""
    other = Kiosk(tmp_path / "other", kiosk.authority, size=7)
    other.entries = bodies(7, subjects=2)
    with pytest.raises(StampFault, match="no beginning of this log"):
        other.stamp(4)
    shutil.copytree(other.ledger / "timestamps", kiosk.ledger / "timestamps")
    assert ["no beginning" in wrong for wrong in kiosk.check()] == [True]


def test_a_stamp_of_more_than_the_log_has_is_refused(kiosk: Kiosk) -> None:
    kiosk.stamp(7)
    for name, content in log(kiosk.entries[:6]).items():
        (kiosk.ledger / name).write_bytes(content)
    assert ["no beginning" in wrong for wrong in kiosk.check()] == [True]


def test_a_checkpoint_that_another_key_signed_is_refused(kiosk: Kiosk) -> None:
    stranger = kiosk.signed(4).replace(SIGNER.name.encode(), b"example.org/other!")
    stamp_folder.write(kiosk.ledger, "timestamps/4/tsa", kiosk.files(stamps.CHECKPOINT, stranger))
    assert len(kiosk.check()) == 1


def test_a_stamp_under_another_size_is_refused(kiosk: Kiosk) -> None:
    kiosk.stamp(4)
    (kiosk.ledger / "timestamps/4").rename(kiosk.ledger / "timestamps/5")
    kiosk.records.clear()
    assert ["4 entries" in wrong for wrong in kiosk.check()] == [True]


def test_another_authority_than_the_trusted_is_refused(kiosk: Kiosk, tmp_path: Path) -> None:
    kiosk.stamp(4)
    kiosk.authority = Authority(tmp_path / "two", root_name="Stranger")
    assert ["no trusted root" in wrong for wrong in kiosk.check()] == [True]


# ── expiry and renewal ──


class Aging:
    """An archive whose first stamp's certificate has ten days left, and whose later ones have 100, then 1,000."""

    def __init__(self, tmp_path: Path) -> None:
        self.authorities = [Authority(tmp_path / f"tsa{days}", days=days + 1) for days in (10, 100, 1000)]
        self.kiosk = Kiosk(tmp_path / "ledger", self.authorities[0])

    def check(self, now: datetime) -> list[str]:
        examined = archive(self.kiosk.ledger, *self.authorities).examine(self.kiosk.records, now)
        return [fault.en for fault in examined.wrong]

    def turn(self, number: int) -> Kiosk:
        self.kiosk.authority = self.authorities[number]
        return self.kiosk


@pytest.fixture
def aging(tmp_path: Path) -> Aging:
    return Aging(tmp_path)


def test_an_expired_stamp_is_told(aging: Aging) -> None:
    aging.turn(0).stamp(4)
    assert aging.check(NOW + 9 * DAY) == []
    assert ["expired on" in wrong for wrong in aging.check(NOW + 11 * DAY)] == [True]


def test_a_chain_of_renewals_made_in_time_keeps_it(aging: Aging) -> None:
    first = aging.turn(0).stamp(4)
    second = aging.turn(1).renew([first])
    assert aging.check(NOW + 99 * DAY) == []
    assert len(aging.check(NOW + 101 * DAY)) == 2
    aging.turn(2).renew([first, second], "r2")
    assert aging.check(NOW + 999 * DAY) == []
    assert len(aging.check(NOW + 1001 * DAY)) == 3


def test_a_renewal_of_the_renewal_alone_is_a_chain_too(aging: Aging) -> None:
    first = aging.turn(0).stamp(4)
    second = aging.turn(1).renew([first])
    aging.turn(2).renew([second], "r2")
    assert aging.check(NOW + 999 * DAY) == []


def test_a_later_stamp_over_its_entry_renews_it_too(aging: Aging) -> None:
    """The entry names the stamp's files, the later checkpoint covers the entry."""
    aging.turn(0).stamp(4, index=5)
    aging.turn(2).stamp(7)
    assert aging.check(NOW + 999 * DAY) == []


def test_a_later_stamp_that_does_not_hold_its_entry_does_not(aging: Aging) -> None:
    aging.turn(0).stamp(4, index=7)
    aging.turn(2).stamp(7)
    assert len(aging.check(NOW + 11 * DAY)) == 1


def test_a_removed_link_breaks_the_chain(aging: Aging) -> None:
    first = aging.turn(0).stamp(4)
    second = aging.turn(1).renew([first])
    aging.turn(2).renew([second], "r2")
    shutil.rmtree(aging.kiosk.ledger / second)
    assert any(second in wrong and "missing" in wrong for wrong in aging.check(NOW))


def test_a_renewal_of_something_altered_since_names_the_file(aging: Aging) -> None:
    first = aging.turn(0).stamp(4)
    aging.turn(1).renew([first])
    file = aging.kiosk.ledger / first / "chain.pem"
    file.write_bytes(file.read_bytes() + b"\n")
    assert all(f"{first}/chain.pem" in wrong for wrong in aging.check(NOW))
    assert len(aging.check(NOW)) == 2


def test_a_list_that_comes_with_a_renewal_may_spoil_what_it_renews(aging: Aging) -> None:
    from cryptography.x509 import ReasonFlags

    first = aging.turn(0).stamp(4)
    stolen = aging.authorities[0].revoke(NOW + DAY, ReasonFlags.key_compromise)
    aging.turn(1).renew([first], extra={"old-0.crl": stolen})
    assert ["revoked" in wrong for wrong in aging.check(NOW)] == [True]


@pytest.mark.parametrize("content", [b"", b"x\n", b"00  timestamps/a\n", b"a" * 64 + b"  x", b"\xff\n"])
def test_a_malformed_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="manifest"):
        renewal.read_manifest(content)


# ── landing in the folder ──


class Crash(BaseException):
    """The power goes."""


def test_a_crash_between_any_two_writes_leaves_all_or_nothing(kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    files = kiosk.files(stamps.CHECKPOINT, kiosk.signed(4))
    real = {name: getattr(os, name) for name in ("open", "fsync", "write", "rename", "replace")}
    for crash_at in itertools.count():
        calls = itertools.count()

        def make(name: str, at: int = crash_at, steps: Iterator[int] = calls) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                if next(steps) == at:
                    raise Crash
                return real[name](*arguments, **named)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, make(name))
            try:
                stamp_folder.write(kiosk.ledger, "timestamps/4/tsa", files)
            except Crash:
                crashed = True
            else:
                crashed = False
        found = set(stamp_folder.names(kiosk.ledger))
        assert found in (set(), {f"timestamps/4/tsa/{name}" for name in files})
        if found:
            assert kiosk.check() == []
            shutil.rmtree(kiosk.ledger / "timestamps/4/tsa")
        if not crashed:
            break
    assert crash_at > 10
    assert list((kiosk.ledger / "timestamps").glob(".new-*"))
    stamp_folder.tidy(kiosk.ledger, datetime.now(UTC))
    assert list((kiosk.ledger / "timestamps").glob(".new-*"))
    stamp_folder.tidy(kiosk.ledger, datetime.now(UTC) + DAY)
    assert not list((kiosk.ledger / "timestamps").glob(".new-*"))


CHILD = """
import sys
from pathlib import Path
from storage.ledger.time import stamp_folder
ledger, made = Path(sys.argv[1]), Path(sys.argv[2])
files = {file.name: file.read_bytes() for file in made.iterdir()}
for number in range(int(sys.argv[3]), 1 << 30):
    stamp_folder.write(ledger, f"timestamps/{number}/tsa", files)
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_leaves_whole_stamps_only(kiosk: Kiosk, tmp_path: Path) -> None:
    made = kiosk.ledger / kiosk.stamp(4)
    whole = {file.name: file.read_bytes() for file in made.iterdir()}
    written = 10
    for _ in range(6):
        command = [sys.executable, "-c", CHILD, str(kiosk.ledger), str(made), str(written)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            told = [int(child.stdout.readline()) for _ in range(5)]
            child.kill()
        folders = kiosk.archive().folders
        assert all(names == set(whole) for names in folders.values())
        assert {f"timestamps/{number}/tsa" for number in told} <= set(folders)
        written = told[-1] + 100
    for path in kiosk.archive().folders:
        assert {file.name: file.read_bytes() for file in (kiosk.ledger / path).iterdir()} == whole


def test_a_stamp_is_never_overwritten(kiosk: Kiosk) -> None:
    path = kiosk.stamp(4)
    with pytest.raises(Conflict):
        stamp_folder.write(kiosk.ledger, path, {"reply.tsr": b"other"})
    assert kiosk.check() == []
    assert not list((kiosk.ledger / "timestamps").glob(".new-*"))


def test_kept_stamps_are_values(kiosk: Kiosk) -> None:
    path = kiosk.stamp(4)
    assert isinstance(kiosk.archive().load(path), Kept)
    assert kiosk.archive().load(path) == kiosk.archive().load(path)


def span(path: str, begin: float, end: float, lines: tuple[str, ...] = ()) -> Span:
    """A stamp from one day to another; a renewal of the stamps in `lines`."""
    named = {f"{each}/reply.tsr": "" for each in lines}
    return Span(path, NOW + begin * DAY, NOW + end * DAY, None, None, ("reply.tsr",), named)


@pytest.mark.parametrize(("made", "holds"), [(1, True), (9, True), (10, True), (10.1, False), (-1, False)])
def test_a_renewal_counts_only_if_it_was_made_in_time(made: float, holds: bool) -> None:
    spans = [span("old", 0, 10), span("new", made, 50, ("old",))]
    assert renewal.valid_until(spans, NOW + 20 * DAY)["old"] == NOW + (50 if holds else 10) * DAY


def test_a_gap_anywhere_in_the_chain_ends_it() -> None:
    spans = [span("a", 0, 10), span("b", 9, 20, ("a",)), span("c", 21, 40, ("b",)), span("d", 39, 90, ("c",))]
    until = renewal.valid_until(spans, NOW + 50 * DAY)
    assert until == {"a": NOW + 20 * DAY, "b": NOW + 20 * DAY, "c": NOW + 90 * DAY, "d": NOW + 90 * DAY}


def test_any_unbroken_chain_will_do() -> None:
    """The last one to renew it in time was lost in a dead end, an earlier one was not."""
    spans = [span("a", 0, 10), span("b", 5, 60, ("a",)), span("c", 9, 12, ("a",))]
    assert renewal.valid_until(spans, NOW + 50 * DAY)["a"] == NOW + 60 * DAY


def test_far_ahead_the_longest_renewal_is_told() -> None:
    spans = [span("a", 0, 10), span("b", 5, 60, ("a",)), span("c", 9, 70, ("a",)), span("d", 9.5, 20, ("a",))]
    assert renewal.valid_until(spans, NOW + 500 * DAY)["a"] == NOW + 70 * DAY
