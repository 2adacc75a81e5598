"""Every rule of c2sp.org/tlog-witness for the answering side, on the pure core and on a folder."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import durable
from storage.errors import IntegrityError, LiuhenError, NotFound, Refused, Transient
from storage.ledger import checkpoint, merkle, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.witnesses import cosignature, witness_desk, witnessing
from storage.ledger.witnesses.witness_desk import WitnessDesk
from storage.ledger.witnesses.witnessing import OutOfStep, Rejected, Request
from tests.support.ledger import SIGNER, VKEY
from tests.support.witnesses import NOW, PASSPHRASE, History, classic, desk, quantum, size_of

HISTORY = History.of(20)
OTHER = note.Ed25519Signer("other.example/log", classic(9).key)


def refused(made: WitnessDesk, body: bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        made.add_checkpoint(body)
    return caught.value


def digest(origin: str = SIGNER.name) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


def kept(made: WitnessDesk) -> int | None:
    try:
        return size_of(made.checkpoint(digest()))
    except NotFound:
        return None


def test_a_log_is_followed_from_its_first_checkpoint_on(tmp_path: Path) -> None:
    made = desk(tmp_path)
    for old, new in ((0, 3), (3, 3), (3, 8), (8, 20)):
        lines = made.add_checkpoint(HISTORY.request(old, new))
        note.verify(HISTORY.signed(new) + lines, [classic(1).verifier])
        assert kept(made) == new


def test_the_answer_is_a_line_by_each_key_with_a_time(tmp_path: Path) -> None:
    made = desk(tmp_path, classic(1), quantum(1))
    lines = made.add_checkpoint(HISTORY.request(0, 5))
    signed = note.parse(HISTORY.signed(5) + lines)
    assert lines.endswith(b"\n") and lines.startswith("— ".encode())
    assert [(each.name, each.key_id) for each in signed.signatures[1:]] == [
        (signer.name, signer.verifier.key_id) for signer in (classic(1), quantum(1))
    ]
    for line, signer in zip(signed.signatures[1:], (classic(1), quantum(1)), strict=True):
        assert signer.verifier.accepts(signed.text, line.value)
        assert cosignature.moment(line.value) == NOW


def test_an_empty_log_is_cosigned_with_the_root_of_nothing_only(tmp_path: Path) -> None:
    made = desk(tmp_path)
    wrong = note.sign(Checkpoint(SIGNER.name, 0, bytes(32)).text(), SIGNER)
    assert refused(made, Request(0, (), wrong).encode()).status == 422
    assert kept(made) is None
    assert made.add_checkpoint(HISTORY.request(0, 0))
    assert made.add_checkpoint(HISTORY.request(0, 0))
    assert refused(made, Request(0, (), wrong).encode()).status == 422
    assert made.add_checkpoint(HISTORY.request(0, 5))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"",
        lambda body: b"\n",
        lambda body: body.replace(b"old 5", b"old 05"),
        lambda body: body.replace(b"old 5", b"old -5"),
        lambda body: body.replace(b"old 5", b"old +5"),
        lambda body: body.replace(b"old 5", b"old"),
        lambda body: body.replace(b"old 5", b"old "),
        lambda body: body.replace(b"old 5", b"old  5"),
        lambda body: body.replace(b"old 5", b"Old 5"),
        lambda body: body.replace(b"old 5", b"old 5 "),
        lambda body: body.replace(b"old 5", b"old 9223372036854775808"),
        lambda body: body.replace(b"old 5", "old ٥".encode()),
        lambda body: body.replace(b"old 5\n", b"old 5\r\n"),
        lambda body: body.replace(b"old 5\n", b""),
        lambda body: body.replace(b"old 5\n", b"old 5\nAAAA\n"),
        lambda body: body.replace(b"old 5\n", b"old 5\n" + b"A" * 43 + b"\n"),
        lambda body: body.replace(b"old 5\n", b"old 5\n" + b"A" * 42 + b"B=\n"),
        lambda body: body.replace(b"old 5\n", b"old 5\n" + (b"A" * 43 + b"=\n") * 64),
        lambda body: body.replace(b"\n\n", b"\n", 1),
        lambda body: body.partition(b"\n\n")[0] + b"\n\n",
        lambda body: body[:-1],
        lambda body: body.replace(b"\n9\n", b"\n09\n"),
        lambda body: body.replace("— ".encode(), b"- "),
        lambda body: body + b"\xff\n",
    ],
)
def test_a_malformed_request_is_400(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    assert refused(made, change(HISTORY.request(5, 9))).status == 400
    assert kept(made) == 5


def test_an_unknown_origin_is_404(tmp_path: Path) -> None:
    made = desk(tmp_path)
    stranger = History(HISTORY.entries, OTHER)
    assert refused(made, stranger.request(0, 5)).status == 404
    made.trust(str(OTHER.verifier))
    assert made.add_checkpoint(stranger.request(0, 5))


def test_without_a_signature_by_a_trusted_key_it_is_403(tmp_path: Path) -> None:
    made = desk(tmp_path)
    text = HISTORY.head(5).text()
    assert refused(made, Request(0, (), note.sign(text, OTHER)).encode()).status == 403


def test_a_wrong_signature_by_a_trusted_key_is_403_beside_a_right_one(tmp_path: Path) -> None:
    made = desk(tmp_path)
    text = HISTORY.head(5).text()
    wrong = note.encode_base64(SIGNER.verifier.key_id + bytes(64))
    spoiled = HISTORY.signed(5) + f"— {SIGNER.name} {wrong}\n".encode()
    assert refused(made, Request(0, (), spoiled).encode()).status == 403
    ignored = note.sign(text, OTHER, SIGNER)
    assert made.add_checkpoint(Request(0, (), ignored).encode())


def test_a_larger_old_size_is_400(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 9))
    assert refused(made, Request(9, (), HISTORY.signed(8)).encode()).status == 400
    assert refused(made, Request(10, (), HISTORY.signed(9)).encode()).status == 400


def test_another_old_size_is_409_with_the_size_we_have(tmp_path: Path) -> None:
    made = desk(tmp_path)
    assert refused(made, HISTORY.request(3, 9)).status == 409
    made.add_checkpoint(HISTORY.request(0, 9))
    for body in (HISTORY.request(0, 9), HISTORY.request(8, 12), Request(0, (), HISTORY.signed(4)).encode()):
        rejected = refused(made, body)
        assert isinstance(rejected, OutOfStep)
        assert (rejected.status, rejected.size) == (409, 9)
    assert kept(made) == 9


def test_a_proof_from_nothing_is_422(tmp_path: Path) -> None:
    made = desk(tmp_path)
    assert refused(made, Request(0, (bytes(32),), HISTORY.signed(5)).encode()).status == 422
    assert kept(made) is None


@pytest.mark.parametrize("wrong", ["none", "short", "long", "other"])
def test_a_proof_that_does_not_verify_is_422(tmp_path: Path, wrong: str) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    right = HISTORY.proof(5, 13)
    hashes = {"none": (), "short": right[:-1], "long": (*right, bytes(32)), "other": (bytes(32), *right[1:])}[wrong]
    assert refused(made, Request(5, hashes, HISTORY.signed(13)).encode()).status == 422
    assert kept(made) == 5
    made.add_checkpoint(HISTORY.request(5, 13))


def test_a_proof_between_equal_sizes_is_422(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    assert refused(made, Request(5, (bytes(32),), HISTORY.signed(5)).encode()).status == 422


def evidence(folder: Path) -> dict[str, Path]:
    return {each.parent.name.partition("-")[0]: each.parent for each in folder.glob("evidence/*/README.txt")}


def test_two_roots_of_one_size_are_422_and_convict_the_log(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    fork = HISTORY.fork(2)
    assert refused(made, Request(5, (), fork.signed(5)).encode()).status == 422
    found = evidence(tmp_path)["fork"]
    both = [checkpoint.verify((found / name).read_bytes(), SIGNER.verifier) for name in ("cosigned", "submitted")]
    assert both[0].size == both[1].size and both[0].root != both[1].root
    assert "fork" in [each.name.split("-")[0] for each in made.accusations()]
    assert made.checkpoint(digest()) == (found / "cosigned").read_bytes()


def test_a_fork_is_kept_even_where_the_answer_must_be_409(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    assert refused(made, HISTORY.fork(2).request(0, 5)).status == 409
    assert (evidence(tmp_path)["fork"] / "submitted").read_bytes() == HISTORY.fork(2).signed(5)


def test_a_larger_fork_is_422_and_kept_as_unproven(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    assert refused(made, HISTORY.fork(2).request(5, 9)).status == 422
    found = evidence(tmp_path)["unproven"]
    assert (found / "request").read_bytes() == HISTORY.fork(2).request(5, 9)
    assert kept(made) == 5


def test_evidence_is_kept_once_and_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(witness_desk.MAX_EVIDENCE, "unproven", 3)
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    for new in (9, 9, 10, 11, 12, 13):
        assert refused(made, Request(5, (), HISTORY.signed(new)).encode()).status == 422
    assert len(made.accusations()) == 3


def test_a_refusal_goes_out_though_evidence_can_not_be_kept(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    both = hashlib.sha256(
        HISTORY.signed(5).partition(b"\n\n")[0] + b"\0" + HISTORY.fork(2).head(5).text().encode()
    ).hexdigest()
    blocked = tmp_path / "evidence" / f"fork-{both[:16]}" / "submitted"
    blocked.mkdir(parents=True)  # a directory where a file should go
    assert refused(made, Request(5, (), HISTORY.fork(2).signed(5)).encode()).status == 422


def test_any_trusted_key_of_an_origin_will_do_and_only_their_lines_are_kept(tmp_path: Path) -> None:
    own = cosignature.MlDsa44Signer(SIGNER.name, quantum(7).key, lambda: NOW)
    made = desk(tmp_path)
    made.trust(str(own.verifier))
    made.add_checkpoint(Request(0, (), note.sign(HISTORY.head(3).text(), own)).encode())
    made.add_checkpoint(Request(3, HISTORY.proof(3, 5), HISTORY.signed(5, own, OTHER, classic(3))).encode())
    names = [(each.name, each.key_id) for each in note.parse(made.checkpoint(digest())).signatures]
    keys = (SIGNER.verifier, own.verifier, classic(1).verifier)
    assert names == [(key.name, key.key_id) for key in keys]


def test_the_monitoring_file_is_a_checkpoint_by_log_and_witness(tmp_path: Path) -> None:
    made = desk(tmp_path)
    with pytest.raises(NotFound):
        made.checkpoint(digest())
    lines = made.add_checkpoint(HISTORY.request(0, 5))
    signed = made.checkpoint(digest())
    assert signed == HISTORY.signed(5) + lines
    for wrong in (digest("other"), digest().upper(), "..", "../witness.json", "", f".{digest()}.lock"):
        with pytest.raises(NotFound):
            made.checkpoint(wrong)


def test_extension_lines_are_cosigned_as_they_are(tmp_path: Path) -> None:
    made = desk(tmp_path)
    head = replace(HISTORY.head(5), extensions=("an extension",))
    signed = note.sign(head.text(), SIGNER)
    lines = made.add_checkpoint(Request(0, (), signed).encode())
    assert note.verify(signed + lines, [classic(1).verifier]) == head.text()


def test_an_origin_may_differ_from_the_keys_name(tmp_path: Path) -> None:
    made = desk(tmp_path)
    head = Checkpoint("a log with spaces", 1, bytes(32))
    body = Request(0, (), note.sign(head.text(), SIGNER)).encode()
    assert refused(made, body).status == 404
    made.trust(VKEY, "a log with spaces")
    assert made.add_checkpoint(body)
    for wrong in ("", " ", "two\nlines"):
        with pytest.raises(Refused):
            made.trust(VKEY, wrong)


def test_trusting_takes_log_keys_only_and_each_once(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.trust(VKEY)
    assert [log.vkeys for log in made.followed()] == [(VKEY,)]
    with pytest.raises(IntegrityError):
        made.trust(str(classic(1).verifier))


def test_a_stolen_key_is_believed_no_more(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    made.trust(str(note.Ed25519Signer(SIGNER.name, classic(9).key).verifier))
    made.distrust(VKEY)
    assert refused(made, HISTORY.request(5, 9)).status == 403
    renewed = History(HISTORY.entries, note.Ed25519Signer(SIGNER.name, classic(9).key))
    assert made.add_checkpoint(renewed.request(5, 9))
    with pytest.raises(NotFound):
        made.distrust(VKEY)
    made.distrust(str(renewed.signer.verifier))
    assert refused(made, renewed.request(9, 12)).status == 404


class Cut(Exception):
    """The power goes."""


@pytest.mark.parametrize("persisted", [False, True])
def test_a_cut_around_the_write_never_loses_a_cosignature_that_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, persisted: bool
) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    original = durable.write

    def cut(target: Path, content: bytes, *, mode: int = 0o644) -> None:
        if persisted:
            original(target, content, mode=mode)
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write", cut)
        with pytest.raises(Cut):
            made.add_checkpoint(HISTORY.request(5, 9))
    again = WitnessDesk(tmp_path, "witness.example", (classic(1),), lambda: NOW)
    if persisted:
        rejected = refused(again, HISTORY.request(5, 9))
        assert isinstance(rejected, OutOfStep) and rejected.size == 9
        assert again.add_checkpoint(HISTORY.request(9, 9))
    else:
        assert again.add_checkpoint(HISTORY.request(5, 9))
    assert again.add_checkpoint(HISTORY.request(9, 20))


def test_a_full_disk_gives_no_cosignature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = desk(tmp_path)

    def full(target: Path, content: bytes, *, mode: int = 0o644) -> None:
        raise Transient("磁盘已满。", "the disk is full")

    monkeypatch.setattr(durable, "write", full)
    with pytest.raises(Transient):
        made.add_checkpoint(HISTORY.request(0, 5))
    assert kept(made) is None


def test_requests_at_once_never_roll_a_log_back(tmp_path: Path) -> None:
    """The race that the specification describes: many threads, each with proofs from what it saw last."""
    made = [desk(tmp_path) for _ in range(4)]
    requests = {(old, new): HISTORY.request(old, new) for old in range(21) for new in range(old, 21)}
    answered: list[int] = []
    sizes: list[int] = []

    def submit(number: int) -> None:
        for new in range(number % 3, 21):
            try:
                old = kept(made[number % 4]) or 0
                if old <= new:
                    made[number % 4].add_checkpoint(requests[old, new])
                    answered.append(new)
            except OutOfStep as rejected:
                sizes.append(rejected.size)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    seen: list[int] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.append(kept(made[0]) or 0)
    for thread in threads:
        thread.join()
    assert seen == sorted(seen)
    assert kept(made[0]) == max(answered) == 20


def test_of_two_equal_requests_one_wins_and_the_other_hears_its_size(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    made.add_checkpoint(HISTORY.request(5, 9))
    rejected = refused(made, HISTORY.request(5, 7))
    assert isinstance(rejected, OutOfStep) and rejected.size == 9


def test_a_clock_put_back_does_not_make_the_witness_contradict_itself(tmp_path: Path) -> None:
    clock = [NOW]
    made = WitnessDesk(tmp_path, "w", (classic(1), quantum(1)), lambda: clock[0])
    made.trust(VKEY)
    times = []
    for old, new, moment in (
        (0, 5, NOW),
        (5, 9, NOW - timedelta(days=400)),
        (9, 12, NOW + timedelta(seconds=1)),
        (12, 20, datetime(1970, 1, 1, tzinfo=UTC)),
    ):
        clock[0] = moment
        lines = note.parse(HISTORY.signed(new) + made.add_checkpoint(HISTORY.request(old, new))).signatures[1:]
        times.append({cosignature.moment(line.value) for line in lines})
    later = NOW + timedelta(seconds=1)
    assert times == [{NOW}, {NOW}, {later}, {later}]


def test_a_kept_checkpoint_that_the_witness_never_made_stops_it(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    file = tmp_path / "checkpoints" / digest()
    content = file.read_bytes()
    for changed in (content.replace(b"\n5\n", b"\n4\n"), HISTORY.signed(4), b"", b"\0" * 100):
        file.write_bytes(changed)
        with pytest.raises(IntegrityError):
            made.add_checkpoint(HISTORY.request(5, 9))
    file.write_bytes(content)
    assert made.add_checkpoint(HISTORY.request(5, 9))


def test_a_restored_backup_of_the_witness_itself_goes_on_from_there(tmp_path: Path) -> None:
    """It can't know better (docs/ledger.md): an honest log leads it up again, a forked one could lead it elsewhere."""
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    backup = (tmp_path / "checkpoints" / digest()).read_bytes()
    made.add_checkpoint(HISTORY.request(5, 9))
    (tmp_path / "checkpoints" / digest()).write_bytes(backup)
    rejected = refused(made, HISTORY.request(9, 13))
    assert isinstance(rejected, OutOfStep) and rejected.size == 5
    assert made.add_checkpoint(HISTORY.request(5, 13))


def test_a_witness_is_made_once_and_opened_with_its_passphrase(tmp_path: Path) -> None:
    made = witness_desk.init(tmp_path, "court.example/w1", ("ml-dsa-44", "ed25519"), PASSPHRASE, lambda: NOW)
    assert [cosignature.parse_vkey(vkey).name for vkey in made.vkeys] == ["court.example/w1"] * 2
    assert witness_desk.load(tmp_path, PASSPHRASE, lambda: NOW).vkeys == made.vkeys
    for file in (tmp_path / "keys").glob("*.pem"):
        assert file.stat().st_mode & 0o777 == 0o600
        assert b"ENCRYPTED" in file.read_bytes()
    with pytest.raises(Refused, match="already"):
        witness_desk.init(tmp_path, "court.example/w1", ("ed25519",), PASSPHRASE, lambda: NOW)
    with pytest.raises(Refused, match="passphrase"):
        witness_desk.load(tmp_path, b"wrong", lambda: NOW)


def test_a_making_that_was_cut_off_is_finished_with_the_same_key(tmp_path: Path) -> None:
    made = witness_desk.init(tmp_path, "court.example/w1", ("ed25519",), PASSPHRASE, lambda: NOW)
    (tmp_path / "witness.json").unlink()
    assert witness_desk.init(tmp_path, "court.example/w1", ("ed25519",), PASSPHRASE, lambda: NOW).vkeys == made.vkeys


def test_what_is_no_witness_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        witness_desk.load(tmp_path, PASSPHRASE, lambda: NOW)
    with pytest.raises(LiuhenError):
        witness_desk.init(tmp_path / "a", "a name with spaces", ("ed25519",), PASSPHRASE, lambda: NOW)
    assert not (tmp_path / "a" / "keys" / "ed25519.pem").exists()
    (tmp_path / "witness.json").write_text(json.dumps({"name": "w"}))
    with pytest.raises(Refused, match="no signing key"):
        witness_desk.load(tmp_path, PASSPHRASE, lambda: NOW)


def test_the_request_of_the_specification_is_read() -> None:
    """c2sp.org/tlog-witness prints one; its keys are not published."""
    body = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()  # noqa: E501
    read = witnessing.parse(body)
    assert (read.request.old, len(read.request.hashes), read.head.size) == (20852014, 4, 20852163)
    assert read.request.encode() == body
    assert len(read.note.signatures) == 2
    assert len(read.head.root) == merkle.HASH_SIZE
