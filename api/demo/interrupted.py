"""Three cameras docked at once; one cable is pulled and the server killed (SIGKILL) in the middle. Nothing is lost.

Server and station agent are the real programs in processes of their own. Two things are played: the cable, by moving
the card's folder away while it is read, and a slow network (`api.demo.line`), so that the middle is hit for certain.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from api.demo.cards import CAMERAS, MIDDLE, SIZE, make_cards
from api.demo.line import Line
from api.demo.people import Json, wait_for
from api.demo.play import STATION, Play
from api.demo.service import program
from storage.ledger.proof import verify_receipt

PULLED = CAMERAS[1]
_MB = 1e6


@dataclass(frozen=True)
class Sent:
    """An upload as the server's database has it. `offset`: bytes that are durable."""

    id: str
    camera: str
    path: str
    offset: int
    length: int
    state: str

    @property
    def midway(self) -> bool:
        return self.state == "open" and 0 < self.offset < self.length


@dataclass
class Agent:
    """`liuhen dock --watch` in a process of its own, and what it says, event by event."""

    process: subprocess.Popen[str]
    events: list[Json] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stdout is not None  # noqa: S101
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def says(self, state: str, *cameras: str) -> bool:
        """Whether the last thing it said of each of these cards is this."""
        last = {each["serial"]: each["state"] for each in list(self.events) if each["event"] == "card"}
        return all(last.get(camera) == state for camera in cameras)

    def ever_safe(self) -> set[str]:
        return {each["serial"] for each in list(self.events) if each.get("state") == "safe"}

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


def dock_three(play: Play) -> None:
    """The whole scene."""
    say = play.stages
    cards = make_cards(play.footage, play.work / "cards")
    files = {path: _digest(path) for card in cards.values() for path in card.rglob("*.*") if path.name != "device.json"}
    say.say(
        f"三台设备各有一段录像（样片，补足到 {SIZE / _MB:.0f} MB）和一张照片",
        f"three cameras, each with a recording (sample footage, filled up to {SIZE / _MB:.0f} MB) and a photograph",
    )
    say.say(
        f"演示用的线路在每个上传到 {MIDDLE / _MB:.0f} MB 处停住，使拔线和断电必定落在中途",
        f"the demo's line stops each upload at {MIDDLE / _MB:.0f} MB: both are cut in the middle for certain",
    )
    line = Line(play.service.port, MIDDLE)
    slots = play.work / "slots"
    slots.mkdir()
    with _agent(play, line, slots) as agent:
        wait_for("station agent", lambda: agent.events)
        for camera, card in cards.items():
            card.rename(slots / camera)
        say.good("三张存储卡同时插入，采集站自动开始上传", "three cards put in at once: the station uploads by itself")
        before = _all_midway(play, line)
        early = _receipts(play, files.values())
        pulled = _pull(play, agent, line, slots)
        killed = _kill(play, agent, line)
        _restart(play, agent)
        _put_back(play, agent, slots, pulled)
        receipts = wait_for("receipts", lambda: _receipts(play, files.values(), all_of_them=True))
    line.close()
    _tell(play, before, killed, line)
    same = all(receipts[sha256] == content for sha256, content in early.items())
    say.check(
        len(early) == len(CAMERAS) and same,
        f"断电前已给出的 {len(early)} 份回执，断电后逐字节未变",
        f"the {len(early)} receipts given before the power cut are the same after it, byte by byte",
    )
    _count(play, files, receipts)


@contextmanager
def _agent(play: Play, line: Line, slots: Path) -> Iterator[Agent]:
    """The station agent at work. Whatever happens, it ends with the scene."""
    settings = {
        "server": line.url,
        "station_key": str(play.key),
        "state": str(play.work / "station"),
        "mounts": [],  # no card that is really plugged into this machine
        "folders": [str(slots)],
        "rescan": 0.2,
        "heartbeat": 1.0,
    }
    config = play.work / "dock.toml"
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    command = [*program(), "dock", "--watch", "--config", str(config), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    agent = Agent(process)
    threading.Thread(target=agent.listen, daemon=True).start()
    try:
        yield agent
    finally:
        line.open()
        process.terminate()
        process.wait(30)


def _all_midway(play: Play, line: Line) -> dict[str, Sent]:
    """Wait until every recording stands in the middle, every photograph is kept and nothing else is at work."""

    def look() -> dict[str, Sent]:
        found = uploads(play)
        midway = set(found) == set(CAMERAS) and all(each.midway for each in found.values())
        ready = midway and line.held() == {each.id for each in found.values()} and not _busy(play)
        return found if ready and _number_of_receipts(play) >= len(CAMERAS) else {}

    found: dict[str, Sent] = wait_for("three uploads in the middle", look)
    return found


def _pull(play: Play, agent: Agent, line: Line, slots: Path) -> Sent:
    """Pull one cable: the card is gone while its recording is read."""
    before = uploads(play)[PULLED]
    (slots / PULLED).rename(play.work / "cards" / PULLED)
    wait_for("pulled out", lambda: agent.says("gone", PULLED))
    line.let_go(before.id)
    after: Sent = wait_for("upload cut off", lambda: (now := uploads(play)[PULLED]).offset > before.offset and now)
    play.stages.check(
        after.midway,
        f"拔线：{PULLED} 传到 {after.offset / _MB:.0f}/{after.length / _MB:.0f} MB 时被拔出"
        "（演示中以移走卡的文件夹代替）",
        f"cable pulled: {PULLED} is gone after {after.offset / _MB:.0f} of {after.length / _MB:.0f} MB "
        "(played by moving the card's folder away)",
    )
    return after


def _kill(play: Play, agent: Agent, line: Line) -> dict[str, Sent]:
    """kill -9 of the server while the other two are on their way. What its database then holds."""
    say = play.stages
    moving = line.held()
    how = play.service.kill()
    line.open()
    left = uploads(play)
    told = "，".join(f"{each.camera} {each.offset / _MB:.0f}" for each in left.values())
    told_en = ", ".join(f"{each.camera} {each.offset / _MB:.0f}" for each in left.values())
    say.check(
        how == -signal.SIGKILL and len(moving) == len(CAMERAS) - 1 and all(each.midway for each in left.values()),
        f"断电：服务进程被 SIGKILL 杀死，三个上传都在中途（已落盘 MB：{told}）",
        f"power cut: the server was killed (SIGKILL), all three uploads in the middle (MB on disk: {told_en})",
    )
    wait_for("server missed", lambda: any(each["event"] == "problem" and each["problem"] for each in agent.events))
    say.check(
        agent.alive and not agent.ever_safe(),
        "采集站继续运行并报告服务器失联，没有任何设备显示“可清除”",
        "the station runs on and says that the server is away; no camera is called safe to wipe",
    )
    return left


def _restart(play: Play, agent: Agent) -> None:
    say = play.stages
    play.service.start()
    others = [camera for camera in CAMERAS if camera != PULLED]
    wait_for("uploads gone on with", lambda: agent.says("safe", *others))
    say.check(
        agent.ever_safe() == set(others),
        f"服务重启后采集站自行续传：{'、'.join(others)} 可清除；{PULLED} 仍提示“未完成，请重新插入”",
        f"the server is back, the station went on by itself: {', '.join(others)} safe to wipe; "
        f"{PULLED} is still asked for",
    )


def _put_back(play: Play, agent: Agent, slots: Path, pulled: Sent) -> None:
    (play.work / "cards" / PULLED).rename(slots / PULLED)
    wait_for("card put back", lambda: agent.says("safe", PULLED))
    play.stages.check(
        uploads(play)[PULLED].id == pulled.id,
        f"{PULLED} 重新插入，从断开处续传：可清除",
        f"{PULLED} put back, gone on with where it broke off: safe to wipe",
    )


def _tell(play: Play, before: dict[str, Sent], killed: dict[str, Sent], line: Line) -> None:
    """What was interrupted, and how it ended."""
    word = play.stages.words
    table = Table(box=None, padding=(0, 1))
    table.add_column(word("设备", "camera"), no_wrap=True)
    for zh, en in (("录像 MB", "size, MB"), ("断电时已存 MB", "kept at kill"), ("续传自 MB", "on from")):
        table.add_column(word(zh, en), justify="right", no_wrap=True)
    table.add_column(word("中断原因", "cut by"), no_wrap=True)
    table.add_column(word("结果", "ended"), no_wrap=True)
    last = dict(line.begun())
    for camera, each in killed.items():
        why = word("拔线、断电", "cable, power") if camera == PULLED else word("断电", "power")
        figures = (each.length, each.offset, last[each.id])
        table.add_row(camera, *(f"{figure / _MB:.1f}" for figure in figures), why, word("可清除", "safe to wipe"))
    play.stages.console.print(table)
    play.stages.check(
        all(before[camera].offset <= last[each.id] == each.offset for camera, each in killed.items()),
        "每个上传都从已落盘处继续，没有从头重传",
        "each upload went on at what was on the disk, none began anew",
    )


def _count(play: Play, files: dict[Path, str], receipts: dict[str, bytes]) -> None:
    """Each original once, every receipt verified offline, nothing half in the spool."""
    say, log = play.stages, play.log
    digests = set(files.values())
    subjects = {verify_receipt(content, log).entry.event.payload["sha256"] for content in receipts.values()}
    say.check(
        subjects == digests == set(receipts),
        f"{len(receipts)} 份回执全部离线核验通过（仅用登记时固定的公钥）",
        f"all {len(receipts)} receipts verify offline, with the key pinned at enrolment",
    )
    stored = Counter(path.name for path in (play.service.data / "blobs").rglob("originals/??/*") if not path.suffix)
    entries = _rows(play, "SELECT draft FROM entries WHERE event = 'original.received'")
    logged = Counter(json.loads(draft)["payload"]["sha256"] for (draft,) in entries)
    say.check(
        all(stored[each] == logged[each] == 1 for each in digests),
        f"{len(digests)} 份原件各存一份，存证链中各记一次",
        f"{len(digests)} originals, each kept once and once in the ledger",
    )
    wait_for("empty spool", lambda: not _spooled(play))
    states = {each.state for each in uploads(play).values()}
    say.check(
        states == {"complete"},
        "暂存区没有半截文件，没有未完成的上传",
        "nothing half-written is in the spool, no upload is unfinished",
    )


def _spooled(play: Play) -> list[Path]:
    """What came in and is not an original yet."""
    spool = play.service.data / "spool"
    return [path for place in ("uploads", "files", "watch", "rejected") for path in (spool / place).rglob("*")]


def uploads(play: Play) -> dict[str, Sent]:
    """The cameras' uploads, as the database has them."""
    marks = ", ".join("?" * len(CAMERAS))
    fields = "id, device_serial, path, committed, length, state"
    query = f"SELECT {fields} FROM uploads WHERE device_serial IN ({marks}) ORDER BY device_serial"  # noqa: S608
    return {row[1]: Sent(*row) for row in _rows(play, query, *CAMERAS)}


def _busy(play: Play) -> bool:
    """Whether a photograph is still being analysed: a job that dies with the server is taken up a minute later."""
    query = "SELECT 1 FROM jobs WHERE state = 'running' OR state = 'queued' AND run_at <= datetime('now')"
    return bool(_rows(play, query))


def _rows(play: Play, query: str, *values: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(play.service.data / "liuhen.db", timeout=30)
    try:
        return database.execute(query, values).fetchall()
    finally:
        database.close()


def _number_of_receipts(play: Play) -> int:
    return len(list((play.work / "station" / STATION / "receipts").glob("*.tlog-proof")))


def _receipts(play: Play, digests: Any, *, all_of_them: bool = False) -> dict[str, bytes]:
    """The receipts on the station's disk for these files."""
    folder = play.work / "station" / STATION / "receipts"
    found = {each: (folder / f"{each}.tlog-proof") for each in digests}
    read = {sha256: path.read_bytes() for sha256, path in found.items() if path.exists()}
    return {} if all_of_them and len(read) < len(found) else read


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
