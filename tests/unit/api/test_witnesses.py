"""What the service shows of its witnesses: page, file, receipt; with a real witness on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.bootstrap import wire
from pipeline.settings import Settings
from storage.errors import Refused
from storage.ledger import checkpoint, merkle, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.witnesses import policy
from tests.support.web import Browser, Bureau, bureau, keep
from tests.support.witnesses import WitnessProcess, policy_text, run_witness, size_of, trusting


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WitnessProcess]:
    with run_witness(tmp_path / "witness", only="ed25519") as made:
        yield made


@pytest.fixture
def watched(tmp_path: Path, process: WitnessProcess) -> Iterator[Bureau]:
    """A bureau whose log the witness follows."""
    file = tmp_path / "policy"
    file.write_bytes(policy_text([("法院", process.vkeys[0], process.url)], "all", log=None))
    with bureau(tmp_path / "data", witness_policy=str(file)) as made:
        trusting(process.folder, made.services.sequencer.vkey)
        yield made
        assert made.services.cosigning is not None
        made.services.cosigning.stop()


def test_a_cosigned_log_is_shown_served_and_proves_receipts(watched: Bureau, process: WitnessProcess) -> None:
    kept = keep(watched)
    watched.publish()
    cosigning, browser = watched.services.cosigning, Browser(watched, "auditor")
    assert cosigning is not None
    assert browser.get("/ledger/witnessed").status_code == 404
    address = f"/recordings/{kept.recording}/receipts/{kept.original}"
    assert browser.get(f"{address}?witnessed=1").status_code == 404
    assert "尚未达到见证人数" in browser.get("/ledger").text
    assert cosigning.run_once()
    signed = Browser(watched).get("/ledger/witnessed")
    assert signed.status_code == 200
    page = browser.get("/ledger").text
    assert f"前 {size_of(signed.content)} 条" in page and "法院" in page
    vkey = watched.services.sequencer.vkey
    rules = policy.parse(policy_text([("court", process.vkeys[0], "")], "all", log=vkey))
    assert f'href="{address}?witnessed=1"' in browser.get(f"/recordings/{kept.recording}").text
    receipt = browser.get(f"{address}?witnessed=1").content
    assert policy.verify_receipt(receipt, rules).entry.event.payload["sha256"] == kept.original
    plain = browser.get(address).content
    assert plain.startswith(b"c2sp.org/tlog-proof@v1") and plain != receipt


def test_the_running_service_asks_by_itself_and_stops_in_order(tmp_path: Path, process: WitnessProcess) -> None:
    file = tmp_path / "policy"
    file.write_bytes(policy_text([("court", process.vkeys[0], process.url)], "all", log=None))
    services = wire(Settings(data=tmp_path / "data", min_free=0, witness_policy=file, witness_seconds=0.1))
    services.start(threads=0)
    try:
        trusting(process.folder, services.sequencer.vkey)  # refused until now, and asked again
        for _ in range(3000):
            if services.cosigning and services.cosigning.seen():
                break
            threading.Event().wait(0.01)
        found = services.cosigning.seen() if services.cosigning else None
        assert found and [each.witness.name for each in found.seen] == ["court"]
    finally:
        services.stop()
    assert not [thread.name for thread in threading.enumerate() if thread.name == "cosigning"]


def test_a_witness_that_saw_more_is_told_on_the_page(watched: Bureau, process: WitnessProcess, tmp_path: Path) -> None:
    """As after a restored backup of everything, guard included: only the witness remembers."""
    keep(watched)
    watched.publish()
    cosigning, browser = watched.services.cosigning, Browser(watched, "auditor")
    assert cosigning is not None and cosigning.run_once()
    size = size_of(Browser(watched).get("/ledger/witnessed").content)
    assert f"liuhen_ledger_witnessed_entries {size}.0" in Browser(watched, "admin").get("/metrics").text
    ledger = watched.services.settings.ledger
    head = checkpoint.parse(note.parse((ledger / "checkpoint").read_bytes()).text)
    older = Checkpoint(head.origin, head.size - 1, merkle.EMPTY_ROOT)
    (ledger / "checkpoint").write_bytes(checkpoint.sign(older, watched.services.log_key.signer))
    assert not cosigning.run_once()
    assert f"已见证过 {size} 条" in browser.get("/ledger").text


def test_without_a_policy_nothing_is_shown(tmp_path: Path) -> None:
    with bureau(tmp_path / "data") as made:
        assert made.services.cosigning is None
        assert "见证" not in Browser(made, "auditor").get("/ledger").text
        kept = keep(made)
        assert "witnessed=1" not in Browser(made, "auditor").get(f"/recordings/{kept.recording}").text


@pytest.mark.parametrize(("content", "what"), [(b"quorum nobody\n", "line 1"), (None, "can't be read")])
def test_a_wrong_policy_stops_the_start_with_its_line(tmp_path: Path, content: bytes | None, what: str) -> None:
    file = tmp_path / "policy"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Refused, match=what), bureau(tmp_path / "data", witness_policy=str(file)):
        pass
