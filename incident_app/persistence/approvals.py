"""Requests for approval and the decisions on them: the database itself enforces four eyes."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import Subject, Verdict
from incident_app.persistence.database import Base, Digest, Key
from incident_app.persistence.triggers import Refusal, append_only, refusing, set_once


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


class ApprovalAuthor(Base):
    """Who made what is put forward, besides whoever asks: none of them may decide it."""

    __tablename__ = "approval_authors"
    __table_args__ = (sa.PrimaryKeyConstraint("request_id", "user_id"), {"info": append_only()})

    request_id: Mapped[int] = mapped_column(sa.ForeignKey("approval_requests.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))


class ApprovalDecision(Base):
    __tablename__ = "approval_decisions"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["request_id", "requested_by"],
            ["approval_requests.id", "approval_requests.requested_by"],
            name="decision_copies_its_author",
        ),
        sa.CheckConstraint("decided_by <> requested_by", name="four_eyes"),
        {
            "info": append_only()
            | refusing(
                Refusal(
                    name="other_content",
                    action="INSERT",
                    condition="EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = NEW.request_id "
                    "AND (r.content_digest <> NEW.content_digest OR r.withdrawn_at IS NOT NULL))",
                    reason="a decision is on exactly what was asked for",
                ),
                Refusal(
                    name="own_work",
                    action="INSERT",
                    condition="EXISTS (SELECT 1 FROM approval_authors a "
                    "WHERE a.request_id = NEW.request_id AND a.user_id = NEW.decided_by)",
                    reason="the author cannot decide (four_eyes)",
                ),
            )
        },
    )

    id: Mapped[Key]
    request_id: Mapped[int] = mapped_column(unique=True)
    requested_by: Mapped[int]
    decided_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    verdict: Mapped[Verdict]
    content_digest: Mapped[Digest]
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    decided_at: Mapped[datetime]
