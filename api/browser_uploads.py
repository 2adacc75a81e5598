"""tus for people: the same uploads as a station's, under the session of who is signed in.

Each request carries the session's cookie and, as no other site's page can, its token in `X-CSRF-Token`.
"""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.routing import BaseRoute, Route

from api.signin import SESSION_COOKIE
from api.web import Web
from ingest.answers import HttpError
from ingest.callers import Person
from ingest.server import make_pace, make_uploads
from ingest.turns import Turns
from ingest.tus import Tus
from pipeline.sessions import SignedIn
from storage.records import Role

PLACE = "/browser/uploads"
RECEIPTS = "/stations/upload/receipts"
MAY_UPLOAD = (Role.OFFICER, Role.ARCHIVIST)


def make_browser_routes(web: Web) -> list[BaseRoute]:
    """To be mounted under /api."""
    settings = web.services.settings
    tus = Tus(
        make_uploads(web.services),
        lambda headers: _person(web, headers),
        Turns(settings.station_bodies),
        make_pace(settings),
        place=PLACE,
        receipts=RECEIPTS,
    )
    return [Route(PLACE, tus), Route(PLACE + "/{id}", tus)]


def _person(web: Web, headers: Headers) -> Person:
    """Whose session it is. Raises HttpError 401 or 403."""
    cookie = cookie_parser(headers.get("Cookie", "")).get(SESSION_COOKIE)
    found = web.sessions.find(cookie) if cookie else None
    if found is None or found.user.must_change:
        raise HttpError(
            401,
            "signed-out",
            "登录已失效，上传已暂停；请重新登录后选择同样的文件续传。",
            "you are signed out and the upload waits: sign in and choose the same files to go on",
        )
    _check(found, headers.get("X-CSRF-Token", ""))
    return Person(found.user.id)


def _check(found: SignedIn, token: str) -> None:
    if not hmac.compare_digest(found.csrf.encode(), token.encode()):
        raise HttpError(
            403,
            "stale-page",
            "页面已过期，未接收；请刷新页面后选择同样的文件续传。",
            "the page is out of date and nothing was taken: reload it and choose the same files to go on",
        )
    if not set(MAY_UPLOAD).intersection(found.user.roles):
        raise HttpError(
            403,
            "no-right",
            "您没有上传音像记录的权限，请联系管理员。",
            "your roles don't include uploading recordings: ask the administrator",
        )
