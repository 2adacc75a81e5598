"""Reading the request headers of tus 1.0 and of the upload token, strictly. Pure."""

from __future__ import annotations

import base64
import binascii
import re

from starlette.datastructures import Headers
from starlette.requests import Request

from ingest import refusals
from ingest.answers import HttpError, unauthorised
from ingest.landing import CHECKSUMS, Checksum

VERSION = "1.0.0"
BODY = "application/offset+octet-stream"
MAX_HEADERS = 32 << 10  # bytes of names and values together
MAX_METADATA = 8 << 10  # bytes of Upload-Metadata: a path of 1,024 characters fits, in base64 of UTF-8
_NUMBER = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"[!-+\--~]+")  # ASCII without space and comma
_OVERRIDES = frozenset({"PATCH", "DELETE", "HEAD"})


def check(headers: Headers) -> None:
    """Raises HttpError 431 for headers that are no tus client's, 400 when one of ours stands there twice."""
    if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEADERS:
        raise refusals.headers_too_large(MAX_HEADERS)
    for name in (
        "Upload-Length",
        "Upload-Offset",
        "Upload-Metadata",
        "Upload-Checksum",
        "Content-Length",
        "Authorization",
    ):
        if len(headers.getlist(name)) > 1:
            raise HttpError(400, "bad-header", f"请求头 {name} 重复。", f"the header {name} stands there twice")


def method(request: Request) -> str:
    """What is asked for: a client that can send nothing but POST says it in a header."""
    override = request.headers.get("X-HTTP-Method-Override", "").upper()
    return override if request.method == "POST" and override in _OVERRIDES else request.method


def bearer(headers: Headers) -> str:
    """The token of an Authorization header. Raises HttpError 401."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorised()
    return token.strip()


def number(headers: Headers, name: str) -> int:
    text = headers.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise HttpError(400, "bad-header", f"请求头 {name} 缺失或不是数字。", f"the header {name} is no number")
    return int(text)


def metadata(headers: Headers) -> dict[str, str]:
    """`key base64(UTF-8), key base64 …`; each key once, a key alone has the value "". Raises HttpError 400."""
    given = headers.get("Upload-Metadata", "")
    if len(given) > MAX_METADATA:
        raise _bad_metadata(f"over {MAX_METADATA} bytes")
    pairs: dict[str, str] = {}
    for part in given.split(",") if given.strip() else ():
        key, _, value = part.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in pairs:
            raise _bad_metadata("a key is empty, malformed or there twice")
        try:
            pairs[key] = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, ValueError) as error:
            raise _bad_metadata("no base64 of UTF-8 text") from error
    return pairs


def _bad_metadata(what: str) -> HttpError:
    return HttpError(
        400,
        "bad-metadata",
        f"Upload-Metadata 格式不正确（{what}）；应为各不相同的名称与 UTF-8 文字的 base64。",
        f"Upload-Metadata is malformed ({what}): different keys, each with base64 of UTF-8 text, are asked for",
    )


def checksum(headers: Headers) -> Checksum | None:
    given = headers.get("Upload-Checksum")
    if given is None:
        return None
    algorithm, _, value = given.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        digest = b""
    if CHECKSUMS.get(algorithm) != len(digest):
        raise HttpError(
            400,
            "bad-checksum",
            "Upload-Checksum 应为 sha256 或 sha1 的 base64。",
            "Upload-Checksum must be sha256 or sha1 in base64",
        )
    return Checksum(algorithm, digest)
