"""Records of one person: proposals with their reasons, confirmed links, and the questions asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from incident_app.domain.merging import Link, MergeReason
from incident_app.persistence.database import Base, BigInt, Key
from incident_app.persistence.impact import AffectedCustomer
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
    session: Session, determination_id: int, customer_ids: Iterable[int], pattern_ids: Sequence[int]
) -> set[int]:
    """Return which of these records a determination lists under these patterns: a look-up per record, never a scan."""
    found: set[int] = set()
    wanted = sorted(set(customer_ids))
    for start in range(0, len(wanted), 500):
        found.update(
            session.scalars(
                sa.select(AffectedCustomer.customer_id).where(
                    AffectedCustomer.determination_id == determination_id,
                    AffectedCustomer.customer_id.in_(wanted[start : start + 500]),
                    AffectedCustomer.pattern_id.in_(pattern_ids),
                ),
            ),
        )
    return found
