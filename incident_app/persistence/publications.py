"""Publications, whom each covers and why, and how their people are found and moved by the thousand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from incident_app.domain.delivery import DeliveryState, Standing
from incident_app.domain.publications import CoverReason, CoverRule
from incident_app.domain.vocabulary import BuildStatus, Purpose
from incident_app.persistence.bulk import key_list, one_of
from incident_app.persistence.database import Base, Digest, Key
from incident_app.persistence.outbox import Campaign, DeliveryPerson, PersonToInform
from incident_app.persistence.triggers import sealed_child, sealed_parent, set_once

COVERABLE = (Standing.TO_INFORM, Standing.NOT_REACHED)


class Publication(Base):
    """One public notice of an incident. A change of text or desk is a further publication."""

    __tablename__ = "publications"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "version", name="one_publication_per_version"),
        sa.CheckConstraint("(text_id IS NULL) <> (report_version_id IS NULL)", name="published_text_is_known"),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdraw_reason_text_id IS NULL)", name="withdrawing_needs_a_reason"
        ),
        {"info": set_once("withdrawn_at", "withdrawn_by", "withdraw_reason_text_id", "undone_at")},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    version: Mapped[int]
    place: Mapped[str]
    url: Mapped[str | None] = mapped_column(sa.String(500))
    text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    report_version_id: Mapped[int | None] = mapped_column(sa.ForeignKey("report_versions.id"))
    published_at: Mapped[datetime]
    desk_phone: Mapped[str | None] = mapped_column(sa.String(60))
    desk_hours: Mapped[str | None]
    desk_until: Mapped[date | None]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(sa.String(60))
    withdraw_reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    undone_at: Mapped[datetime | None]
    """When everybody whom it covered was set back to not reached."""


class Covering(Base):
    """One act by which a publication covers people, with the reason that was given for it."""

    __tablename__ = "coverings"
    __table_args__ = (
        sa.Index("ix_coverings_publication_id", "publication_id"),
        sa.CheckConstraint("status = 'building' OR reason_text_id IS NOT NULL", name="covering_needs_a_reason"),
        {"info": sealed_parent("applied_at")},
    )

    id: Mapped[Key]
    publication_id: Mapped[int] = mapped_column(sa.ForeignKey("publications.id"))
    purpose: Mapped[Purpose]
    rule: Mapped[CoverRule]
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    status: Mapped[BuildStatus]
    people: Mapped[int]
    digest: Mapped[Digest | None]
    covered_at: Mapped[datetime]
    covered_by: Mapped[str] = mapped_column(sa.String(60))
    applied_at: Mapped[datetime | None]
    """When the standing of everybody in it was moved: what a crash cut off is finished by the next run."""


class CoveredPerson(Base):
    __tablename__ = "covered_people"
    __table_args__ = (
        sa.PrimaryKeyConstraint("covering_id", "person_id"),
        {"sqlite_with_rowid": False, "info": sealed_child("coverings", "covering_id")},
    )

    covering_id: Mapped[int] = mapped_column(sa.ForeignKey("coverings.id"))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people_to_inform.id"))
    because: Mapped[CoverReason]


class Untold(NamedTuple):
    """A person who was not told, by the key of the row and of the person."""

    id: int
    customer_id: int | None
    involved_person_id: int | None


def untold_after(
    session: Session, incident_id: int, purpose: Purpose, determination_id: int, after: int, limit: int
) -> list[Untold]:
    """Return the next people affected now who were not told and are in no open delivery, in the order of their keys."""
    busy = sa.select(DeliveryPerson.person_id).where(DeliveryPerson.open)
    rows = session.execute(
        sa.select(PersonToInform.id, PersonToInform.customer_id, PersonToInform.involved_person_id)
        .where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == purpose,
            PersonToInform.determination_id == determination_id,
            PersonToInform.standing.in_(COVERABLE),
            PersonToInform.id > after,
            PersonToInform.id.not_in(busy),
        )
        .order_by(PersonToInform.id)
        .limit(limit),
    )
    return [Untold._make(row) for row in rows]


def lost_addresses(session: Session, incident_id: int, digests: Sequence[str]) -> dict[str, set[DeliveryState]]:
    """Return those addresses, by digest, at which a message of this incident failed or came back."""
    waves = list(session.scalars(sa.select(Campaign.id).where(Campaign.incident_id == incident_id)))
    found: dict[str, set[DeliveryState]] = {}
    query = sa.text(
        "SELECT contact.address_digest, lost.state FROM deliveries lost "  # noqa: S608 - names of ours
        "JOIN customer_contacts contact ON contact.id = lost.contact_id "
        f"WHERE {one_of(session, 'lost.campaign_id', 'waves')} "
        f"AND {one_of(session, 'contact.address_digest', 'digests')} AND lost.state IN ('failed', 'bounced')"
    )
    values = {"waves": key_list(session, waves), "digests": key_list(session, digests)}
    for digest, state in session.execute(query, values):
        found.setdefault(digest, set()).add(DeliveryState(state))
    return found


def covered_after(session: Session, covering_id: int, after: int, limit: int) -> list[int]:
    """Return the next people of a covering, in the order of their keys."""
    return list(
        session.scalars(
            sa.select(CoveredPerson.person_id)
            .where(CoveredPerson.covering_id == covering_id, CoveredPerson.person_id > after)
            .order_by(CoveredPerson.person_id)
            .limit(limit),
        ),
    )


def way_of(publication: Publication) -> str:
    """Return what stands in a person's row as the way they were told: it names the publication of their incident."""
    return f"public notice {publication.version}"


def cover(session: Session, publication: Publication, covering: Covering, people: Sequence[int], at: datetime) -> None:
    """Move these people to covered by public notice, unless they were told meanwhile."""
    session.execute(
        sa.update(PersonToInform)
        .where(PersonToInform.id.in_(people), PersonToInform.standing.in_(COVERABLE))
        .values(
            standing=Standing.COVERED_BY_PUBLIC_NOTICE,
            standing_since=at,
            how=way_of(publication),
            reason_text_id=covering.reason_text_id,
        ),
    )


def uncover(session: Session, publication: Publication, people: Sequence[int], at: datetime) -> None:
    """Set those of the people back to not reached whom nothing but this publication covers."""
    session.execute(
        sa.update(PersonToInform)
        .where(
            PersonToInform.id.in_(people),
            PersonToInform.standing == Standing.COVERED_BY_PUBLIC_NOTICE,
            PersonToInform.how == way_of(publication),
        )
        .values(
            standing=Standing.NOT_REACHED,
            standing_since=at,
            reason_text_id=publication.withdraw_reason_text_id,
        ),
    )


def count_covered(session: Session, publication: Publication) -> int:
    """Count the people whom a publication covers now."""
    return (
        session.scalar(
            sa.select(sa.func.count()).where(
                PersonToInform.incident_id == publication.incident_id,
                PersonToInform.standing == Standing.COVERED_BY_PUBLIC_NOTICE,
                PersonToInform.how == way_of(publication),
            ),
        )
        or 0
    )
