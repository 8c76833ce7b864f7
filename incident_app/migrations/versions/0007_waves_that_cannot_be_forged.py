"""Waves that cannot be forged: one is filled at a time, item names are frozen, authors never approve.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BUILDING = sa.text("status = 'building'")


def upgrade() -> None:
    _drop_half_filled_waves()
    op.execute("ALTER TABLE campaigns ADD COLUMN item_names TEXT")
    op.execute(
        "ALTER TABLE deliveries ADD COLUMN withheld_because VARCHAR(40) "
        f"CONSTRAINT {op.f('ck_deliveries_withheldbecause')} CHECK (withheld_because IN "
        "('contact_gone', 'cancelled', 'told_already', 'not_affected', 'facts_changed'))",
    )
    op.create_table(
        "approval_authors",
        sa.Column("request_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["approval_requests.id"], name=op.f("fk_approval_authors_request_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_approval_authors_user_id")),
        sa.PrimaryKeyConstraint("request_id", "user_id", name=op.f("pk_approval_authors")),
    )
    op.create_index(
        "uq_campaigns_building",
        "campaigns",
        ["incident_id", "purpose"],
        unique=True,
        sqlite_where=BUILDING,
        postgresql_where=BUILDING,
    )


def downgrade() -> None:
    op.drop_index("uq_campaigns_building", "campaigns")
    op.drop_column("campaigns", "item_names")
    op.drop_table("approval_authors")
    with op.batch_alter_table("deliveries") as batch:
        batch.drop_constraint(op.f("ck_deliveries_withheldbecause"), type_="check")
        batch.drop_column("withheld_because")


def _drop_half_filled_waves() -> None:
    """Remove what fills that died have left: waves nobody sees, whose people are kept out of every later one."""
    half = "SELECT id FROM campaigns WHERE status = 'building'"
    op.execute(
        f"DELETE FROM delivery_people WHERE delivery_id IN (SELECT id FROM deliveries WHERE campaign_id IN ({half}))"  # noqa: S608 - our own words
    )
    op.execute(f"DELETE FROM deliveries WHERE campaign_id IN ({half})")  # noqa: S608 - our own words
    op.execute("DELETE FROM campaigns WHERE status = 'building'")
