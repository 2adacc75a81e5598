"""The ledger's timestamps over HTTP: a list, and each file as it lies in the log's folder. Open to everybody.

They hold checkpoints, replies of the authorities, certificates and lists of revoked ones: nothing of the entries.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Response

from api.web import Here
from storage.errors import NotFound
from storage.ledger.time import stamp_folder
from storage.ledger.time.stamps import FOLDER

router = APIRouter(include_in_schema=False)
_WORD = r"[A-Za-z0-9][A-Za-z0-9.-]*"
_FILE = re.compile(rf"{_WORD}/{_WORD}/{_WORD}")


@router.api_route("/ledger/timestamps", methods=["GET", "HEAD"])
def listing(web: Here) -> Response:
    """The paths of all files, one a line, as they follow /ledger/."""
    lines = "".join(f"{name}\n" for name in stamp_folder.names(web.services.settings.ledger))
    return Response(lines, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.api_route("/ledger/timestamps/{name:path}", methods=["GET", "HEAD"])
def file(web: Here, name: str) -> Response:
    """One file. It never changes."""
    missing = NotFound("没有这个时间戳文件。", "there is no such file of a timestamp")
    if not _FILE.fullmatch(name):
        raise missing
    try:
        body = (web.services.settings.ledger / FOLDER / name).read_bytes()
    except OSError as error:
        raise missing from error
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(body, media_type="application/octet-stream", headers=headers)
