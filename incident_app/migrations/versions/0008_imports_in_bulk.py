"""Imports in bulk: periods of holdings, changes of customers, imports that can be resumed or abandoned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

HOLDINGS_KEY = ["store_id", "customer_id", "item_set_id", "recorded_at"]
UNDER_WAY = sa.text("status = 'building'")
NOT_ABANDONED = sa.text("status <> 'abandoned'")


def _words(name: str, *members: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=40)


def _drop_guards() -> None:
    """SQLite does not rename a table that triggers of others name; the guards are made anew after every migration."""
    if op.get_bind().dialect.name == "sqlite":
        for action in ("insert", "delete"):
            op.execute(f"DROP TRIGGER IF EXISTS guard_import_refusals_{action}")


def upgrade() -> None:
    """Apply this change."""
    _drop_guards()
    moment = sa.DateTime(timezone=True)
    with op.batch_alter_table("customers") as batch_op:
        batch_op.add_column(sa.Column("added_at", moment, nullable=True))
    op.create_table(
        "customer_changes",
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("kind", _words("personkind", "person", "organisation"), nullable=False),
        sa.Column(
            "relation", _words("relation", "customer", "business_partner", "shareholder", "staff"), nullable=False
        ),
        sa.Column("language", _words("language", "ja", "en"), nullable=False),
        sa.Column("jurisdiction", sa.String(length=2), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_customer_changes_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "changed_at", name=op.f("pk_customer_changes")),
        info={"guard": "append_only"},
    )
    period = sa.Column(
        "period", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), server_default="0", nullable=False
    )
    with op.batch_alter_table("holdings", table_kwargs={"sqlite_with_rowid": False}) as batch_op:
        batch_op.add_column(period)
        batch_op.drop_constraint("pk_holdings", type_="primary")
        batch_op.create_primary_key("pk_holdings", [*HOLDINGS_KEY, "period"])
    with op.batch_alter_table("imports") as batch_op:
        batch_op.add_column(sa.Column("profile_digest", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("reached", sa.String(length=60), nullable=True))
        batch_op.drop_constraint("same_file_twice_changes_nothing", type_="unique")
        batch_op.drop_constraint(op.f("ck_imports_buildstatus"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_imports_importstatus"), "status IN ('building', 'sealed', 'abandoned')"
        )
    _index("same_file_twice_changes_nothing", ["kind", "file_digest", "profile_digest"], NOT_ABANDONED)
    _index("one_import_under_way", ["status"], UNDER_WAY)


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "imports", columns, unique=True, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Take this change back."""
    _drop_guards()
    op.drop_index("one_import_under_way", "imports")
    op.drop_index("same_file_twice_changes_nothing", "imports")
    with op.batch_alter_table("imports") as batch_op:
        batch_op.drop_constraint(op.f("ck_imports_importstatus"), type_="check")
        batch_op.create_check_constraint(op.f("ck_imports_buildstatus"), "status IN ('building', 'sealed')")
        batch_op.create_unique_constraint("same_file_twice_changes_nothing", ["kind", "file_digest"])
        batch_op.drop_column("reached")
        batch_op.drop_column("profile_digest")
    with op.batch_alter_table("holdings", table_kwargs={"sqlite_with_rowid": False}) as batch_op:
        batch_op.drop_constraint("pk_holdings", type_="primary")
        batch_op.create_primary_key("pk_holdings", HOLDINGS_KEY)
        batch_op.drop_column("period")
    op.drop_table("customer_changes")
    with op.batch_alter_table("customers") as batch_op:
        batch_op.drop_column("added_at")
