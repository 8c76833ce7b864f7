"""What people confirmed by hand about the parts of the policy's promise that no row of the program can show."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.persistence.database import Base, Code, Key
from incident_app.persistence.triggers import append_only


class CommitmentConfirmation(Base):
    """Somebody looked and says whether a part was kept. The latest row of a part counts."""

    __tablename__ = "commitment_confirmations"
    __table_args__ = (
        sa.Index("ix_commitment_confirmations_incident_id", "incident_id", "clause", "part"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    clause: Mapped[Code]
    part: Mapped[Code]
    kept: Mapped[bool]
    note_text_id: Mapped[int] = mapped_column(sa.ForeignKey("texts.id"))
    evidence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))
    confirmed_at: Mapped[datetime]
    confirmed_by: Mapped[str] = mapped_column(sa.String(60))
