"""Returned mail by its digest, and the addresses that it closes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from incident_app.domain.returned_mail import CLOSED_TO, BounceKind, BounceSettled, SuppressionReason
from incident_app.domain.vocabulary import Channel, Purpose
from incident_app.persistence.bulk import rows_with
from incident_app.persistence.database import Base, Digest, Json, Key
from incident_app.persistence.triggers import set_once

IN_FORCE = sa.text("lifted_at IS NULL")


class Bounce(Base):
    """One returned mail. Its bytes lie among the evidence under their digest: reading it twice changes nothing."""

    __tablename__ = "bounces"
    __table_args__ = (
        sa.CheckConstraint(
            "(delivery_id IS NOT NULL) = (settled_how IS NOT NULL AND settled_how <> 'set_aside')",
            name="matched_bounce_has_a_message",
        ),
        sa.CheckConstraint("(settled_how IS NULL) = (settled_at IS NULL)", name="settled_bounce_has_a_time"),
        sa.CheckConstraint(
            "settled_how IS NULL OR settled_how = 'by_address' OR reason_text_id IS NOT NULL",
            name="by_hand_needs_a_reason",
        ),
        sa.Index("ix_bounces_delivery_id", "delivery_id"),
        sa.Index(
            "ix_bounces_unsettled",
            "id",
            sqlite_where=sa.text("settled_how IS NULL"),
            postgresql_where=sa.text("settled_how IS NULL"),
        ),
        {"info": set_once("delivery_id", "settled_how", "settled_at", "settled_by", "reason_text_id")},
    )

    id: Mapped[Key]
    raw_digest: Mapped[Digest] = mapped_column(unique=True)
    size: Mapped[int]
    read_at: Mapped[datetime]
    read_by: Mapped[str] = mapped_column(sa.String(60))
    kind: Mapped[BounceKind]
    permanent: Mapped[bool | None]
    enhanced_code: Mapped[str | None] = mapped_column(sa.String(12))
    recipient_digests: Mapped[Json]
    """Of the addresses that the mail names, under the instance's key."""
    delivery_id: Mapped[int | None] = mapped_column(sa.ForeignKey("deliveries.id"))
    settled_how: Mapped[BounceSettled | None]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None] = mapped_column(sa.String(60))
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))


class Suppression(Base):
    """An address that mail is not sent to until somebody lifts it: it leads to the next channel, never to silence."""

    __tablename__ = "suppressions"
    __table_args__ = (
        sa.CheckConstraint("(lifted_at IS NULL) = (lift_reason_text_id IS NULL)", name="lifting_needs_a_reason"),
        sa.Index(
            "uq_suppressions_in_force",
            "address_digest",
            "channel",
            "reason",
            unique=True,
            sqlite_where=IN_FORCE,
            postgresql_where=IN_FORCE,
        ),
        {"info": set_once("lifted_at", "lifted_by", "lift_reason_text_id")},
    )

    id: Mapped[Key]
    address_digest: Mapped[Digest]
    channel: Mapped[Channel]
    reason: Mapped[SuppressionReason]
    bounce_id: Mapped[int] = mapped_column(sa.ForeignKey("bounces.id"))
    since: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(sa.String(60))
    lift_reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))


def closed_addresses(session: Session, digests: Collection[str], purpose: Purpose) -> set[str]:
    """Return those of the mail addresses, by digest, that are closed to messages of this purpose."""
    reasons = {reason.value for reason, closed in CLOSED_TO.items() if purpose in closed}
    query = "SELECT address_digest, reason, channel, lifted_at FROM suppressions"
    return {
        digest
        for digest, reason, channel, lifted_at in rows_with(session, query, "address_digest", digests)
        if reason in reasons and channel == Channel.EMAIL.value and lifted_at is None
    }
