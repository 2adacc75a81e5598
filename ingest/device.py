"""Which camera a card or a file belongs to, from what is written on it. No network; media are for `look_inside`."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import ValidationError

from ingest.card import Card, CardFile, Changed, read_small
from ingest.manifest import DeviceLine
from storage.errors import Refused

JSON_NOTE = "device.json"
TEXT_NOTE = "LIUHEN.TXT"
NOTES = frozenset({JSON_NOTE, TEXT_NOTE})  # about the camera, no recordings: listed, not uploaded
QUARANTINE = "UNKNOWN-"
LISTING = "listing-"  # a card without a volume of its own is known by what is on it
_MAX_NOTE = 64 << 10  # bytes
_PREFIX = re.compile(r"([A-Za-z]{1,8}[0-9]{2,12})[_-]")
_LABEL = re.compile(r"[A-Za-z]{1,8}[0-9]{4,12}")  # four digits at least: makers label cards SANDISK64, LEXAR128
_LINE = re.compile(r"\s*(serial|model|设备编号|型号)\s*[=:：]\s*(.*?)\s*", re.IGNORECASE)
_KEYS = {"设备编号": "serial", "型号": "model"}

NamedBy = Literal["operator", "settings", "note", "names", "metadata", "label"]
LookInside = Callable[[Sequence[CardFile]], Collection[str]]
"""The serials in the files' own metadata."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a card besides its files: the serial `given` by the operator, the volume's UUID and label, and
    the cameras that the station's settings name (by the quarantine serial).
    """

    given: str | None = None
    volume: str = ""
    label: str = ""
    cameras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose card it is. `zh`, `en`: why it is in quarantine, else empty. `clock`: as its note says."""

    device: DeviceLine
    zh: str = ""
    en: str = ""
    clock: str = ""

    @property
    def certain(self) -> bool:
        """Whether somebody or something other than a volume label named the camera."""
        return not self.device.quarantine and self.device.named_by != "label"


def serial_of_name(name: str) -> str | None:
    """The serial that a camera puts before its file names: LH00012_20261120_0001.MP4 → LH00012."""
    match = _PREFIX.match(PurePosixPath(name).name)
    return match.group(1) if match else None


def card_id(card: Card, known: Known) -> str:
    """What a card is known by: its volume's UUID, else a hash of its listing."""
    if uuid := re.sub(r"[^0-9A-Za-z-]", "", known.volume)[:64]:
        return uuid
    listing = hashlib.sha256()
    for file in card.files:
        listing.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\n".encode())
    return f"{LISTING}{listing.hexdigest()[:16]}"


def find_device(card: Card, known: Known, look_inside: LookInside = lambda _: ()) -> Identity:
    """The camera of a card: as given, else by the settings, `device.json`, `LIUHEN.TXT`, the one prefix of its file
    names, its files' metadata, the volume's label; else a quarantine serial made from the card.

    Raises Refused when the operator or the settings give a serial that can't be one.
    """
    noted = _noted(card)
    clock, model = noted.get("clock", ""), noted.get("model", "")
    quarantined = QUARANTINE + card_id(card, known).removeprefix(LISTING)
    if serial := known.given:
        return Identity(_said(serial, model, "operator"), clock=clock)
    if serial := known.cameras.get(quarantined):
        return Identity(_said(serial, model, "settings"), clock=clock)
    try:
        return Identity(_told(card, known, noted, look_inside), clock=clock)
    except _Unnamed as error:
        device = DeviceLine(serial=quarantined, named_by="", quarantine=True)
        return Identity(device, error.zh, error.en, clock)


class _Unnamed(Exception):
    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def _told(card: Card, known: Known, noted: Mapping[str, str], look_inside: LookInside) -> DeviceLine:
    """What the card itself says."""
    if noted.get("serial"):
        try:
            return _line(noted["serial"], noted.get("model", ""), "note")
        except ValidationError as error:
            shown = escaped(noted["serial"])[:60]
            raise _Unnamed(
                f"存储卡上的设备编号不合法：{shown}", f"the serial on the card is not acceptable: {shown}"
            ) from error
    serials = sorted({serial for file in card.files if (serial := serial_of_name(file.path))})
    if len(serials) == 1:
        return _line(serials[0], "", "names")
    if serials:
        seen = "、".join(serials[:5])
        raise _Unnamed(f"文件名前缀不一致（{seen}）", f"its file names begin with different serials ({seen})")
    written = sorted(look_inside([file for file in card.files if file.path not in NOTES]))
    if len(written) == 1:
        try:
            return _line(written[0], "", "metadata")
        except ValidationError as error:
            shown = escaped(written[0])[:60]
            raise _Unnamed(
                f"文件元数据中的设备编号不合法：{shown}", f"the serial in its files is not acceptable: {shown}"
            ) from error
    if written:
        seen = "、".join(escaped(each)[:60] for each in written)
        raise _Unnamed(f"文件元数据中的设备编号不一致（{seen}）", f"its files name different cameras ({seen})")
    if _LABEL.fullmatch(known.label):
        return _line(known.label, "", "label")
    raise _Unnamed(
        "存储卡上没有 device.json、LIUHEN.TXT、设备编号前缀的文件名、带编号的元数据或卷标",
        "nothing on the card, nor its label, names it",
    )


def escaped(text: str) -> str:
    """Without control characters, for people to read: whatever a terminal would obey is written as an escape."""
    return "".join(
        each.encode("unicode_escape").decode("ascii") if unicodedata.category(each) in ("Cc", "Cf", "Cs") else each
        for each in text
    )


def _noted(card: Card) -> dict[str, str]:
    for name, read in ((JSON_NOTE, _read_json), (TEXT_NOTE, _read_text)):
        file = next((each for each in card.files if each.path == name and each.size <= _MAX_NOTE), None)
        if file is None:
            continue
        try:
            fields = read(read_small(file).decode("utf-8-sig", errors="replace"))
        except (OSError, Changed):
            continue  # it will be listed as unreadable
        if fields.get("serial"):
            return fields
    return {}


def _read_json(text: str) -> dict[str, str]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    return {name: value for name in ("serial", "model", "clock") if isinstance(value := fields.get(name), str)}


def _read_text(text: str) -> dict[str, str]:
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {_KEYS.get(key := match.group(1).lower(), key): match.group(2) for match in found if match}


def _line(serial: str, model: str, by: NamedBy) -> DeviceLine:
    if serial.upper().startswith(QUARANTINE):  # only the station puts a card into quarantine, and only people out
        raise _Unnamed("设备编号以 UNKNOWN- 开头", "its serial begins with UNKNOWN-")
    fields: dict[str, Any] = {"serial": serial, "named_by": by}
    try:
        return DeviceLine(**fields, model=model)
    except ValidationError:
        return DeviceLine(**fields)  # a model that can't be kept is no reason to forget whose card it is


def _said(serial: str, model: str, by: NamedBy) -> DeviceLine:
    try:
        return _line(serial, model, by)
    except (ValidationError, _Unnamed) as error:
        shown = escaped(serial)[:60]
        raise Refused(
            f"设备编号“{shown}”不合法（1–100 个字符，不含控制字符，不以 UNKNOWN- 开头）；未上传任何文件。",
            f"“{shown}” can't be a camera's serial (1 to 100 characters, no control characters, not beginning with "
            "UNKNOWN-); nothing was uploaded",
        ) from error
