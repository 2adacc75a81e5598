"""The ledger's static read path (C2SP tlog-tiles): checkpoints, tiles and entry bundles, for any log client.

Checkpoint and hash tiles are open to everybody by design: with them any stranger checks that the log only grows and
that a receipt or a disc is part of it. Entry bundles say who did what with which file; they are for those who may read
the ledger (docs/decisions/0008).
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from fastapi import APIRouter, Request, Response

from api.signin import LedgerReader
from api.web import Here
from storage.errors import NotFound
from storage.ledger.folder import LedgerFolder
from storage.ledger.witnesses.witnessed import load as load_witnessed

router = APIRouter(include_in_schema=False)
_GROUPS = r"(?:x\d{3}/)*\d{3}(?:\.p/(?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))?"
_TILE = re.compile(rf"(?:\d|[1-5]\d|6[0-3]|entries)/{_GROUPS}")


@router.api_route("/ledger/checkpoint", methods=["GET", "HEAD"])
def checkpoint(web: Here) -> Response:
    text = checkpoint_text(web.services.settings.ledger)
    if text is None:
        raise NotFound("存证链尚无检查点。", "the ledger has no checkpoint yet")
    return Response(text, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.api_route("/ledger/witnessed", methods=["GET", "HEAD"])
def witnessed(web: Here) -> Response:
    """The newest checkpoint that a quorum of witnesses cosigned, with their signature lines."""
    signed = load_witnessed(web.services.settings.ledger)
    if signed is None:
        raise NotFound("存证链尚无经见证的检查点。", "no checkpoint of the ledger was witnessed yet")
    return Response(signed, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.api_route("/ledger/rotations", methods=["GET", "HEAD"])
def rotations(web: Here) -> Response:
    """The proofs by which one key of the ledger handed over to the next; open to all who pinned an earlier one."""
    body = LedgerFolder(web.services.settings.ledger).rotations()
    if not body:
        raise NotFound("存证链从未更换密钥。", "the ledger's key was never changed")
    return Response(body, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.api_route("/ledger/tile/entries/{name:path}", methods=["GET", "HEAD"])
def entries(who: LedgerReader, web: Here, name: str, request: Request) -> Response:
    """A bundle of entries, packed where the reader can unpack it: JSON takes a fraction then."""
    answer = _file(web, f"entries/{name}", "no-store, private")
    answer.headers["Vary"] = "Accept-Encoding, Cookie"
    if not _takes_gzip(request.headers.get("accept-encoding", "")):
        return answer
    packed = gzip.compress(bytes(answer.body), compresslevel=6, mtime=0)
    headers = {**answer.headers, "Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    return Response(packed, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """Is gzip named in an Accept-Encoding, other than as refused (q=0)?"""
    for each in accepted.split(","):
        name, _, quality = each.partition(";")
        if name.strip().lower() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality)
    return False


@router.api_route("/ledger/tile/{name:path}", methods=["GET", "HEAD"])
def tile(web: Here, name: str) -> Response:
    """A tile of hashes; a full one never changes."""
    if name.startswith("entries"):
        raise NotFound("没有这个存证链文件。", "there is no such file of the ledger")
    return _file(web, name, "public, max-age=31536000, immutable")


def _file(web: Here, name: str, caching: str) -> Response:
    if not _TILE.fullmatch(name):
        raise NotFound("没有这个存证链文件。", "there is no such file of the ledger")
    try:
        body = (web.services.settings.ledger / "tile" / name).read_bytes()
    except OSError as error:
        raise NotFound("没有这个存证链文件。", "there is no such file of the ledger") from error
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": caching})


def checkpoint_text(ledger: Path) -> str | None:
    """The newest signed checkpoint; None before the first entry."""
    try:
        return (ledger / "checkpoint").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
