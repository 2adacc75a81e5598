"""The database's tables, typed. What each row means is in docs/architecture.md; who writes it, in the use cases.

Times are UTC. Identifiers are ULIDs (`storage.clock.new_id`), digests 64 hex digits. JSON columns hold plain JSON.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Utc(TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets time zones, so they are taken off going in and put back coming out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be kept")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: Utc, dict[str, Any]: JSON, list[str]: JSON, bytes: LargeBinary, str: String(255)}  # noqa: RUF012


class Entry(Base):
    """One custody event: an outbox row until the sequencer gives it `index`, `body` and `leaf`, for ever after that."""

    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str]
    event: Mapped[str]
    time: Mapped[datetime]
    draft: Mapped[bytes]
    """The event as JSON, as `storage.ledger.entry` writes it, without `prev`."""
    index: Mapped[int | None] = mapped_column("log_index", BigInteger, unique=True)
    body: Mapped[bytes | None]
    leaf: Mapped[bytes | None]
    __table_args__ = (Index("entries_subject", "subject", "log_index"),)


class User(Base):
    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    unit: Mapped[str] = mapped_column(default="")
    certificate: Mapped[str] = mapped_column(default="")
    """执法证 number (rule REC-CERTIFIED)."""
    certificate_from: Mapped[date | None]
    certificate_until: Mapped[date | None]
    """The last day on which the certificate is valid; None: not known."""
    post: Mapped[str] = mapped_column(default="", server_default="")
    category: Mapped[str] = mapped_column(default="", server_default="")
    """What the certificate covers (执法类别), and where (执法区域)."""
    area: Mapped[str] = mapped_column(default="", server_default="")
    certificate_salt: Mapped[str] = mapped_column(default="", server_default="")
    """Of the commitment in the ledger to all that is on record of the certificate (`pipeline.officers`)."""
    roles: Mapped[list[str]]
    password: Mapped[str]
    """argon2 hash."""
    must_change: Mapped[bool] = mapped_column(default=False)
    disabled: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime]


class WebSession(Base):
    __tablename__ = "sessions"
    token: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the cookie: a stolen database signs nobody in."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    csrf: Mapped[str]
    created: Mapped[datetime]
    expires: Mapped[datetime]


class Station(Base):
    __tablename__ = "stations"
    id: Mapped[str] = mapped_column(primary_key=True)
    """The name on the case, such as "ST-01"."""
    public_key: Mapped[str]
    """Ed25519, base64 of the 32 raw bytes: the key that it signs with now."""
    place: Mapped[str] = mapped_column(default="")
    created: Mapped[datetime]
    revoked: Mapped[datetime | None]
    seen: Mapped[datetime | None]
    """When its agent was last heard of."""
    state: Mapped[dict[str, Any] | None]
    """What its agent said then: what is docked, what is stuck (docs/docking-protocol.md, "Station state")."""


class StationKey(Base):
    """Every key a station has had. A manifest is verified with the key of its time."""

    __tablename__ = "station_keys"
    public_key: Mapped[str] = mapped_column(primary_key=True)
    station_id: Mapped[str] = mapped_column(ForeignKey("stations.id"), index=True)
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """When it was replaced or revoked; None: in use."""


class EnrolmentCode(Base):
    """A one-time code with which a station enrols the key it made itself."""

    __tablename__ = "enrolment_codes"
    code: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the public key that is in it (`ingest.invitation`): a stolen database enrols nobody."""
    station_id: Mapped[str]
    """The name that the station will have, or has (then the code gives it a new key)."""
    place: Mapped[str] = mapped_column(default="")
    made: Mapped[datetime]
    made_by: Mapped[str]
    """Login, or the console."""
    log: Mapped[str]
    """The ledger's public key (vkey) when it was made: what the station pins."""
    proof: Mapped[str]
    """The code's signature over name and `log`; whoever made the code could make it, nobody else."""
    expires: Mapped[datetime]
    used: Mapped[datetime | None]
    public_key: Mapped[str | None]
    """The station's key that it was used for."""


class Device(Base):
    __tablename__ = "devices"
    serial: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(default="")
    officer_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    created: Mapped[datetime]


class Assignment(Base):
    """设备配发: from `since` on this officer (None: nobody) wears the device, until a later row says otherwise."""

    __tablename__ = "assignments"
    id: Mapped[str] = mapped_column(primary_key=True)
    device_serial: Mapped[str] = mapped_column(ForeignKey("devices.serial"))
    officer_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    since: Mapped[datetime]
    made: Mapped[datetime]
    made_by: Mapped[str]
    """Login, or the console."""
    __table_args__ = (Index("assignments_device", "device_serial", "since"),)


class DeviceProfile(Base):
    """What a device's genuine files have in common (`pipeline.continuity.profile`), newest state; its history is in
    the ledger.
    """

    __tablename__ = "device_profiles"
    serial: Mapped[str] = mapped_column(ForeignKey("devices.serial"), primary_key=True)
    model: Mapped[str] = mapped_column(default="", index=True)
    """As the files name it."""
    files: Mapped[int]
    """How many were learned."""
    profile: Mapped[dict[str, Any]]
    made: Mapped[datetime]


class Docking(Base):
    """One docking manifest, as signed: what was on the card, uploaded or not."""

    __tablename__ = "dockings"
    id: Mapped[str] = mapped_column(primary_key=True)
    station_id: Mapped[str] = mapped_column(ForeignKey("stations.id"))
    device_serial: Mapped[str] = mapped_column(index=True)
    manifest: Mapped[bytes] = mapped_column(deferred=True)
    """The exact signed bytes: megabytes for a full card, so they are only read where they are asked for."""
    manifest_sha256: Mapped[str] = mapped_column(unique=True)
    signature: Mapped[str]
    nonce: Mapped[str] = mapped_column(default="", server_default="", index=True)
    """The manifest's; empty in older rows."""
    station_time: Mapped[datetime]
    received: Mapped[datetime]
    token: Mapped[str] = mapped_column(index=True)
    """SHA-256 of the upload token given to the station for this docking."""
    token_expires: Mapped[datetime | None]


class DockedFile(Base):
    """One line of a docking manifest, for questions such as "was this listed before?"."""

    __tablename__ = "docked_files"
    docking_id: Mapped[str] = mapped_column(ForeignKey("dockings.id"), primary_key=True)
    path: Mapped[str] = mapped_column(String(1024), primary_key=True)
    device_serial: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    modified: Mapped[datetime]
    __table_args__ = (
        Index("docked_files_device", "device_serial", "path"),
        Index("docked_files_digest", "sha256", "docking_id"),
    )


class Upload(Base):
    """One resumable upload, of a station's docking or of a signed-in person. `offset` is durable on disk before it is
    committed here.
    """

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(primary_key=True)
    docking_id: Mapped[str | None] = mapped_column(ForeignKey("dockings.id"), index=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"), index=True)
    """Who uploads in a browser; then there is no docking."""
    device_serial: Mapped[str] = mapped_column(default="", server_default="")
    path: Mapped[str] = mapped_column(String(1024))
    sha256: Mapped[str]
    """As listed. Of a browser's upload: "" until it is whole."""
    length: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column("committed", BigInteger, default=0)
    modified: Mapped[datetime | None]
    """The file's own date, of a browser's upload; a docking's is in its manifest."""
    state: Mapped[str] = mapped_column(default="open", index=True)
    """open → complete | rejected."""
    reason: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[datetime]
    expires: Mapped[datetime]


class Rejection(Base):
    """A file that came in and was not accepted. Its bytes are kept apart at `place`, never removed by the program."""

    __tablename__ = "rejections"
    id: Mapped[str] = mapped_column(primary_key=True)
    """The upload's, where there was one."""
    door: Mapped[str]
    """upload, browser, file or watch."""
    station_id: Mapped[str | None] = mapped_column(ForeignKey("stations.id"), index=True)
    docking_id: Mapped[str | None] = mapped_column(ForeignKey("dockings.id"))
    device_serial: Mapped[str] = mapped_column(default="")
    path: Mapped[str] = mapped_column(String(1024))
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes that were received."""
    expected: Mapped[str | None]
    """SHA-256 as listed."""
    received: Mapped[str | None]
    """SHA-256 of what came."""
    code: Mapped[str]
    zh: Mapped[str] = mapped_column(Text)
    en: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(String(1024))
    """Where the bytes lie, below the data directory, or in the watched folder."""
    made: Mapped[datetime] = mapped_column(index=True)
    seen_by: Mapped[str | None]
    """Login of the administrator who has looked into it, and when."""
    seen: Mapped[datetime | None]


class Delay(Base):
    """特殊情况说明 (UP-24H): why one day's recordings of a device come in within 3 working days, not 24 hours."""

    __tablename__ = "delays"
    id: Mapped[str] = mapped_column(primary_key=True)
    device_serial: Mapped[str]
    day: Mapped[date]
    """The local day that the time is counted from: of the recording's end, or of the docking that listed a file."""
    reason: Mapped[str] = mapped_column(Text)
    salt: Mapped[str]
    """Of the reason's commitment in the ledger."""
    made_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    made: Mapped[datetime]
    __table_args__ = (UniqueConstraint("device_serial", "day"),)


class Reminder(Base):
    """One deadline that came near or passed, told once: the custody event is `event_id`, the same as the key."""

    __tablename__ = "reminders"
    key: Mapped[str] = mapped_column(primary_key=True)
    """Rule and what it is about, so that each is told once."""
    rule: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    due: Mapped[datetime]
    made: Mapped[datetime]
    event_id: Mapped[str]


class Recording(Base):
    """One shot, one or more segments. Its custody chain is the subject "recording:ID"."""

    __tablename__ = "recordings"
    id: Mapped[str] = mapped_column(primary_key=True)
    series: Mapped[str]
    """Which files belong together: `pipeline.continuity.series.series_key`."""
    device_serial: Mapped[str]
    officer_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    station_id: Mapped[str | None] = mapped_column(ForeignKey("stations.id"))
    case_id: Mapped[str | None] = mapped_column(ForeignKey("cases.id"), index=True)
    kind: Mapped[str] = mapped_column(default="unknown")
    started: Mapped[datetime | None]
    duration: Mapped[float | None]
    """Seconds over all segments."""
    verdict: Mapped[str | None]
    """None while it has not been analysed."""
    report: Mapped[dict[str, Any] | None]
    """The newest `liuhen check` report; older ones stay as analyses."""
    retention: Mapped[str] = mapped_column(default="five_years")
    keep_until: Mapped[datetime | None]
    """None: for good."""
    held: Mapped[bool] = mapped_column(default=False)
    received: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("device_serial", "series"),
        Index("recordings_started", "started"),
        Index("recordings_received", "received"),
    )


class Original(Base):
    """The bit-exact upload. One row and one copy per digest, however often it arrives."""

    __tablename__ = "originals"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    root: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), index=True)
    sequence: Mapped[int | None]
    name: Mapped[str] = mapped_column(String(1024))
    """As on the card."""
    tier: Mapped[str]
    """five_years or long_term: the store that holds it."""
    event_id: Mapped[str] = mapped_column(unique=True)
    """The ledger entry "original.received"."""
    receipt: Mapped[bytes | None]
    """The receipt first given; the same file again gets the same."""
    docking_id: Mapped[str | None] = mapped_column(ForeignKey("dockings.id"))
    received: Mapped[datetime]


class Description(Base):
    """随附说明: a file that lay beside an original (JSON, XML), and what it says. A claim, never evidence by itself."""

    __tablename__ = "descriptions"
    id: Mapped[str] = mapped_column(primary_key=True)
    original_sha256: Mapped[str] = mapped_column(ForeignKey("originals.sha256"), index=True)
    name: Mapped[str] = mapped_column(String(1024))
    sha256: Mapped[str]
    """Of its bytes; the ledger has a commitment to it."""
    salt: Mapped[str]
    content: Mapped[str] = mapped_column(Text)
    """Its exact bytes, base64; empty when it was too large to be one."""
    says: Mapped[str] = mapped_column(Text)
    """What was read of it: JSON, field → text."""
    zh: Mapped[str] = mapped_column(Text, default="")
    """Why it could not be read, in both languages."""
    en: Mapped[str] = mapped_column(Text, default="")
    made: Mapped[datetime]
    __table_args__ = (UniqueConstraint("original_sha256", "sha256"),)


class Derivative(Base):
    __tablename__ = "derivatives"
    id: Mapped[str] = mapped_column(primary_key=True)
    original_sha256: Mapped[str] = mapped_column(ForeignKey("originals.sha256"), index=True)
    kind: Mapped[str]
    retention: Mapped[str]
    """The class a master was made for; five_years for access copies and posters."""
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str]
    tier: Mapped[str]
    proof: Mapped[dict[str, Any]]
    made: Mapped[datetime]
    __table_args__ = (UniqueConstraint("original_sha256", "kind", "retention"),)


class Analysis(Base):
    """One run of the continuity checks over a recording. Never changed; a newer run is a new row."""

    __tablename__ = "analyses"
    id: Mapped[str] = mapped_column(primary_key=True)
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), index=True)
    verdict: Mapped[str]
    report: Mapped[dict[str, Any]]
    made: Mapped[datetime]


class Case(Base):
    __tablename__ = "cases"
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    flags: Mapped[list[str]]
    """Grounds of KEEP-LONG (`CaseFlag`)."""
    opened: Mapped[datetime]
    closed: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(ForeignKey("users.id"))


class Excuse(Base):
    """中断说明: an officer explains a break, another person accepts or rejects it. The finding stays as it is."""

    __tablename__ = "excuses"
    id: Mapped[str] = mapped_column(primary_key=True)
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), index=True)
    finding_code: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    salt: Mapped[str]
    made_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    made: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided: Mapped[datetime | None]
    accepted: Mapped[bool | None]


class AccessRequest(Base):
    """调阅申请: who wants to see or export which recording, what for, and who decided."""

    __tablename__ = "requests"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), index=True)
    requester_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    purpose: Mapped[str] = mapped_column(Text)
    salt: Mapped[str]
    """Of the purpose's commitment in the ledger."""
    state: Mapped[str] = mapped_column(default="pending")
    made: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text, default="")


class Grant(Base):
    """调阅许可: one user, one recording, until `expires`."""

    __tablename__ = "grants"
    id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(ForeignKey("requests.id"), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), index=True)
    kind: Mapped[str]
    expires: Mapped[datetime]


class Export(Base):
    __tablename__ = "exports"
    id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(ForeignKey("requests.id"), unique=True)
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), index=True)
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    tier: Mapped[str]
    made: Mapped[datetime]


class Job(Base):
    """Durable work. Written in the same transaction as its cause; a message of the broker only carries `id`."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    """The recording's, original's or request's identifier."""
    key: Mapped[str] = mapped_column(unique=True)
    """Makes queueing idempotent: one row per kind, subject and cause."""
    args: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="queued")
    run_at: Mapped[datetime]
    attempt: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str] = mapped_column(default="")
    lease_until: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(default=0.0)
    error: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[datetime]
    finished: Mapped[datetime | None]
    __table_args__ = (Index("jobs_due", "state", "run_at"),)


class Fixity(Base):
    """One stored file: when it was last read again whole, and what was found (`pipeline.fixity`)."""

    __tablename__ = "fixity"
    tier: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """original, chunks, derivative or export."""
    ref: Mapped[str]
    """The row that says it is there: an original's digest, a derivative's or export's identifier."""
    size: Mapped[int] = mapped_column(BigInteger)
    """As that row says; of a chunk list, its own."""
    due: Mapped[datetime]
    checked: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(default="")
    """"" before the first check, then as `storage.catalogue.fixity.State`."""
    since: Mapped[datetime | None]
    """When it came into this state."""
    detail: Mapped[dict[str, Any]]
    """Of a state that is not sound: what the alarm says."""
    resume: Mapped[dict[str, Any]]
    """Where the check of a large original stands."""
    __table_args__ = (Index("fixity_due", "due", "checked"), Index("fixity_ref", "kind", "ref"))


class Erasure(Base):
    """Personal data that an administrator erased (`pipeline.erasure`): of what, which fields, why."""

    __tablename__ = "erasures"
    id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    fields: Mapped[list[str]]
    reason: Mapped[str] = mapped_column(Text)
    salt: Mapped[str]
    """Of the reason's commitment in the ledger."""
    made_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    made: Mapped[datetime]
