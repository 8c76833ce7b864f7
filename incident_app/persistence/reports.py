"""Reports to authorities: versions, stated gaps, and what was filed."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.persistence.database import Base, Code, Digest, Json, Key
from incident_app.persistence.triggers import append_only


class Report(Base):
    __tablename__ = "reports"

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    obligation_id: Mapped[int | None] = mapped_column(sa.ForeignKey("obligations.id"))
    form: Mapped[Code]
    addressee_ref: Mapped[Code]
    current_version: Mapped[int]
    created_at: Mapped[datetime]


class ReportVersion(Base):
    __tablename__ = "report_versions"
    __table_args__ = (
        sa.UniqueConstraint("report_id", "version", name="one_report_per_version"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    report_id: Mapped[int] = mapped_column(sa.ForeignKey("reports.id"))
    version: Mapped[int]
    form_digest: Mapped[Digest]
    facts: Mapped[Json]
    fields: Mapped[Json]
    stated_gaps: Mapped[Json]
    person_count_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person_counts.id"))
    content_digest: Mapped[Digest]
    written_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    at: Mapped[datetime]


class ReportSubmission(Base):
    """What was transmitted, by whom, with its receipt. Write-once (E10)."""

    __tablename__ = "report_submissions"
    __table_args__ = ({"info": append_only()},)

    id: Mapped[Key]
    report_version_id: Mapped[int] = mapped_column(sa.ForeignKey("report_versions.id"), unique=True)
    channel: Mapped[Code]
    submitted_at: Mapped[datetime]
    submitted_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    receipt_reference: Mapped[str | None]
    evidence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))
    nonetheless_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    """Why it was filed though facts had changed since it was approved."""


class ReportClaim(Base):
    """What a version of a report answers to the questions that all papers answer (K5). Old versions have none."""

    __tablename__ = "report_claims"
    __table_args__ = ({"info": append_only()},)

    report_version_id: Mapped[int] = mapped_column(sa.ForeignKey("report_versions.id"), primary_key=True)
    claims: Mapped[Json]
    numbers: Mapped[Json]


class PaperExplanation(Base):
    """Why papers may differ on one question: it holds for exactly these answers, and the newest row counts (E11)."""

    __tablename__ = "paper_explanations"
    __table_args__ = (
        sa.Index("ix_paper_explanations_incident_id", "incident_id", "mismatch_digest"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    question: Mapped[Code]
    mismatch_digest: Mapped[Digest]
    statements: Mapped[Json]
    reason_text_id: Mapped[int] = mapped_column(sa.ForeignKey("texts.id"))
    explained_at: Mapped[datetime]
    explained_by: Mapped[str] = mapped_column(sa.String(60))
