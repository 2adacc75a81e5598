"""Timestamps over the ledger's checkpoints, on a schedule: stamped, archived, recorded in the ledger, renewed in time.

A stamp lands in the log's folder first and is recorded afterwards: a crash in between leaves a stamp without entry,
which the next run records. The other order would leave an entry without stamp, which is what a removed one looks like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.jobs import Finish, Progress
from pipeline.policy import TimePolicy
from pipeline.schedule import When
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry, Job
from storage.clock import Clock
from storage.errors import IntegrityError, LiuhenError, NotFound, Refused, Transient
from storage.ledger import entry, outbox
from storage.ledger.folder import LedgerFolder
from storage.ledger.note import Ed25519Verifier
from storage.ledger.time import renewal, stamp_folder, stamps, timestamp, tsa_chain
from storage.ledger.time.renewal import Span
from storage.ledger.time.stamps import Archive, Examined, Kept, Open, Record
from storage.ledger.time.tsa import Tsa
from storage.records import Actor, CustodyEvent, JobKind, JobState

SERVICE = Actor("service", "timestamps")
RETRY = timedelta(minutes=10)  # after a run that failed for good
SKEW = timedelta(minutes=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log lies, and the key it began with."""

    catalogue: Catalogue
    ledger: Path
    key: Ed25519Verifier

    @property
    def opens(self) -> Open:
        """Reads a checkpoint by the key of its size."""
        return outbox.keys(self.catalogue, self.key).verify


class Timestamps:
    """The use case. `roots`: certificates of the trusted authorities (and any between)."""

    def __init__(self, place: Place, policy: TimePolicy, roots: Sequence[x509.Certificate], clock: Clock) -> None:
        self._place, self._policy, self._roots, self._clock = place, policy, tuple(roots), clock
        self._folder = LedgerFolder(place.ledger)
        self._tsas = [Tsa(url) for url in policy.tsa]

    def run(self, job: Job, progress: Progress) -> Finish:
        """As a job. Raises Transient when an authority was down: the others have stamped by then."""
        self.stamp()
        return lambda session: None

    def stamp(self) -> list[Kept]:
        """Stamp the published checkpoint at each authority that has not stamped it, renew what expires soon.

        Gives what was made. Raises NotFound (no checkpoint yet), and after having tried all what the authorities that
        failed have raised: Transient when one of them was down.
        """
        signed = self._folder.checkpoint()
        if signed is None:
            raise NotFound("存证链尚无检查点。", "the ledger has no checkpoint yet")
        stamp_folder.tidy(self._place.ledger, self._clock())
        self._record_left_over()
        made, failures = list[Kept](), list[LiuhenError]()
        for tsa in self._tsas:
            try:
                if self._is_wanted(tsa, signed):
                    made.append(self._stamp(tsa, signed))
            except LiuhenError as error:
                log.warning("no timestamp", tsa=tsa.name, error=error.en)
                failures.append(error)
        made += self._renew(failures)
        if failures:
            raise _together(failures)
        return made

    def examine(self) -> Examined:
        """All stamps as they are now, verified."""
        return self._archive().examine(self._records(), self._clock())

    def _is_wanted(self, tsa: Tsa, signed: bytes) -> bool:
        """Whether the log has grown since this authority stamped it, by more than the entries about stamps."""
        size = self._place.opens(signed).size
        own = [each.span.size or 0 for each in self._records() if each.path.rpartition("/")[2] == tsa.name]
        with self._place.catalogue.read() as session:
            query = select(Entry.id).where(Entry.index >= max(own, default=0), Entry.index < size)
            return session.scalar(query.where(Entry.subject != stamps.SUBJECT).limit(1)) is not None

    def _stamp(self, tsa: Tsa, signed: bytes) -> Kept:
        path = f"{stamps.FOLDER}/{self._place.opens(signed).size}/{tsa.name}"
        stamp, files = self._ask(tsa, signed)
        return self._keep(path, {stamps.CHECKPOINT: signed, **files}, stamp)

    def _ask(self, tsa: Tsa, message: bytes) -> tuple[timestamp.Stamp, dict[str, bytes]]:
        """The authority's verified stamp of `message`, and the files that go with it."""
        asked = timestamp.request(message, self._policy.digest)
        reply = tsa.ask(asked.body)
        roots = [each for each in self._roots if each.subject == each.issuer]
        stamp = timestamp.verify(reply, message, roots, pool=self._roots, asked=asked, policy=self._policy.tsa_policy)
        lists = tsa.lists(stamp.path)
        tsa_chain.check_revoked(stamp.path, lists, stamp.time)
        if abs(stamp.time - self._clock()) > SKEW + timedelta(seconds=stamp.accuracy or 0):
            log.warning("this machine's clock is not the authority's", tsa=tsa.name, time=stamp.time.isoformat())
        files = {stamps.REPLY: reply, stamps.CHAIN: stamp.chain}
        return stamp, {**files, **_list_files("", lists)}

    def _keep(self, path: str, files: Mapping[str, bytes], stamp: timestamp.Stamp) -> Kept:
        stamp_folder.write(self._place.ledger, path, files)
        kept = self._archive().load(path)
        self._record(kept)
        log.info("timestamped", path=path, tsa=stamp.tsa, time=stamp.time.isoformat())
        return kept

    def _record(self, kept: Kept) -> None:
        event = CustodyEvent(kept.path, stamps.EVENT, self._clock(), SERVICE, stamps.SUBJECT, kept.payload)
        with self._place.catalogue.write() as session:
            custody.record(session, event)

    def _record_left_over(self) -> None:
        """Stamps that a crash left between folder and entry."""
        archive, known = self._archive(), {each.path for each in self._records()}
        for path in archive.folders:
            if path not in known:
                try:
                    self._record(archive.load(path))
                except LiuhenError as error:
                    log.warning("a timestamp without entry is not valid", path=path, error=error.en)

    def _renew(self, failures: list[LiuhenError]) -> list[Kept]:
        """One new stamp over all stamps that are due and their evidence, by the first authority that prolongs them.

        Authorities that are down and stamps that don't hold any more are told in `failures`.
        """
        old = self._due(failures)
        for tsa in self._tsas if old else ():
            try:
                if kept := self._renew_at(tsa, old):
                    return [kept]
            except LiuhenError as error:
                log.warning("no renewal", tsa=tsa.name, error=error.en)
                failures.append(error)
        return []

    def _due(self, failures: list[LiuhenError]) -> list[Kept]:
        """The stamps that expire soon, or have a smaller digest than is wanted now and no renewal by it."""
        said, now = {each.path: each for each in self._records()}, self._clock()
        limit = now + timedelta(days=self._policy.renew_before_days)
        spans = [self._span(each) for each in said.values()]
        ends = renewal.valid_until(spans, limit)
        weak = self._weak(spans)
        archive, due = self._archive(), list[Kept]()
        for path, end in ends.items():
            if now < end and (end < limit or path in weak):
                try:
                    due.append(archive.load(path, said[path]))
                except LiuhenError as error:
                    log.warning("not renewed, it does not hold", path=path, error=error.en)
                    failures.append(error)
        return due

    def _weak(self, spans: Sequence[Span]) -> set[str]:
        """Stamps whose files no manifest of the wanted digest names, while it is larger than SHA-256."""
        if self._policy.digest == "sha256":
            return set()
        named = {line for each in spans if each.digest == self._policy.digest for line in each.lines}
        return {
            each.path
            for each in spans
            if each.digest != self._policy.digest and not {f"{each.path}/{name}" for name in each.files} <= named
        }

    def _renew_at(self, tsa: Tsa, old: Sequence[Kept]) -> Kept | None:
        path = f"{stamps.FOLDER}/{stamps.RENEWED}/{self._clock():%Y%m%dT%H%M%SZ}-{tsa.name}"
        chains = {each.stamp.path for each in old}
        lists = {each.public_bytes(Encoding.DER): each for chain in chains for each in tsa.lists(chain)}
        evidence = _list_files(stamps.OLD, list(lists.values()))
        contents = {f"{path}/{name}": content for name, content in evidence.items()}
        for each in old:
            contents |= {f"{each.path}/{name}": self._folder.read(f"{each.path}/{name}") for name in each.files}
        manifest = renewal.write_manifest(contents, self._policy.digest)
        stamp, files = self._ask(tsa, manifest)
        if stamp.valid_until <= min(each.stamp.valid_until for each in old) and all(
            each.stamp.digest == stamp.digest for each in old
        ):
            log.warning("the authority's certificate expires no later: not renewed", tsa=tsa.name)
            return None
        return self._keep(path, {stamps.MANIFEST: manifest, **evidence, **files}, stamp)

    def _span(self, each: Record) -> Span:
        if each.span.size is not None:
            return each.span
        try:
            lines = renewal.read_manifest(self._folder.read(f"{each.path}/{stamps.MANIFEST}"))
        except FileNotFoundError:
            lines = {}
        return replace(each.span, lines=lines)

    def _records(self) -> list[Record]:
        with self._place.catalogue.read() as session:
            return list(records(session))

    def _archive(self) -> Archive:
        return open_archive(self._place.ledger, self._place.opens, self._roots)


def open_archive(ledger: Path, opens: Open, roots: Sequence[x509.Certificate] | None) -> Archive:
    """The stamps of a log's folder, held against the tree that its checkpoint signs. Raises IntegrityError."""
    read = LedgerFolder(ledger).read
    trusted = None if roots is None else anchors(roots)
    return Archive(read, stamp_folder.names(ledger), stamps.log_of(read, opens), trusted)


def anchors(certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The roots among them; others only help to find the way to one."""
    return [each for each in certificates if each.subject == each.issuer]


def records(session: Session) -> Iterator[Record]:
    """What the ledger's entries in the database say of stamps, oldest first."""
    query = select(Entry.index, Entry.body, Entry.draft).where(Entry.subject == stamps.SUBJECT).order_by(Entry.id)
    for index, body, draft in session.execute(query):
        event = entry.parse(body).event if body else entry.parse_draft(draft)
        if said := stamps.record(event, index):
            yield said


def newest(session: Session) -> Record | None:
    """The newest stamp over a checkpoint, as the entries say, None before the first."""
    return max(
        (each for each in records(session) if each.span.size is not None),
        key=lambda each: each.span.time,
        default=None,
    )


def when(interval: timedelta) -> When:
    """When the next run is due: at once at the first start, soon after a run that failed, else after `interval`."""

    def due(session: Session, now: datetime) -> datetime:
        ended = Job.state.in_((JobState.DONE, JobState.FAILED))
        query = select(Job.state).where(Job.kind == JobKind.TIMESTAMP, ended).order_by(Job.finished.desc()).limit(1)
        last = session.scalar(query)
        if last is None:
            return now
        return now + (min(RETRY, interval) if last == JobState.FAILED else interval)

    return due


def read_roots(files: Sequence[Path]) -> list[x509.Certificate]:
    """The certificates of PEM files. Raises Refused naming those that hold none."""
    found, wrong = list[x509.Certificate](), list[str]()
    for file in files:
        try:
            found += stamps.read_chain(file.read_bytes())
        except (OSError, LiuhenError):
            wrong.append(str(file))
    if wrong:
        names = ", ".join(wrong)
        raise Refused(
            f"策略文件 time.roots 所列文件不是可读取的 PEM 证书：{names}",
            f"the policy's time.roots names files that hold no certificate that can be read (PEM): {names}",
        )
    return found


def _list_files(prefix: str, lists: Sequence[x509.CertificateRevocationList]) -> dict[str, bytes]:
    return {f"{prefix}{number}.crl": each.public_bytes(Encoding.DER) for number, each in enumerate(lists)}


def _together(failures: Sequence[LiuhenError]) -> LiuhenError:
    """One error for all: worth another try when one of them is, an alarm when one of them is."""
    kinds = (kind for kind in (Transient, IntegrityError) if any(isinstance(each, kind) for each in failures))
    return next(kinds, Refused)(" ".join(each.zh for each in failures), "; ".join(each.en for each in failures))
