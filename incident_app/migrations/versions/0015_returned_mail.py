"""Returned mail by its digest, and the addresses that it closes.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WHO = sa.String(length=60)
KINDS = ("bounce", "delay", "autoreply", "complaint", "success", "other")
SETTLED = ("by_address", "by_hand", "set_aside")
CHANNELS = ("email", "post", "phone")
REASONS = ("bounced", "complaint")


def upgrade() -> None:
    """Make this change."""
    _make_bounces()
    _make_suppressions()


def _make_bounces() -> None:
    op.create_table(
        "bounces",
        sa.Column("id", KEY, nullable=False),
        sa.Column("raw_digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.Column("read_by", WHO, nullable=False),
        sa.Column("kind", _words("bouncekind", KINDS), nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=True),
        sa.Column("enhanced_code", sa.String(length=12), nullable=True),
        sa.Column("recipient_digests", sa.Text(), nullable=False),
        sa.Column("delivery_id", KEY, nullable=True),
        sa.Column("settled_how", _words("bouncesettled", SETTLED), nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("settled_by", WHO, nullable=True),
        sa.Column("reason_text_id", KEY, nullable=True),
        sa.CheckConstraint(
            "(delivery_id IS NOT NULL) = (settled_how IS NOT NULL AND settled_how <> 'set_aside')",
            name=op.f("ck_bounces_matched_bounce_has_a_message"),
        ),
        sa.CheckConstraint(
            "(settled_how IS NULL) = (settled_at IS NULL)", name=op.f("ck_bounces_settled_bounce_has_a_time")
        ),
        sa.CheckConstraint(
            "settled_how IS NULL OR settled_how = 'by_address' OR reason_text_id IS NOT NULL",
            name=op.f("ck_bounces_by_hand_needs_a_reason"),
        ),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_bounces_delivery_id")),
        sa.ForeignKeyConstraint(["reason_text_id"], ["texts.id"], name=op.f("fk_bounces_reason_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounces")),
        sa.UniqueConstraint("raw_digest", name=op.f("uq_bounces_raw_digest")),
    )
    op.create_index("ix_bounces_delivery_id", "bounces", ["delivery_id"])
    open_ones = sa.text("settled_how IS NULL")
    op.create_index("ix_bounces_unsettled", "bounces", ["id"], sqlite_where=open_ones, postgresql_where=open_ones)


def _make_suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("address_digest", sa.String(length=64), nullable=False),
        sa.Column("channel", _words("channel", CHANNELS), nullable=False),
        sa.Column("reason", _words("suppressionreason", REASONS), nullable=False),
        sa.Column("bounce_id", KEY, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("lifted_at", MOMENT, nullable=True),
        sa.Column("lifted_by", WHO, nullable=True),
        sa.Column("lift_reason_text_id", KEY, nullable=True),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lift_reason_text_id IS NULL)", name=op.f("ck_suppressions_lifting_needs_a_reason")
        ),
        sa.ForeignKeyConstraint(["bounce_id"], ["bounces.id"], name=op.f("fk_suppressions_bounce_id")),
        sa.ForeignKeyConstraint(
            ["lift_reason_text_id"], ["texts.id"], name=op.f("fk_suppressions_lift_reason_text_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    in_force = sa.text("lifted_at IS NULL")
    op.create_index(
        "uq_suppressions_in_force",
        "suppressions",
        ["address_digest", "channel", "reason"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )


def _words(name: str, words: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def downgrade() -> None:
    """Take this change back."""
    op.drop_table("suppressions")
    op.drop_table("bounces")
