"""制作说明 (rule EVID-MEDIA): what the disc is, where it comes from, how and by whom it was made. As data; see `paper`.

Source, device, officers, station, times, method, makers, digests, findings, excuses, custody chain, what was not
checked, and where the ledger stands. `explanation.json` is this object; the PDF and INDEX.html show it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.export.chain import ProvenChain, ProvenEntry
from pipeline.export.dossier import Dossier
from pipeline.export.verifier.verify import fingerprint
from storage.catalogue.tables import Derivative, Excuse, Original, User
from storage.clock import iso

SCHEMA = "liuhen.explanation/1"


@dataclass(frozen=True, slots=True)
class Imprint:
    """Who and when: the bureau's name, the zone its clocks show, the moment and the program of the making."""

    unit: str
    timezone: str
    made: datetime
    program: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where files lie in the bag, by their SHA-256."""

    originals: Mapping[str, str]
    access: Mapping[str, str]


def explain(dossier: Dossier, chain: ProvenChain, places: Places, imprint: Imprint) -> dict[str, Any]:
    """The explanation as plain JSON. Times are UTC; whoever shows them turns them into `timezone`."""
    report = dossier.analysis.report if dossier.analysis else {}
    return {
        "schema": SCHEMA,
        "unit": imprint.unit,
        "made": iso(imprint.made),
        "timezone": imprint.timezone,
        "program": imprint.program,
        **_source(dossier),
        "originals": [_original(dossier, row, places) for row in dossier.originals],
        "access": [_access(row, places) for row in dossier.access],
        "verdict": dossier.analysis.verdict if dossier.analysis else None,
        "checked": iso(dossier.analysis.made) if dossier.analysis else None,
        "findings": list(_findings(report, places)),
        "not_checked": _not_checked(report, places),
        "excuses": [_excuse(dossier, row) for row in dossier.excuses],
        "custody": [_entry(each) for each in chain.entries],
        "ledger": _ledger(chain),
    }


def _source(dossier: Dossier) -> dict[str, Any]:
    recording, request = dossier.recording, dossier.request
    officer = dossier.person(recording.officer_id)
    return {
        "recording": {
            "id": recording.id,
            "kind": recording.kind,
            "started": _time(recording.started),
            "duration": recording.duration,
            "received": iso(recording.received),
            "retention": recording.retention,
        },
        "case": {"number": dossier.case.number, "title": dossier.case.title} if dossier.case else None,
        "device": {"serial": recording.device_serial, "model": dossier.device.model if dossier.device else ""},
        "station": {"name": dossier.station.id, "place": dossier.station.place} if dossier.station else None,
        "officers": [_officer(officer)] if officer else [],
        "request": {
            "id": request.id,
            "purpose": request.purpose,
            "made": iso(request.made),
            "requester": _name(dossier.person(request.requester_id)),
            "decided": _time(request.decided),
            "approver": _name(dossier.person(request.decided_by)),
        },
    }


def _officer(user: User) -> dict[str, str]:
    until = user.certificate_until.isoformat() if user.certificate_until else ""
    return {"name": user.name, "unit": user.unit, "certificate": user.certificate, "valid_until": until}


def _original(dossier: Dossier, row: Original, places: Places) -> dict[str, Any]:
    docking = dossier.dockings.get(row.docking_id or "")
    return {
        "file": places.originals[row.sha256],
        "name": row.name,
        "sequence": row.sequence,
        "size": row.size,
        "sha256": row.sha256,
        "root": row.root,
        "docked": _time(docking.station_time) if docking else None,
        "received": iso(row.received),
    }


def _access(row: Derivative, places: Places) -> dict[str, Any]:
    return {
        "file": places.access[row.sha256],
        "original": places.originals[row.original_sha256],
        "sha256": row.sha256,
        "size": row.size,
    }


def _findings(report: Mapping[str, Any], places: Places) -> Iterator[dict[str, Any]]:
    """The report's findings; those of no single file (series, docking history) last."""
    for part in _parts(report):
        for finding in part.get("findings", []):
            yield {"file": places.originals.get(part.get("sha256", "")), **finding}


def _not_checked(report: Mapping[str, Any], places: Places) -> list[dict[str, Any]]:
    """What could not be checked, once for each reason, with the files it is said of (none: of the series)."""
    found: dict[str, dict[str, Any]] = {}
    for part in _parts(report):
        for each in part.get("not_checked", []):
            line = found.setdefault(json.dumps(each, sort_keys=True), {**each, "files": []})
            if file := places.originals.get(part.get("sha256", "")):
                line["files"].append(file)
    return list(found.values())


def _parts(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*report.get("files", []), *report.get("series", []), report.get("docking", {})]


def _excuse(dossier: Dossier, row: Excuse) -> dict[str, Any]:
    return {
        "finding": row.finding_code,
        "text": row.text,
        "by": _name(dossier.person(row.made_by)),
        "made": iso(row.made),
        "decided_by": _name(dossier.person(row.decided_by)),
        "decided": _time(row.decided),
        "accepted": row.accepted,
    }


def _entry(each: ProvenEntry) -> dict[str, Any]:
    event = each.verified.entry.event
    return {
        "index": each.verified.index,
        "event": event.event,
        "time": iso(event.time),
        "actor": str(event.actor),
        "detail": _detail(event.payload),
        "leaf": each.verified.leaf.hex(),
    }


def _detail(payload: Mapping[str, Any]) -> str | None:
    """What the event's name leaves open, as a code: the decision, or the kind of derivative or request."""
    for name in ("approved", "accepted"):
        if isinstance(payload.get(name), bool):
            return "yes" if payload[name] else "no"
    for name in ("kind", "to", "verdict"):
        if isinstance(payload.get(name), str):
            return str(payload[name])
    return None


def _ledger(chain: ProvenChain) -> dict[str, Any]:
    return {
        "origin": chain.head.origin,
        "size": chain.head.size,
        "root": chain.head.root.hex(),
        "key": str(chain.key),
        "fingerprint": fingerprint(chain.key.key),
    }


def _name(user: User | None) -> str:
    return user.name if user else ""


def _time(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
