"""What a station said of itself (docs/docking-protocol.md, "Station state"), made fit for a page. Pure.

The state comes from another machine: whatever is missing, of another kind, too long or not printable is left out or
cut, never an error. How the office looks at it is decided here: what is stuck, what is silent, what colour it has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

SILENT = timedelta(minutes=2)
MAX_CARDS = 100
OFF = 2.0  # seconds by which a station's clock may differ before it is shown as wrong
_TONES: Mapping[str, str] = {
    "listing": "busy",
    "hashing": "busy",
    "sending": "busy",
    "wiping": "busy",
    "safe": "good",
    "wiped": "good",
    "unsafe": "bad",
    "failed": "bad",
    "quarantined": "warn",
    "gone": "warn",
}
"""Colour and icon of a card's state; unknown states are grey."""
STUCK = frozenset({"unsafe", "failed", "quarantined", "gone"})


@dataclass(frozen=True, slots=True)
class Card:
    """One camera or card. `read` and `sent`: shares of its bytes, 0 to 1. `rate`: bytes per second, `eta`: seconds."""

    key: str
    serial: str
    model: str
    place: str
    state: str
    tone: str
    zh: str
    en: str
    docking: str
    since: datetime | None
    files: int
    safe: int
    failed: int
    size: int
    read: float
    sent: float
    rate: float | None
    eta: float | None

    @property
    def stuck(self) -> bool:
        return self.state in STUCK or self.failed > 0


@dataclass(frozen=True, slots=True)
class Report:
    """`synchronised`: of the station's clock by NTP, None where it does not say. `offset`: seconds by which its clock
    is ahead of ours. `problem`: code and a sentence in each language, of the station as a whole.
    """

    cards: tuple[Card, ...]
    agent: str
    watching: bool | None
    synchronised: bool | None
    error: float | None
    jumped: float
    offset: float | None
    free: int | None
    problem: tuple[str, str, str] | None

    @property
    def stuck(self) -> int:
        return sum(card.stuck for card in self.cards)

    @property
    def busy(self) -> int:
        return sum(card.tone == "busy" for card in self.cards)

    @property
    def safe(self) -> int:
        """How many cameras may be taken out (and wiped)."""
        return sum(card.tone == "good" and not card.stuck for card in self.cards)

    @property
    def clock_wrong(self) -> bool:
        return (self.offset is not None and abs(self.offset) > OFF) or abs(self.jumped) > OFF


def read(state: object) -> Report:
    """What can be shown of a station's last state; None gives a report that says nothing."""
    said: Mapping[str, Any] = state if isinstance(state, dict) else {}
    clock = said.get("clock")
    clock = clock if isinstance(clock, dict) else {}
    cards = said.get("cards")
    free = _figure(said.get("free"))
    return Report(
        cards=tuple(_cards(cards if isinstance(cards, list) else [])),
        agent=_text(said.get("agent"), 40),
        watching=_flag(said.get("watching")),
        synchronised=_flag(clock.get("synchronised")),
        error=_figure(clock.get("error")),
        jumped=_figure(clock.get("jumped")) or 0.0,
        offset=_figure(said.get("clock_offset")),
        free=int(free) if free is not None and free >= 0 else None,
        problem=_problem(said.get("problem")),
    )


def _cards(given: list[object]) -> Iterable[Card]:
    for number, one in enumerate(given[:MAX_CARDS]):
        if isinstance(one, dict):
            yield _card(one, number)


def _card(said: Mapping[str, Any], number: int) -> Card:
    state = _text(said.get("state"), 20)
    size = _count(said.get("size"))
    zh, en = _text(said.get("zh"), 300), _text(said.get("en"), 300)
    return Card(
        key=f"{number}",
        serial=_text(said.get("serial"), 64),
        model=_text(said.get("model"), 64),
        place=_text(said.get("place") or said.get("card"), 100),
        state=state if state in _TONES else "unknown",
        tone=_TONES.get(state, "grey"),
        zh=zh or en,
        en=en or zh,
        docking=_ident(said.get("docking")),
        since=_moment(said.get("since")),
        files=_count(said.get("files")),
        safe=_count(said.get("safe")),
        failed=_count(said.get("failed")),
        size=size,
        read=_share(said.get("hashed"), size),
        sent=_share(said.get("sent"), size),
        rate=_positive(said.get("rate")),
        eta=_positive(said.get("eta")),
    )


def _text(value: object, limit: int) -> str:
    """Printable characters only: no control characters, none that turn the direction of writing."""
    if not isinstance(value, str):
        return ""
    plain = "".join(char for char in value[: 4 * limit] if char.isprintable()).strip()
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def _ident(value: object) -> str:
    """An identifier that may stand in an address; "" for anything else."""
    fine = isinstance(value, str) and 0 < len(value) <= 40 and value.isascii() and value.isalnum()
    return str(value) if fine and value == str(value).lower() else ""


def _figure(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if math.isfinite(figure) and abs(figure) < 1e18 else None


def _positive(value: object) -> float | None:
    figure = _figure(value)
    return figure if figure is not None and figure >= 0 else None


def _count(value: object) -> int:
    return int(_positive(value) or 0)


def _share(value: object, of: int) -> float:
    return min(1.0, _count(value) / of) if of else 0.0


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _problem(value: object) -> tuple[str, str, str] | None:
    if not isinstance(value, dict):
        return None
    zh, en = _text(value.get("zh"), 300), _text(value.get("en"), 300)
    return (_text(value.get("code"), 20), zh or en, en or zh) if zh or en else None
