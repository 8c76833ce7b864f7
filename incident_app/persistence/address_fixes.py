"""Corrected addresses with their history, and who must not be written to again at an address that is dead."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.address_fixes import AddressSource
from incident_app.domain.brake import AttemptOutcome
from incident_app.domain.delivery import DeliveryState
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.database import Base, Digest, Key
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.persistence.triggers import append_only


class AddressCorrection(Base):
    """One address that somebody corrected. The old contact stays, ended; both rows tell what was written to when."""

    __tablename__ = "address_corrections"
    __table_args__ = (
        sa.UniqueConstraint("new_contact_id", name="one_correction_per_contact"),
        sa.Index("ix_address_corrections_incident_id", "incident_id"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    old_contact_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customer_contacts.id"))
    new_contact_id: Mapped[int] = mapped_column(sa.ForeignKey("customer_contacts.id"))
    source: Mapped[AddressSource]
    reason_text_id: Mapped[int] = mapped_column(sa.ForeignKey("texts.id"))
    file_digest: Mapped[Digest | None]
    despite_complaint: Mapped[bool]
    corrected_at: Mapped[datetime]
    corrected_by: Mapped[str] = mapped_column(sa.String(60))


def dead_at_the_same_address(incident_id: int) -> sa.ColumnElement[bool]:
    """Return the condition that a message to this person was refused for good at the address they still have.

    Such a refusal speaks of the address (RFC 3463: x.0, x.1, x.2.0, x.2.1, or a bare 550, 551, 553): the same mail
    would be refused again. Other failures, and an address that was corrected since, are worth another try. One set for
    the whole incident: asked person by person it would look through the wave each time.
    """
    newer, written_to = sa.orm.aliased(CustomerContact), sa.orm.aliased(CustomerContact)
    mail = (CustomerContact.channel == Channel.EMAIL, CustomerContact.valid_until.is_(None))
    about_the_address = sa.or_(
        *(DeliveryAttempt.enhanced_code.like(pattern) for pattern in ("5.0.%", "5.1.%")),
        DeliveryAttempt.enhanced_code.in_(("5.2.0", "5.2.1")),
        sa.and_(DeliveryAttempt.enhanced_code.is_(None), DeliveryAttempt.reply_code.in_((550, 551, 553))),
    )
    lost = sa.orm.aliased(PersonToInform)
    dead = (
        sa.select(lost.id)
        .select_from(Campaign)
        .join(DeliveryRow, DeliveryRow.campaign_id == Campaign.id)
        .join(DeliveryAttempt, DeliveryAttempt.delivery_id == DeliveryRow.id)
        .join(DeliveryPerson, DeliveryPerson.delivery_id == DeliveryRow.id)
        .join(lost, lost.id == DeliveryPerson.person_id)
        .join(CustomerContact, CustomerContact.customer_id == lost.customer_id)
        .join(written_to, written_to.id == DeliveryRow.contact_id)
        .where(
            Campaign.incident_id == incident_id,
            DeliveryRow.state == DeliveryState.FAILED,
            DeliveryAttempt.outcome == AttemptOutcome.REFUSED_FOR_GOOD.value,
            about_the_address,
            CustomerContact.address_digest == written_to.address_digest,
            *mail,
            ~sa.exists().where(
                newer.customer_id == lost.customer_id,
                newer.channel == Channel.EMAIL,
                newer.valid_until.is_(None),
                newer.id > CustomerContact.id,
            ),
        )
    )
    return PersonToInform.id.in_(dead)
