"""fixity"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import storage.catalogue.tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "fixity",
        sa.Column("tier", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("ref", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("due", storage.catalogue.tables.Utc(timezone=True), nullable=False),
        sa.Column("checked", storage.catalogue.tables.Utc(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("since", storage.catalogue.tables.Utc(timezone=True), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("resume", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tier", "key"),
    )
    with op.batch_alter_table("fixity", schema=None) as batch_op:
        batch_op.create_index("fixity_due", ["due", "checked"], unique=False)
        batch_op.create_index("fixity_ref", ["kind", "ref"], unique=False)
