"""The composition root: settings in, wired services out. The only reader of the environment."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipeline.policy import Policy
from pipeline.policy import load as load_policy
from pipeline.settings import Settings
from pipeline.signing import open_log_key, own_vkey
from storage import durable
from storage.blobs.contract import BlobStore
from storage.blobs.local import LocalBlobStore
from storage.catalogue.catalogue import Catalogue
from storage.clock import Clock, now
from storage.errors import Refused
from storage.ledger import note, outbox
from storage.ledger.folder import LedgerFolder
from storage.ledger.guard import CheckpointGuard, FileGuard
from storage.ledger.keys import LogKey
from storage.ledger.sequencer import Sequencer
from storage.ledger.witnesses.policy import Policy as WitnessPolicy
from storage.ledger.witnesses.policy import parse as parse_witness_policy
from storage.records import JobKind, RetentionClass

# What only the wired service needs is imported where it is wired: most commands open a database or a key, and are typed
# by somebody who waits.
if TYPE_CHECKING:
    from pipeline.access import Access
    from pipeline.analyse import Rules
    from pipeline.continuity.thresholds import Thresholds
    from pipeline.fixity.sweep import Sweep
    from pipeline.intake import Intake
    from pipeline.jobs import Handler, JobRunner, Workers
    from pipeline.reminders import Reminders
    from pipeline.restore import Restore
    from pipeline.schedule import Recurring, Schedule
    from pipeline.timestamps import Timestamps
    from storage.ledger.witnesses.cosigning import Cosigning


@dataclass(frozen=True)
class Services:
    """Everything a door needs. `start` begins publishing and working; `stop` ends both in order."""

    settings: Settings
    policy: Policy
    clock: Clock
    catalogue: Catalogue
    tiers: Mapping[str, BlobStore]
    log_key: LogKey
    sequencer: Sequencer
    intake: Intake
    access: Access
    workers: Workers
    runner: JobRunner
    schedule: Schedule
    cosigning: Cosigning | None

    def start(self, *, threads: int | None = None, standby: bool = False) -> None:
        """`threads` 0 leaves the jobs, `standby` leaves the publishing to another process while there is one."""
        self.sequencer.start(standby=standby)
        if self.cosigning is not None:
            self.cosigning.start()
        self.schedule.start()
        self.workers.start(self.settings.workers if threads is None else threads)

    def stop(self) -> None:
        self.workers.stop()
        if self.cosigning is not None:
            self.cosigning.stop()
        self.sequencer.stop()
        self.catalogue.close()


def read_settings(**given: object) -> Settings:
    """Settings from the environment, `given` (from the command line) over it."""
    return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def open_catalogue(settings: Settings) -> Catalogue:
    """The migrated database alone, for commands that need no more."""
    durable.make_directory(settings.data.absolute())
    catalogue = Catalogue(settings.database)
    catalogue.migrate()
    return catalogue


def wire(settings: Settings, clock: Clock = now) -> Services:
    """Open everything: directories, policy, database, stores, keys. Raises Refused or Transient with what is wrong."""
    from pipeline.access import Access
    from pipeline.intake import Intake
    from pipeline.jobs import JobRunner, Workers, make_broker
    from pipeline.schedule import Schedule

    for folder in (settings.data, settings.spool, settings.ledger, settings.keys):
        durable.make_directory(folder.absolute())
    policy = load_policy(settings.policy)
    rules = check_rules(settings, policy)
    witnesses = read_witness_policy(settings)
    catalogue = open_catalogue(settings)
    tiers = open_tiers(settings)
    log_key = open_log_key(settings, passphrase(settings), clock)
    sequencer = open_sequencer(settings, catalogue, log_key)
    sweep = open_sweep(settings, policy, catalogue=catalogue, tiers=tiers, sequencer=sequencer, clock=clock)
    reminders = open_reminders(settings, policy, catalogue, clock)
    schedule = Schedule(catalogue, recurring(policy, sweep, reminders), clock)
    runner = JobRunner(
        catalogue,
        _handlers(
            settings=settings,
            policy=policy,
            rules=rules,
            catalogue=catalogue,
            tiers=tiers,
            sequencer=sequencer,
            sweep=sweep,
            reminders=reminders,
            stamping=open_timestamps(settings, policy, catalogue, log_key.verifier, clock),
            clock=clock,
        ),
        clock,
        schedule.ended,
    )
    return Services(
        settings=settings,
        policy=policy,
        clock=clock,
        catalogue=catalogue,
        tiers=tiers,
        log_key=log_key,
        sequencer=sequencer,
        intake=Intake(catalogue, tiers, sequencer, policy.retention, clock, zone=ZoneInfo(settings.timezone)),
        access=Access(catalogue, policy.viewing, clock),
        workers=Workers(catalogue, runner, make_broker(settings.broker_url), clock),
        runner=runner,
        schedule=schedule,
        cosigning=open_cosigning(settings, witnesses, sequencer),
    )


def open_cosigning(settings: Settings, rules: WitnessPolicy | None, sequencer: Sequencer) -> Cosigning | None:
    """What asks the witnesses of a policy; None without one."""
    if rules is None:
        return None
    from storage.ledger.witnesses.cosigning import Cosigning  # with an HTTP client that others do not need

    return Cosigning(settings.ledger, rules, lambda: sequencer.keys().keys, settings.witness_seconds)


def read_witness_policy(settings: Settings) -> WitnessPolicy | None:
    """The witnesses' policy of the setting; None without one. Raises Refused naming what is wrong in it."""
    if settings.witness_policy is None:
        return None
    try:
        return parse_witness_policy(settings.witness_policy.read_bytes())
    except OSError as error:
        raise Refused(
            f"无法读取见证策略文件 {settings.witness_policy}（LIUHEN_WITNESS_POLICY）。",
            f"the witness policy {settings.witness_policy} (LIUHEN_WITNESS_POLICY) can't be read: {error}",
        ) from error


def open_sequencer(settings: Settings, catalogue: Catalogue, log_key: LogKey) -> Sequencer:
    """The ledger's writer, which does nothing before it is started."""
    return Sequencer(catalogue, settings.ledger, log_key, open_guard(settings))


@contextlib.contextmanager
def open_restore(settings: Settings) -> Iterator[Restore]:
    """What takes entries and originals back into a restored database. Raises Refused for wrong settings."""
    from pipeline.intake import Intake
    from pipeline.restore import Restore

    catalogue = open_catalogue(settings)
    try:
        log_key = open_log_key(settings, passphrase(settings), now)
        tiers, policy = open_tiers(settings), load_policy(settings.policy)
        sequencer = open_sequencer(settings, catalogue, log_key)
        zone = ZoneInfo(settings.timezone)
        intake = Intake(catalogue, tiers, sequencer, policy.retention, now, zone=zone)
        yield Restore(catalogue, LedgerFolder(settings.ledger), open_guard(settings), tiers, intake, now)
    finally:
        catalogue.close()


def open_guard(settings: Settings) -> CheckpointGuard:
    """Where the last signed checkpoint is kept. Raises Refused for an address that is none."""
    if not settings.guard:
        return FileGuard(settings.keys / "last-checkpoint")
    from storage.ledger.guard_s3 import S3Guard  # boto3 takes half a second to import

    return S3Guard.from_url(settings.guard)


def open_tiers(settings: Settings) -> dict[str, BlobStore]:
    """One store for each retention class. The class's name is the tier's name."""
    return {tier.value: _open_store(settings, tier) for tier in RetentionClass}


def _open_store(settings: Settings, tier: RetentionClass) -> BlobStore:
    if settings.blobs:
        from storage.blobs.s3 import S3BlobStore  # boto3 takes half a second to import

        return S3BlobStore.from_url(settings.blobs, prefix=tier.value)
    return LocalBlobStore(settings.data / "blobs" / tier.value, min_free=settings.min_free)


def open_replicas(settings: Settings) -> dict[str, BlobStore]:
    """The second copies by tier, where there are any. Raises Refused when the folder of the setting is not there."""
    if not settings.replica:
        return {}
    if settings.replica.startswith("s3://"):
        from storage.blobs.s3 import S3BlobStore

        return {tier.value: S3BlobStore.from_url(settings.replica, prefix=tier.value) for tier in RetentionClass}
    folder = Path(settings.replica)
    if not folder.is_dir():
        raise Refused(f"没有副本目录 {folder}（LIUHEN_REPLICA）。", f"there is no replica {folder} (LIUHEN_REPLICA)")
    return {tier.value: LocalBlobStore(folder / tier.value) for tier in RetentionClass}


def open_sweep(
    settings: Settings,
    policy: Policy,
    *,
    catalogue: Catalogue,
    tiers: Mapping[str, BlobStore],
    sequencer: Sequencer,
    clock: Clock,
) -> Sweep:
    """The use case of fixity over these stores."""
    from pipeline.casework.retention import lock_until
    from pipeline.fixity.expected import Expectations
    from pipeline.fixity.pace import Pace
    from pipeline.fixity.repair import Mender
    from pipeline.fixity.sweep import Means, Sweep

    def until(tier: str) -> datetime:
        return lock_until(RetentionClass(tier), clock(), policy.retention)

    means = Means(
        catalogue=catalogue,
        tiers=tiers,
        expectations=Expectations(catalogue, sequencer),
        mender=Mender(tiers, open_replicas(settings), settings.spool, until),
        policy=policy.fixity,
        clock=clock,
        pace=lambda: Pace(policy.fixity.mb_per_second * 1e6),
    )
    return Sweep(means)


def passphrase(settings: Settings) -> bytes:
    """The signing key's passphrase: the setting, or a random one kept beside the key, readable by the owner only."""
    if settings.key_passphrase is not None:
        return settings.key_passphrase.get_secret_value().encode()
    kept: Path = settings.keys / "passphrase"
    if not kept.exists():
        durable.write(kept, secrets.token_urlsafe(32).encode(), mode=0o600)
    return kept.read_bytes()


def log_vkey(settings: Settings, catalogue: Catalogue) -> str:
    """The ledger's present public key, for those who pin it now. The key is made when there is none yet."""
    first = note.parse_vkey(own_vkey(settings, passphrase(settings)))
    return str(outbox.keys(catalogue, first).current)


def thresholds(policy: Policy) -> Thresholds:
    """The policy's figures over the defaults. Raises Refused naming a figure that does not exist."""
    from pipeline.continuity.thresholds import Thresholds

    given = policy.continuity.thresholds
    if unknown := set(given) - {field.name for field in fields(Thresholds)}:
        names = ", ".join(sorted(unknown))
        raise Refused(f"策略文件中没有这些检测阈值：{names}", f"the policy file names unknown thresholds: {names}")
    return replace(Thresholds(), **given)  # type: ignore[arg-type]  # counts among them are whole floats


def trusted(policy: Policy, folder: Path) -> tuple[str, ...]:
    """The policy's certificates; their files are named from `folder`. Raises Refused naming those that are none."""
    from pipeline.continuity.trust import anchors

    found: list[str] = []
    wrong: list[str] = []
    for path in policy.continuity.trust:
        try:
            found += anchors((folder / path).read_bytes())
        except (OSError, ValueError):
            wrong.append(str(folder / path))
    if wrong:
        names = ", ".join(wrong)
        raise Refused(
            f"策略文件 continuity.trust 所列文件不是可读取的 PEM 证书：{names}",
            f"the policy's continuity.trust names files that hold no certificate that can be read (PEM): {names}",
        )
    return tuple(found)


def check_rules(settings: Settings, policy: Policy) -> Rules:
    """How the policy wants recordings checked. Raises Refused for unknown thresholds and wrong certificates."""
    from pipeline.analyse import Rules

    return Rules(
        thresholds=thresholds(policy),
        hand_over=timedelta(hours=policy.deadlines.upload_hours),
        trusted=trusted(policy, settings.policy.parent),
        deep=policy.continuity.deep,
        deep_seconds=policy.continuity.deep_minutes * 60,
        zone=ZoneInfo(settings.timezone),
        uncertified=policy.officers.weight,
    )


def open_reminders(settings: Settings, policy: Policy, catalogue: Catalogue, clock: Clock) -> Reminders:
    """Reminders of deadlines by the policy's figures and calendar, in the bureau's time zone."""
    from pipeline.handover import deadlines_of
    from pipeline.reminders import Reminders

    return Reminders(catalogue, deadlines_of(policy, ZoneInfo(settings.timezone)), clock)


def recurring(policy: Policy, sweep: Sweep, reminders: Reminders) -> list[Recurring]:
    """The kinds of job that come again and again, and when."""
    from pipeline import timestamps
    from pipeline.schedule import Recurring

    found = [Recurring(JobKind.FIXITY, sweep.when), Recurring(JobKind.REMIND, reminders.when)]
    if policy.time.tsa:
        found.append(Recurring(JobKind.TIMESTAMP, timestamps.when(timedelta(hours=policy.time.interval_hours))))
    return found


def open_timestamps(
    settings: Settings, policy: Policy, catalogue: Catalogue, key: note.Ed25519Verifier, clock: Clock
) -> Timestamps:
    """Timestamps over the checkpoints of the log that began with `key`. Raises Refused: roots that can't be read."""
    from pipeline import timestamps

    roots = timestamps.read_roots([settings.policy.parent / path for path in policy.time.roots])
    place = timestamps.Place(catalogue, settings.ledger, key)
    return timestamps.Timestamps(place, policy.time, roots, clock)


def _handlers(
    *,
    settings: Settings,
    policy: Policy,
    rules: Rules,
    catalogue: Catalogue,
    tiers: Mapping[str, BlobStore],
    sequencer: Sequencer,
    stamping: Timestamps,
    sweep: Sweep,
    reminders: Reminders,
    clock: Clock,
) -> dict[JobKind, Handler]:
    from pipeline.analyse import Analyse
    from pipeline.derive import Derive
    from pipeline.export.disc import MakeExport
    from pipeline.tier import Tier

    derive = Derive(catalogue, tiers, policy.retention, settings.spool, clock)
    tier = Tier(catalogue, tiers, policy.retention, clock)
    analyse = Analyse(catalogue, tiers, rules, clock)
    return {
        JobKind.ANALYSE: analyse.run,
        JobKind.DEEP: analyse.deep,
        JobKind.ACCESS: derive.access,
        JobKind.MASTER: derive.master,
        JobKind.TIER: tier.run,
        JobKind.RELEASE: tier.release,
        JobKind.TIMESTAMP: stamping.run,
        JobKind.FIXITY: sweep.run,
        JobKind.REMIND: reminders.run,
        JobKind.EXPORT: MakeExport(catalogue, tiers, sequencer, settings, policy.retention, clock).run,
    }
