"""The explanation as people read it; its words must be there, and hostile names must stay names."""

from __future__ import annotations

import json
import re
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pypdf
import pytest

from pipeline.export import paper
from storage.catalogue.tables import Export
from tests.support.exported import Bureau, exported, extract

__all__ = ["exported"]

Made = tuple[Bureau, Export, Path]


@pytest.fixture(scope="module")
def tree(exported: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(exported[2], tmp_path_factory.mktemp("paper") / "tree")


@pytest.fixture
def explanation(tree: Path) -> dict[str, Any]:
    return dict(json.loads((tree / "explanation.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def text(tree: Path) -> str:
    """The PDF's text without its line ends and blanks."""
    reader = pypdf.PdfReader(tree / "EXPLANATION.pdf")
    return re.sub(r"\s", "", "".join(page.extract_text() for page in reader.pages))


@pytest.mark.parametrize(
    "words",
    [
        "音像记录制作说明",
        "沈池县应急管理局",
        "LH00012",
        "DSJ-A9",
        "张三",
        "YY-0012345",
        "ST-01一楼采集室",
        "应急罚〔2026〕12号",
        "移送人民法院作为证据",
        "申请人李四",
        "批准人王五",
        "2026-11-2009:02:03",
        "1:03:08",
        "中断",
        "REC-CONTINUOUS/GAP-PTS",
        "0:01:02.5–1:02:05",
        "进入防爆区域",
        "采纳",
        "文件中没有定位数据（GPS；全部原件）",
        "制作人（签名）",
        "核对人（签名）",
        "（盖章）",
        "制作方法",
        "原件入库",
    ],
)
def test_the_pdf_says_what_the_rule_asks(text: str, words: str) -> None:
    assert words in text


def test_the_pdf_has_every_digest(text: str, explanation: dict[str, Any]) -> None:
    digests = [each[name] for each in explanation["originals"] for name in ("sha256", "root")]
    digests += [each["sha256"] for each in explanation["access"]]
    digests += [explanation["ledger"]["root"], explanation["ledger"]["fingerprint"]]
    assert all(digest in text for digest in digests)


def test_the_pdf_is_a4_with_numbered_pages(tree: Path, text: str) -> None:
    pages = pypdf.PdfReader(tree / "EXPLANATION.pdf").pages
    assert [round(float(side)) for side in pages[0].mediabox[2:]] == [595, 842]
    assert all(f"—{number}/{len(pages)}—" in text for number in range(1, len(pages) + 1))


def test_names_stay_names(text: str) -> None:
    assert "<script>alert(1)" in text
    assert "<b>未知</b>" in text
    assert "\\u202e" in text


def test_the_index_has_no_script_and_loads_nothing(tree: Path) -> None:
    page = (tree / "INDEX.html").read_text(encoding="utf-8")
    assert "<script" not in page.lower()
    assert not re.search(r"(src|href)=\"(https?:|//|javascript:)", page)
    assert "default-src 'none'" in page


def test_every_link_of_the_index_is_a_file_of_the_disc(tree: Path) -> None:
    from urllib.parse import unquote

    page = (tree / "INDEX.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 5
    assert all((tree / unquote(link)).is_file() for link in links)


def test_the_readme_opens_in_an_old_notepad(tree: Path) -> None:
    content = (tree / "README.txt").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")
    assert "python3 verify.py" in content.decode("utf-8-sig")
    assert "EVIDENCE DISC" in content.decode("utf-8-sig")


def test_nothing_is_fetched(explanation: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that asks for a file gets none: the text of the passwd file must not come in."""
    template = paper._environment(explanation, escape=True).from_string(
        '<link rel="stylesheet" href="file:///etc/passwd"><img src="file:///etc/hostname" alt="none"><p>ok</p>'
    )

    class Environment:
        def get_template(self, _: str) -> Any:
            return template

    asked: list[str] = []
    from weasyprint.urls import URLFetcher

    monkeypatch.setattr(URLFetcher, "fetch", lambda self, url, headers=None: asked.append(url))
    monkeypatch.setattr(paper, "_environment", lambda *_, **__: Environment())
    assert paper.render_pdf(explanation).startswith(b"%PDF")
    assert asked == []


def test_an_explanation_with_nothing_known_still_prints(explanation: dict[str, Any]) -> None:
    explanation.update(
        case=None, station=None, officers=[], findings=[], not_checked=[], excuses=[], verdict=None, checked=None
    )
    explanation["recording"].update(started=None, duration=None)
    explanation["originals"][0]["docked"] = None
    assert paper.render_pdf(explanation).startswith(b"%PDF")
    assert "未检测" in paper.render_index(explanation).decode()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "—"), (0, "0:00:00"), (59.96, "0:01:00"), (62.5, "0:01:02.5"), (3725.0, "1:02:05"), (360000, "100:00:00")],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert paper.clock_time(seconds) == shown


def test_times_are_local() -> None:
    assert paper.local_time("2026-11-20T17:02:03.999Z", ZoneInfo("Asia/Shanghai")) == "2026-11-21 01:02:03"
    assert paper.local_time(None, UTC) == "—"  # type: ignore[arg-type]
