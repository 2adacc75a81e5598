"""Witnesses and policies under arbitrary bytes, single-bit changes and arbitrary orders of requests."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import IntegrityError
from storage.ledger import note
from storage.ledger.witnesses import policy, witnessing
from storage.ledger.witnesses.policy import PolicyError, Witness
from storage.ledger.witnesses.witness import WitnessClient, WitnessFailed
from storage.ledger.witnesses.witnessing import Rejected
from tests.support.ledger import SIGNER
from tests.support.witnesses import History, classic, desk, policy_text, quantum, size_of

HISTORY = History.of(16)
FORK = HISTORY.fork(6)
FIRST, SECOND, NINE = HISTORY.request(0, 5), HISTORY.request(5, 9), HISTORY.signed(9)
HASH = hashlib.sha256(SIGNER.name.encode()).hexdigest()
POLICY = policy_text([("w1", str(classic(1).verifier), "http://a/"), ("w2", str(quantum(2).verifier), "")], "2")
LINES = [b"old 5", b"", b"5", HISTORY.head(5).text().encode(), HISTORY.signed(5), b"\n", b"\n\n", b"A" * 43 + b"="]
WORDS = [
    b"log",
    b"witness",
    b"group",
    b"quorum",
    b"none",
    b"all",
    b"any",
    b"1",
    b"2",
    b"a",
    b"#",
    b"\t",
    b"\n",
    b"\xff",
]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(LINES), max_size=8).map(b"\n".join))
def test_a_request_is_read_or_rejected(body: bytes) -> None:
    try:
        read = witnessing.parse(body)
    except Rejected as rejected:
        assert rejected.status == 400
    else:
        assert read.request.encode() == body


@given(st.binary(max_size=300) | st.lists(st.sampled_from([*WORDS, *POLICY.split()]), max_size=40).map(b" ".join))
def test_a_policy_is_read_or_refused_with_a_reason(content: bytes) -> None:
    with contextlib.suppress(PolicyError):
        read = policy.parse(content + b"\n")
        assert read.is_met({each.name for each in read.witnesses})


@settings(max_examples=300)
@given(st.data())
def test_no_changed_bit_of_a_request_gets_another_tree_cosigned(data: st.DataObject) -> None:
    body = bytearray(SECOND)
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    body[bit // 8] ^= 1 << bit % 8
    with tempfile.TemporaryDirectory() as folder:
        made = desk(Path(folder))
        made.add_checkpoint(FIRST)
        try:
            lines = made.add_checkpoint(bytes(body))
        except Rejected:
            assert size_of(made.checkpoint(HASH)) == 5
        else:
            assert note.verify(NINE + lines, [classic(1).verifier]) == HISTORY.head(9).text()


@settings(max_examples=300)
@given(st.data())
def test_no_changed_bit_of_a_witnessed_checkpoint_says_something_else(data: st.DataObject) -> None:
    rules = policy.parse(POLICY)
    signed = bytearray(HISTORY.signed(9, classic(1), quantum(2)))
    bit = data.draw(st.integers(0, len(signed) * 8 - 1))
    signed[bit // 8] ^= 1 << bit % 8
    try:
        found = policy.verify(bytes(signed), rules)
    except IntegrityError:
        return
    raise AssertionError(f"bit {bit} changed, yet accepted: {found}")


ANSWER = HISTORY.signed(9, classic(1), quantum(2), classic(3))[len(NINE) :]
CLIENT = WitnessClient("http://127.0.0.1:1", [Witness("w1", classic(1).verifier)])
PIECES = [ANSWER, *ANSWER.splitlines(keepends=True), b"\n", b"x", "\u2014 ".encode(), b"w A\n", b"\xff"]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join))
def test_any_answer_of_a_witness_is_its_cosignature_or_a_failure(answer: bytes) -> None:
    try:
        kept = CLIENT._read(NINE, answer).lines
    except WitnessFailed:
        return
    assert note.verify(NINE + "".join(kept).encode(), [classic(1).verifier]) == HISTORY.head(9).text()


Step = tuple[bool, int, int]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 16), st.integers(0, 16)), max_size=30))
def test_whatever_is_asked_a_log_only_grows_and_never_forks(steps: list[Step]) -> None:
    """True history and fork mixed in any order: whichever came first past the fork is the only one from there on."""
    with tempfile.TemporaryDirectory() as folder:
        made = desk(Path(folder))
        sizes, sides = [0], set()
        for forked, old, new in steps:
            history = FORK if forked else HISTORY
            try:
                made.add_checkpoint(history.request(old, new))
            except Rejected as rejected:
                assert rejected.status in (400, 409, 422)
                continue
            assert old == sizes[-1]
            sizes.append(new)
            if new > 6:
                sides.add(forked)
        assert sizes == sorted(sizes)
        assert len(sides) < 2
