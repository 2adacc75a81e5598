"""Which camera a card or a file belongs to, from what is written on it. No network, no media is opened."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from ingest.manifest import DeviceLine
from storage.errors import Refused

JSON_NOTE = "device.json"
TEXT_NOTE = "LIUHEN.TXT"
NOTES = frozenset({JSON_NOTE, TEXT_NOTE})  # about the camera, no recordings: listed, not uploaded
_MAX_NOTE = 64 << 10  # bytes
_PREFIX = re.compile(r"([A-Za-z]{1,8}[0-9]{2,12})[_-]")
_LINE = re.compile(r"\s*(serial|model|设备编号|型号)\s*[=:：]\s*(.*?)\s*", re.IGNORECASE)
_KEYS = {"设备编号": "serial", "型号": "model"}


def serial_of_name(name: str) -> str | None:
    """The serial that a camera puts before its file names: LH00012_20261120_0001.MP4 → LH00012."""
    match = _PREFIX.match(PurePosixPath(name).name)
    return match.group(1) if match else None


def find_device(card: Path, names: Iterable[str], given: str | None = None) -> DeviceLine:
    """The camera of a card: as given, else by `device.json`, `LIUHEN.TXT`, or the one prefix of its file names.

    Raises Refused when none of them says, or the names disagree.
    """
    if given:
        return _line({"serial": given, **({} if not (noted := _noted(card)) else {"model": noted.get("model", "")})})
    if noted := _noted(card):
        return _line(noted)
    serials = {serial for name in names if (serial := serial_of_name(name))}
    if len(serials) != 1:
        raise _unknown(sorted(serials))
    return DeviceLine(serial=serials.pop())


def _noted(card: Path) -> dict[str, str]:
    for name, read in ((JSON_NOTE, _read_json), (TEXT_NOTE, _read_text)):
        path = card / name
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _MAX_NOTE:
            fields = read(path.read_bytes().decode("utf-8-sig", errors="replace"))
            if fields.get("serial"):
                return fields
    return {}


def _read_json(text: str) -> dict[str, str]:
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(fields, dict):
        return {}
    return {name: value for name in ("serial", "model") if isinstance(value := fields.get(name), str)}


def _read_text(text: str) -> dict[str, str]:
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {_KEYS.get(key := match.group(1).lower(), key): match.group(2) for match in found if match}


def _line(fields: dict[str, str]) -> DeviceLine:
    try:
        return DeviceLine(**fields)
    except ValidationError as error:
        raise Refused(
            f"设备编号或型号不合法：{fields!r}；请用 --device 指定。",
            f"the camera's serial or model is not acceptable: {fields!r}; give the serial with --device",
        ) from error


def _unknown(serials: list[str]) -> Refused:
    seen = "、".join(serials[:5])
    zh = f"文件名前缀不一致（{seen}）" if serials else "存储卡上没有 device.json、LIUHEN.TXT 或设备编号前缀的文件名"
    en = f"its file names begin with different serials ({seen})" if serials else "nothing on the card names it"
    return Refused(
        f"无法确定设备编号：{zh}。请用 --device 指定；未上传任何文件。",
        f"can't tell which camera this is: {en}. Give --device SERIAL; nothing was uploaded",
    )
