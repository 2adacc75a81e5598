from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.errors import IntegrityError
from storage.ledger import merkle, note
from storage.ledger.proof import Proof
from storage.ledger.witnesses import cosignature, policy
from storage.ledger.witnesses.policy import PolicyError
from tests.support.ledger import SIGNER, VKEY, bodies, log, receipt
from tests.support.witnesses import NOW, History, classic, quantum

KEYS = {f"w{number}": str(classic(number).verifier) for number in range(1, 10)}
W1, W2, W3 = (f"witness {name} {KEYS[name]}" for name in ("w1", "w2", "w3"))
QUANTUM = str(quantum(4).verifier)
HISTORY = History.of(5)


def parse(*lines: str) -> policy.Policy:
    return policy.parse("".join(f"{line}\n" for line in lines).encode())


def test_the_example_of_the_specification_is_read_and_judged() -> None:
    """Its six witnesses with two levels of groups."""
    read = parse(
        f"log {VKEY}",
        "",
        *(f"witness X{number} {KEYS[f'w{number}']}" for number in (1, 2, 3)),
        "group X-witnesses 2 X1 X2 X3",
        *(f"witness Y{number} {KEYS[f'w{number + 3}']}" for number in (1, 2, 3)),
        "group Y-witnesses any Y1 Y2 Y3",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
    )
    assert read.is_met({"X1", "X3", "Y2"})
    assert not read.is_met({"X1", "Y1", "Y2", "Y3"})
    assert not read.is_met({"X1", "X2", "X3"})


def test_white_space_comments_and_urls() -> None:
    read = policy.parse(
        b"# a comment\n \t \n\t # another\n \tlog\t " + VKEY.encode() + b"  https://log.example/ \t\n"
        b"witness\t\xe8\xa7\x81 " + KEYS["w1"].encode() + b"\thttp://w.example/x\nquorum \xe8\xa7\x81\n"
    )
    assert [each.url for each in read.logs] == ["https://log.example/"]
    assert [(each.name, each.url) for each in read.witnesses] == [("见", "http://w.example/x")]
    assert read.is_met({"见"}) and not read.is_met(set())


def test_names_are_bytes_and_need_not_be_utf8() -> None:
    read = policy.parse(
        b"witness \xff "
        + KEYS["w1"].encode()
        + b"\nwitness K "
        + KEYS["w2"].encode()
        + b"\nwitness \xe2\x84\xaa "
        + KEYS["w3"].encode()
        + b"\nquorum \xff\n"
    )
    assert [policy.printable(each.name) for each in read.witnesses] == ["\\xff", "K", "\u212a"]
    assert read.is_met({read.witnesses[0].name})


def test_a_quorum_of_none_asks_for_no_witness() -> None:
    read = parse("quorum none")
    assert read.is_met(set())
    assert read.logs == read.witnesses == ()


def test_logs_may_sign_with_either_type() -> None:
    own = cosignature.MlDsa44Signer(SIGNER.name, quantum(1).key, lambda: NOW)
    read = parse(f"log {own.verifier}", f"log {VKEY}", "quorum none")
    assert policy.verify(HISTORY.signed(5, own), read).log == own.verifier
    assert policy.verify(HISTORY.signed(5), read).log == SIGNER.verifier


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        ([], None, "no quorum"),
        ([W1], None, "no quorum"),
        (["quorum none", "quorum none"], 2, "second quorum"),
        (["quorum w1", W1], 1, "not defined"),
        (["quorum"], 1, "should read"),
        (["quorum none none"], 1, "should read"),
        (["Quorum none"], 1, "no keyword"),
        (["quorum none # at the end"], 1, "should read"),
        (["log"], 1, "should read"),
        ([f"log {VKEY} http://a b"], 1, "should read"),
        (["log abc", "quorum none"], 1, "verifier key"),
        ([f"log {KEYS['w1']}", "quorum none"], 1, "not an Ed25519 key"),
        ([f"log {VKEY}", f"log {VKEY}"], 2, "on a line before"),
        ([f"log {VKEY}", "log " + note.encode_vkey("other", b"\x01" + SIGNER.verifier.key)], 2, "on a line before"),
        ([f"witness {KEYS['w1']}"], 1, "should read"),
        ([f"witness w {VKEY}"], 1, "no cosigner's"),
        ([W1, f"witness w1 {KEYS['w2']}"], 2, "taken"),
        ([W1, f"witness w2 {KEYS['w1']}"], 2, "on a line before"),
        ([W1, "witness w2 " + note.encode_vkey("b", b"\x04" + classic(1).verifier.key)], 2, "on a line before"),
        ([f"witness none {KEYS['w1']}"], 1, "taken"),
        ([W1, "group g any"], 2, "should read"),
        ([W1, "group g w1"], 2, "should read"),
        ([W1, "group g any w2"], 2, "not defined"),
        ([W1, "group g any g"], 2, "not defined"),
        ([W1, "group g any none"], 2, "can't be a member"),
        ([W1, "group w1 any w1"], 2, "taken"),
        ([W1, "group none any w1"], 2, "taken"),
        ([W1, W2, "group g 0 w1 w2"], 3, "threshold"),
        ([W1, W2, "group g 3 w1 w2"], 3, "threshold"),
        ([W1, W2, "group g 02 w1 w2"], 3, "threshold"),
        ([W1, W2, "group g -1 w1 w2"], 3, "threshold"),
        ([W1, W2, "group g ٢ w1 w2"], 3, "threshold"),
        ([W1, W2, "group g ALL w1 w2"], 3, "threshold"),
        ([W1, W2, "group g all w1 w1"], 3, "member of a group already"),
        ([W1, W2, "group g all w1 w2", "group h any w1"], 4, "member of a group already"),
        (["# \x7f"], 1, "control"),
        (["quorum none\r"], 1, "control"),
        (["", "quo\0rum"], 2, "control"),
    ],
)
def test_what_the_specification_forbids_is_refused_with_its_line(lines: list[str], line: int | None, what: str) -> None:
    with pytest.raises(PolicyError, match=what) as caught:
        parse(*lines)
    assert caught.value.line == line
    assert line is None or f"line {line}:" in caught.value.en


def test_the_last_line_must_end() -> None:
    with pytest.raises(PolicyError, match="newline") as caught:
        policy.parse(b"# one\nquorum none")
    assert caught.value.line == 2


def test_limits() -> None:
    with pytest.raises(PolicyError, match="too large"):
        policy.parse(b"#" * policy.MAX_POLICY + b"\n")
    many = [f"witness w{number} {classic(number).verifier}" for number in range(policy.MAX_EACH)]
    assert len(parse(*many, "quorum w1").witnesses) == policy.MAX_EACH
    with pytest.raises(PolicyError, match=r"line 257: there are more than 256"):
        parse(*many, f"witness more {QUANTUM}", "quorum w1")


TWO = parse(f"log {VKEY}", W1, W2, W3, f"witness w4 {QUANTUM}", "group g 2 w1 w2 w3 w4", "quorum g")


def test_a_quorum_makes_a_checkpoint_valid_and_says_who_and_when() -> None:
    found = policy.verify(HISTORY.signed(5, classic(1), quantum(4), classic(9)), TWO)
    assert found.checkpoint == HISTORY.head(5)
    assert [(each.witness.name, each.time) for each in found.seen] == [("w1", NOW), ("w4", NOW)]


@pytest.mark.parametrize("signers", [[], [classic(1)], [classic(1), classic(1)], [classic(1), classic(9)]])
def test_less_than_a_quorum_is_refused(signers: list[note.Signer]) -> None:
    with pytest.raises(IntegrityError, match="quorum"):
        policy.verify(HISTORY.signed(5, *signers), TWO)


def test_a_wrong_line_of_a_known_witness_spoils_the_checkpoint() -> None:
    """Even where the others are enough (signed-note: reject the whole note)."""
    good = HISTORY.signed(5, classic(1), classic(2), classic(3))
    stolen = note.parse(HISTORY.signed(4, classic(3))).signatures[-1]
    line = f"— {stolen.name} {note.encode_base64(stolen.key_id + stolen.value)}\n"
    with pytest.raises(IntegrityError, match="w3"):
        policy.verify(HISTORY.signed(5, classic(1), classic(2)) + line.encode(), TWO)
    assert len(policy.verify(good, TWO).seen) == 3


def test_a_witness_without_the_log_is_not_enough() -> None:
    text = HISTORY.head(5).text()
    with pytest.raises(IntegrityError, match="no trusted key"):
        policy.verify(note.sign(text, classic(1), classic(2)), TWO)


def test_another_logs_origin_is_refused_though_its_key_is_listed() -> None:
    """A log's key speaks for the log of its own name only."""
    other = note.Ed25519Signer("other.example/log", SIGNER.key)
    head = HISTORY.head(5)
    with pytest.raises(IntegrityError, match="accepts no log"):
        policy.verify(note.sign(f"else\n{head.size}\n{note.encode_base64(head.root)}\n", SIGNER, classic(1)), TWO)
    rules = parse(f"log {VKEY}", "log " + str(note.Ed25519Signer("b", classic(8).key).verifier), "quorum none")
    with pytest.raises(IntegrityError):
        policy.verify(note.sign(head.text(), note.Ed25519Signer("b", classic(8).key), other), rules)


def test_a_policy_without_logs_takes_those_of_its_caller() -> None:
    rules = parse(W1, "quorum w1")
    signed = HISTORY.signed(5, classic(1))
    with pytest.raises(IntegrityError, match="accepts no log"):
        policy.verify(signed, rules)
    assert policy.verify(signed, rules, [SIGNER.verifier]).checkpoint.size == 5


def test_a_receipt_is_verified_under_a_policy() -> None:
    entries = bodies(5)
    files = log(entries)
    head = HISTORY.head(5).text()
    files["checkpoint"] = note.sign(head, SIGNER, classic(1), classic(2))
    found = policy.verify_receipt(receipt(files, 3, entries[3]), TWO)
    assert (found.index, found.body) == (3, entries[3])
    assert [each.witness.name for each in found.witnessed.seen] == ["w1", "w2"]
    files["checkpoint"] = note.sign(head, SIGNER, classic(1))
    with pytest.raises(IntegrityError, match="quorum"):
        policy.verify_receipt(receipt(files, 3, entries[3]), TWO)


def test_a_proof_of_another_leaf_is_refused_after_the_signatures() -> None:
    entries = bodies(5)
    files = log(entries)
    files["checkpoint"] = note.sign(HISTORY.head(5).text(), SIGNER, classic(1), classic(2))
    made = receipt(files, 3, entries[3])
    assert policy.verify_proof(made, TWO, merkle.leaf_hash(entries[3])).checkpoint.size == 5
    with pytest.raises(IntegrityError, match="root hash"):
        policy.verify_proof(made, TWO, merkle.leaf_hash(entries[2]))


def test_a_proof_without_entry_is_no_receipt() -> None:
    signed = HISTORY.signed(1, classic(1), classic(2))
    with pytest.raises(IntegrityError, match="does not hold the entry"):
        policy.verify_receipt(Proof(0, (), signed).encode(), TWO)


def test_a_cosignature_from_the_future_still_counts() -> None:
    """The time is shown; what to think of it is the reader's matter."""
    late = cosignature.Ed25519Signer("witness.example/w1", classic(1).key, lambda: datetime(2999, 1, 1, tzinfo=UTC))
    found = policy.verify(HISTORY.signed(5, late, classic(2)), TWO)
    assert found.seen[0].time == datetime(2999, 1, 1, tzinfo=UTC)
