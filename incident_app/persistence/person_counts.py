"""Where a number of natural persons comes from: its composition, what it replaces, and why it was set against doubt."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.person_counts import CountOrigin
from incident_app.persistence.database import Base, BigInt, Json
from incident_app.persistence.triggers import append_only


class PersonCountOrigin(Base):
    """What stands behind one row of `person_counts`. A row without it was determined, or stated by a person."""

    __tablename__ = "person_count_origins"
    __table_args__ = ({"info": append_only()},)

    count_id: Mapped[BigInt] = mapped_column(sa.ForeignKey("person_counts.id"), primary_key=True, autoincrement=False)
    origin: Mapped[CountOrigin]
    composition: Mapped[Json | None]
    replaces_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person_counts.id"))
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
