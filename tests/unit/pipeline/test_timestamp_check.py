"""A log's folder alone: every timestamp in it and every one that its entries speak of, checked against each other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.settings import Settings
from pipeline.timestamp_check import StampCheck, check_stamps, recorded, trusted_roots
from pipeline.verify import DataCheck, DataPlace
from storage.errors import Refused
from storage.ledger import note
from storage.ledger.folder import LedgerFolder
from tests.support.ledger import VKEY
from tests.support.offices import Office
from tests.support.tsa import DAY, PEM, Authority, Server

NOW = datetime.now(UTC)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Two authorities, each of which has stamped the log at 3, 305 and 308 entries."""
    with ExitStack() as stack:
        made = Office(tmp_path / "office", [stack.enter_context(Server()) for _ in range(2)])
        stack.callback(made.desk.close)
        for count in (3, 300, 1):
            made.log(count)
            made.stamp()
        yield made


def check(office: Office, folder: Path | None = None, now: datetime = NOW) -> StampCheck:
    return check_stamps(folder or office.desk.folder.root, VKEY, office.trusted, now)


def test_a_copied_folder_is_all_that_is_needed(office: Office, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(office.desk.folder.root, tmp_path / "copy"))
    shutil.rmtree(tmp_path / "office")
    found = check(office, copy)
    assert found.wrong == ()
    assert found.examined is not None
    assert [each.head.size for each in found.examined.kept if each.head] == [3, 3, 305, 305, 308, 308]
    assert found.examined.unrecorded == ()
    ((zh, en),) = found.said
    assert "6 timestamps hold" in en
    assert "时间戳 6 个" in zh


def test_the_log_itself_names_its_stamps_in_order(office: Office) -> None:
    assert [each.index for each in recorded(LedgerFolder(office.desk.folder.root).read)] == [3, 4, 305, 306, 308, 309]


def test_a_removed_stamp_is_named(office: Office) -> None:
    path = f"timestamps/305/{office.path(1)}"
    shutil.rmtree(office.desk.folder.root / path)
    (wrong,) = check(office).wrong
    assert wrong.subject == "ledger"
    assert path in wrong.en
    assert path in wrong.zh


def test_a_stamp_not_recorded_yet_is_told_and_not_blamed(office: Office) -> None:
    office.log(1)
    office.service().stamp()  # nothing is published afterwards
    found = check(office)
    assert found.wrong == ()
    assert "2 timestamps are not in the ledger's entries yet" in found.said[1][1]


def test_without_roots_those_that_were_kept_stand_in(office: Office, tmp_path: Path) -> None:
    stranger = [Authority(tmp_path / "other", root_name="Stranger").root]
    folder = office.desk.folder.root
    assert check_stamps(folder, VKEY, None, NOW).wrong == ()
    assert len(check_stamps(folder, VKEY, stranger, NOW).wrong) == 6


def test_expiry_is_a_matter_of_the_day_of_verification(office: Office) -> None:
    assert check(office, now=NOW + 3600 * DAY).wrong == ()
    assert len(check(office, now=NOW + 3700 * DAY).wrong) == 6


def test_another_key_is_not_this_logs(office: Office) -> None:
    other = str(note.Ed25519Signer("example.org/liuhen", Ed25519PrivateKey.generate()).verifier)
    (wrong,) = check_stamps(office.desk.folder.root, other, office.trusted, NOW).wrong
    assert wrong.en.startswith("timestamps: ")


def test_damaged_tiles_are_a_finding_never_a_crash(office: Office) -> None:
    shutil.rmtree(office.desk.folder.root / "tile/entries")
    assert ["timestamps: " in wrong.en for wrong in check(office).wrong] == [True]


def test_a_folder_without_log_has_no_stamps(tmp_path: Path, office: Office) -> None:
    (tmp_path / "empty").mkdir()
    assert check(office, tmp_path / "empty") == StampCheck()
    assert StampCheck().said == []


def test_roots_are_those_of_the_policy_file(tmp_path: Path, office: Office) -> None:
    settings = Settings(data=tmp_path)
    assert trusted_roots(settings) is None
    assert not settings.policy.exists()
    settings.policy.write_text("time: {roots: [root.pem]}")
    with pytest.raises(Refused, match=r"root\.pem"):
        trusted_roots(settings)
    (tmp_path / "root.pem").write_bytes(office.trusted[0].public_bytes(PEM))
    assert trusted_roots(settings) == [office.trusted[0]]
    settings.policy.write_text("time: {}")
    assert trusted_roots(settings) is None


def test_the_verification_of_a_data_directory_takes_them_in(office: Office) -> None:
    def wrongs() -> list[str]:
        place = DataPlace(office.desk.catalogue, {}, office.desk.folder.root, VKEY, roots=office.trusted)
        data = DataCheck(place)
        found = [wrong.en for wrong in data.wrongs()]
        assert data.stamps.examined is not None
        return found

    assert wrongs() == []
    shutil.rmtree(office.desk.folder.root / "timestamps/3")
    assert ["timestamp timestamps/3/" in wrong for wrong in wrongs()] == [True, True]
