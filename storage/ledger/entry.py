"""The entry: the exact bytes of one JSON object, one custody event in the ledger. Pure.

The bytes are written once, here, and never again: everybody hashes and keeps them as they are. `prev` is the RFC 6962
leaf hash, in hex, of the subject's previous entry, so each recording, case or key has its own chain inside the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from storage import clock
from storage.errors import IntegrityError, Refused
from storage.records import Actor, CustodyEvent

SCHEMA = "liuhen.entry/1"
MAX_BYTES = 65_535  # an entry bundle prefixes each entry with its length in 16 bits
_FIELDS = ["schema", "id", "event", "time", "actor", "subject", "prev", "payload"]
_DRAFT_FIELDS = [name for name in _FIELDS if name not in ("schema", "prev")]
_HEAD = f'{{"schema":"{SCHEMA}",'.encode()
_PAYLOAD = b',"payload":'
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """存证条目: an event as the ledger has it. `prev` is 64 hex digits, None for the first of its subject."""

    event: CustodyEvent
    prev: str | None


def encode(event: CustodyEvent, prev: bytes | None) -> bytes:
    """The entry's bytes. `prev` is the 32-byte leaf hash of the subject's previous entry.

    Raises Refused when the payload is not plain JSON or the entry is over 65,535 bytes.
    """
    fields = _event_fields(event)
    ordered = {"schema": SCHEMA, **fields, "prev": prev.hex() if prev else None}
    return _dump({name: ordered[name] for name in _FIELDS})


def parse(body: bytes) -> Entry:
    """Read an entry strictly. Raises IntegrityError: not JSON, a field twice, missing, unknown or out of order."""
    fields = _load(body, _FIELDS)
    if fields["schema"] != SCHEMA:
        _damaged(f"未知格式 {fields['schema']!r}", f"its schema {fields['schema']!r} is unknown")
    prev = fields["prev"]
    if prev is not None and not (isinstance(prev, str) and _HASH.fullmatch(prev)):
        _damaged("prev 不是哈希", "prev is not a hash")
    return Entry(_event(fields), prev)


def encode_draft(event: CustodyEvent) -> bytes:
    """The event as the outbox keeps it, before it has an index and a `prev`.

    Raises Refused for whatever could not be published and read again, so that nothing enters the outbox that would stop
    the log for everybody.
    """
    body = encode(event, bytes(32))
    try:
        parse(body)
    except IntegrityError as error:
        raise Refused(f"事件内容不合规，未登记：{error.zh}", f"the event was not logged: {error}") from error
    before, _, after = body.partition(_prev_field(bytes(32)))
    return b"{" + before[len(_HEAD) :] + after


def parse_draft(draft: bytes) -> CustodyEvent:
    """Read an event back from the outbox. Raises IntegrityError."""
    return _event(_load(draft, _DRAFT_FIELDS))


def place(draft: bytes, prev: bytes | None) -> tuple[Entry, bytes]:
    """An event from the outbox as the entry it becomes, and the entry's bytes: the draft's own, with schema and `prev`.

    The mark before the payload can stand nowhere else: inside a JSON text each quotation mark is escaped. Raises
    IntegrityError when the draft is no event.
    """
    before, mark, payload = draft.partition(_PAYLOAD)
    body = _HEAD + before[1:] + _prev_field(prev) + mark + payload
    return parse(body), body


def _prev_field(prev: bytes | None) -> bytes:
    return b',"prev":"%b"' % prev.hex().encode() if prev else b',"prev":null'


def _event_fields(event: CustodyEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "event": event.event,
        "time": clock.iso(event.time),
        "actor": {"kind": event.actor.kind, "id": event.actor.id},
        "subject": event.subject,
        "payload": dict(event.payload),
    }


def _dump(fields: Mapping[str, Any]) -> bytes:
    try:
        body = _ENCODER.encode(fields).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        raise Refused(
            "事件内容无法写成 JSON，未登记。", f"the event is not plain JSON and was not logged: {error}"
        ) from error
    if len(body) > MAX_BYTES:
        raise Refused(
            f"事件内容过大（{len(body)} 字节，上限 {MAX_BYTES}），未登记。",
            f"the event is too large and was not logged: {len(body)} bytes, the limit is {MAX_BYTES}",
        )
    return body


def _load(body: bytes, names: list[str]) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        _damaged("过大", "it is too large")
    try:
        fields = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        _damaged("不是 JSON", f"it is not JSON ({error})")
    if not isinstance(fields, dict) or list(fields) != names:
        _damaged(f"字段应依次为 {'、'.join(names)}", f"its fields must be, in order, {', '.join(names)}")
    return fields


def _event(fields: Mapping[str, Any]) -> CustodyEvent:
    actor, payload = fields["actor"], fields["payload"]
    if not isinstance(actor, dict) or list(actor) != ["kind", "id"] or not isinstance(payload, dict):
        _damaged("actor 或 payload 格式不正确", "its actor or payload is malformed")
    words = [fields["id"], fields["event"], fields["subject"], actor["kind"], actor["id"]]
    if not all(isinstance(word, str) and word for word in words):
        _damaged("有字段为空或不是文字", "a field is empty or not text")
    return CustodyEvent(
        id=fields["id"],
        event=fields["event"],
        time=_moment(fields["time"]),
        actor=Actor(actor["kind"], actor["id"]),
        subject=fields["subject"],
        payload=payload,
    )


def _moment(text: object) -> datetime:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        _damaged("时间格式不正确", "its time is malformed")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        _damaged("时间不存在", "its time does not exist")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        _damaged("有重复字段", "a field stands in it twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _damaged(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"存证条目无效：{zh}。", f"the ledger entry is not valid: {en}")


# Made once: making them takes as long as reading a short entry.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
