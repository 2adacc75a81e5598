"""The page of `liuhen check --html`: whole, in both languages, and deaf to whatever the files try to say."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.html_report import render
from pipeline.strips import Frame, Strips

NOW = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def finding(code: str, severity: str, start: float | None, end: float | None = None, **evidence: Any) -> dict[str, Any]:
    found = {"code": code, "axis": "timeline", "severity": severity, "start": start, "end": end, "evidence": evidence}
    return found | {"zh": f"{code} 的说明", "en": f"{code} in words"}


def file(path: str, verdict: str, *findings: dict[str, Any], duration: float | None = 12.0) -> dict[str, Any]:
    streams = [{"index": 0, "kind": "video", "codec": "h264", "packets": 300, "width": 1920, "height": 1080,
                "frame_rate": 25.0, "start": 0.0, "end": 12.0, "bytes": 1}]  # fmt: skip
    media = {"kind": "video", "size": 12345, "format": "mov,mp4,m4a,3gp,3g2,mj2", "duration": duration,
             "created": "2026-11-18T01:30:12.000Z", "created_local": None, "isolated": True, "streams": streams,
             "device": {"make": "LH", "model": "LH Cam", "serial": "LH00012"},
             "position": {"latitude": 31.2, "longitude": 121.4}}  # fmt: skip
    return {"path": path, "sha256": "ab" * 32, "media": media, "verdict": verdict, "findings": [*findings],
            "not_checked": [{"check": "clock", "why": "clock not read", "zh": "时钟未读"}]}  # fmt: skip


def report(*files: dict[str, Any], series: Any = ()) -> dict[str, Any]:
    return {"liuhen": "0.1.0", "files": [*files], "series": [*series]}


GAP = finding("REC-CONTINUOUS/GAP-PTS", "violation", 4.0, 7.0, packet_before=99)
TRACE = finding("UP-ORIGINAL/ENCODER-TRACE", "suspicion", None)
STRIP = [Frame(0, 3.96, False, b"\xff\xd8one\xff\xd9"), Frame(0, 7.0, True, b"\xff\xd8two\xff\xd9")]


def page(found: dict[str, Any], strips: Strips | None = None, **options: Any) -> str:
    return render(found, strips or Strips({}, {}, {}), zone=SHANGHAI, now=NOW, **options)


class Reader(HTMLParser):
    """Takes a page apart as a browser would: its elements, their attributes, its text in either language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, name: str) -> Iterator[str]:
        return (attributes[name] or "" for _, attributes in self.tags if name in attributes)


def test_it_says_what_was_found_where_and_by_which_rule() -> None:
    words = Reader(page(report(file("card/a.MP4", "interrupted", GAP, TRACE)))).text
    for said in ("GAP-PTS 的说明", "GAP-PTS in words", "REC-CONTINUOUS/GAP-PTS", "0:00:04.0 – 0:00:07.0", "中断"):
        assert said in words
    assert "09:30:16" in words  # when that was by the camera's clock, here
    assert "ab" * 32 in words and "前一个数据包" in words and "packet before" in words and "LH Cam LH00012" in words
    assert "时钟未读" in words and "clock not read" in words


def test_violations_come_before_suspicions() -> None:
    words = page(report(file("a", "interrupted", TRACE, GAP)))
    assert words.index("<code>REC-CONTINUOUS/GAP-PTS") < words.index("<code>UP-ORIGINAL")


def test_pictures_stand_beside_their_finding_with_a_mark_where_it_lies() -> None:
    strips = Strips({0: [Frame(0, 1.0, False, b"over")]}, {(0, 0): STRIP}, {})
    parts = Reader(page(report(file("a", "interrupted", GAP)), strips)).tags
    pictures = [attributes for tag, attributes in parts if tag == "img"]
    assert [each["alt"] for each in pictures] == ["0:00:01.00", "0:00:03.96", "0:00:07.00"]
    assert all((each["src"] or "").startswith("data:image/jpeg;base64,") for each in pictures)
    assert sum(attributes.get("class") == "first-after" for _, attributes in parts) == 1


def test_a_strip_is_shown_once() -> None:
    idr = finding("REC-CONTINUOUS/IDR-ID", "violation", 4.0, 4.0)
    strips = Strips({}, {(0, 0): STRIP, (0, 1): STRIP}, {})
    assert page(report(file("a", "interrupted", GAP, idr)), strips).count("<img") == 2


def test_what_was_found_between_files_is_shown_with_its_series() -> None:
    missing = finding("REC-CONTINUOUS/SEGMENT-MISSING", "violation", 12.0, 24.0, before="a", after="b")
    both = {"key": "LH_2026", "files": ["a", "b"], "verdict": "interrupted", "findings": [missing], "not_checked": []}
    strips = Strips({}, {}, {(0, 0): [Frame(0, 11.9, False, b"x"), Frame(1, 0.0, True, b"y")]})
    words = page(report(file("a", "continuous"), file("b", "continuous"), series=[both]), strips)
    assert "LH_2026" in words and "SEGMENT-MISSING 的说明" in words and words.count("<img") == 2


def test_what_a_series_of_one_says_stands_with_its_file() -> None:
    note = finding("REC-CONTINUOUS/SEGMENTS-BEFORE", "note", None)
    alone = {"key": "K", "files": ["a"], "verdict": "continuous", "findings": [note], "not_checked": []}
    words = page(report(file("a", "continuous"), series=[alone]))
    assert words.count("<code>REC-CONTINUOUS/SEGMENTS-BEFORE</code>") == 1 and ">K<" not in words


def test_the_activity_is_told() -> None:
    gap = {"start": "2026-11-18T01:40:00+00:00", "end": "2026-11-18T01:45:00+00:00", "zh": "无录制", "en": "no footage"}
    activity = {"start": "2026-11-18T01:30:00+00:00", "end": "2026-11-18T02:00:00+00:00", "covered_fraction": 0.8333,
                "gaps": [gap]}  # fmt: skip
    words = Reader(page(report(file("a", "continuous")) | {"activity": activity})).text
    assert "83.3 %" in words and "无录制" in words and "2026-11-18 09:40:00" in words


def test_of_many_files_those_without_findings_have_a_line_with_their_digest() -> None:
    many = [file(f"{n}.mp4", "continuous") for n in range(201)]
    many[7] = file("7.mp4", "interrupted", GAP)
    words = page(report(*many))
    assert words.count('id="file-') == 1 and words.count("ab" * 32) == 201
    assert page(report(*many[:20])).count('id="file-') == 20


def test_an_unreadable_file_without_a_digest_is_told() -> None:
    broken = file("a", "unreadable", finding("REC-TRUE/UNREADABLE", "suspicion", None), duration=None)
    broken |= {"sha256": None}
    broken["media"] |= {"kind": "unknown", "streams": [], "created": None, "position": None, "format": None}
    words = Reader(page(report(broken))).text
    assert "REC-TRUE/UNREADABLE 的说明" in words and "无法读取" in words


def test_the_reader_chooses_the_language_without_a_script() -> None:
    for lang in ("zh", "en"):
        parts = Reader(page(report(file("a", "continuous")), lang=lang)).tags
        checked = [attributes["id"] for tag, attributes in parts if tag == "input" and "checked" in attributes]
        assert checked == [f"lang-{lang}"]
        assert not [tag for tag, _ in parts if tag == "script"]


def test_every_sentence_is_there_in_both_languages() -> None:
    text = page(report(file("a", "interrupted", GAP)))
    assert text.count('<span class="zh"') == text.count('<span class="en"') > 30


def test_it_needs_nothing_from_anywhere() -> None:
    found = Reader(page(report(file("a", "interrupted", GAP)), Strips({}, {(0, 0): STRIP}, {})))
    addresses = [*found.attributes("src"), *found.attributes("href"), *found.attributes("action")]
    assert all(each.startswith(("data:image/jpeg;base64,", "#")) for each in addresses)
    assert not {tag for tag, _ in found.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    (policy,) = [a["content"] for t, a in found.tags if t == "meta" and a.get("http-equiv")]
    assert policy is not None and policy.startswith("default-src 'none';") and "script-src" not in policy
    styles = re.findall(r"<style>(.*?)</style>", page(report(file("a", "continuous"))), re.DOTALL)
    assert "url(" not in styles[0] and "@import" not in styles[0]


EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e{{ 7 * 7 }}</style>'


def spoilt(value: Any) -> Any:
    """Every free text in a report made hostile; its own words (verdicts, severities …) as they are."""
    if isinstance(value, dict):
        kept = ("verdict", "severity", "axis", "kind", "created", "sha256", "start", "end")
        return {name: each if name in kept else spoilt(each) for name, each in value.items()}
    if isinstance(value, list):
        return [spoilt(each) for each in value]
    return EVIL if isinstance(value, str) else value


def test_nothing_that_a_file_says_is_more_than_text() -> None:
    missing = finding("A/B", "violation", 1.0, 2.0, before="a", odd=EVIL, deep={"x": [EVIL]})
    both = {"key": EVIL, "files": [EVIL, EVIL], "verdict": "altered", "findings": [missing], "not_checked": []}
    files = [file("a", "interrupted", GAP, missing), file("b", "continuous")]
    hostile = spoilt(report(*files, series=[both]))
    clean = Reader(page(report(*copy.deepcopy(files), series=[both | {"key": "k", "files": ["a", "b"]}])))
    found = Reader(page(hostile, Strips({}, {(0, 0): STRIP}, {})))
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in clean.tags} | {"img", "ol", "li"}
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert "alert(1)" in found.text and "{{ 7 * 7 }}" in found.text


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | texts,
    lambda v: st.lists(v) | st.dictionaries(texts, v),
    max_leaves=5,
)
starts = st.none() | st.floats(-1e15, 1e15)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["violation", "suspicion", "note"]), starts, starts, values), max_size=5),
    texts,
    st.none() | st.floats(0, 1e6),
)
def test_any_report_makes_a_page(found: list[Any], path: str, duration: float | None) -> None:
    findings = [finding("A/B", severity, start, end, x=value) for severity, start, end, value in found]
    text = page(report(file(path, "review", *findings, duration=duration)))
    assert text.endswith("</html>") and text.encode()


def test_a_report_has_no_stray_template_marks() -> None:
    text = page(report(file("a", "interrupted", GAP, TRACE), file("b", "continuous")))
    assert "{{" not in text and "{%" not in text and "Undefined" not in text


@pytest.mark.parametrize("verdict", ["continuous", "review", "interrupted", "altered", "unreadable"])
def test_a_verdict_is_colour_and_shape_and_word(verdict: str) -> None:
    text = page(report(file("a", verdict)))
    assert re.search(rf'<span class="verdict v-{verdict}[^>]*"><svg.*?</svg><span class="zh"', text)
