"""The register of duties says when a row was superseded; messages between us and other companies; their contracts.

Revision ID: 0013
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
DIRECTIONS = ("incoming", "outgoing")
KINDS = ("first_report", "list_request", "list_received", "order", "tenant_data_sheet", "deletion_confirmed")
REFERENCES = {
    "incident_id": "incidents",
    "party_id": "third_parties",
    "customer_id": "customers",
    "determination_id": "impact_determinations",
    "person_count_id": "person_counts",
    "text_id": "texts",
    "evidence_id": "evidence",
    "clock_start_id": "clock_starts",
}


def upgrade() -> None:
    """Make this change."""
    op.add_column("obligations", sa.Column("superseded_at", MOMENT, nullable=True))
    op.create_table(
        "customer_contracts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("notice_hours", sa.Integer(), nullable=True),
        sa.Column("contract_reference", sa.String(length=120), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recorded_by", sa.String(length=60), nullable=False),
        sa.CheckConstraint(
            "notice_hours IS NULL OR notice_hours BETWEEN 1 AND 8760",
            name=op.f("ck_customer_contracts_hours_within_a_year"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_customer_contracts_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_contracts")),
    )
    op.create_index("ix_customer_contracts_customer_id", "customer_contracts", ["customer_id"])
    _make_messages()


def _make_messages() -> None:
    op.create_table(
        "party_messages",
        sa.Column("id", KEY, nullable=False),
        *(sa.Column(name, KEY, nullable=name != "incident_id") for name in REFERENCES),
        sa.Column("direction", _words("messagedirection", DIRECTIONS), nullable=False),
        sa.Column("kind", _words("messagekind", KINDS), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("items_known", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=True),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recorded_by", sa.String(length=60), nullable=False),
        *_checks(),
        *(
            sa.ForeignKeyConstraint([name], [f"{table}.id"], name=op.f(f"fk_party_messages_{name}"))
            for name, table in REFERENCES.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_messages")),
    )
    op.create_index("ix_party_messages_incident_id", "party_messages", ["incident_id"])


def _words(name: str, words: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def _checks() -> tuple[sa.CheckConstraint, ...]:
    rules = {
        "message_is_with_one_company": "(party_id IS NULL) <> (customer_id IS NULL)",
        "data_sheet_goes_to_a_customer": "kind <> 'tenant_data_sheet' OR (direction = 'outgoing' "
        "AND customer_id IS NOT NULL AND determination_id IS NOT NULL AND content_digest IS NOT NULL)",
        "list_received_comes_in": "kind <> 'list_received' OR direction = 'incoming'",
        "only_being_told_starts_a_clock": "clock_start_id IS NULL "
        "OR (kind = 'first_report' AND direction = 'incoming')",
    }
    return tuple(sa.CheckConstraint(rule, name=op.f(f"ck_party_messages_{name}")) for name, rule in rules.items())


def _drop_guards() -> None:
    """SQLite takes no column from a table whose guards may name it; they are made anew after every migration."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("removed", "said", "first_filing", "superseded", "waived", "born_waived"):
            op.execute(f"DROP TRIGGER IF EXISTS guard_obligations_{name}")


def downgrade() -> None:
    """Take this change back."""
    op.drop_index("ix_party_messages_incident_id", "party_messages")
    op.drop_table("party_messages")
    op.drop_index("ix_customer_contracts_customer_id", "customer_contracts")
    op.drop_table("customer_contracts")
    _drop_guards()
    op.drop_column("obligations", "superseded_at")
