"""What a station says of itself: `liuhen.station-state/1` (docs/docking-protocol.md, "Station state"). Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ingest import signed
from ingest.manifest import ClockLine, Name, Part, Seconds, Time
from storage.errors import Refused

SCHEMA = "liuhen.station-state/1"
MAX_BYTES = 256 << 10
MAX_CARDS = 100
LAST_SEQUENCE = (1 << 53) - 1  # what every reader of JSON keeps exactly

CardPhase = Literal[
    "listing",
    "hashing",
    "sending",
    "safe",
    "unsafe",
    "quarantined",
    "failed",
    "wiping",
    "wiped",
    "gone",
]


def _check_words(text: str) -> str:
    if any(ord(char) < 32 for char in text):
        raise ValueError("words hold no control characters")
    return text


Words = Annotated[str, Field(max_length=500), AfterValidator(_check_words)]
Count = Annotated[int, Field(ge=0, le=1 << 53)]


class CardState(Part):
    """One card: see docs/docking-protocol.md, section 9. Sizes in bytes, `rate` per second, `eta` in seconds."""

    card: Name
    place: Words
    serial: Annotated[str, Field(max_length=100), AfterValidator(_check_words)] = ""
    model: Annotated[str, Field(max_length=100), AfterValidator(_check_words)] = ""
    quarantine: bool = False
    state: CardPhase
    since: Time
    docking: Annotated[str, Field(max_length=64), AfterValidator(_check_words)] | None = None
    files: Count = 0
    safe: Count = 0
    failed: Count = 0
    size: Count = 0
    hashed: Count = 0
    sent: Count = 0
    rate: Seconds | None = None
    eta: Seconds | None = None
    zh: Words = ""
    en: Words = ""


Code = Literal["journal", "server", "config"]


class Problem(Part):
    code: Code
    zh: Words
    en: Words


class StationState(Part):
    schema_: Annotated[Literal["liuhen.station-state/1"], Field(alias="schema")]
    station: Name
    time: Time
    sequence: Annotated[int, Field(ge=0, le=LAST_SEQUENCE)]
    agent: Annotated[str, Field(max_length=64), AfterValidator(_check_words)]
    watching: bool
    clock: ClockLine
    free: Count | None = None
    problem: Problem | None = None
    cards: Annotated[list[CardState], Field(max_length=MAX_CARDS)]


def parse(content: bytes) -> StationState:
    """Read a state strictly. Raises Refused that names the first thing wrong."""
    try:
        return signed.read(StationState, content)
    except ValueError as error:
        raise Refused(
            f"采集站状态格式不正确（{error}），未采用；请升级采集站程序。",
            f"the station's state is malformed ({error}) and was not taken: update the station's program",
        ) from error


def as_stored(state: StationState, clock_offset: float) -> dict[str, Any]:
    """What the catalogue keeps: the object, and how far the station's clock is ahead of the server's."""
    return state.model_dump(by_alias=True) | {"clock_offset": clock_offset}
