"""A bureau with one recording, all its custody events, and an approved export request; and the disc made of it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.access import Access
from pipeline.accounts import Accounts
from pipeline.cases import Cases
from pipeline.derive import json_digest
from pipeline.excuses import Excuses
from pipeline.export.disc import MakeExport, export_key
from pipeline.intake import Intake, Spooled
from pipeline.originals import Arrival
from pipeline.policy import Policy
from pipeline.settings import Settings
from pipeline.tier import derivative_key
from storage.blobs.local import LocalBlobStore
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import (
    Analysis,
    Derivative,
    Device,
    Docking,
    Export,
    Job,
    Original,
    Recording,
    Station,
)
from storage.clock import iso, new_id
from storage.ledger.guard import FileGuard
from storage.ledger.keys import KeyFolder, LogKey
from storage.ledger.merkle import ChunkHasher
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent, Digest, RequestKind, RetentionClass, Role

HOSTILE = 'DCIM/100MEDIA/<script>alert(1)<⁄script>\u202e "执法" 100%_20261120_090203_000'
NAMES = (f"{HOSTILE}1.mp4", f"{HOSTILE}2.mp4")
SIZES = (5 * (1 << 18) + 7, 2 << 20)  # one ends within its second chunk, one on a chunk's end
STATION_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
START = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)


class Ticking:
    """A clock that moves a second each time it is asked."""

    def __init__(self) -> None:
        self.moment = START + timedelta(hours=5)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@dataclass
class Bureau:
    """The parts of a service, without its threads: `publish` does what the sequencer's thread would."""

    settings: Settings
    catalogue: Catalogue
    tiers: Mapping[str, LocalBlobStore]
    key: LogKey
    sequencer: Sequencer
    clock: Ticking
    policy: Policy
    recording: str = ""
    request: str = ""
    users: dict[str, str] = field(default_factory=dict)

    def publish(self) -> None:
        self.sequencer.publish_pending()

    def record(self, name: str, payload: Mapping[str, Any], actor: Actor, subject: str = "") -> None:
        event = CustodyEvent(new_id(), name, self.clock(), actor, subject or f"recording:{self.recording}", payload)
        with self.catalogue.write() as session:
            custody.record(session, event)

    def close(self) -> None:
        self.sequencer.stop()
        self.catalogue.close()


def open_bureau(data: Path, database_url: str = "") -> Bureau:
    settings = Settings(
        data=data, min_free=0, unit="沈池县应急管理局", origin="example.org/liuhen", database_url=database_url
    )
    for folder in (settings.spool, settings.keys):
        folder.mkdir(parents=True, exist_ok=True)
    clock = Ticking()
    catalogue = Catalogue(settings.database)
    catalogue.migrate()
    tiers = {tier.value: LocalBlobStore(settings.data / "blobs" / tier.value, clock=clock) for tier in RetentionClass}
    passphrase = settings.keys / "passphrase"
    passphrase.write_bytes(b"words")
    key = LogKey(KeyFolder(settings.keys, settings.origin, b"words").first())
    sequencer = Sequencer(catalogue, settings.ledger, key, FileGuard(settings.keys / "last-checkpoint"))
    return Bureau(settings, catalogue, tiers, key, sequencer, clock, Policy())


def fill(bureau: Bureau, folder: Path) -> None:
    """One recording of two segments: received, analysed, copied, explained; its export requested and approved."""
    _people(bureau)
    files = [_receive(bureau, folder, name, size) for name, size in zip(NAMES, SIZES, strict=True)]
    _analyse(bureau, files)
    for digest in files:
        _copy(bureau, folder, digest)
    _explain(bureau)
    access = Access(bureau.catalogue, bureau.policy.viewing, bureau.clock)
    bureau.request = access.request(
        bureau.users["requester"], bureau.recording, RequestKind.EXPORT, "移送人民法院作为证据"
    )
    access.decide(bureau.users["approver"], bureau.request, approve=True)
    bureau.publish()


def export(bureau: Bureau) -> Export:
    """Run the job and register its result, as the job runner would."""
    settings = bureau.settings
    handler = MakeExport(
        bureau.catalogue, bureau.tiers, bureau.sequencer, settings, bureau.policy.retention, bureau.clock
    )
    told: list[float] = []
    finish = handler.run(Job(subject=bureau.request), told.append)
    with bureau.catalogue.write() as session:
        finish(session)
        row = session.query(Export).one()
    assert told == sorted(told)
    assert told[-1] > 0.8
    bureau.publish()
    return row


def image(bureau: Bureau, row: Export) -> Path:
    with bureau.tiers[row.tier].local_path(export_key(row.sha256)) as path:
        return path


def extract(iso: Path, folder: Path) -> Path:
    """The disc's files as a reader without a mount sees them, writable."""
    folder.mkdir()
    command = ["osirrox", "-indev", str(iso), "-extract", "/", str(folder)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _people(bureau: Bureau) -> None:
    accounts, admin = Accounts(bureau.catalogue, bureau.clock), Actor("service", "setup")
    people = (
        ("officer", "张三", "YY-0012345", Role.OFFICER),
        ("requester", "李四", "YY-0067890", Role.LEGAL),
        ("approver", "王五", "", Role.APPROVER),
    )
    for login, name, certificate, role in people:
        accounts.create(login, name, [role], by=admin, unit="执法大队", certificate=certificate)
        found = accounts.find(login)
        assert found is not None
        bureau.users[login] = found.id
    with bureau.catalogue.write() as session:
        public = base64.b64encode(STATION_KEY.public_key().public_bytes_raw()).decode()
        session.add(Station(id="ST-01", public_key=public, place="一楼采集室", created=START))
        session.flush()
        session.add(Device(serial="LH00012", model="DSJ-A9", officer_id=bureau.users["officer"], created=START))
    _dock(bureau)


def _dock(bureau: Bureau) -> None:
    manifest = json.dumps({"schema": "liuhen.docking/1", "station": "ST-01"}).encode()
    docking = Docking(
        id="d1",
        station_id="ST-01",
        device_serial="LH00012",
        manifest=manifest,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        signature=base64.b64encode(STATION_KEY.sign(b"liuhen docking manifest v1\n" + manifest)).decode(),
        station_time=START + timedelta(hours=4),
        received=START + timedelta(hours=4),
        token="",
    )
    with bureau.catalogue.write() as session:
        session.add(docking)
    payload = {
        "docking": docking.id,
        "station": docking.station_id,
        "manifest_sha256": docking.manifest_sha256,
        "station_time": iso(docking.station_time),
    }
    bureau.record("docking.received", payload, Actor("station", "ST-01"), "device:LH00012")


def _receive(bureau: Bureau, folder: Path, name: str, size: int) -> Digest:
    content = random.Random(name).randbytes(size)
    hasher = ChunkHasher()
    hasher.update(content)
    digest = Digest(hashlib.sha256(content).hexdigest(), hasher.finish().hex(), size)
    path = folder / digest.sha256
    path.write_bytes(content)
    intake = Intake(bureau.catalogue, bureau.tiers, bureau.sequencer, bureau.policy.retention, bureau.clock)
    arrival = Arrival(name, "LH00012", Actor("station", "ST-01"), station="ST-01", docking="d1")
    spooled = Spooled(path, digest, bytes(hasher.leaves))
    intake.keep([spooled])
    with bureau.catalogue.write() as session:
        intake.register(session, [(arrival, digest)])
        bureau.recording = session.get_one(Original, digest.sha256).recording_id
    return digest


def _analyse(bureau: Bureau, files: list[Digest]) -> None:
    finding = {
        "code": "REC-CONTINUOUS/GAP-PTS",
        "axis": "file",
        "severity": "violation",
        "start": 62.5,
        "end": 3725.0,
        "evidence": {"packet": 1561},
        "zh": "时间戳在此处跳跃 61 分钟：录制中断或有一段被剪去。",
        "en": "the timestamps jump by 61 minutes: recording stopped, or a piece was cut out",
    }
    note = {
        **finding,
        "code": "REC-TRUE/MUXER",
        "severity": "note",
        "start": None,
        "end": None,
        "zh": "封装程序：<b>未知</b>。",
    }
    missing = {"check": "GPS", "why": "there is no GPS data in the file", "zh": "文件中没有定位数据"}
    report = {
        "liuhen": "0.1.0",
        "files": [
            {
                "path": name,
                "sha256": digest.sha256,
                "media": {},
                "verdict": "interrupted",
                "findings": found,
                "not_checked": [missing],
            }
            for name, digest, found in zip(NAMES, files, ([finding], [note]), strict=True)
        ],
        "series": [{"files": list(NAMES), "verdict": "interrupted", "findings": []}],
    }
    now = bureau.clock()
    with bureau.catalogue.write() as session:
        recording = session.get_one(Recording, bureau.recording)
        session.add(Analysis(id=new_id(), recording_id=recording.id, verdict="interrupted", report=report, made=now))
        recording.report, recording.verdict = report, "interrupted"
        recording.kind, recording.started, recording.duration = "video", START, 3788.0
    payload = {"verdict": "interrupted", "report_sha256": json_digest(report), "findings": 2}
    bureau.record("analysis.made", payload, Actor("service", "analyse"))


def _copy(bureau: Bureau, folder: Path, original: Digest) -> None:
    content = b"access copy of " + original.sha256.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / sha256
    path.write_bytes(content)
    bureau.tiers["five_years"].put(derivative_key(sha256), path, sha256=sha256, retain_until=None)
    facts = {
        "kind": "access",
        "retention": "five_years",
        "sha256": sha256,
        "size": len(content),
        "media_type": "video/mp4",
    }
    row = Derivative(
        id=new_id(), original_sha256=original.sha256, tier="five_years", proof={}, made=bureau.clock(), **facts
    )
    with bureau.catalogue.write() as session:
        session.add(row)
    payload = {"original": original.sha256, **facts, "proof_sha256": json_digest({})}
    bureau.record("derivative.made", payload, Actor("service", "transcode"))


def _explain(bureau: Bureau) -> None:
    excuses = Excuses(bureau.catalogue, bureau.policy.viewing.approvers, bureau.clock)
    words = "进入防爆区域，按规定关闭设备（REC-FORBIDDEN）。"
    made = excuses.make(bureau.users["officer"], bureau.recording, "REC-CONTINUOUS/GAP-PTS", words)
    excuses.decide(bureau.users["approver"], made, accept=True)
    cases = Cases(bureau.catalogue, bureau.policy.retention, bureau.clock)
    case = cases.open(bureau.users["officer"], "应急罚〔2026〕12号", "某化工厂检查")
    cases.add(bureau.users["officer"], case, bureau.recording)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bureau, Export, Path]:
    """(bureau, the export's row, the disc's image), made once. Tests only read them."""
    root = tmp_path_factory.mktemp("bureau")
    bureau = open_bureau(root / "data")
    fill(bureau, tmp_path_factory.mktemp("card"))
    row = export(bureau)
    made = (bureau, row, image(bureau, row))
    bureau.close()
    return made
