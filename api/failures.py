"""Errors as answers: a page for people, JSON for programs, each saying what happened, what is safe and what to do."""

from __future__ import annotations

from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from api.render import page
from api.signin import MustChange, NotSignedIn
from pipeline.access import NoRight
from pipeline.sessions import TooMany
from storage.errors import Conflict, IntegrityError, LiuhenError, NotFound, Refused, Transient

log = structlog.get_logger()
_STATUS: tuple[tuple[type[LiuhenError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (NoRight, 403),
    (Refused, 400),
    (TooMany, 429),
    (Transient, 503),
    (IntegrityError, 500),
)
_PLAIN = {
    404: ("没有这个页面或内容。", "there is no such page or thing"),
    405: ("不支持这种操作。", "that can't be done here"),
    413: ("提交的内容过大，未被接收。", "what was sent is too large and was not taken"),
    416: ("请求的范围超出文件。", "the range lies outside of the file"),
    429: ("操作过于频繁，请稍后再试。", "too many requests: wait a moment"),
}


def install(app: FastAPI) -> None:
    app.add_exception_handler(LiuhenError, _ours)
    app.add_exception_handler(NotSignedIn, _not_signed_in)
    app.add_exception_handler(MustChange, _must_change)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _unexpected)


def status_of(error: LiuhenError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def answer(request: Request, status: int, zh: str, en: str) -> Response:
    """The error in the form that the asker reads."""
    if wants_page(request):
        return page(request, "error.html", status=status, code=status, zh=zh, en=en)
    return JSONResponse({"error": {"zh": zh, "en": en}}, status, headers={"Cache-Control": "no-store"})


def wants_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, LiuhenError)  # noqa: S101 - what it was registered for
    status = status_of(error)
    if status >= 500:
        log.error("request failed", path=request.url.path, error=error.en)
    made = answer(request, status, error.zh, error.en)
    if isinstance(error, Transient):
        made.headers["Retry-After"] = str(getattr(error, "seconds", 5))
    return made


def _not_signed_in(request: Request, _: Exception) -> Response:
    if not wants_page(request):
        return answer(request, 401, "请先登录。", "sign in first")
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"?next={quote(target, safe='')}" if request.method == "GET" and target != "/" else ""
    return RedirectResponse(f"/signin{wanted}", 303)


def _must_change(request: Request, _: Exception) -> Response:
    if not wants_page(request):
        return answer(request, 403, "请先修改一次性密码。", "change the one-time password first")
    return RedirectResponse("/password", 303)


def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    zh, en = _PLAIN.get(error.status_code, ("请求未能完成。", "the request could not be carried out"))
    made = answer(request, error.status_code, zh, en)
    made.headers.update(error.headers or {})
    return made


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it was registered for
    if any(part["loc"][0] == "path" for part in error.errors()):
        return answer(request, 404, *_PLAIN[404])
    fields = ", ".join(sorted({str(part["loc"][-1]) for part in error.errors()}))
    return answer(
        request,
        422,
        f"提交的内容有误（{fields}），未执行。请检查后重试。",
        f"what was sent is wrong ({fields}); nothing was done: check it and try again",
    )


def _unexpected(request: Request, error: Exception) -> Response:
    log.exception("request failed unexpectedly", path=request.url.path, exc_info=error)
    return answer(
        request,
        500,
        "程序出错，本次操作未完成；已入库的原件和存证链不受影响。请重试，若仍出错请把时间告诉管理员。",
        "the program failed and this was not done; stored originals and the ledger are safe: try again, and tell an"
        " administrator the time if it stays",
    )
