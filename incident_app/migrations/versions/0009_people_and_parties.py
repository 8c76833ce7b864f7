"""What the points left open need: parties of a determination, and a question that is asked again after others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROLES = ("recipient", "processor", "joint_user", "undecided")
BASES = ("published", "actual")
SAME_QUESTION = ["incident_id", "inputs_digest", "rules_version"]


def _drop_guards() -> None:
    """SQLite does not rename a table that triggers of others name; the guards are made anew after every migration."""
    if op.get_bind().dialect.name == "sqlite":
        for table in ("affected_parties", "affected_shards", "impact_patterns"):
            for action in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER IF EXISTS guard_{table}_{action}")


def _create_parties(*more: sa.Column[object], key: list[str], reason: sa.types.TypeEngine[str]) -> None:
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    role = sa.Enum(*ROLES, name="partyrole", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "affected_parties",
        sa.Column("determination_id", whole, nullable=False),
        sa.Column("party_id", whole, nullable=False),
        sa.Column("role", role, nullable=False),
        *more,
        sa.Column("reason_ja", reason, nullable=False),
        sa.Column("reason_en", reason, nullable=False),
        sa.ForeignKeyConstraint(
            ["determination_id"], ["impact_determinations.id"], name=op.f("fk_affected_parties_determination_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["third_parties.id"], name=op.f("fk_affected_parties_party_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_affected_parties")),
        info={"guard": "sealed_child", "parent": "impact_determinations", "key": "determination_id"},
    )


def upgrade() -> None:
    """Apply this change. No program before wrote a row of affected_parties, so the table is simply made anew."""
    _drop_guards()
    op.drop_table("affected_parties")
    basis = sa.Enum(*BASES, name="disclosurebasis", native_enum=False, create_constraint=True, length=40)
    _create_parties(
        sa.Column("basis", basis, nullable=False),
        sa.Column("item_codes", sa.Text(), nullable=False),
        sa.Column("uncertain_codes", sa.Text(), nullable=False),
        key=["determination_id", "party_id", "role", "basis"],
        reason=sa.Text(),
    )
    with op.batch_alter_table("impact_determinations") as batch_op:
        batch_op.drop_constraint("same_question_same_row", type_="unique")
        batch_op.create_index("ix_impact_determinations_question", SAME_QUESTION, unique=False)


def downgrade() -> None:
    """Take this change back."""
    _drop_guards()
    with op.batch_alter_table("impact_determinations") as batch_op:
        batch_op.drop_index("ix_impact_determinations_question")
        batch_op.create_unique_constraint("same_question_same_row", SAME_QUESTION)
    op.drop_table("affected_parties")
    _create_parties(key=["determination_id", "party_id", "role"], reason=sa.String(length=300))
