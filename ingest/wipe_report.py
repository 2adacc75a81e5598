"""What a station says that it wiped off a card: `liuhen.wipe/1` (docs/docking-protocol.md, "Wipes"). Pure."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field

from ingest import signed
from ingest.manifest import MAX_FILES, CardPath, DeviceLine, Hash, Name, Part, Time
from ingest.station_state import Words
from storage.errors import Refused

SCHEMA = "liuhen.wipe/1"
MAX_BYTES = 16 << 20


class WipedLine(Part):
    """A file that is gone from the card. Right before, its bytes were read again and had this digest."""

    path: CardPath
    size: Annotated[int, Field(ge=0, le=1 << 50)]
    sha256: Hash
    time: Time


class LeftLine(Part):
    """A file that was left on the card, and why."""

    path: CardPath
    why: Words


class WipeReport(Part):
    schema_: Annotated[Literal["liuhen.wipe/1"], Field(alias="schema")]
    station: Name
    device: DeviceLine
    docking: Annotated[str, Field(max_length=64)]
    time: Time
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    wiped: Annotated[list[WipedLine], Field(min_length=1, max_length=MAX_FILES)]
    left: Annotated[list[LeftLine], Field(max_length=MAX_FILES, default_factory=list)]


def parse(content: bytes) -> WipeReport:
    """Read a report strictly. Raises Refused that names the first thing wrong."""
    try:
        report = signed.read(WipeReport, content)
        paths = Counter(line.path for line in report.wiped)
        if (twice := paths.most_common(1)[0])[1] > 1:
            raise ValueError(f"wiped: {twice[0]} is listed twice")  # noqa: TRY301
    except ValueError as error:
        raise Refused(
            f"清除报告格式不正确（{error}），未登记；请升级采集站程序。",
            f"the wipe report is malformed ({error}) and was not registered: update the station's program",
        ) from error
    return report
