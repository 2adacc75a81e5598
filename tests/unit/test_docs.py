"""The documentation, held against what is there: links, pictures, and each error that a station may be told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import key_messages, signed
from ingest.invitation import VOUCHER, public_of
from tests.support.docking import root

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROTOCOL = (ROOT / "docs" / "docking-protocol.md").read_text(encoding="utf-8")
LARGEST_PICTURE = 150 << 10  # bytes
BROWSER = {"wrong-name"}  # said to people, not to stations


def anchors(page: Path) -> set[str]:
    """Of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_picture_is_shown_and_small() -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (ROOT / "docs" / "img").iterdir():
        assert f"img/{picture.name}" in shown
        assert picture.stat().st_size <= LARGEST_PICTURE


def codes() -> set[str]:
    """The words for programs in the answers to stations: the second argument where an HttpError is made."""
    found: set[str] = set()
    for module in (ROOT / "ingest").glob("*.py"):
        text = module.read_text(encoding="utf-8")
        found |= set(re.findall(r"(?:HttpError|busy|__init__)\(\s*(?:\d{3}|status),\s*\"([a-z-]+)\"", text))
    return found | {"unknown-code"}  # named by a constant


def test_every_error_of_the_doors_is_in_the_protocol_and_no_other() -> None:
    tables = PROTOCOL.split("## 11. Errors", 1)[1].split("## 12.", 1)[0] + PROTOCOL.split("## 2. Enrolment", 1)[1]
    rows = re.findall(r"^\| [^|]*\d{3}[^|]* \| ([^|]*) \|", tables, re.MULTILINE)
    documented = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}
    documented |= {"too-many"}  # in the text of another row
    assert documented == codes() - BROWSER


def test_the_figures_to_check_a_station_against_are_right() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    body = b'{"schema":"liuhen.docking/1"}'
    figures = (root(b"abc"), root(bytes(2_621_440)), public_of(key), signed.sign(signed.MANIFEST, body, key))
    assert [figure for figure in figures if f"`{figure}`" not in PROTOCOL] == []


def test_the_domains_are_those_of_the_protocol() -> None:
    domains = (signed.MANIFEST, signed.WIPE, signed.STATE, key_messages.ENROL, key_messages.ROTATE, VOUCHER)
    for domain in domains:
        assert f"`{domain.decode().strip()}⏎`, {len(domain)} bytes" in PROTOCOL
