"""For whoever runs it: /healthz says whether everything answers, /metrics how much it did."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from api.ledger_files import checkpoint_text
from api.signin import session_of
from api.web import Here, Web
from pipeline.access import NoRight
from pipeline.sessions import SignedIn
from storage.catalogue import fixity, worklist
from storage.records import Role

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()


@router.get("/healthz")
def healthz(web: Here) -> Response:
    """200 when database, stores and ledger answer, else 503; names only, the reasons are in the log."""
    checks: dict[str, Callable[[], object]] = {"database": web.catalogue.check, "ledger": lambda: _ledger_size(web)}
    checks.update({f"store {name}": store.check for name, store in web.services.tiers.items()})
    states = {name: _state(name, check) for name, check in checks.items()}
    good = all(state == "ok" for state in states.values())
    return JSONResponse({"ok": good, "checks": states}, 200 if good else 503, headers={"Cache-Control": "no-store"})


@router.get("/metrics")
def metrics(request: Request, web: Here, found: Annotated[SignedIn | None, Depends(session_of)]) -> Response:
    """For this machine and for administrators."""
    if not (_loopback(request) or (found is not None and Role.ADMIN in found.user.roles)):
        raise NoRight("仅限本机或系统管理员查看。", "only for this machine and administrators")
    with web.catalogue.read() as session:
        jobs = worklist.job_states(session)
        web.metrics.checked(fixity.tiers(session))
    text = web.metrics.text(jobs, _ledger_size(web), _witnessed_size(web))
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _state(name: str, check: Callable[[], object]) -> str:
    try:
        check()
    except Exception:
        log.exception("unhealthy", part=name)
        return "failing"
    return "ok"


def _ledger_size(web: Web) -> int:
    """The checkpoint's second line; 0 before the first entry. Raises where the file is damaged."""
    text = checkpoint_text(web.services.settings.ledger)
    return int(text.splitlines()[1]) if text is not None else 0


def _witnessed_size(web: Web) -> int:
    """Entries that the policy's witnesses cosigned; 0 before the first quorum, and without a policy."""
    found = web.services.cosigning.seen() if web.services.cosigning else None
    return found.checkpoint.size if found else 0


def _loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
