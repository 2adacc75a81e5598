"""docking: enrolment, keys and state of stations, assignments, officers' certificates, rejections, deadlines"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import storage.catalogue.tables

revision = "0005"
down_revision = "0004"

_NAME = sa.String(length=255)
_PATH = sa.String(length=1024)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, storage.catalogue.tables.Utc(timezone=True), nullable=nullable)


def upgrade() -> None:
    _columns()
    _stations()
    _assignments()
    _rejections()
    _descriptions()
    _deadlines()


def _columns() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("certificate_from", sa.Date(), nullable=True))
        users.add_column(sa.Column("certificate_until", sa.Date(), nullable=True))
        for name in ("post", "category", "area", "certificate_salt"):
            users.add_column(sa.Column(name, _NAME, nullable=False, server_default=""))
    with op.batch_alter_table("stations") as stations:
        stations.add_column(_moment("seen", nullable=True))
        stations.add_column(sa.Column("state", sa.JSON(), nullable=True))
    with op.batch_alter_table("dockings") as dockings:
        dockings.add_column(_moment("token_expires", nullable=True))
        dockings.add_column(sa.Column("nonce", _NAME, nullable=False, server_default=""))
        dockings.create_index("ix_dockings_nonce", ["nonce"])
    with op.batch_alter_table("uploads") as uploads:
        uploads.alter_column("docking_id", existing_type=_NAME, nullable=True)
        uploads.add_column(sa.Column("user_id", _NAME, nullable=True))
        uploads.add_column(sa.Column("device_serial", _NAME, nullable=False, server_default=""))
        uploads.add_column(_moment("modified", nullable=True))
        uploads.create_foreign_key("uploads_user", "users", ["user_id"], ["id"])
        uploads.create_index("ix_uploads_user_id", ["user_id"])
        uploads.create_index("ix_uploads_state", ["state"])
    with op.batch_alter_table("docked_files") as files:
        files.drop_index("ix_docked_files_sha256")
        files.create_index("docked_files_digest", ["sha256", "docking_id"])


def _stations() -> None:
    op.create_table(
        "station_keys",
        sa.Column("public_key", _NAME, nullable=False),
        sa.Column("station_id", _NAME, nullable=False),
        _moment("since"),
        _moment("until", nullable=True),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"]),
        sa.PrimaryKeyConstraint("public_key"),
    )
    op.create_index("ix_station_keys_station_id", "station_keys", ["station_id"])
    op.execute(
        "INSERT INTO station_keys (public_key, station_id, since, until) "
        "SELECT public_key, id, created, revoked FROM stations"
    )
    op.create_table(
        "enrolment_codes",
        sa.Column("code", _NAME, nullable=False),
        sa.Column("station_id", _NAME, nullable=False),
        sa.Column("place", _NAME, nullable=False),
        _moment("made"),
        sa.Column("made_by", _NAME, nullable=False),
        sa.Column("log", _NAME, nullable=False),
        sa.Column("proof", _NAME, nullable=False),
        _moment("expires"),
        _moment("used", nullable=True),
        sa.Column("public_key", _NAME, nullable=True),
        sa.PrimaryKeyConstraint("code"),
    )


def _assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("device_serial", _NAME, nullable=False),
        sa.Column("officer_id", _NAME, nullable=True),
        _moment("since"),
        _moment("made"),
        sa.Column("made_by", _NAME, nullable=False),
        sa.ForeignKeyConstraint(["device_serial"], ["devices.serial"]),
        sa.ForeignKeyConstraint(["officer_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("assignments_device", "assignments", ["device_serial", "since"])
    # Until now only the present wearer was kept: since when is not known, so it is since the device is.
    op.execute(
        "INSERT INTO assignments (id, device_serial, officer_id, since, made, made_by) "
        "SELECT 'first:' || serial, serial, officer_id, created, created, 'migration' FROM devices "
        "WHERE officer_id IS NOT NULL"
    )


def _rejections() -> None:
    op.create_table(
        "rejections",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("door", _NAME, nullable=False),
        sa.Column("station_id", _NAME, nullable=True),
        sa.Column("docking_id", _NAME, nullable=True),
        sa.Column("device_serial", _NAME, nullable=False),
        sa.Column("path", _PATH, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("expected", _NAME, nullable=True),
        sa.Column("received", _NAME, nullable=True),
        sa.Column("code", _NAME, nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("place", _PATH, nullable=False),
        _moment("made"),
        sa.Column("seen_by", _NAME, nullable=True),
        _moment("seen", nullable=True),
        sa.ForeignKeyConstraint(["docking_id"], ["dockings.id"]),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_rejections_station_id", "rejections", ["station_id"])
    op.create_index("ix_rejections_made", "rejections", ["made"])


def _descriptions() -> None:
    op.create_table(
        "descriptions",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("original_sha256", _NAME, nullable=False),
        sa.Column("name", _PATH, nullable=False),
        sa.Column("sha256", _NAME, nullable=False),
        sa.Column("salt", _NAME, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        _moment("made"),
        sa.ForeignKeyConstraint(["original_sha256"], ["originals.sha256"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("original_sha256", "sha256"),
    )
    op.create_index("ix_descriptions_original_sha256", "descriptions", ["original_sha256"])


def _deadlines() -> None:
    op.create_table(
        "delays",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("device_serial", _NAME, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("salt", _NAME, nullable=False),
        sa.Column("made_by", _NAME, nullable=False),
        _moment("made"),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("device_serial", "day"),
    )
    op.create_table(
        "reminders",
        sa.Column("key", _NAME, nullable=False),
        sa.Column("rule", _NAME, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        _moment("due"),
        _moment("made"),
        sa.Column("event_id", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_reminders_subject", "reminders", ["subject"])
    op.create_index("recordings_received", "recordings", ["received"])
