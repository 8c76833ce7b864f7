"""Limits that several workers share, sending hours by country, and rehearsals of waves.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
KINDS = ("import", "determine", "fill", "letters", "export")
QUEUED = "state = 'queued'"
GUARDED = {
    "deliveries": ("readdressed", "added", "removed"),
    "campaigns": ("approved", "born_approved", "frozen", "removed"),
}


def upgrade() -> None:
    """Make this change."""
    op.create_table(
        "sending_limits",
        sa.Column("id", KEY, nullable=False),
        sa.Column("per_second", sa.Integer(), nullable=True),
        sa.Column("per_hour", sa.Integer(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_sending_limits_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sending_limits")),
    )
    op.create_table(
        "rate_buckets",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("free_at", KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_buckets")),
    )
    op.create_table(
        "rehearsals",
        sa.Column("id", KEY, nullable=False),
        sa.Column("campaign_id", KEY, nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("rehearsed_at", MOMENT, nullable=False),
        sa.Column("rehearsed_by", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_rehearsals_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rehearsals")),
    )
    op.create_index("ix_rehearsals_campaign_id", "rehearsals", ["campaign_id"])
    op.add_column("campaigns", sa.Column("countries", sa.Text(), nullable=True))
    op.add_column("mail_domains", sa.Column("paced", sa.Boolean(), nullable=True))
    _index("ix_mail_domains_paced", "mail_domains", ["id"], "paced")
    op.drop_index("ix_deliveries_queued", table_name="deliveries")
    op.add_column("deliveries", sa.Column("paced", sa.Boolean(), nullable=True))
    _index(
        "ix_deliveries_queued", "deliveries", ["campaign_id", "next_attempt_at", "id"], f"{QUEUED} AND paced IS NULL"
    )
    _index(
        "ix_deliveries_paced",
        "deliveries",
        ["campaign_id", "domain_id", "next_attempt_at", "id"],
        f"{QUEUED} AND paced",
    )
    _set_job_kinds((*KINDS, "test_send", "rehearse"))


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _set_job_kinds(kinds: tuple[str, ...]) -> None:
    words = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("jobs") as batch:
        batch.drop_constraint(op.f("ck_jobs_jobkind"), type_="check")
        batch.create_check_constraint(op.f("ck_jobs_jobkind"), sa.text(f"kind IN ({words})"))


def _drop_guards() -> None:
    """SQLite takes no column from a table whose guards may name it; they are made anew after every migration."""
    if op.get_bind().dialect.name == "sqlite":
        for table, names in GUARDED.items():
            for name in names:
                op.execute(f"DROP TRIGGER IF EXISTS guard_{table}_{name}")


def downgrade() -> None:
    """Take this change back."""
    op.execute("DELETE FROM jobs WHERE kind IN ('test_send', 'rehearse')")
    _set_job_kinds(KINDS)
    _drop_guards()
    op.drop_index("ix_deliveries_paced", table_name="deliveries")
    op.drop_index("ix_deliveries_queued", table_name="deliveries")
    op.drop_column("deliveries", "paced")
    _index("ix_deliveries_queued", "deliveries", ["campaign_id", "next_attempt_at", "id"], QUEUED)
    op.drop_index("ix_mail_domains_paced", table_name="mail_domains")
    op.drop_column("mail_domains", "paced")
    op.drop_column("campaigns", "countries")
    op.drop_table("rehearsals")
    op.drop_table("rate_buckets")
    op.drop_table("sending_limits")
