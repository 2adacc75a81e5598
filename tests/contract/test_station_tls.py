"""A station over https: the bureau's own authority is believed where it is named, and nothing else is told anything."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from api.cli import make_cli
from ingest.client import ServerClient
from storage.errors import Refused
from tests.support.kept import dock_by
from tests.support.server import Server, enrol, run_server
from tests.support.tls_proxy import TlsServer, tls_in_front


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data"), min_free=0) as running:
        yield running


@pytest.fixture(scope="module")
def tls(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    port = urlsplit(server.url).port
    assert port
    with tls_in_front(port, tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture(scope="module")
def key(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrol(server.data, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "LH00012_0001.MP4").write_bytes(os.urandom(100_000))
    return tmp_path / "card"


def test_the_named_authority_is_believed(tls: TlsServer, key: Path, card: Path, tmp_path: Path) -> None:
    assert dock_by(ServerClient(tls.url, ca=tls.certificate), key, tmp_path / "state", card).kept


def test_nobody_else_is_and_that_ends_at_once(tls: TlsServer, key: Path, card: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is not trusted and nothing was sent") as refused:
        dock_by(ServerClient(tls.url, patience=86_400), key, tmp_path / "state", card)
    assert "--ca" in refused.value.zh


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_that_holds_no_certificate_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Refused, match=r"ca\.pem.*PEM"):
        ServerClient("https://127.0.0.1", ca=file)


def test_the_machine_s_own_authorities_count_too(monkeypatch: pytest.MonkeyPatch, tls: TlsServer) -> None:
    """As where the bureau's authority was installed with update-ca-certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
    assert ssl.get_default_verify_paths().cafile == str(tls.certificate)
    client = ServerClient(tls.url, patience=0)
    client.rotations()
    client.close()


def test_on_the_command_line(tls: TlsServer, key: Path, card: Path, tmp_path: Path) -> None:
    asked = ["dock", str(card), "--server", tls.url, "--station", str(key), "--state", str(tmp_path / "state")]
    done = CliRunner().invoke(make_cli(), [*asked, "--device", "LH00012", "--ca", str(tls.certificate), "--json"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(make_cli(), [*asked, "--ca", str(tmp_path / "absent.pem")])
    assert done.exit_code == 2 and "absent.pem" in done.output
