"""Playbooks as loaded, the versions an incident is pinned to, its steps, and the commitments of the policy."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import StepStatus
from incident_app.persistence.database import Base, Code, Digest, Json, Key, LongText
from incident_app.persistence.triggers import append_only, set_once


class PlaybookVersion(Base):
    __tablename__ = "playbook_versions"
    __table_args__ = (
        sa.UniqueConstraint("kind", "code", "version", name="same_version_same_text"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(sa.String(20))
    """policy, regime, response, closure or severity"""
    code: Mapped[Code]
    version: Mapped[str] = mapped_column(sa.String(40))
    digest: Mapped[Digest] = mapped_column(unique=True)
    content: Mapped[LongText]
    loaded_at: Mapped[datetime]


class IncidentPlaybook(Base):
    """An incident keeps its text of the law until someone moves it, with an event (C2, D8)."""

    __tablename__ = "incident_playbooks"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "playbook_version_id", "pinned_at", name="one_pin_per_version_and_time"),
        {"info": set_once("unpinned_at")},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    playbook_version_id: Mapped[int] = mapped_column(sa.ForeignKey("playbook_versions.id"))
    pinned_at: Mapped[datetime]
    unpinned_at: Mapped[datetime | None]


class IncidentStep(Base):
    __tablename__ = "incident_steps"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "code", name="one_step_per_code"),
        sa.CheckConstraint(
            "status <> 'done' OR needs_result = false OR result_text_id IS NOT NULL OR evidence_id IS NOT NULL",
            name="done_needs_its_result",
        ),
        sa.CheckConstraint("status <> 'skipped' OR result_text_id IS NOT NULL", name="skipping_needs_a_reason"),
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    code: Mapped[Code | None]
    title_ja: Mapped[str]
    title_en: Mapped[str]
    guidance_ja: Mapped[LongText]
    guidance_en: Mapped[LongText]
    serves: Mapped[Code | None]
    """The part of the policy's promise that this step serves."""
    owner_role: Mapped[Code]
    assignee_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    anchor: Mapped[Code]
    offset_minutes: Mapped[int | None]
    due_at: Mapped[datetime | None]
    needs_result: Mapped[bool]
    position: Mapped[int]
    status: Mapped[StepStatus]
    acknowledged_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    evidence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))
    result_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))


class StepSource(Base):
    """Which playbook versions asked for a step: a second playbook adds no doubles (D2)."""

    __tablename__ = "step_sources"
    __table_args__ = ({"info": append_only()},)

    step_id: Mapped[int] = mapped_column(sa.ForeignKey("incident_steps.id"), primary_key=True)
    playbook_version_id: Mapped[int] = mapped_column(sa.ForeignKey("playbook_versions.id"), primary_key=True)


class StepNeed(Base):
    __tablename__ = "step_needs"
    __table_args__ = (
        sa.CheckConstraint("step_id <> needs_step_id", name="no_step_needs_itself"),
        {"info": append_only()},
    )

    step_id: Mapped[int] = mapped_column(sa.ForeignKey("incident_steps.id"), primary_key=True)
    needs_step_id: Mapped[int] = mapped_column(sa.ForeignKey("incident_steps.id"), primary_key=True)


class Commitment(Base):
    """One part of the policy's promise, as of one version of the policy file."""

    __tablename__ = "commitments"
    __table_args__ = (
        sa.UniqueConstraint("playbook_version_id", "clause", "part", name="one_row_per_part"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    playbook_version_id: Mapped[int] = mapped_column(sa.ForeignKey("playbook_versions.id"))
    clause: Mapped[Code]
    part: Mapped[Code]
    content: Mapped[Json]
    position: Mapped[int]
