"""The HTTP side of docking: manifests, uploads and receipts, as Starlette routes to be mounted under /api."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ingest import manifest as manifests
from ingest import rejections, station_state, tus_headers, wipe_report
from ingest.answers import HttpError, from_error, json_response
from ingest.body import Interrupted, Pace
from ingest.callers import Caller
from ingest.dockings import Docked, Dockings
from ingest.enrolment_routes import make_enrolment_routes
from ingest.file_routes import RECEIPT_TYPE, FileRoute
from ingest.files import Files
from ingest.messages import Messages
from ingest.station_reports import StationReports
from ingest.turns import Turns
from ingest.tus import Tus
from ingest.uploads import Limits, Uploads
from storage.catalogue.catalogue import Catalogue
from storage.errors import LiuhenError
from storage.ledger.folder import LedgerFolder

if TYPE_CHECKING:
    from pipeline.bootstrap import Services
    from pipeline.settings import Settings

Answer = Callable[[Request], Awaitable[Response]]


def make_routes(services: Services) -> list[BaseRoute]:
    """`POST /dockings`, `GET /receipts/{sha256}`, `GET /rotations`, what stations tell, tus at `/uploads`, whole
    small files at `/files`."""
    token_life = timedelta(hours=services.settings.token_hours)
    dockings = Dockings(services.catalogue, services.sequencer, services.clock, token_life)
    uploads = make_uploads(services)
    messages = Messages(services.settings.spool, uploads.room, Pace())

    async def dock(request: Request) -> Response:
        signature = request.headers.get("Liuhen-Signature", "")
        docked = await messages.read(request, manifests.MAX_BYTES, lambda content: dockings.receive(content, signature))
        return _docked(docked, request.scope.get("root_path", ""))

    async def receipt(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        caller = await run_in_threadpool(dockings.authorise, tus_headers.bearer(request.headers))
        await run_in_threadpool(dockings.check_listed, caller, sha256)
        return Response(await run_in_threadpool(services.intake.receipt, sha256), media_type=RECEIPT_TYPE)

    async def rotations(request: Request) -> Response:
        content = await run_in_threadpool(LedgerFolder(services.settings.ledger).rotations)
        return Response(content, media_type=RECEIPT_TYPE)

    async def rejected(request: Request) -> Response:
        caller = await run_in_threadpool(dockings.authorise, tus_headers.bearer(request.headers))
        docking = request.query_params.get("docking", "")
        return json_response(200, await run_in_threadpool(_rejections, services.catalogue, caller, docking))

    turns, pace = Turns(services.settings.station_bodies), make_pace(services.settings)
    tus = Tus(uploads, lambda headers: dockings.authorise(tus_headers.bearer(headers)), turns, pace)
    files = FileRoute(make_files(services, uploads), dockings.authorise, turns, pace)
    reports = StationReports(services.catalogue, services.sequencer, services.clock)
    return [
        Route("/dockings", _clearly(dock), methods=["POST"]),
        Route("/files", _clearly(files.post), methods=["POST"]),
        Route("/receipts/{sha256}", _clearly(receipt), methods=["GET"]),
        Route("/rejections", _clearly(rejected), methods=["GET"]),
        Route("/rotations", _clearly(rotations), methods=["GET"]),
        Route("/stations/state", _told(messages, reports.take_state, station_state.MAX_BYTES), methods=["POST"]),
        Route("/wipes", _told(messages, reports.take_wipe, wipe_report.MAX_BYTES), methods=["POST"]),
        Route("/uploads", tus),
        Route("/uploads/{id}", tus),
        *make_enrolment_routes(services),
    ]


def _told(messages: Messages, take: Callable[[bytes, str], None], limit: int) -> Answer:
    """A route that takes a signed message and has nothing to say about it."""

    async def answered(request: Request) -> Response:
        signature = request.headers.get("Liuhen-Signature", "")
        await messages.read(request, limit, lambda content: take(content, signature))
        return Response(status_code=204)

    return _clearly(answered)


def make_uploads(services: Services) -> Uploads:
    settings = services.settings
    limits = _limits(settings)
    return Uploads(services.catalogue, services.intake, settings.spool, limits, services.clock, sm3=settings.sm3)


def make_files(services: Services, uploads: Uploads) -> Files:
    settings = services.settings
    return Files(services.catalogue, services.intake, uploads, settings.spool, services.clock, sm3=settings.sm3)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_upload,
        settings.min_free,
        timedelta(hours=settings.upload_ttl_hours),
        settings.station_unfinished,
        settings.max_waiting,
    )


def make_pace(settings: Settings) -> Pace:
    return Pace(settings.slow_rate, settings.slow_seconds)


def _rejections(catalogue: Catalogue, caller: Caller, docking: str) -> dict[str, object]:
    with catalogue.read() as session:
        rows, total = rejections.of_station(session, caller.station, docking)
    return {"total": total, "rejections": [rejections.as_json(row) for row in rows]}


def _clearly(answer: Answer) -> Answer:
    """Errors as their clear JSON."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except Interrupted:
            return Response(status_code=408)  # nobody may be there to read it
        except HttpError as error:
            return error.response()
        except LiuhenError as error:
            return from_error(error).response()

    return answered


def _docked(docked: Docked, prefix: str) -> Response:
    files: list[dict[str, object]] = []
    for each in docked.files:
        line: dict[str, object] = {
            "path": each.line.path,
            "sha256": each.line.sha256,
            "state": "kept" if each.kept else "wanted",
        }
        if each.upload is not None:
            line |= {"upload": f"{prefix}/uploads/{each.upload}", "offset": each.offset}
        files.append(line)
    return json_response(201, {"docking": docked.docking, "token": docked.token, "files": files})
