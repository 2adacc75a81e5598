"""The explanation as people read it: 制作说明.pdf, INDEX.html and README.txt.

Names from cards and from people are hostile: every template escapes what it is given, and nothing is ever fetched.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.export import words

_TEMPLATES = Path(__file__).parent / "templates"


def render_pdf(explanation: Mapping[str, Any]) -> bytes:
    """制作说明 as an A4 PDF. Fonts come from the system: see the stylesheet for the families tried."""
    import weasyprint
    from weasyprint.urls import URLFetcher

    class Refuse(URLFetcher):  # type: ignore[misc]
        """The document is whole in itself: whatever asks for an address is an intruder."""

        def fetch(self, url: str, headers: object = None) -> NoReturn:
            raise ValueError("nothing is fetched for an explanation")

    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)
    html = _environment(explanation, escape=True).get_template("explanation.html").render(e=visible(explanation))
    return bytes(weasyprint.HTML(string=html, url_fetcher=Refuse()).write_pdf())


def render_index(explanation: Mapping[str, Any]) -> bytes:
    """INDEX.html: one page, no script, nothing from outside; links to the files of the disc."""
    return _environment(explanation, escape=True).get_template("index.html").render(e=visible(explanation)).encode()


def render_readme(explanation: Mapping[str, Any]) -> bytes:
    """README.txt with a byte-order mark and CR LF, so that every Windows editor shows the Chinese."""
    text = _environment(explanation, escape=False).get_template("readme.txt").render(e=visible(explanation))
    return b"\xef\xbb\xbf" + "\r\n".join(text.splitlines()).encode() + b"\r\n"


def _environment(explanation: Mapping[str, Any], *, escape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=escape,  # noqa: S701 - off for the plain text only
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    zone = ZoneInfo(explanation["timezone"])
    environment.filters.update(
        local=lambda text: local_time(text, zone),
        clock=clock_time,
        bytes=byte_count,
        event=lambda key: words.pair(words.EVENTS, key),
        verdict=lambda key: words.pair(words.VERDICTS, key) if key else ("未检测", "not checked"),
        severity=lambda key: words.pair(words.SEVERITIES, key),
        actor=actor_words,
        detail=lambda key: words.pair(words.DETAILS, key),
    )
    environment.globals["method"] = words.METHOD
    return environment


def visible(value: Any) -> Any:
    """The same JSON, control and direction characters written out (`\\u202e`): no name can turn a line round."""
    if isinstance(value, str):
        return "".join(_written(character) for character in value)
    if isinstance(value, Mapping):
        return {key: visible(each) for key, each in value.items()}
    return [visible(each) for each in value] if isinstance(value, list) else value


def _written(character: str) -> str:
    hidden = unicodedata.category(character)[0] == "C" and character != "\n"
    return f"\\u{ord(character):04x}" if hidden else character


def local_time(text: str | None, zone: ZoneInfo) -> str:
    """An RFC 3339 moment as 2026-11-20 09:02:03 in `zone`; a dash for none."""
    return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if text else "—"


def clock_time(seconds: float | None) -> str:
    """Seconds as h:mm:ss.t, the tenth only where there is one; a dash for none."""
    if seconds is None:
        return "—"
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths // 10, 60)
    fraction = f".{tenths % 10}" if tenths % 10 else ""
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}{fraction}"


def byte_count(size: int) -> str:
    """1234567 → 1,234,567."""
    return f"{size:,}"


def actor_words(actor: str) -> words.Pair:
    kind, _, name = actor.partition(":")
    zh, en = words.pair(words.ACTORS, kind)
    return f"{zh} {name}", f"{en} {name}"
