"""The event chain: one for all incidents, so that deleting a whole incident is visible."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.persistence.database import Base, BigInt, BigKey, Digest, Key, LongText
from incident_app.persistence.triggers import append_only, set_once


class EventRow(Base):
    __tablename__ = "events"
    __table_args__ = (
        sa.Index("ix_events_incident_id", "incident_id", "sequence"),
        {"info": append_only()},
    )

    sequence: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    incident_id: Mapped[int | None] = mapped_column(sa.ForeignKey("incidents.id"))
    kind: Mapped[str] = mapped_column(sa.String(60))
    actor: Mapped[str] = mapped_column(sa.String(60))
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    body: Mapped[LongText]
    previous_hash: Mapped[Digest] = mapped_column(unique=True)
    hash: Mapped[Digest] = mapped_column(unique=True)


class ChainHead(Base):
    """One row. Taking it is the first statement of every writing transaction."""

    __tablename__ = "chain_head"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[BigInt]
    hash: Mapped[Digest]


class ChainAnchor(Base):
    """Where the head of the chain was written down outside: without anchors a cut-off tail is not found."""

    __tablename__ = "chain_anchors"
    __table_args__ = ({"info": append_only()},)

    id: Mapped[Key]
    sequence: Mapped[BigInt]
    hash: Mapped[Digest]
    placed_where: Mapped[str]
    """Digest of the text that says where: rows here stay for ever, a text can be erased."""
    at: Mapped[datetime]


class TextRow(Base):
    """Free text written by staff. Events carry its digest only; erasing drops salt and body."""

    __tablename__ = "texts"
    __table_args__ = ({"info": set_once("erased_at", erasable=("salt", "body"))},)

    id: Mapped[Key]
    salt: Mapped[str | None] = mapped_column(sa.String(64))
    body: Mapped[LongText | None]
    digest: Mapped[Digest] = mapped_column(unique=True)
    erased_at: Mapped[datetime | None]


TAKE_CHAIN_HEAD = (
    sa.update(ChainHead)
    .where(ChainHead.id == 1)
    .values(sequence=ChainHead.sequence)
    .returning(ChainHead.sequence, ChainHead.hash)
)
MOVE_CHAIN_HEAD = (
    sa.update(ChainHead)
    .where(ChainHead.id == 1)
    .values(sequence=sa.bindparam("to_sequence"), hash=sa.bindparam("to_hash"))
)
