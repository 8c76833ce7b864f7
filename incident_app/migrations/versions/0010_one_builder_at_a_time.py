"""One builder at a time: determinations and lists bear the token of whoever builds them.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = ("impact_determinations", "customer_lists")


def upgrade() -> None:
    """Apply this change."""
    for table in TABLES:
        op.add_column(table, sa.Column("builder", sa.String(length=32), nullable=True))


def downgrade() -> None:
    """Take this change back."""
    for table in TABLES:
        op.drop_column(table, "builder")
