"""device profiles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import storage.catalogue.tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "device_profiles",
        sa.Column("serial", sa.String(length=255), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("made", storage.catalogue.tables.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["serial"], ["devices.serial"]),
        sa.PrimaryKeyConstraint("serial"),
    )
    with op.batch_alter_table("device_profiles", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_profiles_model"), ["model"], unique=False)
