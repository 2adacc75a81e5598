"""`liuhen dock --watch`: cards come and go at a station that runs on."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.card_watch import CardWatch, ConfigFile
from ingest.results import Outcome
from ingest.station_settings import load
from ingest.station_state import CardState, Problem
from storage.clock import now
from tests.support.docking import stored
from tests.support.server import ROOT, Launcher, Server, enrol
from tests.support.stations import kept_state


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture(scope="module")
def server(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with launcher.server(tmp_path_factory.mktemp("data")) as running:
        yield running


class Watching:
    """A station at work: what it says, event by event."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event like that; the test's time limit ends a vain wait."""
        while True:
            event = self.events.get()
            if wanted(event):
                return event

    def card(self, state: str, place: str = "") -> dict[str, Any]:
        return self.until(lambda event: event.get("state") == state and event["place"].endswith(place))

    def card_state(self, state: CardState, _: Outcome | None) -> None:
        self.events.put({"event": "card", **state.model_dump()})

    def problem(self, problem: Problem | None) -> None:
        self.events.put({"event": "problem", "problem": problem.model_dump() if problem else None})


@contextmanager
def watching(config: Path) -> Iterator[Watching]:
    """In a thread of this process."""
    station = Watching()
    watch = CardWatch(ConfigFile(lambda: load(config, {}), config), now, station.card_state, station.problem)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield station
    finally:
        watch.stop()
        thread.join()


@contextmanager
def watching_program(config: Path) -> Iterator[Watching]:
    """As the operator starts it."""
    command = [sys.executable, "-m", "api.cli", "dock", "--watch", "--json", "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        station, lines = Watching(), process.stdout
        assert lines
        reader = threading.Thread(target=lambda: [station.events.put(json.loads(line)) for line in lines])
        reader.start()
        try:
            station.until(lambda event: event["event"] == "watching")
            yield station
        finally:
            process.send_signal(signal.SIGTERM)
            reader.join()
            assert process.wait() == 0


def configure(folder: Path, url: str, key: Path, more: str = "") -> Path:
    (folder / "cards").mkdir(exist_ok=True)
    config = folder / "dock.toml"
    temporary = folder / "dock.toml.new"
    temporary.write_text(
        f'server = "{url}"\nstation_key = "{key}"\nstate = "{folder}/state"\nmounts = ["{folder}/mounts"]\n'
        f'folders = ["{folder}/cards"]\nrescan = 0.1\nheartbeat = 0.2\npatience = 0.5\n{more}'
    )
    temporary.replace(config)
    return config


def insert(folder: Path, name: str, contents: dict[str, bytes]) -> Path:
    """A card shows up whole, as a mount does."""
    made = folder / f".{name}"
    for path, content in contents.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_bytes(content)
    return made.rename(folder / "cards" / name)


def test_cards_are_docked_once_each_and_the_office_sees_them(server: Server, tmp_path: Path) -> None:
    config = configure(tmp_path, server.url, enrol(server.data, tmp_path, "W-1"))
    data = [os.urandom(100_000) for _ in range(3)]
    with watching_program(config) as station:
        insert(tmp_path, "one", {"LH00012_1.MP4": data[0]})
        two = insert(tmp_path, "two", {"LH00013_1.MP4": data[1], "device.json": b'{"serial": "LH00013"}'})
        seen = {station.card("safe")["serial"], station.card("safe")["serial"]}
        assert seen == {"LH00012", "LH00013"}
        two.rename(tmp_path / "pulled")
        insert(tmp_path, "three", {"IMG_1.JPG": data[2]})
        event = station.card("quarantined", "three")
        assert event["quarantine"] is True
        assert event["serial"].startswith("UNKNOWN-")
        state = kept_state(server.data, "W-1", lambda state: any(c["state"] == "quarantined" for c in state["cards"]))
    assert {card["place"].rpartition("/")[2]: card["state"] for card in state["cards"]} == {
        "one": "safe",
        "three": "quarantined",
    }
    assert all(stored(server.data, each) == each for each in data)


def test_an_unknown_camera_is_docked_again_when_it_is_named_in_the_settings(server: Server, tmp_path: Path) -> None:
    key = enrol(server.data, tmp_path, "W-2")
    config = configure(tmp_path, server.url, key)
    with watching(config) as station:
        insert(tmp_path, "one", {"IMG_1.JPG": os.urandom(1000)})
        unknown = station.card("quarantined")["serial"]
        configure(tmp_path, server.url, key, "wrong")
        station.until(lambda event: event["event"] == "problem")
        configure(tmp_path, server.url, key, f'[cameras]\n"{unknown}" = "LH00077"\n')
        assert station.card("safe")["serial"] == "LH00077"


def test_a_wrong_setting_is_told_and_the_station_goes_on(server: Server, tmp_path: Path) -> None:
    key = enrol(server.data, tmp_path, "W-3")
    config = configure(tmp_path, server.url, key)
    with watching(config) as station:
        configure(tmp_path, server.url, key, "sever = 1\n")
        problem = station.until(lambda event: event["event"] == "problem")["problem"]
        assert problem["code"] == "config"
        assert "sever" in problem["en"]
        insert(tmp_path, "one", {"LH00012_1.MP4": os.urandom(1000)})
        station.card("safe")
        configure(tmp_path, server.url, key)
        assert station.until(lambda event: event["event"] == "problem")["problem"] is None


def test_a_server_that_comes_back_at_another_address_is_found(launcher: Launcher, tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = enrol(data, tmp_path)
    config = configure(tmp_path, "http://127.0.0.1:9", key)
    content = os.urandom(300_000)
    with watching(config) as station:
        assert station.until(lambda event: event["event"] == "problem")["problem"]["code"] == "server"
        insert(tmp_path, "one", {"LH00012_1.MP4": content})
        assert "127.0.0.1:9" in station.card("failed")["en"]
        with launcher.server(data) as server:
            configure(tmp_path, server.url, key)
            seen = [station.until(lambda event: event.get("state") == "safe" or event.get("problem", 1) is None)]
            seen.append(station.until(lambda event: event.get("state") == "safe" or event.get("problem", 1) is None))
            assert {event["event"] for event in seen} == {"card", "problem"}, "docked, and the trouble is over"
        with launcher.server(data) as server:
            insert(tmp_path, "two", {"LH00012_2.MP4": content[:1000]})
            configure(tmp_path, server.url, key)
            station.card("safe", "two")
            assert stored(data, content[:1000])


def test_a_card_tried_again_is_one_docking(launcher: Launcher, tmp_path: Path) -> None:
    """The server takes the manifest and dies; when it is back the same manifest is sent, not another one."""
    data = tmp_path / "data"
    key = enrol(data, tmp_path)
    content = os.urandom(300_000)
    with launcher.server(data, break_at="before:blob-put:1") as server:
        config = configure(tmp_path, server.url, key)
        with watching(config) as station:
            insert(tmp_path, "one", {"LH00012_1.MP4": content})
            first = station.card("unsafe")
            with launcher.server(data) as again:
                configure(tmp_path, again.url, key)
                assert station.card("safe")["docking"] == first["docking"]
    assert stored(data, content) == content


def test_a_card_that_is_pulled_out_too_early_is_shown_until_it_is_back(launcher: Launcher, tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = enrol(data, tmp_path)
    config = configure(tmp_path, "http://127.0.0.1:9", key)
    with watching(config) as station:
        card = insert(tmp_path, "one", {"LH00012_1.MP4": os.urandom(1000)})
        station.card("failed")
        card.rename(tmp_path / "away")
        station.card("gone")
        with launcher.server(data) as server:
            configure(tmp_path, server.url, key)
            kept_state(data, "ST-01", lambda state: [c["state"] for c in state["cards"]] == ["gone"])
            (tmp_path / "away").rename(card)
            station.card("safe")
            kept_state(data, "ST-01", lambda state: [c["state"] for c in state["cards"]] == ["safe"])


def test_a_station_that_was_restarted_is_heard_again(server: Server, tmp_path: Path) -> None:
    config = configure(tmp_path, server.url, enrol(server.data, tmp_path, "W-5"))
    sequence = 0
    for name in ("one", "two", "three"):
        with watching(config) as station:
            insert(tmp_path, name, {"LH00012_1.MP4": name.encode()})
            station.card("safe", name)
        count = len(list((tmp_path / "cards").iterdir()))
        state = kept_state(server.data, "W-5", lambda state, count=count: len(state["cards"]) == count)
        assert state["sequence"] > sequence
        sequence = state["sequence"]


def test_a_real_mount_is_seen_at_once(server: Server, tmp_path: Path) -> None:
    config = configure(tmp_path, server.url, enrol(server.data, tmp_path, "W-4"))
    config.write_text(config.read_text().replace("rescan = 0.1", "rescan = 3600"))  # only the mount table tells
    place = tmp_path / "mounts" / "sdb1"
    place.mkdir(parents=True)
    with watching(config) as station:
        if (
            os.geteuid() != 0
            or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=4m", "card", place], check=False, capture_output=True
            ).returncode
        ):
            pytest.skip("mounting needs root")
        try:
            station.card("safe")  # empty as yet
            subprocess.run(["umount", place], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "card", place], check=True)
            assert station.card("safe")["place"] == str(place)
        finally:
            subprocess.run(["umount", "-l", place], check=False)


def test_a_station_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(server: Server, tmp_path: Path) -> None:
    key = enrol(server.data, tmp_path, "W-6")
    config = configure(tmp_path, server.url, key)
    place = tmp_path / "state"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "disk", place]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with watching(config) as station:
            filler = place / "filler"
            with contextlib.suppress(OSError):
                filler.write_bytes(bytes(1 << 20))
            insert(tmp_path, "one", {"LH00012_1.MP4": os.urandom(100)})
            assert station.until(lambda event: event["event"] == "problem")["problem"]["code"] == "journal"
            assert "采集站磁盘" in station.card("failed")["zh"]
            filler.unlink()
            configure(tmp_path, server.url, key, "at_once = 5\n")  # does not wait for the next try
            station.card("safe")
    finally:
        subprocess.run(["umount", "-l", place], check=True)
