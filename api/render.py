"""Turning a template and values into a page, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from api import evidence, formats, words
from api.words import Pair
from pipeline.sessions import SignedIn

LANGUAGES = {"zh": "zh-CN", "en": "en"}
LANGUAGE_COOKIE = "liuhen_lang"
_TEMPLATES = Path(__file__).parent / "templates"
_AUDIENCE = frozenset({"auditor", "admin", "approver", "legal"})


def make_templates() -> Environment:
    """The environment of all pages: values are escaped, a misspelt one is an error."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(t=_t, say=_say, when=_when, words=words, evidence=evidence)
    environment.filters.update(
        duration=formats.duration, size=formats.size, short=formats.short, percent=lambda value: f"{value * 100:.0f}%",
        fine=formats.fine, jpeg=formats.jpeg, values=evidence.values,
    )  # fmt: skip
    environment.globals["span"] = formats.span
    return environment


def language(request: Request) -> str:
    """zh unless the reader chose en."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "zh")
    return chosen if chosen in LANGUAGES else "zh"


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render `template`. Every page gets the user, the language, the unit and the menu."""
    web = request.app.state.web
    signed_in: SignedIn | None = getattr(request.state, "signed_in", None)
    common = {
        "lang": language(request),
        "html_lang": LANGUAGES[language(request)],
        "zone": web.zone,
        "unit": web.services.settings.unit,
        "user": signed_in.user if signed_in else None,
        "csrf": signed_in.csrf if signed_in else "",
        "menu": _menu(signed_in),
        "path": request.url.path,
        "here": _here(request),
        "note": words.NOTES.get(request.query_params.get("note", "")),
        "now": web.services.clock(),
    }
    text = web.templates.get_template(template).render(common | values)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def query(given: Mapping[str, Any], **changed: Any) -> str:
    """A query string of the non-empty values of `given` with some changed."""
    together = {**given, **changed}
    return urlencode({name: value for name, value in together.items() if value not in ("", None)})


def _menu(signed_in: SignedIn | None) -> list[tuple[str, Pair]]:
    if signed_in is None:
        return []
    roles = set(signed_in.user.roles)
    entries: list[tuple[str, Pair]] = [
        ("/", ("工作台", "Desk")),
        ("/recordings", ("音像记录", "Recordings")),
        ("/cases", ("案卷", "Cases")),
        ("/requests", ("调阅", "Access")),
        ("/stations", ("采集站", "Stations")),
    ]
    if roles & _AUDIENCE:
        entries.append(("/ledger", ("存证链", "Ledger")))
    entries.append(("/statistics", ("统计", "Statistics")))
    if "admin" in roles:
        entries.append(("/admin/users", ("管理", "Administration")))
    return entries


def _here(request: Request) -> str:
    """The page's own address for coming back to it after a change of language."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "note"]
    return request.url.path + (f"?{urlencode(kept)}" if kept else "")


@pass_context
def _t(context: Context, zh: str, en: str) -> str:
    return en if context["lang"] == "en" else zh


@pass_context
def _say(context: Context, table: Mapping[str, Pair], key: Any) -> str:
    """The word of a table for `key`; the key itself where there is none."""
    pair = table.get(str(key), (str(key), str(key)))
    return pair[1] if context["lang"] == "en" else pair[0]


@pass_context
def _when(context: Context, moment: Any) -> str:
    return formats.local_time(moment, context["zone"])
