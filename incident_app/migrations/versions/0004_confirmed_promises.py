"""What people confirmed by hand about the policy's promise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this change."""
    op.create_table(
        "commitment_confirmations",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("clause", sa.String(length=80), nullable=False),
        sa.Column("part", sa.String(length=80), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("note_text_id", KEY, nullable=False),
        sa.Column("evidence_id", KEY, nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_commitment_confirmations_evidence_id")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_commitment_confirmations_incident_id")
        ),
        sa.ForeignKeyConstraint(["note_text_id"], ["texts.id"], name=op.f("fk_commitment_confirmations_note_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment_confirmations")),
        info={"guard": "append_only"},
    )
    with op.batch_alter_table("commitment_confirmations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_commitment_confirmations_incident_id", ["incident_id", "clause", "part"], unique=False
        )


def downgrade() -> None:
    """Take this change back."""
    with op.batch_alter_table("commitment_confirmations", schema=None) as batch_op:
        batch_op.drop_index("ix_commitment_confirmations_incident_id")
    op.drop_table("commitment_confirmations")
