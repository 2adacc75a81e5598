"""`liuhen log timestamp`, `liuhen log timestamps` and what `liuhen verify` says of timestamps, as they are typed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.bootstrap import wire
from pipeline.settings import Settings
from storage.catalogue import custody
from tests.support import typed
from tests.support.ledger import event
from tests.support.tsa import PEM, Authority, Server


def liuhen(*arguments: object, code: int = 0) -> str:
    """Both outputs of a command."""
    done = typed.liuhen(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def publish(data: Path, *, more: bool = True) -> None:
    """As the service does: what waits is published, with one more entry before."""
    services = wire(Settings(data=data, min_free=0))
    try:
        if more:
            with services.catalogue.write() as session:
                custody.record(session, event())
        services.sequencer.publish_pending()
    finally:
        services.sequencer.stop()
        services.catalogue.close()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory with one entry in its log, whose policy names an authority that answers."""
    authority, folder = Authority(tmp_path / "tsa", "时间中心"), tmp_path / "data"
    folder.mkdir()
    (tmp_path / "root.pem").write_bytes(authority.root.public_bytes(PEM))
    with Server() as server:
        server.stamp_by(authority)
        (folder / "policy.yaml").write_text(f"time: {{tsa: ['{server.url}'], roots: [../root.pem]}}")
        publish(folder)
        yield folder


@pytest.fixture
def stamped(data: Path) -> Path:
    """Stamped once, and that published."""
    assert "时间中心 rsa" in liuhen("log", "timestamp", "--data", data)
    publish(data, more=False)
    return data


def test_stamping_now_and_the_list(stamped: Path) -> None:
    assert "nothing new" in liuhen("log", "timestamp", "--data", stamped)
    text = liuhen("log", "timestamps", "--data", stamped)
    assert "时间中心 rsa" in text
    found = json.loads(liuhen("log", "timestamps", "--data", stamped, "--json"))
    assert found["wrong"] == []
    assert found["trusted_roots"]
    (row,) = found["timestamps"]
    assert row["recorded"] and not row["renewed"]
    assert row["path"].startswith(f"timestamps/{row['entries']}/127.0.0.1-")


def test_without_an_authority_it_says_what_to_set(tmp_path: Path) -> None:
    publish(tmp_path / "data", more=False)
    said = liuhen("log", "timestamp", "--data", tmp_path / "data", code=2)
    assert "未设置时间戳服务" in said and "policy.yaml" in said
    assert "no timestamps" in liuhen("log", "timestamps", "--data", tmp_path / "data")


def test_an_authority_that_is_down_is_one_clear_line(data: Path) -> None:
    policy = data / "policy.yaml"
    policy.write_text("time: {tsa: ['http://127.0.0.1:9'], roots: [../root.pem]}")
    said = liuhen("log", "timestamp", "--data", data, code=2)
    assert "暂时不可用" in said and "Traceback" not in said


def test_verify_counts_them_and_names_one_that_was_removed(stamped: Path, tmp_path: Path) -> None:
    assert "1 timestamps hold" in liuhen("verify", stamped)
    assert json.loads(liuhen("verify", stamped, "--json"))["timestamps"] == 1
    shutil.rmtree(stamped / "ledger/timestamps")
    said = liuhen("verify", stamped, code=1)
    assert "timestamps/" in said and "missing" in said
    assert liuhen("log", "timestamps", "--data", stamped, code=1)


def test_a_copy_of_the_log_is_verified_with_a_root_of_ones_own(stamped: Path, tmp_path: Path) -> None:
    key = json.loads(liuhen("log", "timestamps", "--data", stamped, "--json"))["key"]
    copy = Path(shutil.copytree(stamped / "ledger", tmp_path / "copy"))
    assert "no roots" in liuhen("verify", copy, "--key", key)
    own = tmp_path / "root.pem"
    assert "no roots" not in liuhen("verify", copy, "--key", key, "--roots", own)
    assert "no roots" not in liuhen("log", "timestamps", copy, "--key", key, "--roots", own)
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(Authority(tmp_path / "other", root_name="Stranger").root.public_bytes(PEM))
    assert "no trusted root" in liuhen("verify", copy, "--key", key, "--roots", stranger, code=1)
    assert "no trusted root" in liuhen("log", "timestamps", copy, "--key", key, "--roots", stranger, code=1)
    assert "1 timestamps hold" in liuhen("log", "audit", copy, "--key", key, "--roots", own)
    shutil.rmtree(copy / "timestamps")
    wrong = json.loads(liuhen("log", "audit", copy, "--key", key, "--json", code=1))["wrong"]
    assert wrong["proves"] == "time" and wrong["path"].startswith("timestamps/")
