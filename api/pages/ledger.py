"""存证链: the newest checkpoint, the entries, one entry as it was hashed."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.fields import PLAIN
from api.ledger_files import checkpoint_text
from api.pages.lists import PageNumber, Pager, offset
from api.render import page
from api.signin import LedgerReader
from api.web import Here
from pipeline.timestamps import newest
from storage.catalogue import recordings, worklist
from storage.errors import NotFound

router = APIRouter(include_in_schema=False)


@router.get("/ledger")
def listing(
    request: Request,
    who: LedgerReader,
    web: Here,
    event: Annotated[str, Query(max_length=64), PLAIN] = "",
    number: PageNumber = 1,
) -> Response:
    text = checkpoint_text(web.services.settings.ledger)
    with web.catalogue.read() as session:
        entries, total = worklist.entries(session, offset=offset(number), event=event)
        names = recordings.user_names(session)
        stamp = newest(session)
    cosigning = web.services.cosigning
    return page(
        request,
        "ledger.html",
        cosigning=cosigning,
        witnessed=cosigning.seen() if cosigning else None,
        alarms=cosigning.alarms() if cosigning else [],
        checkpoint=text,
        lines=text.splitlines() if text else [],
        keys=list(reversed(web.services.sequencer.keys().keys)),
        steps=[(entry, json.loads(entry.body or entry.draft)) for entry in entries],
        names=names,
        event=event,
        stamp=stamp,
        stamping=bool(web.services.policy.time.tsa),
        pager=Pager(number, total, {"event": event}),
    )


@router.get("/ledger/entries/{index}")
def show(request: Request, who: LedgerReader, web: Here, index: Annotated[int, Path(ge=0)]) -> Response:
    with web.catalogue.read() as session:
        entry = worklist.entry(session, index)
        if entry is None or entry.body is None:
            raise NotFound("存证链中没有这一条目。", "the ledger has no such entry")
        latest = worklist.entry(session, index + 1)
        names = recordings.user_names(session)
    event = json.loads(entry.body)
    return page(
        request,
        "entry.html",
        entry=entry,
        event=event,
        pretty=json.dumps(event, ensure_ascii=False, indent=2),
        leaf=(entry.leaf or b"").hex(),
        names=names,
        has_next=latest is not None,
    )
