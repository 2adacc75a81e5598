"""Asking witnesses: real ones in processes of their own on loopback, and answers that no witness should give."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from storage.errors import IntegrityError, NotFound
from storage.ledger import checkpoint, note
from storage.ledger.sequencer import Sequencer
from storage.ledger.witnesses import cosignature, policy, witness, witnessed
from storage.ledger.witnesses.cosigning import Cosigning
from storage.ledger.witnesses.policy import Witness
from storage.ledger.witnesses.witness import WitnessAhead, WitnessClient, WitnessFailed
from tests.support.ledger import SIGNER, Desk, event
from tests.support.witnesses import (
    History,
    WitnessProcess,
    classic,
    liuhen,
    policy_text,
    quantum,
    run_witness,
    size_of,
)

pytestmark = pytest.mark.shared

HISTORY = History.of(20)
LOGS = [SIGNER.verifier]


def prove(old: int, new: int) -> Sequence[bytes]:
    return HISTORY.proof(old, new)


def client(process: WitnessProcess) -> WitnessClient:
    keys = [cosignature.parse_vkey(vkey) for vkey in process.vkeys]
    return WitnessClient(process.url, [Witness(f"k{number}", key) for number, key in enumerate(keys)])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[WitnessProcess]:
    with run_witness(tmp_path / "witness") as process:
        yield process


class Scripted(BaseHTTPRequestHandler):
    """Answers each request by the next of its server's `answers`: (status, content type, body)."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answers = self.server.answers  # type: ignore[attr-defined]
        status, kind, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def answering(*answers: tuple[int, str, bytes]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    server.daemon_threads = True
    server.answers = list(answers)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(url: str, size: int = 9) -> tuple[str, ...]:
    made = WitnessClient(url, [Witness("w1", classic(1).verifier)])
    try:
        return made.ask(HISTORY.signed(size), prove).lines
    finally:
        made.close()


def lines(*signers: note.Signer, size: int = 9) -> bytes:
    return HISTORY.signed(size, *signers)[len(HISTORY.signed(size)) :]


def test_a_real_witness_is_led_from_size_to_size(running: WitnessProcess) -> None:
    """The second client knows nothing of the first: the witness tells it where to begin."""
    for size in (3, 3, 9):
        asked = client(running)
        kept = asked.ask(HISTORY.signed(size), prove).lines
        known = [cosignature.parse_vkey(vkey) for vkey in running.vkeys]
        assert note.verify(HISTORY.signed(size) + "".join(kept).encode(), known) == HISTORY.head(size).text()
        assert len(kept) == 2 and asked.size == size
        asked.close()


def test_the_witness_keeps_its_connection_and_speaks_the_protocol(running: WitnessProcess) -> None:
    leading = client(running)
    leading.ask(HISTORY.signed(9), prove)
    leading.close()
    with httpx.Client(base_url=running.url) as http:
        conflict = http.post("/add-checkpoint", content=HISTORY.request(1, 20))
        assert (conflict.status_code, conflict.headers["Content-Type"]) == (409, "text/x.tlog.size")
        assert int(conflict.text) and conflict.text.endswith("\n")
        assert http.post("/add-checkpoint", content=b"garbage").status_code == 400
        assert http.post("/add-checkpoint", content=b"x" * 300_000).status_code == 413
        assert http.get("/add-checkpoint").status_code == 405
        assert http.get("/").status_code == 404
        assert http.get("/../witness.json").status_code == 404
        assert http.get(f"/{'0' * 64}/checkpoint").status_code == 404


def test_an_older_tree_than_the_witness_saw_is_for_alarm(running: WitnessProcess) -> None:
    first = client(running)
    first.ask(HISTORY.signed(20), prove)
    first.close()
    second = client(running)
    with pytest.raises(WitnessAhead, match="20 entries, but it has 4") as caught:
        second.ask(HISTORY.signed(4), prove)
    second.close()
    assert caught.value.size == 20


def test_lines_of_unknown_keys_are_ignored() -> None:
    with answering((200, "text/plain", lines(classic(2), classic(1), SIGNER, quantum(5)))) as url:
        assert "".join(ask(url)).encode() == lines(classic(1))


ZERO = bytes(8) + classic(1).sign(HISTORY.head(9).text())[8:]


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ((200, "text/plain", b""), "can't be read|no key"),
        ((200, "text/plain", b"hello\n"), "can't be read"),
        ((200, "text/plain", b"\xff\n"), "can't be read"),
        ((200, "text/plain", lines(classic(2))), "no key"),
        ((200, "text/plain", lines(classic(1), size=8)), "not valid"),
        ((200, "text/plain", lines(classic(1)) + lines(classic(1), size=8)), "not valid"),
        ((200, "text/plain", lines(classic(1))[:-1]), "can't be read"),
        ((200, "text/plain", lines(classic(1)) + b"\n" + lines(classic(1))), "can't be read|no key|not valid"),
        ((200, "text/plain", b"x" * (witness.MAX_ANSWER + 1)), "too long"),
        ((409, "text/plain", b"3\n"), "status 409"),
        ((409, "text/x.tlog.size", b"three\n"), "can't be read"),
        ((409, "text/x.tlog.size", b"\xff\n"), "can't be read"),
        ((409, "text/x.tlog.size", b"3\n"), "again and again"),
        ((404, "text/plain", b""), "status 404"),
        ((422, "text/plain", b""), "status 422"),
        ((302, "text/plain", b""), "status 302"),
        ((500, "text/plain", b""), "status 500"),
    ],
)
def test_an_answer_that_is_no_cosignature_fails_with_its_reason(answer: tuple[int, str, bytes], what: str) -> None:
    with answering(answer) as url, pytest.raises(WitnessFailed, match=what):
        ask(url)


def test_a_cosignature_without_a_time_is_refused() -> None:
    """The protocol wants one, though a signature over time zero is well formed."""

    class Timeless(cosignature.Ed25519Signer):
        def sign(self, text: str) -> bytes:
            return bytes(8) + self.key.sign(f"cosignature/v1\ntime 0\n{text}".encode())

    timeless = Timeless(classic(1).name, classic(1).key, classic(1).clock)
    assert classic(1).verifier.accepts(HISTORY.head(9).text(), timeless.sign(HISTORY.head(9).text()))
    with answering((200, "text/plain", lines(timeless))) as url, pytest.raises(WitnessFailed, match="not valid"):
        ask(url)


def test_a_witness_that_went_back_is_led_up_again() -> None:
    """A restored backup of the witness: it names a smaller size, and gets the proof from there."""
    with answering((409, "text/x.tlog.size", b"3\n"), (200, "text/plain", lines(classic(1)))) as url:
        made = WitnessClient(url, [Witness("w1", classic(1).verifier)])
        made.size = 7
        assert made.ask(HISTORY.signed(9), prove).lines
        assert made.size == 9
        made.close()


def test_a_witness_that_is_not_there_fails() -> None:
    with answering((200, "text/plain", b"")) as url:
        pass
    for each in (url, "http://", "ftp://127.0.0.1/", "http://[::/"):
        with pytest.raises(WitnessFailed, match="can't be reached"):
            ask(each)


# Rounds: the sequencer publishes, witnesses cosign, the file `witnessed` appears.


@contextlib.contextmanager
def cosigning(desk: Desk, text: bytes) -> Iterator[Cosigning]:
    made = Cosigning(desk.folder.root, policy.parse(text), lambda: LOGS, 0.05)
    try:
        yield made
    finally:
        made.stop()


@contextlib.contextmanager
def three(tmp_path: Path) -> Iterator[list[WitnessProcess]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(run_witness(tmp_path / f"w{number}", name=f"w{number}.example", only=kind))
            for number, kind in ((1, "ed25519"), (2, "ml-dsa-44"), (3, "ed25519"))
        ]


def rules(processes: Sequence[WitnessProcess], quorum: str) -> bytes:
    return policy_text([(f"w{n}", each.vkeys[0], each.url) for n, each in enumerate(processes, start=1)], quorum)


def publish(desk: Desk, sequencer: Sequencer, first: int, count: int) -> None:
    desk.record(first, count)
    sequencer.publish_pending()


def eventually(what: Callable[[], bool]) -> None:
    for _ in range(2000):
        if what():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def test_two_of_three_are_enough_with_one_down_and_receipts_follow(desk: Desk, tmp_path: Path) -> None:
    sequencer = desk.sequencer()
    publish(desk, sequencer, 0, 5)
    with three(tmp_path) as processes, cosigning(desk, rules(processes, "2")) as made:
        processes[2].kill()
        assert made.run_once()
        found = witnessed.seen(desk.folder.root, policy.parse(rules(processes, "2")), LOGS)
        assert found and found.checkpoint.size == 5
        assert {each.witness.name for each in found.seen} == {"w1", "w2"}
        body = desk.entries()[3]
        receipt = witnessed.witnessed_receipt(desk.folder.root, 3, body)
        assert policy.verify_receipt(receipt, policy.parse(rules(processes, "2"))).body == body
        publish(desk, sequencer, 5, 1)
        with pytest.raises(NotFound):
            witnessed.witnessed_receipt(desk.folder.root, 5, desk.entries()[5])
        with pytest.raises(IntegrityError):
            witnessed.witnessed_receipt(desk.folder.root, 3, desk.entries()[4])
        processes[1].kill()
        assert not made.run_once()
        assert size_of(witnessed.load(desk.folder.root) or b"") == 5


def test_the_sequencer_publishes_while_witnesses_cosign(desk: Desk, tmp_path: Path) -> None:
    """All in the background: entries come one by one, every receipt is there at once, the witnesses catch up."""
    sequencer = desk.sequencer()
    sequencer.start()
    with three(tmp_path) as processes, cosigning(desk, rules(processes, "all")) as made:
        made.start()
        sizes = []
        for number in range(60):
            desk.record(number)
            sequencer.notify()
            assert sequencer.wait(event(number).id, 30).index == number
            signed = witnessed.load(desk.folder.root)
            sizes.append(size_of(signed) if signed else 0)
        eventually(lambda: size_of(witnessed.load(desk.folder.root) or HISTORY.signed(0)) == 60)
        assert sizes == sorted(sizes)
        assert desk.audit().checkpoint.size == 60


def test_a_witness_that_comes_back_takes_part_again(desk: Desk, tmp_path: Path) -> None:
    sequencer = desk.sequencer()
    publish(desk, sequencer, 0, 5)
    with run_witness(tmp_path / "w1", only="ed25519") as process:
        text = rules([process], "all")
        port = int(process.url.rpartition(":")[2])
        with cosigning(desk, text) as made:
            made.start()
            eventually(lambda: witnessed.load(desk.folder.root) is not None)
            process.kill()
            publish(desk, sequencer, 5, 4)
            with run_witness(tmp_path / "w1", port=port):
                eventually(lambda: size_of(witnessed.load(desk.folder.root) or b"") == 9)


def test_after_a_restart_the_witnessed_checkpoint_says_where_to_begin(desk: Desk, tmp_path: Path) -> None:
    sequencer = desk.sequencer()
    publish(desk, sequencer, 0, 5)
    with run_witness(tmp_path / "w1", only="ed25519") as process:
        for size in (5, 9):
            with cosigning(desk, rules([process], "all")) as made:
                assert made.run_once()
                assert size_of(witnessed.load(desk.folder.root) or b"") == size
            publish(desk, sequencer, size, 4)


def test_a_log_that_forked_is_refused_and_the_witness_can_show_it(desk: Desk, tmp_path: Path) -> None:
    """Two folders, one key: the second history gets no cosignature, the witness keeps both signed checkpoints."""
    publish(desk, desk.sequencer(), 0, 5)
    (tmp_path / "twin").mkdir()
    twin = Desk(tmp_path / "twin")
    try:
        publish(twin, twin.sequencer(), 100, 5)
        with run_witness(tmp_path / "w1", only="ed25519") as process:
            with cosigning(desk, rules([process], "all")) as made:
                assert made.run_once()
            with cosigning(twin, rules([process], "all")) as made:
                assert not made.run_once()
            assert witnessed.load(twin.folder.root) is None
            (found,) = (tmp_path / "w1" / "evidence").glob("fork-*")
            heads = [checkpoint.verify((found / name).read_bytes(), LOGS[0]) for name in ("cosigned", "submitted")]
            assert heads[0].size == heads[1].size == 5 and heads[0].root != heads[1].root
            shown = liuhen("witness", "show", tmp_path / "w1")
            assert shown.returncode == 1 and str(found) in shown.stdout
    finally:
        twin.close()


def test_without_a_quorum_nothing_is_written_and_a_smaller_tree_never_replaces(desk: Desk, tmp_path: Path) -> None:
    text = policy_text([(f"w{n}", str(classic(n).verifier), "") for n in (1, 2)], "2")
    read, folder = policy.parse(text), tmp_path / "ledger"
    assert witnessed.load(folder) is None and witnessed.seen(folder, read, LOGS) is None
    with pytest.raises(IntegrityError, match="quorum"):
        witnessed.keep(folder, HISTORY.signed(5, classic(1)), read, LOGS)
    assert witnessed.keep(folder, HISTORY.signed(5, classic(1), classic(2)), read, LOGS)
    for size in (5, 4):
        assert not witnessed.keep(folder, HISTORY.signed(size, classic(1), classic(2)), read, LOGS)
    assert size_of(witnessed.load(folder) or b"") == 5
    assert witnessed.keep(folder, HISTORY.signed(9, classic(1), classic(2)), read, LOGS)


def test_a_witnessed_receipt_needs_no_tiles_of_its_own_size(desk: Desk) -> None:
    """Partial tiles may go once wider ones are there, as in a copy of the newest state alone."""
    sequencer = desk.sequencer()
    publish(desk, sequencer, 0, 5)
    signed = desk.folder.checkpoint() or b""
    read = policy.parse(policy_text([("w1", str(classic(1).verifier), "")], "all"))
    text = note.parse(signed).text
    assert witnessed.keep(desk.folder.root, signed + note.signature_line(text, classic(1)).encode(), read, LOGS)
    publish(desk, sequencer, 5, 5)
    for partial in desk.folder.root.glob("tile/**/*.p/5"):
        partial.unlink()
    body = desk.entries()[3]
    receipt = witnessed.witnessed_receipt(desk.folder.root, 3, body)
    assert policy.verify_receipt(receipt, read).witnessed.checkpoint.size == 5


def test_a_damaged_witnessed_file_is_replaced(tmp_path: Path) -> None:
    read = policy.parse(policy_text([("w1", str(classic(1).verifier), "")], "all"))
    (tmp_path / "witnessed").write_bytes(HISTORY.signed(9, classic(1)).replace(b"\n9\n", b"\n99\n"))
    assert witnessed.seen(tmp_path, read, LOGS) is None
    assert witnessed.keep(tmp_path, HISTORY.signed(5, classic(1)), read, LOGS)


def test_a_witness_with_two_keys_is_asked_once(desk: Desk, tmp_path: Path) -> None:
    publish(desk, desk.sequencer(), 0, 5)
    with run_witness(tmp_path / "w1") as process:
        both = [("classic", process.vkeys[1], process.url), ("quantum", process.vkeys[0], f"{process.url}/")]
        with cosigning(desk, policy_text(both, "all")) as made:
            assert made.run_once()
        found = witnessed.seen(desk.folder.root, policy.parse(policy_text(both, "all")), LOGS)
        assert found and {each.witness.name for each in found.seen} == {"classic", "quantum"}


def test_one_key_of_two_is_not_two_witnesses(desk: Desk, tmp_path: Path) -> None:
    """Both keys have the same name; only the key id tells them apart."""
    publish(desk, desk.sequencer(), 0, 5)
    with run_witness(tmp_path / "w1", only="ed25519") as process:
        other = cosignature.MlDsa44Verifier("witness.example/w1", quantum(3).verifier.key)
        both = [("classic", process.vkeys[0], process.url), ("quantum", str(other), process.url)]
        with cosigning(desk, policy_text(both, "all")) as made:
            assert not made.run_once()
        with cosigning(desk, policy_text(both, "any")) as made:
            assert made.run_once()


def test_only_one_process_asks(desk: Desk, tmp_path: Path) -> None:
    publish(desk, desk.sequencer(), 0, 5)
    with answering((500, "text/plain", b"")) as url:
        text = policy_text([("w1", str(classic(1).verifier), url)], "all")
        with cosigning(desk, text) as first, cosigning(desk, text) as second:
            first.start()
            eventually(lambda: bool(first._places[0].failures))
            second.start()
            threading.Event().wait(0.3)
            assert not second._places[0].failures
            first.stop()
            eventually(lambda: bool(second._places[0].failures))


class Dripping(BaseHTTPRequestHandler):
    """Sends headers, one after the other, until it is told to end."""

    def do_POST(self) -> None:
        self.send_response(200)
        with contextlib.suppress(OSError):
            while not self.server.ending.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b"X-More: yes\r\n")

    def log_message(self, *_: object) -> None:
        pass


def test_a_witness_that_hangs_holds_up_its_own_thread_only(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.ending = threading.Event()  # type: ignore[attr-defined]
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    sequencer = desk.sequencer()
    publish(desk, sequencer, 0, 5)
    with run_witness(tmp_path / "w1", only="ed25519") as process:
        places = [("w1", process.vkeys[0], process.url)]
        places.append(("w2", str(classic(2).verifier), f"http://127.0.0.1:{server.server_port}"))
        with cosigning(desk, policy_text(places, "any")) as made:
            monkeypatch.setattr("storage.ledger.witnesses.cosigning.DEADLINE", 2.0)
            assert made.run_once()
            monkeypatch.setattr("storage.ledger.witnesses.cosigning.DEADLINE", 10_000.0)
            publish(desk, sequencer, 5, 4)
            assert made.run_once()
            assert size_of(witnessed.load(desk.folder.root) or b"") == 9
            hanging = made._places[1].thread
            assert hanging is not None
            server.ending.set()  # type: ignore[attr-defined]
            hanging.join(60)
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_policy_without_addresses_asks_nobody(desk: Desk) -> None:
    publish(desk, desk.sequencer(), 0, 5)
    with cosigning(desk, policy_text([("w1", str(classic(1).verifier), "")], "all")) as made:
        made.start()
        assert not made.run_once()
        assert made._thread is None
