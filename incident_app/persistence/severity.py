"""Assessments of severity: every input, every reason, and what came out, never changed afterwards."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.persistence.database import Base, Digest, Json, Key
from incident_app.persistence.triggers import append_only


class SeverityAssessment(Base):
    """One assessment. Scores are in quarters of a point: there are no fractions to round."""

    __tablename__ = "severity_assessments"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "version", name="one_assessment_per_version"),
        sa.CheckConstraint("lowest_quarters <= highest_quarters", name="lowest_not_above_highest"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    version: Mapped[int]
    determination_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    playbook_version_id: Mapped[int] = mapped_column(sa.ForeignKey("playbook_versions.id"))
    person_count_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person_counts.id"))
    rules_version: Mapped[int]
    facts: Mapped[Json]
    """What was read from the determination and the scope."""
    adjustments: Mapped[Json]
    """What people decided: {question: {option, reason_text_id, reason_digest, by}}."""
    result: Mapped[Json]
    """The inputs with their reasons, the range of the score, the bands and the flags."""
    lowest_quarters: Mapped[int]
    highest_quarters: Mapped[int]
    digest: Mapped[Digest]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(60))
