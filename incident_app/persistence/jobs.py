"""Jobs: work too large for a web request, taken by the worker with a lease."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import JobKind, JobStatus
from incident_app.persistence.database import Base, Json, Key


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        sa.CheckConstraint("(status = 'running') = (lease_until IS NOT NULL)", name="lease_while_running"),
        sa.Index(
            "ix_jobs_waiting",
            "id",
            sqlite_where=sa.text("status IN ('waiting', 'running')"),
            postgresql_where=sa.text("status IN ('waiting', 'running')"),
        ),
    )

    id: Mapped[Key]
    kind: Mapped[JobKind]
    incident_id: Mapped[int | None] = mapped_column(sa.ForeignKey("incidents.id"))
    parameters: Mapped[Json]
    status: Mapped[JobStatus]
    done: Mapped[int]
    total: Mapped[int]
    lease_until: Mapped[datetime | None]
    owner: Mapped[str | None] = mapped_column(sa.String(60))
    error: Mapped[Json | None]
    requested_by: Mapped[str] = mapped_column(sa.String(60))
    requested_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
