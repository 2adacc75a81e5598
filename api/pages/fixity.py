"""固化检查: when the stored files were last read again, and what is not as the ledger says."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.render import page
from api.signin import with_role
from api.web import Here
from pipeline.sessions import SignedIn
from storage.catalogue import fixity
from storage.records import Role

router = APIRouter(include_in_schema=False)
KEEPERS = (Role.ADMIN, Role.AUDITOR, Role.ARCHIVIST)
"""Whose business the store's soundness is."""


@router.get("/fixity")
def show(request: Request, who: Annotated[SignedIn, Depends(with_role(*KEEPERS))], web: Here) -> Response:
    with web.catalogue.read() as session:
        tiers = fixity.tiers(session)
        found = [(row, fixity.owner(session, row.kind, row.ref)) for row in fixity.bad(session)]
        alarms = fixity.alarms(session)
    policy = web.services.policy.fixity
    return page(request, "fixity.html", tiers=tiers, found=found, alarms=alarms, policy=policy)
