"""Duties of an incident: to whom, by when, why, and what fulfilled them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind
from incident_app.persistence.database import Base, Code, Json, Key
from incident_app.persistence.triggers import append_only

LIVE = "status <> 'superseded'"


class Obligation(Base):
    __tablename__ = "obligations"
    __table_args__ = (
        sa.Index(
            "uq_obligations_live",
            "incident_id",
            "rule_code",
            "stage",
            "addressee_kind",
            "addressee_ref",
            unique=True,
            sqlite_where=sa.text(LIVE),
            postgresql_where=sa.text(LIVE),
        ),
        sa.CheckConstraint("status <> 'waived' OR waiver_decision_id IS NOT NULL", name="waiver_needs_second_person"),
        sa.CheckConstraint(
            "(first_filed_at IS NULL) = (was_late IS NULL)", name="lateness_is_judged_with_the_first_filing"
        ),
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    playbook_version_id: Mapped[int] = mapped_column(sa.ForeignKey("playbook_versions.id"))
    regime: Mapped[Code]
    rule_code: Mapped[Code]
    stage: Mapped[Code]
    title: Mapped[Json]
    form: Mapped[Code | None]
    addressee_kind: Mapped[Code]
    addressee_ref: Mapped[Code]
    addressee: Mapped[Json]
    determination_id: Mapped[int | None] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    clock_subject: Mapped[Code]
    clock_start_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clock_starts.id"))
    deadline_state: Mapped[str] = mapped_column(sa.String(40))
    due_at: Mapped[datetime | None]
    provisional: Mapped[bool]
    guideline: Mapped[bool]
    internal_target_at: Mapped[datetime | None]
    calculation: Mapped[Json]
    because: Mapped[Json]
    decide: Mapped[Json | None]
    source: Mapped[str] = mapped_column(sa.String(500))
    confidence: Mapped[str] = mapped_column(sa.String(20))
    status: Mapped[DutyStatus]
    derived_at: Mapped[datetime]
    superseded_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("obligations.id"))
    waiver_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    waiver_decision_id: Mapped[int | None] = mapped_column(sa.ForeignKey("approval_decisions.id"))
    first_filed_at: Mapped[datetime | None]
    was_due_at: Mapped[datetime | None]
    was_late: Mapped[bool | None]


class ObligationFulfilment(Base):
    """What fulfilled a duty: a filed report, a publication, a contact, or the people all told. Never a draft."""

    __tablename__ = "obligation_fulfilments"
    __table_args__ = ({"info": append_only()},)

    id: Mapped[Key]
    obligation_id: Mapped[int] = mapped_column(sa.ForeignKey("obligations.id"))
    kind: Mapped[FulfilmentKind]
    reference: Mapped[str]
    at: Mapped[datetime]


class FactDecision(Base):
    """What somebody decided about a fact that no rule can know. The latest row of a fact counts."""

    __tablename__ = "fact_decisions"
    __table_args__ = (
        sa.Index("ix_fact_decisions_incident_id", "incident_id", "fact"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    fact: Mapped[Code]
    value: Mapped[bool]
    reason_text_id: Mapped[int] = mapped_column(sa.ForeignKey("texts.id"))
    decided_at: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(sa.String(60))
