"""The SFTP drop: OpenSSH's own programs write into the watched folder, with what docs/docking.md tells the server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from tests.support.server import ROOT
from tests.unit.ingest.test_watch import watcher

SERVER = Path("/usr/lib/openssh/sftp-server")
needed = pytest.mark.skipif(
    not os.environ.get("CI") and (not SERVER.exists() or shutil.which("sftp") is None),
    reason="openssh-client and openssh-sftp-server are not installed",
)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = wire(Settings(data=tmp_path_factory.mktemp("data"), min_free=0))
    made.start(threads=0)
    yield made
    made.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


def options() -> str:
    """What docs/docking.md has internal-sftp refuse and do, but for the folder it starts in."""
    text = (ROOT / "docs" / "docking.md").read_text(encoding="utf-8")
    found = re.search(r"ForceCommand internal-sftp -d /in (.*)", text)
    assert found
    return found[1]


def sftp(folder: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    server = f"{SERVER} {options()} -d {folder}"
    return subprocess.run(
        ["sftp", "-q", "-D", server, "-b", "-"],
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )


@needed
def test_a_file_that_is_renamed_at_the_end_is_taken_at_once_with_its_sidecar(
    services: Services, folder: Path, tmp_path: Path
) -> None:
    made = watcher(services, folder, settle=3600)
    (tmp_path / "v").write_bytes(b"video" * 50_000)
    (tmp_path / "s").write_bytes(b'{"serial": "LH00099"}')
    put = [f"put {tmp_path / 's'} a.json.part", f"put {tmp_path / 'v'} a.mp4.part"]
    assert sftp(folder, *put).returncode == 0
    made.scan()
    assert sorted(path.name for path in folder.glob("a*")) == ["a.json.part", "a.mp4.part"]
    assert sftp(folder, "rename a.json.part a.json", "rename a.mp4.part a.mp4").returncode == 0
    made.scan()
    assert (folder / "received" / "a.mp4").read_bytes() == b"video" * 50_000
    assert (folder / "received" / "a.mp4.tlog-proof").exists() and (folder / "received" / "a.json").exists()


@needed
def test_a_transfer_that_broke_off_goes_on_and_is_taken_whole(services: Services, folder: Path, tmp_path: Path) -> None:
    made = watcher(services, folder, settle=3600)
    content = os.urandom(300_000)
    (tmp_path / "v").write_bytes(content)
    (folder / "b.mp4.part").write_bytes(content[:100_000])  # what came before the line broke
    made.scan()
    assert sftp(folder, f"reput {tmp_path / 'v'} b.mp4.part", "rename b.mp4.part b.mp4").returncode == 0
    made.scan()
    assert (folder / "received" / "b.mp4").read_bytes() == content


@needed
@pytest.mark.parametrize("command", ["symlink /etc/passwd link.mp4", "ln -s /etc/passwd link.mp4", "chmod 777 c.mp4"])
def test_the_account_can_neither_link_nor_change_rights(folder: Path, command: str) -> None:
    (folder / "c.mp4").write_bytes(b"c")
    os.chmod(folder / "c.mp4", 0o640)
    assert sftp(folder, command).returncode != 0
    assert not (folder / "link.mp4").is_symlink()
    assert (folder / "c.mp4").stat().st_mode & 0o777 == 0o640
