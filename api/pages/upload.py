"""浏览器上传: for cameras with no station. The page; what it sends goes to `api.browser_uploads`."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from api.browser_uploads import MAY_UPLOAD, PLACE, RECEIPTS
from api.fields import Sha256
from api.render import page
from api.signin import with_role
from api.web import Here
from ingest.uploads import COMPLETE, of_person
from pipeline.sessions import SignedIn
from storage.catalogue.tables import Device, Upload, User
from storage.clock import iso
from storage.errors import NotFound

router = APIRouter(include_in_schema=False)
Uploader = Depends(with_role(*MAY_UPLOAD))
AT_ONCE = 3  # files that the page sends at a time


@router.get("/stations/upload")
def upload_page(request: Request, web: Here, who: SignedIn = Uploader) -> Response:
    with web.catalogue.read() as session:
        mine = of_person(session, who.user.id, web.services.clock())
        devices = session.execute(
            select(Device.serial, Device.model, User.name)
            .outerjoin(User, User.id == Device.officer_id)
            .order_by(Device.officer_id != who.user.id, Device.serial)
        ).all()
    return page(
        request,
        "upload.html",
        unfinished=[
            (upload, iso(upload.modified) if upload.modified else "") for upload in mine if upload.state == "open"
        ],
        finished=[upload for upload in mine if upload.state == COMPLETE],
        rejected=[upload for upload in mine if upload.state not in ("open", COMPLETE)],
        devices=devices,
        endpoint=f"/api{PLACE}",
        receipts=RECEIPTS,
        at_once=AT_ONCE,
        hours=web.services.settings.upload_ttl_hours,
        largest=web.services.settings.max_upload,
    )


@router.get(RECEIPTS + "/{sha256}")
def receipt(web: Here, sha256: Sha256, who: SignedIn = Uploader) -> Response:
    """The receipt of a file that this person has uploaded: it lies beside the file, and proves it later."""
    mine = select(Upload).where(Upload.user_id == who.user.id, Upload.sha256 == sha256, Upload.state == COMPLETE)
    with web.catalogue.read() as session:
        upload = session.scalar(mine.limit(1))
    if upload is None:
        raise NotFound("没有该文件的入库回执。", "there is no receipt for this file")
    name = quote(f"{PurePosixPath(upload.path).name}.tlog-proof", safe="")
    headers = {
        "Content-Disposition": f"attachment; filename=\"{sha256[:16]}.tlog-proof\"; filename*=UTF-8''{name}",
        "Cache-Control": "no-store",
    }
    return Response(web.services.intake.receipt(sha256), media_type="text/plain; charset=utf-8", headers=headers)
