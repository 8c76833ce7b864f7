"""Letters in batches, and contacts by hand that can be taken back.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
DIGEST = sa.String(length=64)
WHO = sa.String(length=60)
PURPOSES = ("leak_notice", "update", "all_clear", "tenant_data_sheet")
BATCH_STATUSES = ("building", "prepared", "handed_over", "discarded")
LETTER_STATES = ("prepared", "handed_over", "returned", "discarded")
LANGUAGES = ("ja", "en")
CERTAINTIES = ("confirmed", "assumed", "ruled_out")
OUTCOMES = ("told", "not_reached")
# What was told by other means before this table was there: as it stands on the people.
KEPT = """
INSERT INTO contacts_by_hand
    (incident_id, record, person_id, way, outcome, item_set_id, at, recorded_at, recorded_by, reason_text_id)
SELECT incident_id, 0, id, COALESCE(how, 'otherwise'), 'told', COALESCE(told_item_set_id, item_set_id),
    standing_since, standing_since, 'system:migration', reason_text_id
FROM people_to_inform WHERE standing = 'informed_otherwise'
"""


def upgrade() -> None:
    """Make this change."""
    _make_batches()
    _make_letters()
    _make_contacts()
    op.execute(KEPT)


def _make_batches() -> None:
    op.create_table(
        "letter_batches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("purpose", _words("purpose", PURPOSES), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("notice_id", KEY, nullable=False),
        sa.Column("notice_version", sa.Integer(), nullable=False),
        sa.Column("determination_id", KEY, nullable=False),
        sa.Column("approval_id", KEY, nullable=False),
        sa.Column("text_digest", DIGEST, nullable=False),
        sa.Column("item_names", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("printed_on", sa.Date(), nullable=False),
        sa.Column("status", _words("batchstatus", BATCH_STATUSES), nullable=False),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.Column("content_digest", DIGEST, nullable=True),
        sa.Column("pdf_digest", DIGEST, nullable=True),
        sa.Column("missing_signs", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", KEY, nullable=False),
        sa.Column("handed_over_on", sa.Date(), nullable=True),
        sa.Column("receipt_id", KEY, nullable=True),
        sa.CheckConstraint(
            "(status = 'handed_over') = (handed_over_on IS NOT NULL)",
            name=op.f("ck_letter_batches_handed_over_on_a_day"),
        ),
        _refers("letter_batches", "incident_id", "incidents"),
        _refers("letter_batches", "notice_id", "notices"),
        _refers("letter_batches", "determination_id", "impact_determinations"),
        _refers("letter_batches", "approval_id", "approval_decisions"),
        _refers("letter_batches", "created_by", "users"),
        _refers("letter_batches", "receipt_id", "evidence"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter_batches")),
        sa.UniqueConstraint("incident_id", "number", name=op.f("one_batch_per_number")),
        sa.UniqueConstraint("code", name=op.f("uq_letter_batches_code")),
    )


def _make_letters() -> None:
    op.create_table(
        "letters",
        sa.Column("id", KEY, nullable=False),
        sa.Column("batch_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("token", sa.String(length=24), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("contact_id", KEY, nullable=False),
        sa.Column("language", _words("language", LANGUAGES), nullable=False),
        sa.Column("item_set_id", KEY, nullable=False),
        sa.Column("confirmed_item_set_id", KEY, nullable=False),
        sa.Column("certainty", _words("certainty", CERTAINTIES), nullable=False),
        sa.Column("state", _words("letterstate", LETTER_STATES), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        _refers("letters", "batch_id", "letter_batches"),
        _refers("letters", "person_id", "people_to_inform"),
        _refers("letters", "contact_id", "customer_contacts"),
        _refers("letters", "item_set_id", "item_sets"),
        _refers("letters", "confirmed_item_set_id", "item_sets"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("one_letter_per_number")),
        sa.UniqueConstraint("code", name=op.f("uq_letters_code")),
        sa.UniqueConstraint("token", name=op.f("uq_letters_token")),
    )
    op.create_index("ix_letters_person_id", "letters", ["person_id"])
    prepared = sa.text("state = 'prepared'")
    op.create_index(
        "uq_letters_prepared",
        "letters",
        ["person_id"],
        unique=True,
        sqlite_where=prepared,
        postgresql_where=prepared,
    )


def _make_contacts() -> None:
    op.create_table(
        "contacts_by_hand",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("record", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("way", sa.String(length=60), nullable=False),
        sa.Column("outcome", _words("contactoutcome", OUTCOMES), nullable=False),
        sa.Column("item_set_id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recorded_by", WHO, nullable=False),
        sa.Column("reason_text_id", KEY, nullable=True),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", WHO, nullable=True),
        sa.Column("undo_reason_text_id", KEY, nullable=True),
        sa.CheckConstraint(
            "(undone_at IS NULL) = (undo_reason_text_id IS NULL)",
            name=op.f("ck_contacts_by_hand_undoing_needs_a_reason"),
        ),
        _refers("contacts_by_hand", "incident_id", "incidents"),
        _refers("contacts_by_hand", "person_id", "people_to_inform"),
        _refers("contacts_by_hand", "item_set_id", "item_sets"),
        _refers("contacts_by_hand", "reason_text_id", "texts"),
        _refers("contacts_by_hand", "undo_reason_text_id", "texts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts_by_hand")),
    )
    op.create_index("ix_contacts_by_hand_person_id", "contacts_by_hand", ["person_id"])
    op.create_index("ix_contacts_by_hand_record", "contacts_by_hand", ["incident_id", "record"])


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def _words(name: str, words: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def downgrade() -> None:
    """Take this change back."""
    op.drop_table("contacts_by_hand")
    op.drop_table("letters")
    op.drop_table("letter_batches")
