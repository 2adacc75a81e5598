"""How far a card is: told by the agent, read by the terminal and by the station's state. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ingest.card import Card
from ingest.device import Identity, escaped
from ingest.manifest import DeviceLine
from ingest.results import Outcome, Result
from ingest.station_state import CardPhase, CardState
from storage.clock import iso, now
from storage.errors import Refused

WINDOW = 10.0  # seconds over which the rate is taken

WORDS: dict[CardPhase, tuple[str, str]] = {
    "listing": ("正在列目录", "listing the card"),
    "hashing": ("正在核算摘要", "hashing"),
    "sending": ("正在上传", "uploading"),
    "safe": ("可清除：全部文件已入库，回执已核验", "safe to wipe: every file is kept, the receipts are verified"),
    "wiping": ("正在清除", "wiping"),
    "gone": ("未完成采集即被拔出，请重新插入", "pulled out before it was safe: put it in again"),
}


EMPTY = ("存储卡上没有文件", "there are no files on the card")


class CardGone(Refused):
    """The card was pulled out: whatever is done with it ends."""

    def __init__(self) -> None:
        super().__init__(
            "存储卡已拔出；已上传部分不会丢失，重新插入后继续。",
            "the card was pulled out; what was uploaded is not lost, it goes on when the card is back",
        )


class CardProgress:
    """Of one card. `changed` hears whenever its phase changes."""

    def __init__(self, card: str, place: str, changed: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._changed = changed
        self.card, self.place = card, place
        self._device = DeviceLine(serial="?")
        self._docking: str | None = None
        self._done: dict[tuple[str, str], int] = {}
        self._sums = {"hash": 0, "send": 0}
        self._files = self._size = self._safe = self._failed = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._gone = threading.Event()
        self.phase: CardPhase = "listing"
        self.manifest: dict[str, Any] = {}
        """What was sent last while the card is in: as long as nothing changed on it, it is one docking."""
        self._words = WORDS["listing"]
        self._since = now()

    def enter(self, phase: CardPhase, zh: str = "", en: str = "") -> None:
        with self._lock:
            self.phase, self._since = phase, now()
            self._words = (zh, en) if zh else WORDS[phase]
            self._marks.clear()
        self._changed()

    def pull(self) -> None:
        """The card is out: what works on it hears of it at the next byte."""
        self._gone.set()

    @property
    def gone(self) -> bool:
        return self._gone.is_set()

    def listed(self, card: Card) -> None:
        self.check()
        with self._lock:
            self._files, self._size = len(card.files), sum(file.size for file in card.files)
            self._done.clear()
            self._sums = {"hash": 0, "send": 0}
            self._safe = self._failed = 0

    def named(self, card: str, identity: Identity) -> None:
        self.card, self._device = card, identity.device
        self.enter("hashing")

    def docked(self, docking: str) -> None:
        self._docking = docking
        self.enter("sending")

    def told(self, stage: str, path: str, done: int) -> None:
        """`done` bytes of the file are through this stage ("hash", "send"). Raises CardGone."""
        self.check()
        if stage not in self._sums:
            return
        moment = time.monotonic()
        with self._lock:
            self._sums[stage] += done - self._done.get((stage, path), 0)
            self._done[stage, path] = done
            if (stage == "hash") == (self.phase == "hashing"):
                self._marks.append((moment, self._sums[stage]))
                while self._marks and moment - self._marks[0][0] > WINDOW:
                    self._marks.popleft()

    def check(self) -> None:
        if self.gone:
            raise CardGone

    def ended(self, result: Result) -> None:
        with self._lock:
            self._safe += result.safe
            self._failed += not result.safe and not result.note

    def finished(self, outcome: Outcome) -> None:
        if outcome.safe:
            self.enter("safe", *(EMPTY if outcome.empty else WORDS["safe"]))
            return
        if outcome.kept:
            identity = outcome.identity
            self.enter("quarantined", *quarantine_words(identity))
            return
        bad = [result for result in outcome.results if not result.safe and not result.note]
        self.enter(
            "unsafe",
            f"请勿清除：{len(bad)} 个文件未入库；{bad[0].path}：{bad[0].zh}",
            f"do NOT wipe: {len(bad)} file(s) not kept; {bad[0].path}: {bad[0].en}",
        )

    def state(self) -> CardState:
        with self._lock:
            rate, eta = self._pace()
            zh, en = self._words
            return CardState(
                card=escaped(self.card)[:100],
                place=words(self.place),
                serial="" if self._device.serial == "?" else self._device.serial,
                model=self._device.model,
                quarantine=self._device.quarantine,
                state=self.phase,
                since=iso(self._since),
                docking=self._docking,
                files=self._files,
                safe=self._safe,
                failed=self._failed,
                size=self._size,
                hashed=min(self._sums["hash"], self._size),
                sent=min(self._sums["send"], self._size),
                rate=rate,
                eta=eta,
                zh=words(zh),
                en=words(en),
            )

    def _pace(self) -> tuple[float | None, float | None]:
        """Bytes per second over the last seconds, and the seconds that this stage still takes."""
        if self.phase not in ("hashing", "sending") or len(self._marks) < 2:
            return None, None
        (begun, first), (ended, last) = self._marks[0], self._marks[-1]
        if ended - begun < 0.2 or last <= first or time.monotonic() - ended > WINDOW:
            return None, None
        rate = (last - first) / (ended - begun)
        return round(rate, 1), round(max(0, self._size - last) / rate, 1)


def quarantine_words(identity: Identity) -> tuple[str, str]:
    serial = identity.device.serial
    return (
        f"隔离：{identity.zh}；文件已全部入库，暂记于 {serial}。确认设备编号前请勿清除：用 --device 编号重新采集，"
        "或请管理员在采集站配置 [cameras] 中写明。",
        f"quarantine: {identity.en}; every file is kept, under {serial}. Do not wipe it before the camera is named: "
        "dock it again with --device SERIAL, or have it written under [cameras] of the station's configuration",
    )


def words(text: str) -> str:
    """As a state may hold them: for people to read, not too many."""
    text = escaped(text)
    return text if len(text) <= 500 else text[:499] + "…"
