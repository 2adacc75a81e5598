"""What every route needs, in one bag on the application: services, use cases of the web, templates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from api.metrics import Metrics
from pipeline.accounts import Accounts
from pipeline.cases import Cases
from pipeline.casework.deadlines import Deadlines
from pipeline.delays import Delays
from pipeline.excuses import Excuses
from pipeline.handover import deadlines_of
from pipeline.pictures import Pictures
from pipeline.refused import Refusals
from pipeline.sessions import Sessions
from storage.catalogue.catalogue import Catalogue

if TYPE_CHECKING:
    from jinja2 import Environment

    from pipeline.bootstrap import Services


@dataclass(frozen=True)
class Web:
    """Made once by `make_app`; routes get it through `Here`."""

    services: Services
    accounts: Accounts
    sessions: Sessions
    cases: Cases
    excuses: Excuses
    delays: Delays
    refusals: Refusals
    deadlines: Deadlines
    pictures: Pictures
    templates: Environment
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def catalogue(self) -> Catalogue:
        return self.services.catalogue

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.services.settings.timezone)

    def notify(self) -> None:
        """After a commit that recorded events: wake who publishes and who works."""
        self.services.sequencer.notify()
        self.services.workers.wake()


def make_web(services: Services, templates: Environment) -> Web:
    policy, clock = services.policy, services.clock
    deadlines = deadlines_of(policy, ZoneInfo(services.settings.timezone))
    return Web(
        services=services,
        accounts=Accounts(services.catalogue, clock),
        sessions=Sessions(services.catalogue, clock),
        cases=Cases(services.catalogue, policy.retention, clock),
        excuses=Excuses(services.catalogue, policy.viewing.approvers, clock),
        delays=Delays(services.catalogue, deadlines.calendar, clock),
        deadlines=deadlines,
        refusals=Refusals(services.catalogue, services.settings.data, services.settings.watch, clock),
        pictures=Pictures(services.tiers),
        templates=templates,
    )


def web(request: Request) -> Web:
    found: Web = request.app.state.web
    return found


Here = Annotated[Web, Depends(web)]
