"""Publications and whom they cover, corrected addresses, notices that hold no longer.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WHO = sa.String(length=60)
PURPOSES = ("leak_notice", "update", "all_clear", "tenant_data_sheet")
RULES = ("unreachable", "list")
REASONS = ("no_contact", "mail_returned", "mail_failed", "address_closed", "named")
STATUSES = ("building", "sealed")
SOURCES = ("told_by_person", "own_records", "returned_letter", "entrusting_party")


def upgrade() -> None:
    """Make this change."""
    _make_publications()
    _make_coverings()
    _make_covered_people()
    _make_address_corrections()
    _make_notice_withdrawals()


def _make_publications() -> None:
    op.create_table(
        "publications",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=300), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=True),
        sa.Column("text_id", KEY, nullable=True),
        sa.Column("report_version_id", KEY, nullable=True),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("desk_phone", sa.String(length=60), nullable=True),
        sa.Column("desk_hours", sa.String(length=300), nullable=True),
        sa.Column("desk_until", sa.Date(), nullable=True),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recorded_by", WHO, nullable=False),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.Column("withdrawn_by", WHO, nullable=True),
        sa.Column("withdraw_reason_text_id", KEY, nullable=True),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(text_id IS NULL) <> (report_version_id IS NULL)", name=op.f("ck_publications_published_text_is_known")
        ),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdraw_reason_text_id IS NULL)",
            name=op.f("ck_publications_withdrawing_needs_a_reason"),
        ),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_publications_incident_id")),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name=op.f("fk_publications_text_id")),
        sa.ForeignKeyConstraint(
            ["report_version_id"], ["report_versions.id"], name=op.f("fk_publications_report_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["withdraw_reason_text_id"], ["texts.id"], name=op.f("fk_publications_withdraw_reason_text_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publications")),
        sa.UniqueConstraint("incident_id", "version", name="one_publication_per_version"),
    )


def _make_coverings() -> None:
    op.create_table(
        "coverings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("purpose", _words("purpose", PURPOSES), nullable=False),
        sa.Column("rule", _words("coverrule", RULES), nullable=False),
        sa.Column("reason_text_id", KEY, nullable=True),
        sa.Column("status", _words("buildstatus", STATUSES), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("covered_at", MOMENT, nullable=False),
        sa.Column("covered_by", WHO, nullable=False),
        sa.Column("applied_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "status = 'building' OR reason_text_id IS NOT NULL", name=op.f("ck_coverings_covering_needs_a_reason")
        ),
        sa.ForeignKeyConstraint(["publication_id"], ["publications.id"], name=op.f("fk_coverings_publication_id")),
        sa.ForeignKeyConstraint(["reason_text_id"], ["texts.id"], name=op.f("fk_coverings_reason_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverings")),
    )
    op.create_index("ix_coverings_publication_id", "coverings", ["publication_id"])


def _make_covered_people() -> None:
    op.create_table(
        "covered_people",
        sa.Column("covering_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("because", _words("coverreason", REASONS), nullable=False),
        sa.ForeignKeyConstraint(["covering_id"], ["coverings.id"], name=op.f("fk_covered_people_covering_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people_to_inform.id"], name=op.f("fk_covered_people_person_id")),
        sa.PrimaryKeyConstraint("covering_id", "person_id", name=op.f("pk_covered_people")),
        sqlite_with_rowid=False,
    )


def _make_address_corrections() -> None:
    op.create_table(
        "address_corrections",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("old_contact_id", KEY, nullable=True),
        sa.Column("new_contact_id", KEY, nullable=False),
        sa.Column("source", _words("addresssource", SOURCES), nullable=False),
        sa.Column("reason_text_id", KEY, nullable=False),
        sa.Column("file_digest", sa.String(length=64), nullable=True),
        sa.Column("despite_complaint", sa.Boolean(), nullable=False),
        sa.Column("corrected_at", MOMENT, nullable=False),
        sa.Column("corrected_by", WHO, nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_address_corrections_incident_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_address_corrections_customer_id")),
        sa.ForeignKeyConstraint(
            ["old_contact_id"], ["customer_contacts.id"], name=op.f("fk_address_corrections_old_contact_id")
        ),
        sa.ForeignKeyConstraint(
            ["new_contact_id"], ["customer_contacts.id"], name=op.f("fk_address_corrections_new_contact_id")
        ),
        sa.ForeignKeyConstraint(["reason_text_id"], ["texts.id"], name=op.f("fk_address_corrections_reason_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_corrections")),
        sa.UniqueConstraint("new_contact_id", name="one_correction_per_contact"),
    )
    op.create_index("ix_address_corrections_incident_id", "address_corrections", ["incident_id"])


def _make_notice_withdrawals() -> None:
    op.create_table(
        "notice_withdrawals",
        sa.Column("id", KEY, nullable=False),
        sa.Column("notice_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason_text_id", KEY, nullable=False),
        sa.Column("withdrawn_at", MOMENT, nullable=False),
        sa.Column("withdrawn_by", WHO, nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_notice_withdrawals_notice_id")),
        sa.ForeignKeyConstraint(["reason_text_id"], ["texts.id"], name=op.f("fk_notice_withdrawals_reason_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_withdrawals")),
        sa.UniqueConstraint("notice_id", "version", name="one_withdrawal_per_version"),
    )


def _words(name: str, words: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def downgrade() -> None:
    """Take this change back."""
    for table in ("notice_withdrawals", "address_corrections", "covered_people", "coverings", "publications"):
        op.drop_table(table)
