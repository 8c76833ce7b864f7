"""Requests for approval and the decisions on them: the database itself enforces four eyes."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import Subject, Verdict
from incident_app.persistence.database import Base, Digest, Key
from incident_app.persistence.triggers import append_only, set_once


class ApprovalRequest(Base):
    __tablename__ = "approval_requests"
    __table_args__ = (
        sa.UniqueConstraint("id", "requested_by", name="request_and_its_author"),
        sa.Index("ix_approval_requests_subject", "subject", "subject_id"),
        {"info": set_once("withdrawn_at")},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    subject: Mapped[Subject]
    subject_id: Mapped[int]
    content_digest: Mapped[Digest]
    requested_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    requested_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class ApprovalDecision(Base):
    __tablename__ = "approval_decisions"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["request_id", "requested_by"],
            ["approval_requests.id", "approval_requests.requested_by"],
            name="decision_copies_its_author",
        ),
        sa.CheckConstraint("decided_by <> requested_by", name="four_eyes"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    request_id: Mapped[int] = mapped_column(unique=True)
    requested_by: Mapped[int]
    decided_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    verdict: Mapped[Verdict]
    content_digest: Mapped[Digest]
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    decided_at: Mapped[datetime]
