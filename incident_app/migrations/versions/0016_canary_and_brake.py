"""Which messages of a wave may leave while its canary is looked at, and where its brake began to watch.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS = ("canary_from", "canary_through", "watched_after")


def upgrade() -> None:
    """Make this change."""
    for name in COLUMNS:
        op.add_column("campaigns", sa.Column(name, KEY, nullable=True))


def _drop_guards() -> None:
    """SQLite takes no column from a table whose guards may name it; they are made anew after every migration."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("approved", "born_approved", "frozen", "removed"):
            op.execute(f"DROP TRIGGER IF EXISTS guard_campaigns_{name}")


def downgrade() -> None:
    """Take this change back."""
    _drop_guards()
    for name in COLUMNS:
        op.drop_column("campaigns", name)
