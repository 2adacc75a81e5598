"""`liuhen dock` against a running server, as a station's operator meets it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import make_cli
from ingest import card as card_reading
from ingest import station
from ingest.agent import Agent
from ingest.card import CardFile
from ingest.client import ServerClient
from ingest.journal import Journal
from ingest.landing import COMMIT_EVERY
from ingest.results import Outcome
from storage.clock import now
from storage.errors import LiuhenError
from storage.ledger.proof import verify_receipt
from tests.support.docking import sha256, stored
from tests.support.server import Launcher, Server, enrol


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture(scope="module")
def server(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with launcher.server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def key_file(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrol(server.data, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card" / "DCIM"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"LH00012_录像_{number}.MP4").write_bytes(os.urandom(300_000))
    return tmp_path / "card"


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


def run_dock(card: Path, url: str, key: Path, state: Path, *more: str) -> Run:
    given = ["dock", str(card), "--server", url, "--station", str(key), "--state", str(state), "--patience", "1", *more]
    done = CliRunner().invoke(make_cli(), given)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Run(done.exit_code, done.stdout, done.stderr)


def dock(url: str, key: Path, state: Path, card: Path) -> Outcome:
    client = ServerClient(url, patience=30)
    loaded = station.load(key)
    try:
        return Agent(client, loaded, Journal(state, loaded.station), now).dock(
            card, None, lambda *_: None, lambda _: None
        )
    finally:
        client.close()


def test_a_card_is_safe_to_wipe_when_every_receipt_is_verified(
    server: Server, key_file: Path, card: Path, tmp_path: Path
) -> None:
    run = run_dock(card, server.url, key_file, tmp_path / "state", "--json")
    assert run.code == 0, run.err
    said = json.loads(run.out)
    assert said["safe_to_wipe"] is True
    assert said["device"] == "LH00012"
    for file in said["files"]:
        content = (card / file["path"]).read_bytes()
        assert file["sha256"] == sha256(content)
        receipt = verify_receipt(Path(file["receipt"]).read_bytes(), station.load(key_file).log)
        assert receipt.entry.event.payload["sha256"] == sha256(content)
        assert stored(server.data, content) == content


def test_the_operator_reads_it_in_both_languages(server: Server, key_file: Path, card: Path, tmp_path: Path) -> None:
    run = run_dock(card, server.url, key_file, tmp_path / "state")
    assert run.code == 0, run.err
    assert "可清除" in run.out
    assert "safe to wipe" in run.out


def test_the_same_card_again_gets_the_same_receipts(server: Server, key_file: Path, card: Path, tmp_path: Path) -> None:
    outcomes = [dock(server.url, key_file, tmp_path / name, card) for name in ("one", "two")]
    receipts = [[each.receipt.read_bytes() for each in outcome.results if each.receipt] for outcome in outcomes]
    assert receipts[0] == receipts[1]
    assert len(receipts[0]) == 2


def test_two_names_of_the_same_bytes_share_one_receipt(
    server: Server, key_file: Path, card: Path, tmp_path: Path
) -> None:
    (card / "LH00012_copy.MP4").write_bytes((card / "DCIM" / "LH00012_录像_1.MP4").read_bytes())
    outcome = dock(server.url, key_file, tmp_path / "state", card)
    assert outcome.safe
    assert len(outcome.results) == 3
    assert len({each.receipt for each in outcome.results}) == 2


def test_what_can_not_be_read_is_listed_and_keeps_the_card_from_being_wiped(
    server: Server, key_file: Path, card: Path, tmp_path: Path
) -> None:
    (card / "link.MP4").symlink_to("/etc/passwd")
    run = run_dock(card, server.url, key_file, tmp_path / "state", "--json")
    assert run.code == 1
    said = {file["path"]: file["safe"] for file in json.loads(run.out)["files"]}
    assert said.pop("link.MP4") is False
    assert all(said.values())


def test_a_file_that_changes_after_the_listing_is_not_safe(
    server: Server, key_file: Path, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = card / "DCIM" / "LH00012_录像_2.MP4"
    real = ServerClient.dock

    def rewritten(self: ServerClient, manifest: bytes, signature: str) -> object:
        before = target.stat()
        target.write_bytes(b"\xff" * before.st_size)  # same size, same time: only the bytes tell
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
        return real(self, manifest, signature)

    monkeypatch.setattr(ServerClient, "dock", rewritten)
    outcome = dock(server.url, key_file, tmp_path / "state", card)
    assert not outcome.safe
    failed = next(each for each in outcome.results if not each.safe)
    assert failed.path.endswith("_2.MP4")
    assert "发生变化" in failed.zh
    assert {each["path"] for each in outcome.rejections} == {failed.path}, "what the server set apart is told"


def test_nothing_is_called_safe_on_the_journals_word(
    server: Server, key_file: Path, card: Path, tmp_path: Path
) -> None:
    """Kept and remembered; then other bytes lie there under the same name, size, time and inode."""
    assert dock(server.url, key_file, tmp_path / "state", card).safe
    target = card / "DCIM" / "LH00012_录像_1.MP4"
    before = target.stat()
    with target.open("r+b") as stream:
        stream.write(b"\xff" * 10)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    outcome = dock(server.url, key_file, tmp_path / "state", card)
    assert [result.path for result in outcome.results if not result.safe] == ["DCIM/LH00012_录像_1.MP4"]


def test_after_a_restart_each_byte_is_read_once(
    launcher: Launcher, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashed, then the server was away: the next docking uploads at once, and that is all the reading."""
    data = tmp_path / "data"
    key = enrol(data, tmp_path)
    with pytest.raises(LiuhenError):
        dock_quickly("http://127.0.0.1:9", key, tmp_path, card)
    read: list[str] = []
    real = card_reading.read_file

    def counted(file: CardFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        read.append(file.path)
        return real(file, start, length)

    for module in ("ingest.card", "ingest.client"):
        monkeypatch.setattr(f"{module}.read_file", counted)
    with launcher.server(data) as server:
        assert dock(server.url, key, tmp_path / "state", card).safe
    assert sorted(read) == ["DCIM/LH00012_录像_1.MP4", "DCIM/LH00012_录像_2.MP4"]


def test_a_receipt_of_another_ledger_is_not_believed(
    launcher: Launcher, server: Server, key_file: Path, card: Path, tmp_path: Path
) -> None:
    other = station.load(enrol(tmp_path / "other", tmp_path, "ST-X"))
    mine = station.load(key_file)
    client = ServerClient(server.url, patience=5)
    mixed = station.StationKey(mine.station, mine.key, other.log)
    outcome = Agent(client, mixed, Journal(tmp_path / "state", "x"), now).dock(
        card, None, lambda *_: None, lambda _: None
    )
    client.close()
    assert not outcome.safe
    assert not any(each.safe for each in outcome.results)
    assert not list((tmp_path / "state").rglob("*.tlog-proof"))


def test_each_mistake_ends_in_one_clear_error(server: Server, key_file: Path, card: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.json"
    key = json.loads(key_file.read_text())
    stranger.write_text(json.dumps(key | {"station": "ST-99"}))
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    wrong = enrol(tmp_path / "elsewhere", tmp_path)
    cases = [
        (card, server.url, stranger, "未登记"),
        (card, server.url, broken, "无法使用"),
        (card, server.url, tmp_path / "absent.json", "无法使用"),
        (card, server.url, wrong, "签名"),
        (card, "http://127.0.0.1:9", key_file, "无法连接"),
        (tmp_path / "no-card", server.url, key_file, "不是文件夹"),
    ]
    for place, url, file, word in cases:
        run = run_dock(place, url, file, tmp_path / "state")
        assert run.code == 2, run
        assert word in run.err
        assert "error: " in run.err
        assert "Traceback" not in run.err


def test_several_cards_at_once_and_the_worst_decides(
    server: Server, key_file: Path, card: Path, tmp_path: Path
) -> None:
    """One safe, one of an unknown camera, one that is not there."""
    nameless = tmp_path / "name\x1b[31mless"
    nameless.mkdir()
    content = os.urandom(1000)
    (nameless / "IMG_0001.JPG").write_bytes(content)
    more = (str(nameless), "--json")
    run = run_dock(card, server.url, key_file, tmp_path / "state", *more)
    assert run.code == 3, run.err
    safe, unknown = json.loads(run.out)["cards"]
    assert (safe["safe_to_wipe"], unknown["safe_to_wipe"]) == (True, False)
    assert unknown["quarantine"] is True
    assert stored(server.data, content) == content
    run = run_dock(card, server.url, key_file, tmp_path / "state", str(tmp_path / "absent"), str(nameless))
    assert run.code == 2
    assert "可清除" in run.out
    assert "隔离" in run.out
    assert "\x1b" not in run.out + run.err
    run = run_dock(nameless, server.url, key_file, tmp_path / "state", "--device", "LH00099", "--wipe", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["wipe"]["wiped"] == ["IMG_0001.JPG"]
    assert list(nameless.iterdir()) == []


def test_a_large_file_goes_on_where_the_server_was_killed(launcher: Launcher, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    content = os.urandom(1 << 20) * 150
    (card / "LH00012_1.MP4").write_bytes(content)
    data = tmp_path / "data"
    key = enrol(data, tmp_path)
    with launcher.server(data, break_at="after:offset-commit:1") as server:
        assert not dock_quickly(server.url, key, tmp_path, card).safe
    with launcher.server(data) as server:
        client = ServerClient(server.url, patience=30)
        sent: list[int] = []
        loaded = station.load(key)
        agent = Agent(client, loaded, Journal(tmp_path / "state", "ST-01"), now)
        outcome = agent.dock(card, None, lambda stage, _, done: sent.append(done) if stage == "send" else None, ignore)
        client.close()
    assert outcome.safe
    assert min(sent) >= COMMIT_EVERY, "what was committed went over the wire again"
    assert stored(data, content) == content


def dock_quickly(url: str, key: Path, folder: Path, card: Path) -> Outcome:
    client = ServerClient(url, patience=0.1)
    try:
        return Agent(client, station.load(key), Journal(folder / "state", "ST-01"), now).dock(
            card, None, lambda *_: None, ignore
        )
    finally:
        client.close()


def ignore(_: object) -> None:
    pass


def test_stations_at_once_all_get_their_receipts(server: Server, tmp_path: Path) -> None:
    outcomes: dict[str, Outcome | LiuhenError] = {}

    def one(name: str) -> None:
        card = tmp_path / name
        card.mkdir()
        for number in range(5):
            (card / f"LH{name[-2:]}0_{number}.MP4").write_bytes(os.urandom(200_000))
        try:
            outcomes[name] = dock(server.url, keys[name], tmp_path / f"{name}-state", card)
        except LiuhenError as error:
            outcomes[name] = error

    keys = {f"S-{number:02}": enrol(server.data, tmp_path, f"S-{number:02}") for number in range(8)}
    threads = [threading.Thread(target=one, args=(name,)) for name in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(outcome, Outcome) and outcome.safe for outcome in outcomes.values()), outcomes


def test_a_card_that_is_pulled_out_ends_clearly(server: Server, key_file: Path, card: Path, tmp_path: Path) -> None:
    client = ServerClient(server.url, patience=1)
    agent = Agent(client, station.load(key_file), Journal(tmp_path / "state", "x"), now)

    def pull(_: object) -> None:
        for file in list((card / "DCIM").iterdir()):
            file.unlink()

    outcome = agent.dock(card, None, lambda *_: None, pull)
    client.close()
    assert not outcome.safe
    assert all("无法读取" in each.zh for each in outcome.results)
