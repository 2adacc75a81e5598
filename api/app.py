"""The web application: pages, JSON interface, media, ledger files, health; made from wired services."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import Mount

from api import failures, health, ledger_files, media, rest, signin, timestamp_files
from api.browser_uploads import make_browser_routes
from api.guard import Guard, Limits
from api.pages import (
    admin,
    cases,
    coverage,
    deadlines,
    desk,
    fixity,
    ledger,
    missing,
    recording,
    recordings,
    rejections,
    requests,
    stations,
    statistics,
    upload,
)
from api.render import make_templates
from api.web import make_web
from ingest.server import make_routes

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

STATIC = Path(__file__).parent / "static"
DESCRIPTION = (
    "音像记录、调阅申请与审批的 JSON 接口。Recordings, requests and decisions as JSON. Sign in with POST /api/session;"
    " the answer's `csrf` goes into the header X-CSRF-Token of every changing request."
)


def make_app(services: Services, limits: Limits | None = None) -> FastAPI:
    """The application over these services. It starts and stops nothing: that is its owner's."""
    app = FastAPI(
        title="Liuhen 留痕",
        version=version("liuhen"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.web = make_web(services, make_templates())
    app.add_middleware(Guard, limits=limits or Limits(), metrics=app.state.web.metrics)
    failures.install(app)
    app.include_router(upload.router)
    for module in (signin, media, recordings, recording, cases, requests, statistics, desk, admin, coverage):
        app.include_router(module.router)
    for module in (deadlines, missing, rejections, stations):
        app.include_router(module.router)
    for module in (ledger, fixity, ledger_files, timestamp_files, health, rest):
        app.include_router(module.router)
    doors = [*make_routes(services), *make_browser_routes(app.state.web)]
    app.router.routes.append(Mount("/api", routes=doors))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
