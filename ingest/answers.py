"""Answers to stations over HTTP: one JSON shape for everything that is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response

from storage.errors import Conflict, LiuhenError, NotFound, Transient

RETRY_AFTER = 30  # seconds a station waits before it asks again when the server can't take more


class HttpError(Exception):
    """A refusal with its HTTP status. `code` is a fixed word for programs, `zh` and `en` one sentence for people."""

    def __init__(self, status: int, code: str, zh: str, en: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(en)
        self.status = status
        self.code = code
        self.zh = zh
        self.en = en
        self.headers = dict(headers or {})

    def response(self) -> Response:
        return json_response(self.status, {"error": self.as_json()}, headers=self.headers)

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "zh": self.zh, "en": self.en}


def busy(status: int, code: str, zh: str, en: str) -> HttpError:
    """A refusal that will pass: the station is told when to come back."""
    return HttpError(status, code, zh, en, {"Retry-After": str(RETRY_AFTER)})


def from_error(error: LiuhenError) -> HttpError:
    """The HTTP form of an error of the inner layers."""
    if isinstance(error, Transient):
        return busy(503, "unavailable", error.zh, error.en)
    status = 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 400
    return HttpError(status, "refused", error.zh, error.en)


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        status_code=status,
        media_type="application/json",
        headers={**(headers or {}), "Cache-Control": "no-store"},
    )


# Refusals said in more than one place.


def unauthorised() -> HttpError:
    return HttpError(
        401,
        "unknown-token",
        "上传令牌无效或采集站已停用，请重新采集。",
        "the upload token is not valid or the station was revoked: dock again",
        {"WWW-Authenticate": "Bearer"},
    )


def expired_token() -> HttpError:
    return HttpError(
        401,
        "expired-token",
        "上传令牌已过期，请重新采集（已上传部分可续传）。",
        "the upload token has expired: dock again; what was uploaded is gone on with",
        {"WWW-Authenticate": "Bearer"},
    )


def no_such_upload() -> HttpError:
    return HttpError(
        404, "no-such-upload", "没有这个上传任务，请重新创建。", "there is no such upload: create it again"
    )
