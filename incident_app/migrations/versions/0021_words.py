"""Who is left out of a wave and why, channels that other companies run, and findings waived with a reason.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WHO = sa.String(length=60)
CHANNELS = ("email", "post", "phone")
LEFT_OUT = ("no_address", "address_closed", "contact_changed", "channel_leaking")
WITHHELD = ("contact_gone", "cancelled", "told_already", "not_affected", "facts_changed")
CLOSED = "address_closed"
AUDIENCE = ("rings", "relations")


def upgrade() -> None:
    """Make this change."""
    _make_channels()
    op.create_table(
        "people_left_out",
        sa.Column("campaign_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("because", _words("leftoutbecause", LEFT_OUT), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_people_left_out_campaign_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people_to_inform.id"], name=op.f("fk_people_left_out_person_id")),
        sa.PrimaryKeyConstraint("campaign_id", "person_id", name=op.f("pk_people_left_out")),
        sqlite_with_rowid=False,
    )
    _withheld_may_be((*WITHHELD, CLOSED))
    _make_waivers()
    for name in AUDIENCE:
        op.add_column("notices", sa.Column(name, sa.Text(), nullable=True))


def _make_waivers() -> None:
    op.create_table(
        "lint_waivers",
        sa.Column("id", KEY, nullable=False),
        sa.Column("notice_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", _words("language", ("ja", "en")), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("reason_text_id", KEY, nullable=False),
        sa.Column("waived_by", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_lint_waivers_notice_id")),
        sa.ForeignKeyConstraint(["reason_text_id"], ["texts.id"], name=op.f("fk_lint_waivers_reason_text_id")),
        sa.ForeignKeyConstraint(["waived_by"], ["users.id"], name=op.f("fk_lint_waivers_waived_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lint_waivers")),
        sa.UniqueConstraint("notice_id", "version", "language", "rule", name="one_waiver_per_finding"),
    )


def _make_channels() -> None:
    op.create_table(
        "party_channels",
        sa.Column("id", KEY, nullable=False),
        sa.Column("party_id", KEY, nullable=False),
        sa.Column("channel", _words("channel", CHANNELS), nullable=False),
        sa.Column("mail_domain", sa.String(length=254), nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.Column("added_by", WHO, nullable=False),
        sa.Column("removed_at", MOMENT, nullable=True),
        sa.Column("removed_by", WHO, nullable=True),
        sa.CheckConstraint(
            "mail_domain = '' OR channel = 'email'", name=op.f("ck_party_channels_only_mail_has_a_domain")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["third_parties.id"], name=op.f("fk_party_channels_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_channels")),
    )
    still_run = sa.text("removed_at IS NULL")
    op.create_index(
        "uq_party_channels_run",
        "party_channels",
        ["party_id", "channel", "mail_domain"],
        unique=True,
        sqlite_where=still_run,
        postgresql_where=still_run,
    )
    op.create_table(
        "channel_exceptions",
        sa.Column("campaign_id", KEY, nullable=False),
        sa.Column("party_channel_id", KEY, nullable=False),
        sa.Column("reason_text_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_channel_exceptions_campaign_id")),
        sa.ForeignKeyConstraint(
            ["party_channel_id"], ["party_channels.id"], name=op.f("fk_channel_exceptions_party_channel_id")
        ),
        sa.ForeignKeyConstraint(["reason_text_id"], ["texts.id"], name=op.f("fk_channel_exceptions_reason_text_id")),
        sa.PrimaryKeyConstraint("campaign_id", "party_channel_id", name=op.f("pk_channel_exceptions")),
    )


def _withheld_may_be(reasons: tuple[str, ...]) -> None:
    """Let a message be withheld for these reasons."""
    name = op.f("ck_deliveries_withheldbecause")
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    with op.batch_alter_table("deliveries") as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"withheld_because IN ({listed})")


def _words(name: str, words: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def downgrade() -> None:
    """Take this change back; who was withheld for a closed address reads as one whose contact is gone."""
    op.execute(f"UPDATE deliveries SET withheld_because = '{WITHHELD[0]}' WHERE withheld_because = '{CLOSED}'")  # noqa: S608 - our own words
    _withheld_may_be(WITHHELD)
    for name in AUDIENCE:
        op.drop_column("notices", name)
    op.drop_table("lint_waivers")
    op.drop_table("people_left_out")
    op.drop_table("channel_exceptions")
    op.drop_table("party_channels")
