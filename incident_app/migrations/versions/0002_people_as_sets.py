"""Affected people are stored as sets: one packed row per pattern and shard in place of one row per customer.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations
from pyroaring import BitMap

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SHARD_BITS = 16
NOTHING = hashlib.sha256(b"[]").hexdigest()
WITH_CONFIRMED = ("impact_patterns", "people_to_inform", "delivery_people")
CERTAINTY = "CHECK (certainty IN ('confirmed', 'assumed', 'ruled_out'))"


def upgrade() -> None:
    op.create_table(
        "affected_shards",
        sa.Column("determination_id", KEY, nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pattern_id", KEY, nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("members", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("people BETWEEN 1 AND 65536", name=op.f("ck_affected_shards_people_fit_a_shard")),
        sa.ForeignKeyConstraint(
            ["determination_id"], ["impact_determinations.id"], name=op.f("fk_affected_shards_determination_id")
        ),
        sa.ForeignKeyConstraint(["pattern_id"], ["impact_patterns.id"], name=op.f("fk_affected_shards_pattern_id")),
        sa.PrimaryKeyConstraint("determination_id", "shard", "pattern_id", name=op.f("pk_affected_shards")),
        sqlite_with_rowid=False,
    )
    _add("impact_patterns", "people INTEGER NOT NULL DEFAULT 0")
    _add(
        "people_to_inform",
        "certainty VARCHAR(40) NOT NULL DEFAULT 'assumed' "
        f"CONSTRAINT {op.f('ck_people_to_inform_certainty')} {CERTAINTY}",
    )
    _pack()
    op.execute(
        "UPDATE people_to_inform SET certainty = coalesce((SELECT p.certainty FROM affected_customers a "
        "JOIN impact_patterns p ON p.id = a.pattern_id WHERE a.determination_id = people_to_inform.determination_id "
        "AND a.customer_id = people_to_inform.customer_id), 'assumed')",
    )
    for table in WITH_CONFIRMED:
        with _anew(table) as batch:
            batch.add_column(sa.Column("confirmed_item_set_id", KEY, nullable=True))
            batch.create_foreign_key(
                op.f(f"fk_{table}_confirmed_item_set_id"), "item_sets", ["confirmed_item_set_id"], ["id"]
            )
    _confirm_what_was_confirmed()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE impact_patterns ALTER COLUMN people DROP DEFAULT")
        op.execute("ALTER TABLE people_to_inform ALTER COLUMN certainty DROP DEFAULT")
    op.drop_table("affected_customers")


def downgrade() -> None:
    op.create_table(
        "affected_customers",
        sa.Column("determination_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("pattern_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_affected_customers_customer_id")),
        sa.ForeignKeyConstraint(
            ["determination_id"], ["impact_determinations.id"], name=op.f("fk_affected_customers_determination_id")
        ),
        sa.ForeignKeyConstraint(["pattern_id"], ["impact_patterns.id"], name=op.f("fk_affected_customers_pattern_id")),
        sa.PrimaryKeyConstraint("determination_id", "customer_id", name=op.f("pk_affected_customers")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_affected_customers_pattern_id", "affected_customers", ["pattern_id"])
    _unpack()
    op.drop_table("affected_shards")
    for table in WITH_CONFIRMED:
        with _anew(table) as batch:
            batch.drop_column("confirmed_item_set_id")
    with _anew("people_to_inform") as batch:
        batch.drop_constraint(op.f("ck_people_to_inform_certainty"), type_="check")
        batch.drop_column("certainty")
    with _anew("impact_patterns") as batch:
        batch.drop_column("people")


def _add(table: str, column: str) -> None:
    """Add a column in place: making the table anew would break what refers to it."""
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def _anew(table: str) -> AbstractContextManager[BatchOperations]:
    """Change a table; SQLite makes it anew, which must not make a table of keys into one of rows."""
    kwargs = {"sqlite_with_rowid": False} if table == "delivery_people" else {}
    return op.batch_alter_table(table, table_kwargs=kwargs)


def _confirm_what_was_confirmed() -> None:
    """Until now a confirmed person had all items confirmed, others none."""
    connection = op.get_bind()
    if connection.scalar(sa.text("SELECT count(*) FROM impact_patterns")):
        connection.execute(
            sa.text("INSERT INTO item_sets (digest, item_codes) VALUES (:digest, '[]') ON CONFLICT DO NOTHING"),
            {"digest": NOTHING},
        )
    nothing = connection.scalar(sa.text("SELECT id FROM item_sets WHERE digest = :digest"), {"digest": NOTHING})
    for table in WITH_CONFIRMED:
        connection.execute(
            sa.text(
                f"UPDATE {table} SET confirmed_item_set_id = "  # noqa: S608 - names of our own tables
                "CASE certainty WHEN 'confirmed' THEN item_set_id ELSE :nothing END",
            ),
            {"nothing": nothing},
        )
        with _anew(table) as batch:
            batch.alter_column("confirmed_item_set_id", existing_type=KEY, nullable=False)


def _pack() -> None:
    connection = op.get_bind()
    determinations = connection.execute(sa.text("SELECT id FROM impact_determinations")).scalars().all()
    for determination in determinations:
        shards: dict[tuple[int, int], BitMap] = defaultdict(BitMap)
        people: dict[int, int] = defaultdict(int)
        rows = connection.execute(
            sa.text("SELECT customer_id, pattern_id FROM affected_customers WHERE determination_id = :determination"),
            {"determination": determination},
        )
        for customer, pattern in rows:
            shards[customer >> SHARD_BITS, pattern].add(customer)
            people[pattern] += 1
        for (shard, pattern), members in sorted(shards.items()):
            connection.execute(
                sa.text("INSERT INTO affected_shards VALUES (:determination, :shard, :pattern, :people, :members)"),
                {
                    "determination": determination,
                    "shard": shard,
                    "pattern": pattern,
                    "people": len(members),
                    "members": members.serialize(),
                },
            )
        for pattern, number in people.items():
            connection.execute(
                sa.text("UPDATE impact_patterns SET people = :number WHERE id = :pattern"),
                {"number": number, "pattern": pattern},
            )


def _unpack() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT determination_id, pattern_id, members FROM affected_shards")).all()
    for determination, pattern, members in rows:
        connection.execute(
            sa.text("INSERT INTO affected_customers VALUES (:determination, :customer, :pattern)"),
            [
                {"determination": determination, "customer": customer, "pattern": pattern}
                for customer in BitMap.deserialize(members)
            ],
        )
