"""A log with a database and authorities that stamp its checkpoints over HTTP on loopback."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pipeline.policy import TimePolicy
from pipeline.timestamps import Place, Timestamps
from storage.catalogue.tables import Entry
from storage.ledger.time import stamps
from storage.ledger.time.stamps import Examined
from tests.support.ledger import SIGNER, Desk
from tests.support.tsa import Authority, Server


class Office:
    """A log, two authorities behind HTTP, and a clock that shows the real time and may be moved ahead."""

    def __init__(self, folder: Path, servers: list[Server]) -> None:
        folder.mkdir(exist_ok=True)
        self.desk = Desk(folder)
        self.sequencer = self.desk.sequencer()
        self.servers = servers
        self.authorities = [Authority(folder / f"tsa{n}", f"TSA{n}") for n, _ in enumerate(servers)]
        self.ahead = timedelta(0)
        self.policy: dict[str, Any] = {}
        self.trusted = [each.root for each in self.authorities]
        for server, authority in zip(servers, self.authorities, strict=True):
            server.stamp_by(authority)
        self.recorded = 0

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def log(self, count: int = 3) -> None:
        """Something happens and is published."""
        self.desk.record(self.recorded, count)
        self.recorded += count
        self.publish()

    def publish(self) -> None:
        self.sequencer.publish_pending()

    def service(self) -> Timestamps:
        policy = TimePolicy(tsa=tuple(each.url for each in self.servers), roots=(Path("x"),), **self.policy)
        place = Place(self.desk.catalogue, self.desk.folder.root, SIGNER.verifier)
        return Timestamps(place, policy, self.trusted, self.clock)

    def stamp(self) -> list[str]:
        """Run once; the paths of the stamps that were made."""
        try:
            return [kept.path for kept in self.service().stamp()]
        finally:
            self.publish()

    def examine(self) -> Examined:
        return self.service().examine()

    def wrong(self) -> list[str]:
        return [fault.en for fault in self.examine().wrong]

    def entries(self) -> list[dict[str, Any]]:
        """The payloads of the log's entries about stamps."""
        with self.desk.catalogue.read() as session:
            bodies = session.scalars(select(Entry.body).where(Entry.event == stamps.EVENT).order_by(Entry.index)).all()
        return [json.loads(body)["payload"] for body in bodies if body]

    def path(self, server: int = 0) -> str:
        return f"127.0.0.1-{self.servers[server].url.rpartition(':')[2]}"
