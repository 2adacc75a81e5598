from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import IntegrityError, Refused
from storage.ledger import entry
from storage.records import Actor, CustodyEvent
from tests.support.ledger import event

PREV = bytes(range(32))
BODY = entry.encode(event(7), PREV)


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(BODY) | fields, ensure_ascii=False, separators=(",", ":")).encode()


def test_the_bytes_of_an_entry() -> None:
    assert BODY.decode() == (
        '{"schema":"liuhen.entry/1","id":"event-7","event":"test.made","time":"2026-11-20T01:02:10.004Z",'
        '"actor":{"kind":"service","id":"test"},"subject":"recording:r1",'
        f'"prev":"{PREV.hex()}","payload":{{"n":7,"说明":"测试"}}}}'
    )


def test_an_entry_is_read_back() -> None:
    assert entry.parse(BODY) == entry.Entry(event(7), PREV.hex())
    assert entry.parse(entry.encode(event(7), None)).prev is None


def test_a_draft_is_read_back() -> None:
    assert entry.parse_draft(entry.encode_draft(event(7))) == event(7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        BODY[:-1],
        BODY + b"x",
        b"[" * 60_000,
        b"\xff",
        BODY.replace(b'"id":"event-7",', b""),
        BODY.replace(b'"id":"event-7",', b'"id":"event-7","id":"event-7",'),
        BODY.replace(b'{"n":7', b'{"n":7,"n":8'),
        BODY.replace(b'"n":7', b'"n":NaN'),
        BODY.replace(b'"n":7', b'"n":' + b"7" * 5000),
        BODY.replace(b'"payload"', b'"extra":1,"payload"'),
        json.dumps(dict(reversed(json.loads(BODY).items()))).encode(),
        changed(schema="liuhen.entry/2"),
        changed(prev="abc"),
        changed(prev=PREV.hex().upper()),
        changed(prev=5),
        changed(time="2026-11-20"),
        changed(time="2026-13-20T01:02:10.004Z"),
        changed(actor="me"),
        changed(actor={"kind": "user"}),
        changed(payload=[]),
        changed(subject=""),
        changed(id=5),
        BODY + b" " * entry.MAX_BYTES,
    ],
)
def test_any_other_form_is_refused(body: bytes) -> None:
    with pytest.raises(IntegrityError):
        entry.parse(body)


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800", b"bytes"])
def test_what_is_not_plain_json_is_not_logged(value: Any) -> None:
    with pytest.raises(Refused, match="plain JSON"):
        entry.encode_draft(event(1, payload={"x": value}))


@pytest.mark.parametrize("payload", [{1: "a", "1": "b"}, {"x": [{None: 1, "null": 2}]}])
def test_what_would_not_be_read_again_is_not_logged(payload: dict[Any, Any]) -> None:
    with pytest.raises(Refused, match="twice"):
        entry.encode_draft(event(1, payload=payload))


def test_an_event_without_a_subject_is_not_logged() -> None:
    with pytest.raises(Refused, match="empty"):
        entry.encode_draft(event(1, subject=""))


def test_the_longest_entry_is_65535_bytes() -> None:
    room = entry.MAX_BYTES - len(entry.encode(event(1, payload={"x": ""}), PREV))
    assert len(entry.encode(event(1, payload={"x": "a" * room}), PREV)) == entry.MAX_BYTES
    with pytest.raises(Refused, match="too large"):
        entry.encode_draft(event(1, payload={"x": "a" * (room + 1)}))


AWKWARD = ['"', "\\", ',"payload":', '\\",\\"payload\\":', '{"prev":null}', "执法", "\u2028", "a\nb"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(AWKWARD), st.booleans())
def test_a_placed_draft_is_the_encoded_entry(text: str, first: bool) -> None:
    made = CustodyEvent(text, text, event(1).time, Actor(text, text), text, {"payload": text, text: {"prev": [text]}})
    prev = None if first else PREV
    placed, body = entry.place(entry.encode_draft(made), prev)
    assert placed == entry.Entry(made, prev.hex() if prev else None)
    assert body == entry.encode(made, prev)


DAMAGED = [
    b"",
    b"{}",
    b"garbage",
    b'{"id":"a","payload":{}}',
    b'{"payload":{},"payload":{}}',
    b"[1]",
    b'{"a":1,"payload":',
]


@pytest.mark.parametrize("draft", DAMAGED)
def test_a_damaged_draft_gets_no_place(draft: bytes) -> None:
    with pytest.raises(IntegrityError):
        entry.place(draft, None)
