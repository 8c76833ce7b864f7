"""Messages from and to other companies, and what their contracts say about being told."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import MessageDirection, MessageKind
from incident_app.persistence.database import Base, BigInt, Digest, Json, Key
from incident_app.persistence.triggers import append_only


class PartyMessage(Base):
    """One message between us and a party or an entrusting customer. Free text stands apart and can be erased."""

    __tablename__ = "party_messages"
    __table_args__ = (
        sa.CheckConstraint("(party_id IS NULL) <> (customer_id IS NULL)", name="message_is_with_one_company"),
        sa.CheckConstraint(
            "kind <> 'tenant_data_sheet' OR (direction = 'outgoing' AND customer_id IS NOT NULL "
            "AND determination_id IS NOT NULL AND content_digest IS NOT NULL)",
            name="data_sheet_goes_to_a_customer",
        ),
        sa.CheckConstraint("kind <> 'list_received' OR direction = 'incoming'", name="list_received_comes_in"),
        sa.CheckConstraint(
            "clock_start_id IS NULL OR (kind = 'first_report' AND direction = 'incoming')",
            name="only_being_told_starts_a_clock",
        ),
        sa.Index("ix_party_messages_incident_id", "incident_id"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    party_id: Mapped[int | None] = mapped_column(sa.ForeignKey("third_parties.id"))
    customer_id: Mapped[BigInt | None] = mapped_column(sa.ForeignKey("customers.id"))
    direction: Mapped[MessageDirection]
    kind: Mapped[MessageKind]
    at: Mapped[datetime]
    items_known: Mapped[Json]
    """Those of the nine items of Enforcement Rules art. 8(1) that the message told, by their numbers."""
    determination_id: Mapped[int | None] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    person_count_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person_counts.id"))
    content_digest: Mapped[Digest | None]
    """What a data sheet said, so that the sheet that was sent can be told from a later one."""
    text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    evidence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))
    clock_start_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clock_starts.id"))
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))


class CustomerContract(Base):
    """What the contract of a customer who entrusted data says about being told. The latest row counts (C11)."""

    __tablename__ = "customer_contracts"
    __table_args__ = (
        sa.CheckConstraint("notice_hours IS NULL OR notice_hours BETWEEN 1 AND 8760", name="hours_within_a_year"),
        sa.Index("ix_customer_contracts_customer_id", "customer_id"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    customer_id: Mapped[BigInt] = mapped_column(sa.ForeignKey("customers.id"))
    notice_hours: Mapped[int | None]
    """None: the contract gives no number."""
    contract_reference: Mapped[str] = mapped_column(sa.String(120))
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
