"""The ledger's static files over HTTP, as any client of c2sp.org/tlog-tiles reads them."""

from __future__ import annotations

import gzip
import random
import threading

import pytest
from cryptography.exceptions import InvalidSignature

from storage.catalogue import custody
from storage.ledger import tiles
from tests.support.ledger import event, log
from tests.support.tlog_client import Dishonest, Get, TlogClient
from tests.support.web import Browser, Bureau

BASE = "/ledger"


def reader(browser: Browser) -> Get:
    def get(path: str) -> tuple[int, bytes]:
        answer = browser.client.get(f"{BASE}/{path}", headers={"accept": "*/*"})
        return answer.status_code, answer.content

    return get


def record(office: Bureau, first: int, count: int) -> None:
    with office.services.catalogue.write() as session:
        for number in range(first, first + count):
            custody.record(session, event(number, f"recording:r{number % 5}"))


def grown(office: Bureau, count: int) -> int:
    """A log with `count` more entries; its size."""
    record(office, 0, count)
    office.publish()
    return int(Browser(office).get(f"{BASE}/checkpoint").text.split("\n")[1])


def test_a_stranger_follows_the_log_from_checkpoint_to_checkpoint_while_it_grows(office: Bureau) -> None:
    client = TlogClient(reader(Browser(office)), office.services.log_key.vkey)
    stop, failed = threading.Event(), []

    def append() -> None:
        chooser, number = random.Random(4), 0
        try:
            while not stop.is_set():
                count = chooser.choice((1, 3, 40, 150))
                record(office, number, count)
                office.publish()
                number += count
        except Exception as error:  # told in the test's own thread
            failed.append(error)

    worker = threading.Thread(target=append)
    sizes = [client.advance()]
    worker.start()
    try:
        while sizes[-1] < 700 and not failed:
            sizes.append(client.advance())
    finally:
        stop.set()
        worker.join()
    assert failed == []
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 3


def test_an_auditor_reads_every_entry_over_http(office: Bureau) -> None:
    size = grown(office, 600)
    client = TlogClient(reader(Browser(office, "auditor")), office.services.log_key.vkey)
    assert client.advance() == size
    bodies = client.entries(0, size)
    assert len(bodies) == size
    assert sum(b'"test.made"' in body for body in bodies) == 600


def test_what_takes_one_tile_out_of_line_is_noticed(office: Bureau) -> None:
    """The client of these tests must be able to fail."""
    size = grown(office, 600)
    honest = reader(Browser(office))
    vkey = office.services.log_key.vkey

    def tampered(path: str) -> tuple[int, bytes]:
        status, content = honest(path)
        return status, content if path == "checkpoint" else bytes([content[0] ^ 1]) + content[1:]

    with pytest.raises(Dishonest):
        TlogClient(tampered, vkey).advance()
    client = TlogClient(honest, vkey, size=100, root=bytes(32))
    with pytest.raises(Dishonest, match=f"the tree of {size} does not begin with the tree of 100"):
        client.advance()
    with pytest.raises(Dishonest, match="went back"):
        TlogClient(honest, vkey, size=size + 1).advance()
    forged = log([b"x"])["checkpoint"]
    with pytest.raises((Dishonest, InvalidSignature)):
        TlogClient(lambda path: (200, forged) if path == "checkpoint" else honest(path), vkey).advance()


def test_the_checkpoint_is_plain_text_and_never_stale(office: Bureau) -> None:
    answer = Browser(office).get(f"{BASE}/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_hash_tiles_are_kept_for_ever(office: Bureau) -> None:
    size = grown(office, 600)
    browser = Browser(office)
    for path in ("0/000", f"0/002.p/{size - 512}", "1/000.p/2"):
        answer = browser.get(f"{BASE}/tile/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert browser.client.head(f"{BASE}/tile/{path}").headers["content-length"] == str(len(answer.content))
    assert len(browser.get(f"{BASE}/tile/0/000").content) == 8192


@pytest.mark.parametrize(
    "path",
    ["0/001", "0/000.p/0", "0/000.p/256", "0/000.p/08", "1/000", "1/000.p/1", "64/000", "00/000", "0/x000/000", "0/0",
     "entries/9/000", "-1/000"],
)  # fmt: skip
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_what_is_no_tile_is_not_found_and_may_be_there_tomorrow(office: Bureau, path: str, accept: str) -> None:
    grown(office, 10)
    answer = Browser(office, "auditor").get(f"{BASE}/tile/{path}", headers={"accept": accept})
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_bundles_are_packed_where_the_reader_can_unpack(office: Bureau) -> None:
    size = grown(office, 300)
    browser = Browser(office, "auditor")
    for path, width in (("entries/000", 256), (f"entries/001.p/{size - 256}", size - 256)):
        plain = browser.client.get(f"{BASE}/tile/{path}", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        with browser.client.stream("GET", f"{BASE}/tile/{path}", headers={"accept-encoding": "gzip"}) as packed:
            raw = b"".join(packed.iter_raw())
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding, Cookie"
        assert gzip.decompress(raw) == plain.content
        assert len(raw) < len(plain.content) / 2
        assert len(tiles.decode_bundle(plain.content, tiles.Tile(tiles.ENTRIES, 0, width))) == width
        assert plain.headers["cache-control"] == "no-store, private"


@pytest.mark.parametrize("accept", ["gzip;q=0", "identity, gzip; q=0.0", "br", ""])
def test_bundles_are_not_packed_for_who_does_not_want_it(office: Bureau, accept: str) -> None:
    size = grown(office, 100)
    answer = Browser(office, "auditor").client.get(
        f"{BASE}/tile/entries/000.p/{size}", headers={"accept-encoding": accept}
    )
    assert "content-encoding" not in answer.headers
