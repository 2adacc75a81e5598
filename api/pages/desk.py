"""工作台: what needs me today."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api.pages.admin_officers import warned
from api.pages.fixity import KEEPERS
from api.pages.missing import SEES_ALL
from api.render import page
from api.signin import Reader
from api.web import Here, Web
from pipeline import handover
from pipeline.excuses import needing_words
from pipeline.handover import State
from storage.catalogue import fixity, rejections, worklist
from storage.catalogue.handover import Narrowed
from storage.catalogue.recordings import user_names
from storage.catalogue.tables import Recording, User
from storage.records import JobState, RequestState, Role

router = APIRouter(include_in_schema=False)
SHOWN = 10  # of each kind of deadline


@router.get("/")
def desk(request: Request, who: Reader, web: Here) -> Response:
    policy = web.services.policy
    approver = bool(policy.viewing.approvers.intersection(who.user.roles))
    with web.catalogue.read() as session:
        jobs = worklist.unfinished_jobs(session, web.services.clock())
        values: dict[str, Any] = {
            "approver": approver,
            "to_decide": _to_decide(session, who.user) if approver else [],
            "excuses": worklist.pending_excuses(session, who.user.id) if approver else [],
            "mine": worklist.requests(session, requester=who.user.id, limit=10)[0],
            "unexplained": _unexplained(session, who.user) if Role.OFFICER in who.user.roles else [],
            "jobs": jobs,
            "job_recordings": worklist.subjects_of(session, jobs),
            **_deadlines(session, web, who.user),
            "policy": policy.deadlines,
            "certificates": warned(web) if Role.ADMIN in who.user.roles else {},
            "refused": rejections.unseen(session) if Role.ADMIN in who.user.roles else 0,
            "failed": worklist.job_states(session).get(JobState.FAILED, 0) if Role.ADMIN in who.user.roles else 0,
            "damaged": fixity.alarms(session) if set(KEEPERS).intersection(who.user.roles) else 0,
            "names": user_names(session),
        }
    return page(request, "desk.html", **values)


def _deadlines(session: Session, web: Web, user: User) -> dict[str, Any]:
    """What is overdue or nearly so: an officer's own, for the others everybody's."""
    officer = "" if SEES_ALL.intersection(user.roles) else user.id
    deadlines, now = web.deadlines, web.services.clock()
    waiting = handover.waiting(session, deadlines, now, Narrowed(officer=officer))
    late, lates = handover.late(session, deadlines, now, officer=officer, limit=SHOWN)
    unfiled, unfileds = handover.unfiled(session, deadlines, now, officer=officer, limit=SHOWN)
    return {
        "mine_only": bool(officer),
        "overdue": handover.count(waiting, State.OVERDUE),
        "waiting": [each for each in waiting if each.state is not State.WAITING][:SHOWN],
        "waitings": handover.count(waiting, State.OVERDUE, State.SOON),
        "late": [(each, deadlines.day_of(each.deadline.since)) for each in late],
        "lates": lates,
        "unfiled": unfiled,
        "unfileds": unfileds,
    }


def _to_decide(session: Session, user: User) -> list[worklist.Asked]:
    return worklist.requests(session, state=RequestState.PENDING.value, not_requester=user.id)[0]


def _unexplained(session: Session, user: User) -> list[tuple[Recording, list[dict[str, Any]]]]:
    """Recordings with the findings that nobody has explained yet; those all explained are left out."""
    found = []
    for recording, explained in worklist.unexplained(session, user.id):
        open_findings = [finding for finding in needing_words(recording.report) if finding["code"] not in explained]
        if open_findings:
            found.append((recording, open_findings))
    return found[:20]
