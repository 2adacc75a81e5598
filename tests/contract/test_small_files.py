"""The agent and its small files: many in one request, and each judged by itself when one of them is not right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ingest import agent
from ingest.card import CardFile
from ingest.client import Docked, ServerClient
from storage.errors import Refused
from tests.support.docking import stored
from tests.support.kept import digest, dock_by
from tests.support.server import Server, enrol, run_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data"), min_free=0) as running:
        yield running


@pytest.fixture(scope="module")
def key(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrol(server.data, tmp_path_factory.mktemp("keys"))


class Counting(ServerClient):
    """Remembers what went together. `meanwhile` runs once, between the manifest and the first file."""

    def __init__(self, url: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__(url, patience=5)
        self.together: list[int] = []
        self.alone: list[str] = []
        self._meanwhile = meanwhile

    def dock(self, manifest: bytes, signature: str) -> Docked:
        docked = super().dock(manifest, signature)
        self._meanwhile()
        return docked

    def bring_several(self, files: Mapping[str, CardFile], told: Callable[[str, int], None]) -> dict[str, bytes]:
        self.together.append(len(files))
        return super().bring_several(files, told)

    def bring(self, file, wanted, told):  # type: ignore[no-untyped-def]
        self.alone.append(file.path)
        return super().bring(file, wanted, told)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "card").mkdir()
    for number in range(5):
        (tmp_path / "card" / f"IMG_{number}.JPG").write_bytes(os.urandom(50_000))
    return tmp_path / "card"


def test_small_files_go_together_and_each_gets_its_receipt(
    server: Server, key: Path, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "SEVERAL_FILES", 3)
    (card / "large.MP4").write_bytes(os.urandom(agent.SEVERAL_BELOW + 1))
    (card / "copy.JPG").write_bytes((card / "IMG_0.JPG").read_bytes())
    client = Counting(server.url)
    outcome = dock_by(client, key, tmp_path / "state", card)
    assert outcome.kept and len(outcome.results) == 7
    assert sorted(client.together) == [2, 3] and client.alone == ["large.MP4"]
    for path in card.iterdir():
        assert stored(server.data, path.read_bytes()) == path.read_bytes()


def test_a_file_that_changed_meanwhile_holds_no_other_up(server: Server, key: Path, card: Path, tmp_path: Path) -> None:
    client = Counting(server.url, lambda: (card / "IMG_2.JPG").write_bytes(os.urandom(50_000)))
    outcome = dock_by(client, key, tmp_path / "state", card)
    assert client.together == [5]
    (bad,) = [result for result in outcome.results if not result.safe]
    assert bad.path == "IMG_2.JPG" and "发生变化" in bad.zh


def test_bytes_damaged_on_the_way_come_again(
    server: Server, key: Path, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import card as card_files

    read, once = card_files.read_file, iter([True])

    def damaged(file: CardFile, *args: int) -> Iterator[bytes]:
        content = b"".join(read(file, *args))
        yield content[:-1] + b"x" if file.path == "IMG_3.JPG" and next(once, False) else content

    monkeypatch.setattr("ingest.client.read_file", damaged)
    client = Counting(server.url)
    outcome = dock_by(client, key, tmp_path / "state", card)
    assert outcome.kept
    assert (client.together, client.alone) == ([5], ["IMG_3.JPG"])
    (row,) = outcome.rejections
    assert row["path"] == "IMG_3.JPG"


def test_a_server_that_takes_one_at_a_time_gets_one_at_a_time(
    server: Server, key: Path, card: Path, tmp_path: Path
) -> None:
    class Older(Counting):
        def bring_several(self, files: Mapping[str, CardFile], told: Callable[[str, int], None]) -> dict[str, bytes]:
            raise Refused("不支持。", "not supported")

    client = Older(server.url)
    assert dock_by(client, key, tmp_path / "state", card).kept
    assert sorted(client.alone) == [f"IMG_{number}.JPG" for number in range(5)]


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"files":3}', b'{"files":[{"sha256":1,"receipt":2}]}'])
def test_an_answer_that_is_not_understood_makes_nothing_safe(
    server: Server, key: Path, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    import httpx

    client = Counting(server.url)
    send = client.send

    def lying(method: str, url: str, headers: dict[str, str], content: object = None) -> httpx.Response:
        if "Liuhen-Files" in headers:
            return httpx.Response(200, content=answer)
        return send(method, url, headers, content)  # type: ignore[arg-type]

    monkeypatch.setattr(client, "send", lying)
    assert dock_by(client, key, tmp_path / "state", card).kept
    assert len(client.alone) == 5


def test_a_receipt_of_another_file_is_not_believed(
    server: Server, key: Path, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Counting(server.url)

    def swapped(files: Mapping[str, CardFile], told: Callable[[str, int], None]) -> dict[str, bytes]:
        found = ServerClient.bring_several(client, files, told)
        names = list(found)
        return dict(zip(names, [*list(found.values())[1:], found[names[0]]], strict=True))

    monkeypatch.setattr(client, "bring_several", swapped)
    outcome = dock_by(client, key, tmp_path / "state", card)
    assert not any(result.safe for result in outcome.results)
    assert digest((card / "IMG_0.JPG").read_bytes()) == outcome.results[0].sha256
