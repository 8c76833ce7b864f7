"""Letters in batches, and what was recorded of people who were told by hand."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.letters import BatchStatus, LetterState
from incident_app.domain.unreached import ContactOutcome
from incident_app.domain.vocabulary import Certainty, Language, Purpose
from incident_app.persistence.database import Base, BigInt, Digest, Json, Key
from incident_app.persistence.triggers import Refusal, changed, refusing, set_once

_NOT_APPROVED = (
    "NOT EXISTS (SELECT 1 FROM approval_decisions d JOIN approval_requests r ON r.id = d.request_id "
    "WHERE d.id = NEW.approval_id AND d.verdict = 'granted' AND r.incident_id = NEW.incident_id AND ("
    "(r.subject = 'notice' AND r.subject_id = NEW.notice_id AND d.content_digest = NEW.text_digest) OR "
    "(r.subject = 'campaign' AND EXISTS (SELECT 1 FROM campaigns c WHERE c.id = r.subject_id "
    "AND c.notice_id = NEW.notice_id AND c.notice_version = NEW.notice_version "
    "AND c.approved_digest = d.content_digest))))"
)
_FIXED = (
    "incident_id",
    "purpose",
    "number",
    "code",
    "notice_id",
    "notice_version",
    "determination_id",
    "approval_id",
    "text_digest",
    "item_names",
    "sender",
    "printed_on",
    "created_at",
    "created_by",
)
_ONCE_SEALED = ("letters", "content_digest", "pdf_digest", "missing_signs")
_SEALED = "EXISTS (SELECT 1 FROM letter_batches b WHERE b.id = {row}.batch_id AND b.status <> 'building')"


class LetterBatch(Base):
    """Letters that are printed and handed over together: one PDF, one list of addresses."""

    __tablename__ = "letter_batches"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "number", name="one_batch_per_number"),
        sa.CheckConstraint("(status = 'handed_over') = (handed_over_on IS NOT NULL)", name="handed_over_on_a_day"),
        {
            "info": refusing(
                Refusal(name="approved", action="INSERT", condition=_NOT_APPROVED, reason="nobody approved this text"),
                Refusal(
                    name="fixed", action="UPDATE", condition=changed(*_FIXED), reason="what a batch says never changes"
                ),
                Refusal(
                    name="sealed",
                    action="UPDATE",
                    condition=f"OLD.status <> 'building' AND (NEW.status = 'building' OR {changed(*_ONCE_SEALED)})",
                    reason="the batch is prepared",
                ),
                Refusal(
                    name="removed",
                    action="DELETE",
                    condition="OLD.status <> 'building'",
                    reason="the batch is prepared",
                ),
            )
        },
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    purpose: Mapped[Purpose]
    number: Mapped[int]
    code: Mapped[str] = mapped_column(sa.String(30), unique=True)
    notice_id: Mapped[int] = mapped_column(sa.ForeignKey("notices.id"))
    notice_version: Mapped[int]
    determination_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    approval_id: Mapped[int] = mapped_column(sa.ForeignKey("approval_decisions.id"))
    """The second person's decision on the text that is printed."""
    text_digest: Mapped[Digest]
    item_names: Mapped[Json]
    sender: Mapped[Json]
    """Name and return address, line by line, in each language."""
    printed_on: Mapped[date]
    status: Mapped[BatchStatus]
    letters: Mapped[int]
    content_digest: Mapped[Digest | None]
    pdf_digest: Mapped[Digest | None]
    """Under which the PDF lies among the evidence."""
    missing_signs: Mapped[Json]
    """Characters that were printed as 〓 because somebody said to go on."""
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    handed_over_on: Mapped[date | None]
    receipt_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))


class Letter(Base):
    """One letter to one person. Whom it is for and what it says never change."""

    __tablename__ = "letters"
    __table_args__ = (
        sa.UniqueConstraint("batch_id", "number", name="one_letter_per_number"),
        sa.Index("ix_letters_person_id", "person_id"),
        sa.Index(
            "uq_letters_prepared",
            "person_id",
            unique=True,
            sqlite_where=sa.text("state = 'prepared'"),
            postgresql_where=sa.text("state = 'prepared'"),
        ),
        {
            "info": refusing(
                Refusal(
                    name="fixed",
                    action="UPDATE",
                    condition=changed(
                        "batch_id",
                        "number",
                        "code",
                        "token",
                        "person_id",
                        "contact_id",
                        "language",
                        "item_set_id",
                        "confirmed_item_set_id",
                        "certainty",
                    ),
                    reason="whom a letter is for and what it says never change",
                ),
                Refusal(
                    name="added", action="INSERT", condition=_SEALED.format(row="NEW"), reason="the batch is prepared"
                ),
                Refusal(
                    name="removed", action="DELETE", condition=_SEALED.format(row="OLD"), reason="the batch is prepared"
                ),
            )
        },
    )

    id: Mapped[Key]
    batch_id: Mapped[int] = mapped_column(sa.ForeignKey("letter_batches.id"))
    number: Mapped[int]
    code: Mapped[str] = mapped_column(sa.String(40), unique=True)
    token: Mapped[str] = mapped_column(sa.String(24), unique=True)
    """What the reference code derives from, as in mails."""
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people_to_inform.id"))
    contact_id: Mapped[int] = mapped_column(sa.ForeignKey("customer_contacts.id"))
    language: Mapped[Language]
    item_set_id: Mapped[int] = mapped_column(sa.ForeignKey("item_sets.id"))
    confirmed_item_set_id: Mapped[int] = mapped_column(sa.ForeignKey("item_sets.id"))
    certainty: Mapped[Certainty]
    state: Mapped[LetterState]
    at: Mapped[datetime]
    """Since when it is in this state, as it was recorded."""


class ContactByHand(Base):
    """Somebody told a person by telephone, in the portal or in person, or tried to; taken back with a reason."""

    __tablename__ = "contacts_by_hand"
    __table_args__ = (
        sa.CheckConstraint("(undone_at IS NULL) = (undo_reason_text_id IS NULL)", name="undoing_needs_a_reason"),
        sa.Index("ix_contacts_by_hand_person_id", "person_id"),
        sa.Index("ix_contacts_by_hand_record", "incident_id", "record"),
        {"info": set_once("undone_at", "undone_by", "undo_reason_text_id")},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    record: Mapped[BigInt]
    """The event that recorded it: what was recorded together can be taken back together. 0: before there were these."""
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people_to_inform.id"))
    way: Mapped[str] = mapped_column(sa.String(60))
    outcome: Mapped[ContactOutcome]
    item_set_id: Mapped[int] = mapped_column(sa.ForeignKey("item_sets.id"))
    """What the person was to be told of at that time."""
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None] = mapped_column(sa.String(60))
    undo_reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
