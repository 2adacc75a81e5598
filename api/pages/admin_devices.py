"""管理 › 设备: who wears which camera since when, and naming the cards that nobody could name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import func, select

from api.failures import status_of
from api.fields import PLAIN
from api.render import page
from api.signin import Admin, Checked, actor
from api.web import Here, Web
from pipeline import devices as registry
from storage.catalogue import assignments
from storage.catalogue.recordings import user_names
from storage.catalogue.tables import Device, DeviceProfile, Recording, User
from storage.errors import Refused
from storage.records import Role

router = APIRouter()
_BLANK: Mapping[str, str] = {"serial": "", "officer": "", "since": ""}


@router.get("/devices")
def devices(request: Request, who: Admin, web: Here) -> Response:
    """Every device that is registered or has brought a recording, with its officers."""
    return _devices(request, web)


@router.post("/devices", dependencies=[Checked])
def assign_device(
    *,
    request: Request,
    who: Admin,
    web: Here,
    serial: Annotated[str, Form(max_length=200), PLAIN],
    officer: Annotated[str, Form(max_length=40), PLAIN] = "",
    since: Annotated[str, Form(max_length=40), PLAIN] = "",
) -> Response:
    try:
        begin = _moment(since, web.zone) if since.strip() else None
        registry.assign(web.catalogue, web.services.clock, serial, officer or None, by=actor(who), since=begin)
    except Refused as error:
        return _devices(request, web, error=error, given={"serial": serial, "officer": officer, "since": since})
    web.notify()
    return RedirectResponse("/admin/devices?note=assigned", 303)


@router.post("/devices/identify", dependencies=[Checked])
def identify_device(
    *,
    request: Request,
    who: Admin,
    web: Here,
    unknown: Annotated[str, Form(max_length=200), PLAIN],
    serial: Annotated[str, Form(max_length=200), PLAIN],
) -> Response:
    try:
        registry.identify(web.catalogue, web.services.clock, unknown, serial, by=actor(who))
    except Refused as error:
        return _devices(request, web, error=error)
    web.notify()
    return RedirectResponse("/admin/devices?note=identified", 303)


def _devices(
    request: Request, web: Web, *, error: Refused | None = None, given: Mapping[str, str] | None = None
) -> Response:
    with web.catalogue.read() as session:
        grouped = select(Recording.device_serial, func.count(Recording.id)).group_by(Recording.device_serial)
        counts = {row[0]: row[1] for row in session.execute(grouped)}
        registered = {device.serial: device for device in session.scalars(select(Device))}
        officers = session.scalars(select(User).where(User.disabled.is_(False)).order_by(User.login)).all()
        serials = sorted(serial for serial in {*counts, *registered} if serial)
        learned = {row[0]: row[1] for row in session.execute(select(DeviceProfile.serial, DeviceProfile.files))}
        worn, names = assignments.history(session, serials), user_names(session)
    lines = [(serial, registered.get(serial), counts.get(serial, 0), worn.get(serial, [])) for serial in serials]
    unknown = [line for line in lines if line[0].startswith(registry.QUARANTINE) and line[2]]
    return page(
        request,
        "admin_devices.html",
        status=status_of(error) if error else 200,
        devices=[line for line in lines if not line[0].startswith(registry.QUARANTINE)],
        unknown=unknown,
        officers=[user for user in officers if Role.OFFICER in user.roles],
        names=names,
        learned=learned,
        error=error,
        given=given or _BLANK,
    )


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """Local time as the browser's field gives it, or a day alone. Raises Refused."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise Refused(
            "配发时间的格式应如 2026-11-18 09:30。", "give the time since when, such as 2026-11-18 09:30"
        ) from error
