"""Sidecars (随附说明): a JSON or XML file that a camera or its program puts beside a recording. Pure, hostile input.

`A.MP4` is described by `A.MP4.json`, `A.MP4.xml`, `A.json` or `A.xml`. What it says is a claim: it names the camera,
and is shown. One that can't be read is kept as it is with a word why; it never stops its recording. XML: no DTD, hence
no entities and nothing external.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from xml.parsers import expat

MAX_BYTES = 256 << 10
MAX_VALUE = 200  # characters
TOO_LARGE = (f"随附说明过大（上限 {MAX_BYTES} 字节）", f"the sidecar is too large (over {MAX_BYTES} bytes)")
_DEEPEST = 16
_SUFFIXES = (".json", ".xml")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "serial": ("serial", "serialnumber", "deviceserial", "deviceid", "设备编号", "设备序列号"),
    "model": ("model", "devicemodel", "型号", "设备型号"),
    "officer": ("officer", "officername", "执法人员", "使用人", "警员"),
    "start": ("start", "starttime", "begintime", "开始时间", "录制时间"),
    "end": ("end", "endtime", "结束时间"),
    "place": ("place", "location", "address", "地点", "执法地点"),
    "matter": ("matter", "subject", "事项", "执法事项", "案由"),
    "case": ("case", "casenumber", "案号", "案卷号"),
}
_NAMES = {alias: field for field, aliases in _FIELDS.items() for alias in aliases}
_ALONE = {"device": "serial", "设备": "serial"}  # where the value is plain text, not a group of fields


class Unusable(Exception):
    """The sidecar can't be used. `zh` and `en` say why."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What one says. `says`: field (serial, model, officer, start, end, place, matter, case) → text; `fault`: why it
    could not be read (zh, en), then `says` is empty.
    """

    says: Mapping[str, str]
    fault: tuple[str, str] | None = None


def is_sidecar(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _SUFFIXES


def describes(sidecar: str, recording: str) -> bool:
    """Whether the file `sidecar` describes the file `recording`, by their names (in one folder)."""
    if not is_sidecar(sidecar) or is_sidecar(recording):
        return False
    base = PurePosixPath(sidecar).stem.casefold()
    return base in (recording.casefold(), PurePosixPath(recording).stem.casefold())


def read(name: str, content: bytes) -> Sidecar:
    """Read a sidecar strictly enough to be safe and leniently enough for what cameras write. Never raises."""
    if len(content) > MAX_BYTES:
        return Sidecar(
            {}, (f"随附说明过大（上限 {MAX_BYTES} 字节）", f"the sidecar is too large (over {MAX_BYTES} bytes)")
        )
    try:
        pairs = _of_json(content) if PurePosixPath(name).suffix.lower() == ".json" else _of_xml(content)
        return Sidecar(_chosen(pairs))
    except Unusable as error:
        return Sidecar({}, (error.zh, error.en))


def _chosen(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The fields we know, each once. Raises Unusable when a field says two things, or something unprintable."""
    says: dict[str, str] = {}
    for name, value in pairs:
        field, text = _NAMES.get(_plain(name)) or _ALONE.get(_plain(name)), value.strip()
        if field is None or not text:
            continue
        if len(text) > MAX_VALUE or any(unicodedata.category(each) in ("Cc", "Cs", "Cf") for each in text):
            raise Unusable(
                f"“{field}”过长或含控制字符",
                f"{field} is over {MAX_VALUE} characters or holds control characters",
            )
        if says.setdefault(field, text) != text:
            raise Unusable(f"“{field}”前后不一致", f"{field} is given twice and differs")
    return says


def _plain(name: str) -> str:
    return "".join(each for each in name.casefold() if each not in "_- ")


def _of_json(content: bytes) -> Iterator[tuple[str, str]]:
    try:
        fields = json.loads(_text(content), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise _malformed("JSON", error) from error
    if not isinstance(fields, _Pairs):
        raise _malformed("JSON", "not an object")
    return _walk(fields, 1)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its fields as they stand, twice if they stand twice."""


def _walk(fields: _Pairs, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        raise _malformed("JSON", "nested too deeply")
    for name, value in fields:
        if isinstance(value, _Pairs):
            yield from _walk(value, depth + 1)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield name, str(value)


def _of_xml(content: bytes) -> list[tuple[str, str]]:
    """Text of the elements that hold nothing else, and all attributes, by their local names."""
    reader = _XmlReader()
    try:
        reader.parse(_text(content))
    except (expat.ExpatError, ValueError) as error:
        raise _malformed("XML", error) from error
    return reader.pairs


class _XmlReader:
    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self._open: list[tuple[str, list[str]]] = []

    def parse(self, text: str) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._more
        parser.Parse(text.encode("utf-8"), True)

    def _refuse(self, *_: object) -> None:
        raise Unusable("XML 含 DTD 声明，不予解析", "the XML has a DTD and is not read")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._open) >= _DEEPEST:
            raise _malformed("XML", "nested too deeply")
        self._open.append((_local(name), []))
        self.pairs.extend((_local(each), value) for each, value in attributes.items())

    def _more(self, text: str) -> None:
        if self._open:
            self._open[-1][1].append(text)

    def _end(self, _: str) -> None:
        name, parts = self._open.pop()
        self.pairs.append((name, "".join(parts)))


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _text(content: bytes) -> str:
    """UTF-8, UTF-16 with its mark, else GB 18030, which many cameras write whatever they declare."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decoded(content, "utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _decoded(content, "gb18030")


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _malformed("UTF-8/GB 18030", "not text") from error


def _malformed(kind: str, why: object) -> Unusable:
    shown = "".join(each if each.isprintable() else "?" for each in str(why))[:200]
    return Unusable(f"不是可读的 {kind}（{shown}）", f"not readable as {kind}: {shown}")
