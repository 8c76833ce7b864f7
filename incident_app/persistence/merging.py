"""Records of one person: proposals with their reasons, confirmed links, and the questions asked of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from incident_app.domain.merging import Link, MergeReason
from incident_app.domain.people import people, shard_of, unpack
from incident_app.persistence.database import Base, BigInt, Key
from incident_app.persistence.impact import AffectedShard
from incident_app.persistence.triggers import append_only, set_once

LINKED = sa.text("undone_at IS NULL")


class MergeProposal(Base):
    """Two records that may be one person. It changes nothing until a person confirms it."""

    __tablename__ = "merge_proposals"
    __table_args__ = (
        sa.UniqueConstraint("first_customer_id", "second_customer_id", name="one_proposal_per_pair"),
        sa.CheckConstraint("first_customer_id < second_customer_id", name="lower_record_first"),
        {"info": set_once("dismissed_at", "dismissed_by", "dismissed_text_id")},
    )

    id: Mapped[Key]
    first_customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    second_customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[str] = mapped_column(sa.String(60))
    dismissed_at: Mapped[datetime | None]
    dismissed_by: Mapped[str | None] = mapped_column(sa.String(60))
    dismissed_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))


class MergeProposalReason(Base):
    """One reason of a proposal."""

    __tablename__ = "merge_proposal_reasons"
    __table_args__ = (sa.PrimaryKeyConstraint("proposal_id", "reason"), {"info": append_only()})

    proposal_id: Mapped[BigInt] = mapped_column(sa.ForeignKey("merge_proposals.id"))
    reason: Mapped[MergeReason]
    text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))


class PersonMerge(Base):
    """Two records that a person confirmed to be one. Undoing sets its time; the row stays."""

    __tablename__ = "person_merges"
    __table_args__ = (
        sa.CheckConstraint("first_customer_id < second_customer_id", name="lower_record_first"),
        sa.CheckConstraint("(undone_at IS NULL) = (undone_text_id IS NULL)", name="undoing_needs_a_reason"),
        sa.Index(
            "uq_person_merges_linked",
            "first_customer_id",
            "second_customer_id",
            unique=True,
            sqlite_where=LINKED,
            postgresql_where=LINKED,
        ),
        {"info": set_once("undone_at", "undone_by", "undone_text_id")},
    )

    id: Mapped[Key]
    proposal_id: Mapped[int] = mapped_column(sa.ForeignKey("merge_proposals.id"))
    first_customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    second_customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    confirmed_at: Mapped[datetime]
    confirmed_by: Mapped[str] = mapped_column(sa.String(60))
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None] = mapped_column(sa.String(60))
    undone_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))


def confirmed_links(session: Session, known_at: datetime | None = None) -> list[Link]:
    """Return the links in force, now or as they were known at a time. People confirm them one by one: they are few."""
    query = sa.select(PersonMerge.first_customer_id, PersonMerge.second_customer_id)
    if known_at is None:
        query = query.where(PersonMerge.undone_at.is_(None))
    else:
        query = query.where(
            PersonMerge.confirmed_at <= known_at,
            sa.or_(PersonMerge.undone_at.is_(None), PersonMerge.undone_at > known_at),
        )
    return [Link(first=first, second=second) for first, second in session.execute(query)]


def affected_among(
    session: Session, determination_id: int, customer_ids: Iterable[int], pattern_ids: Collection[int]
) -> set[int]:
    """Return which of these records a determination lists under these patterns: only their shards are read."""
    by_shard: dict[int, list[int]] = defaultdict(list)
    for customer_id in customer_ids:
        by_shard[shard_of(customer_id)].append(customer_id)
    found: set[int] = set()
    for shard, wanted in by_shard.items():
        parts = session.scalars(
            sa.select(AffectedShard.members).where(
                AffectedShard.determination_id == determination_id,
                AffectedShard.shard == shard,
                AffectedShard.pattern_id.in_(pattern_ids),
            ),
        )
        for members in parts:
            found.update(people(wanted) & unpack(members))
    return found
