"""Who is asking: the session behind the cookie, roles, CSRF; and the pages of signing in and changing the password."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Header, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.fields import PLAIN
from api.render import LANGUAGE_COOKIE, LANGUAGES, page
from api.web import Here, Web
from pipeline.access import NoRight
from pipeline.sessions import SignedIn, TooMany
from storage.errors import Refused
from storage.records import Actor, Role

SESSION_COOKIE = "liuhen_session"
router = APIRouter(include_in_schema=False)


class NotSignedIn(Exception):
    """No live session: a page goes to the sign-in, a program gets 401."""


class MustChange(Exception):
    """The one-time password must be changed before anything else."""


def session_of(request: Request, web: Here) -> SignedIn | None:
    """The live session, if there is one; also kept on the request for the page's top bar."""
    cookie = request.cookies.get(SESSION_COOKIE)
    found = web.sessions.find(cookie) if cookie else None
    request.state.signed_in = found
    return found


def reader(found: Annotated[SignedIn | None, Depends(session_of)]) -> SignedIn:
    """Raises NotSignedIn or MustChange."""
    if found is None:
        raise NotSignedIn
    if found.user.must_change:
        raise MustChange
    return found


Reader = Annotated[SignedIn, Depends(reader)]


def with_role(*roles: Role) -> Callable[[SignedIn], SignedIn]:
    """A dependency: the reader holds one of these roles, else NoRight."""

    def check(who: Reader) -> SignedIn:
        if not set(roles).intersection(who.user.roles):
            raise NoRight("您没有查看或操作此内容的权限。", "your roles don't include this")
        return who

    return check


Admin = Annotated[SignedIn, Depends(with_role(Role.ADMIN))]
LedgerReader = Annotated[SignedIn, Depends(with_role(Role.AUDITOR, Role.ADMIN, Role.APPROVER, Role.LEGAL))]


def form_token(
    found: Annotated[SignedIn | None, Depends(session_of)],
    csrf: Annotated[str, Form(), PLAIN] = "",
    x_csrf_token: Annotated[str, Header()] = "",
) -> None:
    """Every changing form carries the session's token. Raises NotSignedIn or NoRight."""
    check_token(found, csrf or x_csrf_token)


def header_token(
    found: Annotated[SignedIn | None, Depends(session_of)], x_csrf_token: Annotated[str, Header()] = ""
) -> None:
    """The JSON interface takes the token from the header X-CSRF-Token only."""
    check_token(found, x_csrf_token)


def check_token(found: SignedIn | None, given: str) -> None:
    if found is None:
        raise NotSignedIn
    if not hmac.compare_digest(found.csrf.encode(), given.encode()):
        raise NoRight(
            "页面已过期，操作未执行。请返回并刷新页面后重试。",
            "the page is out of date and nothing was done: go back, reload it and try again",
        )


Checked = Depends(form_token)


def actor(who: SignedIn) -> Actor:
    return Actor("user", who.user.login)


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def local_path(target: str) -> str:
    """`target` if it is a path of this site, else "/": a link can't send people elsewhere after signing in."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain else "/"


def set_session(response: Response, web: Web, cookie: str) -> None:
    response.set_cookie(
        SESSION_COOKIE, cookie, httponly=True, samesite="lax", secure=web.services.settings.secure_cookies, path="/"
    )


@router.get("/signin")
def signin_form(
    request: Request, found: Annotated[SignedIn | None, Depends(session_of)], next: str = "/"
) -> Response:  # the parameter's name is the address bar's
    if found is not None:
        return RedirectResponse(local_path(next), 303)
    return page(request, "signin.html", next=local_path(next), login="", error=None)


@router.post("/signin")
def signin(
    request: Request,
    web: Here,
    login: Annotated[str, Form(max_length=64), PLAIN],
    password: Annotated[str, Form(max_length=1024), PLAIN],
    next: Annotated[str, Form(), PLAIN] = "/",
) -> Response:
    target = local_path(next)
    try:
        cookie, _ = web.sessions.sign_in(login, password, address_of(request))
    except TooMany as error:
        shown = page(request, "signin.html", status=429, next=target, login=login, error=error)
        shown.headers["Retry-After"] = str(error.seconds)
        return shown
    except Refused as error:
        return page(request, "signin.html", status=401, next=target, login=login, error=error)
    answer = RedirectResponse(target, 303)
    set_session(answer, web, cookie)
    return answer


@router.post("/signout", dependencies=[Checked])
def signout(request: Request, web: Here) -> Response:
    web.sessions.sign_out(request.cookies[SESSION_COOKIE])
    answer = RedirectResponse("/signin?note=signedout", 303)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


@router.get("/password")
def password_form(request: Request, found: Annotated[SignedIn | None, Depends(session_of)]) -> HTMLResponse:
    if found is None:
        raise NotSignedIn
    return page(request, "password.html", error=None)


@router.post("/password", dependencies=[Checked])
def change_password(
    *,
    request: Request,
    web: Here,
    found: Annotated[SignedIn, Depends(session_of)],
    old: Annotated[str, Form(max_length=1024), PLAIN],
    new: Annotated[str, Form(max_length=1024), PLAIN],
    again: Annotated[str, Form(max_length=1024), PLAIN],
) -> Response:
    if new != again:
        unlike = Refused("两次输入的新密码不一致。", "the new password was not repeated exactly")
        return page(request, "password.html", status=400, error=unlike)
    try:
        web.accounts.change_password(found.user.id, old, new)
    except Refused as error:
        return page(request, "password.html", status=400, error=error)
    web.notify()
    answer = RedirectResponse("/signin?note=password", 303)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


@router.get("/language/{code}")
def choose_language(web: Here, code: str, next: str = "/") -> Response:
    answer = RedirectResponse(local_path(next), 303)
    if code in LANGUAGES:
        secure = web.services.settings.secure_cookies
        answer.set_cookie(LANGUAGE_COOKIE, code, max_age=31_536_000, samesite="lax", httponly=True, secure=secure)
    return answer
