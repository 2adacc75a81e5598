"""Media bytes, and only under a grant: the streams of the player, and the disc image of an export.

A view grant opens access copies and posters; originals leave the house only inside an approved export. The trace of
a look is durable before its first byte is sent, and a stream stops when its grant runs out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from starlette.exceptions import HTTPException

from api.fields import Ident, Sha256
from api.signin import Reader
from api.web import Here, Web
from pipeline.access import NoRight
from pipeline.export.disc import export_key
from pipeline.tier import derivative_key
from storage.catalogue import worklist
from storage.catalogue.tables import Derivative, Grant, Original
from storage.errors import Conflict, NotFound
from storage.records import RequestKind

router = APIRouter(include_in_schema=False)
TYPES = frozenset({"video/mp4", "audio/mp4", "audio/mpeg", "image/jpeg", "image/png"})
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@router.get("/recordings/{recording_id}/media/{original}/{kind}")
def stream(
    *,
    who: Reader,
    web: Here,
    recording_id: Ident,
    original: Sha256,
    kind: Literal["access", "poster"],
    range_header: Annotated[str, Header(alias="Range", max_length=100)] = "",
    if_range: Annotated[str, Header(max_length=100)] = "",
) -> Response:
    """Raises NoRight before any byte where this user has no live grant for this recording."""
    grant = web.services.access.grant_for(who.user.id, recording_id, RequestKind.VIEW)
    if grant is None:
        raise NoRight(
            "调阅须先申请并经他人批准；您目前没有这份记录的有效调阅许可。",
            "viewing needs a request and its approval: you hold no live grant for this recording",
        )
    derivative = _derivative(web, recording_id, original, kind)
    tag = f'"{derivative.sha256}"'
    wanted = _wanted(range_header if if_range in ("", tag) else "", derivative.size)
    start, length = wanted or (0, derivative.size)
    pieces = web.services.tiers[derivative.tier].open(derivative_key(derivative.sha256), start=start, length=length)
    if web.services.access.look(grant, original, derivative.sha256, start=start):
        web.notify()
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(length), "Content-Disposition": "inline"}
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{derivative.size}"
    media_type = derivative.media_type if derivative.media_type in TYPES else "application/octet-stream"
    return _streaming(_while_granted(web, grant, pieces), media_type, headers, 206 if wanted else 200)


@router.get("/exports/{request_id}")
def download(who: Reader, web: Here, request_id: Ident) -> Response:
    """The disc image, for the requester while the grant runs; others learn nothing of it."""
    with web.catalogue.read() as session:
        asked = worklist.request(session, request_id)
    if asked is None or asked.request.requester_id != who.user.id or asked.request.kind != RequestKind.EXPORT:
        raise NotFound("没有这份导出。", "there is no such export")
    if asked.grant is None or asked.grant.expires <= web.services.clock():
        raise NoRight("没有有效的导出许可，请重新申请。", "there is no live grant for this export: make a new request")
    if asked.export is None:
        raise Conflict("导出光盘正在制作，请稍后再来。", "the export is still being made: come back in a moment")
    export = asked.export
    pieces = web.services.tiers[export.tier].open(export_key(export.sha256))
    web.services.access.downloaded(asked.grant, export.sha256)
    web.notify()
    headers = {
        "Content-Length": str(export.size),
        "Content-Disposition": f'attachment; filename="liuhen-{request_id}.iso"',
        "ETag": f'"{export.sha256}"',
    }
    return _streaming(_while_granted(web, asked.grant, pieces), "application/x-iso9660-image", headers, 200)


def _derivative(web: Web, recording_id: str, original: str, kind: str) -> Derivative:
    with web.catalogue.read() as session:
        found = session.scalar(
            select(Derivative)
            .join(Original, Original.sha256 == Derivative.original_sha256)
            .where(Original.recording_id == recording_id, Original.sha256 == original, Derivative.kind == kind)
        )
    if found is None:
        raise NotFound("没有这个调阅件，可能尚未生成。", "there is no such access copy; it may not be made yet")
    return found


def _wanted(header: str, size: int) -> tuple[int, int] | None:
    """Start and length of the one range asked for; None, the whole file, for no range or several (RFC 9110 14.2)."""
    asked = _RANGE.fullmatch(header.strip())
    if asked is None or asked.groups() == ("", ""):
        return None
    first, last = asked.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size or end < start:
        raise HTTPException(416, headers={"Content-Range": f"bytes */{size}"})
    return start, end - start + 1


def _streaming(pieces: Iterator[bytes], media_type: str, headers: dict[str, str], status: int) -> StreamingResponse:
    kept = {"Cache-Control": "no-store, private", "X-Content-Type-Options": "nosniff", **headers}
    return StreamingResponse(pieces, status, headers=kept, media_type=media_type)


def _while_granted(web: Web, grant: Grant, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, until the grant runs out: the connection then ends short."""
    for piece in pieces:
        if grant.expires <= web.services.clock():
            return
        web.metrics.streamed(len(piece))
        yield piece
