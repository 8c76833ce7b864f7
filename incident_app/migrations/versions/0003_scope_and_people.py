"""Scope entries, what was counted of them, remarks on lists, and people outside the inventory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this change."""
    op.create_table(
        "customer_list_remarks",
        sa.Column("list_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column(
            "remark",
            sa.Enum(
                "broken",
                "no_key",
                "no_match",
                "contradiction",
                "ambiguous_number",
                "several_people",
                "number_unknown",
                name="rowremark",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["list_id"], ["customer_lists.id"], name=op.f("fk_customer_list_remarks_list_id")),
        sa.PrimaryKeyConstraint("list_id", "line_number", name=op.f("pk_customer_list_remarks")),
        info={"guard": "sealed_child", "parent": "customer_lists", "key": "list_id"},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deletion_confirmations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("text_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=60), nullable=False),
        sa.CheckConstraint(
            "evidence_id IS NOT NULL OR text_id IS NOT NULL",
            name=op.f("ck_deletion_confirmations_a_confirmation_has_a_ground"),
        ),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_deletion_confirmations_evidence_id")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["involved_people.id"], name=op.f("fk_deletion_confirmations_person_id")
        ),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name=op.f("fk_deletion_confirmations_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletion_confirmations")),
        sa.UniqueConstraint("person_id", name="one_confirmation_per_person"),
        info={"guard": "append_only"},
    )
    op.create_table(
        "scope_findings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scope_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "past_retention",
                "upper_bound",
                name="scopefindingkind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("store_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_code", sa.String(length=80), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["item_code"], ["data_items.code"], name=op.f("fk_scope_findings_item_code")),
        sa.ForeignKeyConstraint(["scope_id"], ["incident_scopes.id"], name=op.f("fk_scope_findings_scope_id")),
        sa.ForeignKeyConstraint(["store_id"], ["data_stores.id"], name=op.f("fk_scope_findings_store_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scope_findings")),
        info={"guard": "append_only"},
    )
    with op.batch_alter_table("scope_findings", schema=None) as batch_op:
        batch_op.create_index("ix_scope_findings_scope_id", ["scope_id"], unique=False)

    op.create_table(
        "scope_list_stores",
        sa.Column("scope_list_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("store_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["scope_list_id"], ["scope_lists.id"], name=op.f("fk_scope_list_stores_scope_list_id")),
        sa.ForeignKeyConstraint(["store_id"], ["data_stores.id"], name=op.f("fk_scope_list_stores_store_id")),
        sa.PrimaryKeyConstraint("scope_list_id", name=op.f("pk_scope_list_stores")),
        info={"guard": "append_only"},
    )
    with op.batch_alter_table("customer_lists", schema=None) as batch_op:
        batch_op.add_column(sa.Column("file_digest", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("reading", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("rows_read", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("matched_by", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("known_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("involved_people", schema=None) as batch_op:
        batch_op.add_column(sa.Column("added_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("scope_stores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("entry", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("acquiring", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("key_compromised", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take this change back."""
    # Column by column: a batch on SQLite would build the tables anew without their checks and the rows that refer to
    # them. The guard of customer_lists names its columns, so it goes first; it is made anew after every migration.
    on_table = " ON customer_lists" if op.get_bind().dialect.name == "postgresql" else ""
    op.execute(f"DROP TRIGGER IF EXISTS guard_customer_lists_update{on_table}")
    for table, column in (
        ("scope_stores", "key_compromised"),
        ("scope_stores", "acquiring"),
        ("scope_stores", "entry"),
        ("involved_people", "erased_at"),
        ("involved_people", "added_at"),
        ("customer_lists", "known_at"),
        ("customer_lists", "matched_by"),
        ("customer_lists", "rows_read"),
        ("customer_lists", "reading"),
        ("customer_lists", "file_digest"),
    ):
        op.drop_column(table, column)

    op.drop_table("scope_list_stores")
    with op.batch_alter_table("scope_findings", schema=None) as batch_op:
        batch_op.drop_index("ix_scope_findings_scope_id")

    op.drop_table("scope_findings")
    op.drop_table("deletion_confirmations")
    op.drop_table("customer_list_remarks")
