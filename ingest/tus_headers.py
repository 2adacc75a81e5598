"""Reading the request headers of tus 1.0 and of the upload token, strictly. Pure."""

from __future__ import annotations

import base64
import binascii
import re

from starlette.datastructures import Headers

from ingest.answers import HttpError, unauthorised
from ingest.landing import CHECKSUMS, Checksum
from ingest.manifest import MAX_PATH

VERSION = "1.0.0"
BODY = "application/offset+octet-stream"
_NUMBER = re.compile(r"[0-9]{1,18}")


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
    """`key base64(UTF-8), key base64 …`. Raises HttpError 400."""
    pairs: dict[str, str] = {}
    try:
        for part in headers.get("Upload-Metadata", "").split(","):
            key, _, value = part.strip().partition(" ")
            text = base64.b64decode(value, validate=True).decode("utf-8")
            pairs[key] = text[: MAX_PATH + 1]  # one too many is no path of any manifest
    except (binascii.Error, ValueError) as error:
        raise HttpError(
            400,
            "bad-metadata",
            "Upload-Metadata 格式不正确（应为 UTF-8 文字的 base64）。",
            "Upload-Metadata is malformed (base64 of UTF-8 text is asked for)",
        ) from error
    return pairs


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
