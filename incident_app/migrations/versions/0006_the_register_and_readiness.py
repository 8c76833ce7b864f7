"""The register: input pages, periods of one item, what files no longer name; and the scores of readiness."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RETIRED = ("data_categories", "data_items", "third_parties", "joint_use_groups")
OLD_MEDIA = "'system', 'dataset', 'backup', 'log', 'paper'"
NEW_MEDIA = f"{OLD_MEDIA}, 'input_page'"
LIVE = (
    ("store_items", "uq_store_items_live_since", ("store_id", "item_code", "held_from"),
     "retracted_at IS NULL AND held_from IS NOT NULL"),
    ("store_items", "uq_store_items_live_always", ("store_id", "item_code"),
     "retracted_at IS NULL AND held_from IS NULL"),
    ("joint_use_members", "uq_joint_use_members_live", ("group_id", "party_id"), "until IS NULL"),
    ("joint_use_items", "uq_joint_use_items_live", ("group_id", "item_code"), "retracted_at IS NULL"),
)  # fmt: skip
UNIQUE = (
    ("store_items", "one_entry_per_store_and_item", ("store_id", "item_code", "recorded_at")),
    ("joint_use_members", "one_membership_per_party_and_start", ("group_id", "party_id", "since")),
    ("joint_use_items", "one_joint_item_per_start", ("group_id", "item_code", "recorded_at")),
)


def upgrade() -> None:
    """Apply this change."""
    for table in RETIRED:
        op.add_column(table, sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("data_stores", sa.Column("loaded_from", sa.String(300), server_default="", nullable=False))
    op.add_column("disclosures", sa.Column("section", sa.String(40), server_default="", nullable=False))
    _allow_media(OLD_MEDIA, NEW_MEDIA)
    for table, name, _ in UNIQUE:
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(name, type_="unique")
    for table, name, columns, among in LIVE:
        op.create_index(name, table, columns, unique=True, sqlite_where=sa.text(among), postgresql_where=sa.text(among))
    op.create_table(
        "readiness_scores",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.CheckConstraint("value >= 0 AND value <= 100", name=op.f("ck_readiness_scores_between_0_and_100")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readiness_scores")),
        info={"guard": "append_only"},
    )
    op.create_index("ix_readiness_scores_at", "readiness_scores", ["at"])


def downgrade() -> None:
    """Take this change back; two entries of one item recorded at once are kept as one."""
    op.drop_index("ix_readiness_scores_at", "readiness_scores")
    op.drop_table("readiness_scores")
    for table, name, _, _ in LIVE:
        op.drop_index(name, table)
    _drop_guards("disclosures", *(table for table, _, _ in UNIQUE))
    for table, name, columns in UNIQUE:
        same = " AND ".join(f"other.{column} = {table}.{column}" for column in columns)
        op.execute(
            f"DELETE FROM {table} WHERE EXISTS "  # noqa: S608 - names of our own
            f"(SELECT 1 FROM {table} AS other WHERE {same} AND other.id > {table}.id)",
        )
        with op.batch_alter_table(table) as batch:
            batch.create_unique_constraint(name, list(columns))
    op.execute("UPDATE data_stores SET medium = 'system' WHERE medium = 'input_page'")
    _allow_media(NEW_MEDIA, OLD_MEDIA)
    for table in RETIRED:
        op.execute(f"ALTER TABLE {table} DROP COLUMN retired_at")
    op.execute("ALTER TABLE data_stores DROP COLUMN loaded_from")
    op.execute("ALTER TABLE disclosures DROP COLUMN section")


def _allow_media(before: str, after: str) -> None:
    """Change the words that the column takes.

    SQLite cannot alter a check, and copying the table would break the foreign keys that point to it: a check does not
    touch what lies on disk, so its text in the schema is changed, as SQLite's own description of ALTER TABLE advises.
    """
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_data_stores_medium"), "data_stores")
        op.create_check_constraint(op.f("ck_data_stores_medium"), "data_stores", f"medium IN ({after})")
        return
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'data_stores'",
        (f"medium IN ({before})", f"medium IN ({after})"),
    )
    if changed.rowcount != 1:
        raise RuntimeError("data_stores has no check on its medium")
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")


def _drop_guards(*tables: str) -> None:
    """Drop triggers that name a column which goes, or refuse rows to go; the upgrade sets all guards anew."""
    for table in tables:
        for action in ("update", "delete"):
            on = "" if op.get_bind().dialect.name == "sqlite" else f" ON {table}"
            op.execute(f"DROP TRIGGER IF EXISTS guard_{table}_{action}{on}")
