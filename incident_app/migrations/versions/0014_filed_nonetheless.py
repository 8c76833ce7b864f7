"""A filing keeps why it was made though facts had changed since the approval.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = "fk_report_submissions_nonetheless_text_id"


def upgrade() -> None:
    """Make this change."""
    with op.batch_alter_table("report_submissions") as batch_op:
        batch_op.add_column(sa.Column("nonetheless_text_id", KEY, nullable=True))
        batch_op.create_foreign_key(op.f(NAME), "texts", ["nonetheless_text_id"], ["id"])


def downgrade() -> None:
    """Take this change back."""
    with op.batch_alter_table("report_submissions") as batch_op:
        batch_op.drop_constraint(op.f(NAME), type_="foreignkey")
        batch_op.drop_column("nonetheless_text_id")
