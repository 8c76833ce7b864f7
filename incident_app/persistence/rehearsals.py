"""Rehearsals of waves: what each found, for whoever approves the wave."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.persistence.database import Base, Digest, Json, Key
from incident_app.persistence.triggers import append_only


class Rehearsal(Base):
    __tablename__ = "rehearsals"
    __table_args__ = (sa.Index("ix_rehearsals_campaign_id", "campaign_id"), {"info": append_only()})

    id: Mapped[Key]
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    content_digest: Mapped[Digest]
    """What an approver of the wave would have signed when it was rehearsed."""
    report: Mapped[Json]
    digest: Mapped[Digest]
    rehearsed_at: Mapped[datetime]
    rehearsed_by: Mapped[str] = mapped_column(sa.String(60))
