"""Bad cards: I/O errors (a real file system on a device that loses its end), hostile names, bombs, 10,000 files."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from ingest import station
from ingest.client import Docked, ServerClient
from pipeline.bootstrap import passphrase
from pipeline.settings import Settings
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import DockedFile, Docking, Original, Upload
from storage.ledger import keys
from tests.support.docking import PlainStation, b64, manifest_of
from tests.support.kept import check_kept, digest, dock, dock_by, receipts
from tests.support.server import Server, enrol, run_server
from tests.support.services import absent, program

MIB = 1 << 20


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


class FailingCard:
    """An ext4 file system on a loop device whose image can lose its end, and get it back."""

    def __init__(self, folder: Path) -> None:
        self.image, self.root = folder / "card.img", folder / "card"
        self._end = b""

    def make(self, files: dict[str, bytes]) -> None:
        with self.image.open("wb") as image:
            image.truncate(48 * MIB)
        _run([program("mkfs.ext4"), "-q", "-F", "-b", "4096", "-O", "^has_journal", str(self.image)])
        self.root.mkdir()
        _run([program("mount"), "-o", "loop", str(self.image), str(self.root)])
        for name, content in files.items():
            (self.root / name).write_bytes(content)
        _run([program("umount"), str(self.root)])
        _run([program("mount"), "-o", "loop,ro", str(self.image), str(self.root)])

    def lose(self, marker: bytes) -> None:
        """From where `marker` lies on the device, everything is gone."""
        content = self.image.read_bytes()
        at = content.index(marker) // 4096 * 4096
        self._end = content[at:]
        os.truncate(self.image, at)
        self.forget()

    def mend(self) -> None:
        with self.image.open("ab") as image:
            image.write(self._end)

    def forget(self) -> None:
        """Nothing of its files stays in the kernel's memory."""
        for path in self.root.iterdir():
            if path.is_file():
                handle = os.open(path, os.O_RDONLY)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(handle)


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[FailingCard]:
    if os.geteuid() != 0:
        pytest.skip("mounting a card of its own needs root")
    made = FailingCard(tmp_path)
    try:
        yield made
    finally:
        subprocess.run(["umount", str(made.root)], check=False, capture_output=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data"), min_free=0) as running:
        yield running


def key_of(server: Server, folder: Path, name: str) -> Path:
    return enrol(server.data, folder, name)


def loopless(error: subprocess.CalledProcessError) -> None:
    absent(f"a loop device ({error.stderr.decode()[:100]})")


def test_a_card_with_bad_blocks_is_listed_kept_and_never_called_safe(
    server: Server, failing: FailingCard, tmp_path: Path
) -> None:
    good, bad = os.urandom(300_000), os.urandom(6_000_000)
    try:
        failing.make({"LH00012_1.MP4": good, "LH00012_2.MP4": bad})
    except subprocess.CalledProcessError as error:
        loopless(error)
    key = key_of(server, tmp_path, "ST-EIO")
    failing.lose(bad[3_000_000:3_000_064])
    outcome = dock(server.url, key, tmp_path / "state", failing.root)
    assert not outcome.safe
    result = {each.path: each for each in outcome.results}
    assert not result["LH00012_2.MP4"].safe and "无法读取" in result["LH00012_2.MP4"].zh
    failing.mend()
    failing.forget()
    again = dock(server.url, key, tmp_path / "state", failing.root)
    assert again.safe
    given = receipts(tmp_path / "state")
    assert set(given) == {digest(good), digest(bad)}


class Losing(ServerClient):
    """The card fails after it was hashed and listed."""

    card: FailingCard
    marker: bytes

    def dock(self, manifest: bytes, signature: str) -> Docked:
        answer = super().dock(manifest, signature)
        self.card.lose(self.marker)
        return answer


def test_a_card_that_fails_during_the_upload_leaves_a_marked_partial_one_that_goes_on(
    server: Server, failing: FailingCard, tmp_path: Path
) -> None:
    content = os.urandom(12_000_000)
    try:
        failing.make({"LH00013_1.MP4": content})
    except subprocess.CalledProcessError as error:
        loopless(error)
    key = key_of(server, tmp_path, "ST-CUT")
    client = Losing(server.url, patience=1)
    client.card, client.marker = failing, content[9_000_000:9_000_064]
    outcome = dock_by(client, key, tmp_path / "state", failing.root)
    assert not outcome.safe and "读取" in outcome.results[0].zh
    left = partial(server, digest(content))
    assert left.state == "open" and 0 < left.offset < len(content)
    failing.mend()
    failing.forget()
    assert dock(server.url, key, tmp_path / "state", failing.root).safe
    with database(server) as catalogue, catalogue.read() as session:
        assert session.get_one(Upload, left.id).state == "complete", "it went on where it stood"


def partial(server: Server, sha256: str) -> Upload:
    """The upload, once the server has seen that its sender is gone and committed what came."""
    for _ in range(200):
        with database(server) as catalogue, catalogue.read() as session:
            left = session.scalars(select(Upload).where(Upload.sha256 == sha256)).one()
        if left.offset:
            break
        time.sleep(0.05)
    return left


@contextlib.contextmanager
def database(server: Server) -> Iterator[Catalogue]:
    catalogue = Catalogue(Settings(data=server.data).database)
    try:
        yield catalogue
    finally:
        catalogue.close()


HOSTILE = {
    "LH00014_a\nb.MP4": False,
    "LH00014_a\x07b.MP4": False,
    "LH00014_\u202egnp.MP4": True,  # it only shows strangely: kept under its name
    "LH00014_' OR 1=1;--.MP4": True,
    "LH00014_$(reboot)`id`.MP4": True,
    "LH00014_<script>.MP4": True,
    "LH00014_..%2f..%2fetc.MP4": True,
    "LH00014_..\\..\\x.MP4": True,
    "LH00014_" + "长" * 80 + ".MP4": True,
    "LH00014_-rf.MP4": True,
}


def test_names_that_mean_something_elsewhere_mean_nothing_here(server: Server, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    for number, name in enumerate(HOSTILE):
        (card / name).write_bytes(bytes([number]) * 50)
    (card / os.fsdecode(b"LH00014_\xff\xfe.MP4")).write_bytes(b"no UTF-8")
    secret = tmp_path / "secret"
    secret.write_bytes(b"not of this card")
    (card / "LH00014_link.MP4").symlink_to(secret)
    (card / "folder").symlink_to(tmp_path)
    os.mkfifo(card / "LH00014_pipe.MP4")
    outcome = dock(server.url, key_of(server, tmp_path, "ST-NAMES"), tmp_path / "state", card)
    safe = {each.path: each.safe for each in outcome.results}
    assert {name for name, taken in HOSTILE.items() if taken} == {path for path, kept in safe.items() if kept}
    assert len(safe) == len(HOSTILE) + 4 and not outcome.safe
    assert all(path.isprintable() or "\u202e" in path for path in safe)
    with database(server) as catalogue, catalogue.read() as session:
        listed = session.scalars(select(DockedFile.sha256).join(Docking).where(Docking.station_id == "ST-NAMES")).all()
    assert digest(b"not of this card") not in listed


def test_ten_thousand_files(server: Server, tmp_path: Path) -> None:
    """Of twelve contents: each goes over the wire once, each name gets its word."""
    card = tmp_path / "card"
    for folder in range(10):
        (card / f"{100 + folder}MEDIA").mkdir(parents=True)
        for number in range(1000):
            (card / f"{100 + folder}MEDIA" / f"LH00015_{number:04}.JPG").write_bytes(b"%d" % (number % 12))
    outcome = dock(server.url, key_of(server, tmp_path, "ST-MANY"), tmp_path / "state", card)
    assert outcome.safe and len(outcome.results) == 10_000
    assert len(receipts(tmp_path / "state")) == 12


def test_what_climbs_or_swells_in_a_manifest_is_refused(server: Server, tmp_path: Path) -> None:
    key = station.load(key_of(server, tmp_path, "ST-BOMB"))
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http:
        one = PlainStation(http, key)
        for path in ("../x", "/etc/passwd", "a/../b", "a//b", ".", "a\x00b", "a\nb", "x" * 1025):
            answer = one.post_manifest(manifest_with(key, path))
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "refused"), path
        for bomb in (b"[" * 1_000_000, b'{"a":' * 100_000, b'{"schema":' + b"9" * 100_000 + b"}", b"\xff" * 1000):
            assert one.post_manifest(bomb).status_code == 400
        assert one.post_manifest(b" " * (17 * MIB)).status_code == 413
        one.dock({"a": b"x"})
        for metadata in (
            "path " + b64("a") + "," + ",".join(f"k{n} {b64('v')}" for n in range(3000)),
            "path",
            "path !",
        ):
            answer = http.post("/api/uploads", headers=one.headers(Upload_Length="1", Upload_Metadata=metadata))
            assert answer.status_code in (400, 422, 431), metadata[:50]


def manifest_with(key: station.StationKey, path: str) -> bytes:
    return json.dumps(manifest_of(key.station, {path: b"x"})).encode()


def test_archives_that_swell_are_kept_as_they_are(server: Server, tmp_path: Path) -> None:
    swollen = io.BytesIO()
    with zipfile.ZipFile(swollen, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../x", b"\0" * (64 * MIB))
    card = tmp_path / "card"
    card.mkdir()
    (card / "LH00016_1.MP4").write_bytes(swollen.getvalue())
    (card / "LH00016_2.JPG").write_bytes(b"\xff\xd8\xff\xe1" + b"\xff\xff" * 30_000)
    outcome = dock(server.url, key_of(server, tmp_path, "ST-ZIP"), tmp_path / "state", card)
    assert outcome.safe


def test_the_store_after_all_that(server: Server) -> None:
    """Whatever was docked above: each original once, whole, logged once, with its receipt; nothing left over."""
    with database(server) as catalogue, catalogue.read() as session:
        given = {row.sha256: row.receipt or b"" for row in session.scalars(select(Original))}
    store = server.data / "blobs" / "five_years" / "originals"
    contents = {sha256: (store / sha256[:2] / sha256).read_bytes() for sha256 in given}
    settings = Settings(data=server.data)
    log = keys.LogKey(keys.KeyFolder(settings.keys, settings.origin, passphrase(settings)).first())
    check_kept(server.data, contents, given, log.vkey)
