"""What papers say: the answers of each version of a report, and the reasons why papers may differ."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this change."""
    op.create_table(
        "report_claims",
        sa.Column("report_version_id", KEY, nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_version_id"], ["report_versions.id"], name=op.f("fk_report_claims_report_version_id")
        ),
        sa.PrimaryKeyConstraint("report_version_id", name=op.f("pk_report_claims")),
        info={"guard": "append_only"},
    )
    op.create_table(
        "paper_explanations",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("question", sa.String(length=80), nullable=False),
        sa.Column("mismatch_digest", sa.String(length=64), nullable=False),
        sa.Column("statements", sa.Text(), nullable=False),
        sa.Column("reason_text_id", KEY, nullable=False),
        sa.Column("explained_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("explained_by", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_paper_explanations_incident_id")),
        sa.ForeignKeyConstraint(["reason_text_id"], ["texts.id"], name=op.f("fk_paper_explanations_reason_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paper_explanations")),
        info={"guard": "append_only"},
    )
    op.create_index("ix_paper_explanations_incident_id", "paper_explanations", ["incident_id", "mismatch_digest"])


def downgrade() -> None:
    """Take this change back."""
    op.drop_index("ix_paper_explanations_incident_id", "paper_explanations")
    op.drop_table("paper_explanations")
    op.drop_table("report_claims")
