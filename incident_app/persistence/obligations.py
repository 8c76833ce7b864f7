"""Duties of an incident: to whom, by when, why, and what fulfilled them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind
from incident_app.persistence.database import Base, Code, Json, Key
from incident_app.persistence.triggers import Refusal, append_only, changed, refusing

LIVE = "status <> 'superseded'"
SAID = (
    "incident_id",
    "playbook_version_id",
    "regime",
    "rule_code",
    "stage",
    "addressee_kind",
    "addressee_ref",
    "determination_id",
    "clock_subject",
    "clock_start_id",
    "deadline_state",
    "due_at",
    "provisional",
    "guideline",
    "internal_target_at",
    "calculation",
    "because",
    "source",
    "derived_at",
)
"""What a duty says. Another answer is another row, so that everybody sees what was believed when (C2)."""
REFUSALS = (
    Refusal(name="removed", action="DELETE", condition="1 = 1", reason="duties are never removed"),
    Refusal(name="said", action="UPDATE", condition=changed(*SAID), reason="a duty is superseded, never rewritten"),
    Refusal(
        name="first_filing",
        action="UPDATE",
        condition=f"OLD.first_filed_at IS NOT NULL AND ({changed('first_filed_at', 'was_due_at', 'was_late')})",
        reason="the first filing and whether it was late are judged once",
    ),
    Refusal(
        name="superseded",
        action="UPDATE",
        condition=f"OLD.status = 'superseded' AND ({changed('status')})",
        reason="what was superseded does not come back",
    ),
    Refusal(
        name="waived",
        action="UPDATE",
        condition="NEW.status = 'waived' AND NEW.waiver_decision_id IS NOT NULL AND (NEW.waiver_text_id IS NULL "
        "OR NOT EXISTS (SELECT 1 FROM approval_decisions d JOIN approval_requests r ON r.id = d.request_id "
        "WHERE d.id = NEW.waiver_decision_id AND d.verdict = 'granted' AND r.subject = 'waiver' "
        "AND r.subject_id = NEW.id))",
        reason="waiver_decision_id must be the grant of a second person for this duty, with the reason",
    ),
    Refusal(
        name="waiver_kept",
        action="UPDATE",
        condition="OLD.status = 'waived' AND (NEW.status NOT IN ('waived', 'superseded') "
        f"OR {changed('waiver_text_id', 'waiver_decision_id')})",
        reason="a waiver keeps its reason and its decision; it is superseded, never rewritten or taken back",
    ),
    Refusal(
        name="born_waived",
        action="INSERT",
        condition="NEW.status = 'waived'",
        reason="a duty is judged not required after it was derived (waiver_needs_second_person)",
    ),
)


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
        {"info": refusing(*REFUSALS)},
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
    superseded_at: Mapped[datetime | None]
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
