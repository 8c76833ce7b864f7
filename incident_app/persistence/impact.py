"""Impact: stored determinations, by patterns; and counts of natural persons."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import BuildStatus, Certainty, CountKind, DisclosureBasis, PartyRole
from incident_app.persistence.database import Base, Digest, Json, Key, LongText
from incident_app.persistence.triggers import append_only, sealed_child, sealed_parent


class ImpactDetermination(Base):
    __tablename__ = "impact_determinations"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "version", name="one_determination_per_version"),
        sa.Index("ix_impact_determinations_question", "incident_id", "inputs_digest", "rules_version"),
        {"info": sealed_parent()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    version: Mapped[int]
    scope_id: Mapped[int] = mapped_column(sa.ForeignKey("incident_scopes.id"))
    inventory_digest: Mapped[Digest] = mapped_column(sa.ForeignKey("inventory_snapshots.digest"))
    known_at: Mapped[datetime]
    rules_version: Mapped[int]
    inputs_digest: Mapped[Digest]
    status: Mapped[BuildStatus]
    builder: Mapped[str | None] = mapped_column(sa.String(32))
    """While building: the token of whoever builds it. Whoever takes it up puts their own in its place."""
    result_digest: Mapped[Digest | None]
    summary: Mapped[Json | None]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(60))


class ImpactPattern(Base):
    __tablename__ = "impact_patterns"
    __table_args__ = ({"info": sealed_child("impact_determinations", "determination_id")},)

    id: Mapped[Key]
    determination_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    pairs: Mapped[Json]
    """What was touched for these people: [{store, item_set, list}]."""
    item_set_id: Mapped[int] = mapped_column(sa.ForeignKey("item_sets.id"))
    confirmed_item_set_id: Mapped[int] = mapped_column(sa.ForeignKey("item_sets.id"))
    """Those of the items whose leak is confirmed; of the others it cannot be excluded."""
    people: Mapped[int]
    """How many people share this pattern."""
    certainty: Mapped[Certainty]
    mitigated: Mapped[Json]
    """Items that lay protected: {item: protection}."""
    because: Mapped[Json]
    """The reasons in words: {"ja": [...], "en": [...]} (B4)."""


class AffectedShard(Base):
    """The affected people of one pattern whose keys fall into one shard, packed: see domain/people.py."""

    __tablename__ = "affected_shards"
    __table_args__ = (
        sa.PrimaryKeyConstraint("determination_id", "shard", "pattern_id"),
        sa.CheckConstraint("people BETWEEN 1 AND 65536", name="people_fit_a_shard"),
        {"info": sealed_child("impact_determinations", "determination_id"), "sqlite_with_rowid": False},
    )

    determination_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    shard: Mapped[int]
    pattern_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_patterns.id"))
    people: Mapped[int]
    members: Mapped[bytes]


class AffectedParty(Base):
    """A company that the touched data concerns: what we published of it, and what is known, are rows apart."""

    __tablename__ = "affected_parties"
    __table_args__ = (
        sa.PrimaryKeyConstraint("determination_id", "party_id", "role", "basis"),
        {"info": sealed_child("impact_determinations", "determination_id")},
    )

    determination_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("third_parties.id"))
    role: Mapped[PartyRole]
    basis: Mapped[DisclosureBasis]
    item_codes: Mapped[Json]
    """The affected items that it has."""
    uncertain_codes: Mapped[Json]
    """Affected items of which a published list leaves open whether it has them."""
    reason_ja: Mapped[LongText]
    reason_en: Mapped[LongText]


class PersonCount(Base):
    """A number of natural persons, with how sure it is and on what basis. Every paper quotes such a row (B8)."""

    __tablename__ = "person_counts"
    __table_args__ = (
        sa.CheckConstraint("value >= 0", name="value_not_negative"),
        sa.Index("ix_person_counts_incident_id", "incident_id", "subject"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    determination_id: Mapped[int | None] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    subject: Mapped[str] = mapped_column(sa.String(80))
    kind: Mapped[CountKind]
    value: Mapped[int]
    basis_ja: Mapped[str]
    basis_en: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(60))
