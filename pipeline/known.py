"""What the catalogue knows of a recording before it is checked: its originals, their dockings, the device's profile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.continuity.docking import DockedCopy, check_card_date, check_history, check_vanished
from pipeline.continuity.docking_clocks import DockingTimes, check_clocks
from pipeline.continuity.docking_identity import Refused, check_refused, check_same_name, check_two_devices
from pipeline.continuity.profile import Profile
from pipeline.continuity.sidecars import check_sidecar
from pipeline.descriptions import said_beside
from pipeline.history import docking_times, kept, listed_elsewhere, manifest_lines, mates, refused, unread_lines
from pipeline.profiles import for_device
from storage.catalogue.tables import Docking, Original, Recording
from storage.records import Finding


@dataclass(frozen=True, slots=True)
class Known:
    """A recording's originals, as their own dockings listed them (`own`), every line of the device's manifests
    (`history`), those that belong to the recording (`awaited`), digests of those that are here (`arrived`), and the
    device's profile. `elsewhere`: lines of other devices with the same bytes; `unread`: what later lists could not
    read; `dockings`: clocks of its own; `refused`: what came for awaited lines and was not it; `beside`:
    by an original's digest, its sidecars' names and what they say.
    """

    originals: Sequence[Original]
    own: Sequence[DockedCopy]
    history: Sequence[DockedCopy]
    awaited: Sequence[DockedCopy]
    arrived: Collection[str]
    device: Profile | None
    serial: str
    elsewhere: Sequence[tuple[str, DockedCopy]]
    unread: Sequence[DockedCopy]
    dockings: Sequence[DockingTimes]
    refused: Sequence[Refused]
    beside: Mapping[str, Sequence[tuple[str, Mapping[str, str]]]]

    @property
    def digests(self) -> frozenset[str]:
        return frozenset(original.sha256 for original in self.originals)

    def docked(self, report: Mapping[str, Any], now: datetime, hand_over: timedelta) -> list[Finding]:
        """What the docking history says of the recording. `hand_over`: how long listed files may take (UP-24H)."""
        findings = [finding for copy in self.own for finding in check_history(copy, self.history)]
        findings += self._card_dates(report)
        told = {finding.evidence.get("path") for finding in findings if finding.code == "REC-TRUE/DOCK-CHANGED"}
        findings += check_same_name((each.name, each.sha256) for each in self.originals if each.name not in told)
        findings += [each for copy in self.own for each in check_two_devices(copy, self.serial, self.elsewhere)]
        findings += [finding for times in self.dockings for finding in check_clocks(times)]
        findings += self._told_beside(report)
        findings += check_refused(self.awaited, self.refused, self.arrived)
        lists = [*self.history, *self.unread]
        return [*findings, *check_vanished(self.awaited, self.arrived, now, hand_over, lists)]

    def due(self, hand_over: timedelta) -> list[datetime]:
        """When the time of those listed files runs out that belong to the recording and are not here yet."""
        return [line.waits_from + hand_over for line in self.awaited if line.sha256 not in self.arrived]

    def _told_beside(self, report: Mapping[str, Any]) -> list[Finding]:
        """What lay beside the files against what they say themselves."""
        names = {original.sha256: original.name for original in self.originals}
        return [
            finding
            for file in report["files"]
            for sidecar, says in self.beside.get(file["sha256"], ())
            for finding in check_sidecar(sidecar, says, names[file["sha256"]], file["media"])
        ]

    def _card_dates(self, report: Mapping[str, Any]) -> list[Finding]:
        """The dates of the card against those inside the files."""
        listed = {line.sha256: line for line in self.own}
        findings: list[Finding] = []
        for file in report["files"]:
            media, line = file["media"], listed.get(file["sha256"])
            told = media.get("created") or (media["created_local"] + "Z" if media.get("created_local") else None)
            if line is not None and told:
                findings += check_card_date(line, datetime.fromisoformat(told), media.get("duration") or 0.0)
        return findings


def known_of(session: Session, recording_id: str) -> Known:
    query = select(Original).where(Original.recording_id == recording_id)
    originals = session.scalars(query.order_by(Original.sequence, Original.name, Original.sha256)).all()
    dockings = [each.docking_id for each in originals if each.docking_id]
    serials = session.scalars(select(Docking.device_serial).where(Docking.id.in_(dockings)).distinct()).all()
    history = manifest_lines(session, serials)
    mine = {(each.docking_id, each.sha256) for each in originals}
    own = [line for line in history if (line.docking, line.sha256) in mine]
    awaited = mates(own, history)
    arrived = kept(session, {line.sha256 for line in awaited})
    missing = [line for line in awaited if line.sha256 not in arrived]
    serial = session.get_one(Recording, recording_id).device_serial
    return Known(
        originals=originals,
        own=own,
        history=history,
        awaited=awaited,
        arrived=arrived,
        device=for_device(session, serial),
        serial=serial,
        elsewhere=listed_elsewhere(session, {line.sha256 for line in own}, serial),
        unread=unread_lines(session, serials, min(line.time for line in missing)) if missing else (),
        dockings=docking_times(session, set(dockings)),
        refused=refused(session, missing),
        beside=said_beside(session, recording_id),
    )
