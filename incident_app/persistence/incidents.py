"""Incidents, their clocks, scopes, lists of customers, and the people outside the inventory."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import (
    BuildStatus,
    Cause,
    Certainty,
    ClockSource,
    InvolvedRole,
    ListRelation,
    Phase,
    RowRemark,
    ScopeFindingKind,
)
from incident_app.persistence.database import Base, Code, Digest, Json, Key
from incident_app.persistence.triggers import append_only, sealed_child, sealed_parent


class Incident(Base):
    __tablename__ = "incidents"

    id: Mapped[Key]
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True)
    reference: Mapped[str] = mapped_column(sa.String(30), unique=True)
    external_reference: Mapped[str | None] = mapped_column(sa.String(120), unique=True)
    kind: Mapped[Code]
    title: Mapped[str]
    phase: Mapped[Phase]
    exercise: Mapped[bool]
    occurred_from: Mapped[datetime | None]
    occurred_until: Mapped[datetime | None]
    detected_at: Mapped[datetime]
    merged_into_id: Mapped[int | None] = mapped_column(sa.ForeignKey("incidents.id"))
    lead_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    lock_version: Mapped[int] = mapped_column(server_default="1")


class ClockStart(Base):
    """When a clock began. The latest row of a subject counts; a correction names the row it corrects."""

    __tablename__ = "clock_starts"
    __table_args__ = (sa.Index("ix_clock_starts_incident_id", "incident_id", "subject"), {"info": append_only()})

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    subject: Mapped[Code]
    at: Mapped[datetime]
    known_by: Mapped[str]
    source: Mapped[ClockSource]
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    corrects_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clock_starts.id"))
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))


class IncidentScope(Base):
    __tablename__ = "incident_scopes"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "version", name="one_scope_per_version"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    version: Mapped[int]
    harms: Mapped[Json]
    cause: Mapped[Cause]
    text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(sa.String(60))


class ScopeStore(Base):
    __tablename__ = "scope_stores"
    __table_args__ = (sa.Index("ix_scope_stores_scope_id", "scope_id"), {"info": append_only()})

    id: Mapped[Key]
    scope_id: Mapped[int] = mapped_column(sa.ForeignKey("incident_scopes.id"))
    store_id: Mapped[int] = mapped_column(sa.ForeignKey("data_stores.id"))
    item_code: Mapped[Code | None] = mapped_column(sa.ForeignKey("data_items.code"))
    touched_from: Mapped[datetime | None]
    touched_until: Mapped[datetime | None]
    certainty: Mapped[Certainty]
    via_party_id: Mapped[int | None] = mapped_column(sa.ForeignKey("third_parties.id"))
    evidence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    entry: Mapped[int | None]
    """Which entry of the scope the row belongs to; rows written before this was kept have none."""
    acquiring: Mapped[bool | None]
    key_compromised: Mapped[bool | None]


class ScopeFinding(Base):
    """What was counted when a version was set: records past their retention, people at most behind a missing list."""

    __tablename__ = "scope_findings"
    __table_args__ = (sa.Index("ix_scope_findings_scope_id", "scope_id"), {"info": append_only()})

    id: Mapped[Key]
    scope_id: Mapped[int] = mapped_column(sa.ForeignKey("incident_scopes.id"))
    kind: Mapped[ScopeFindingKind]
    store_id: Mapped[int] = mapped_column(sa.ForeignKey("data_stores.id"))
    item_code: Mapped[Code | None] = mapped_column(sa.ForeignKey("data_items.code"))
    number: Mapped[int]


class CustomerList(Base):
    """Customers named by forensic evidence. Loaded once, referred to by any number of scope versions."""

    __tablename__ = "customer_lists"
    __table_args__ = ({"info": sealed_parent()},)

    id: Mapped[Key]
    digest: Mapped[Digest] = mapped_column(unique=True)
    source: Mapped[str]
    status: Mapped[BuildStatus]
    builder: Mapped[str | None] = mapped_column(sa.String(32))
    """While building: the token of whoever loads it. Whoever takes it up puts their own in its place."""
    row_count: Mapped[int]
    unmatched_count: Mapped[int]
    loaded_at: Mapped[datetime]
    loaded_by: Mapped[str] = mapped_column(sa.String(60))
    file_digest: Mapped[Digest | None]
    """The file itself; the digest of the list also covers how it was read."""
    reading: Mapped[Json | None]
    rows_read: Mapped[int | None]
    matched_by: Mapped[Json | None]
    known_at: Mapped[datetime | None]
    """The newest import when people were looked for: a later one may know more of them."""


class CustomerListRemark(Base):
    """A row of a list that names nobody, or names people in a way to look at: line and reason, never its content."""

    __tablename__ = "customer_list_remarks"
    __table_args__ = (
        sa.PrimaryKeyConstraint("list_id", "line_number"),
        {"info": sealed_child("customer_lists", "list_id"), "sqlite_with_rowid": False},
    )

    list_id: Mapped[int] = mapped_column(sa.ForeignKey("customer_lists.id"))
    line_number: Mapped[int]
    remark: Mapped[RowRemark]


class CustomerListMember(Base):
    __tablename__ = "customer_list_members"
    __table_args__ = (
        sa.PrimaryKeyConstraint("list_id", "customer_id"),
        {"info": sealed_child("customer_lists", "list_id"), "sqlite_with_rowid": False},
    )

    list_id: Mapped[int] = mapped_column(sa.ForeignKey("customer_lists.id"))
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    item_set_id: Mapped[int | None] = mapped_column(sa.ForeignKey("item_sets.id"))


class ScopeList(Base):
    __tablename__ = "scope_lists"
    __table_args__ = (
        sa.CheckConstraint("relation <> 'rules_out' OR evidence_id IS NOT NULL", name="ruling_out_needs_evidence"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    scope_id: Mapped[int] = mapped_column(sa.ForeignKey("incident_scopes.id"))
    list_id: Mapped[int] = mapped_column(sa.ForeignKey("customer_lists.id"))
    relation: Mapped[ListRelation]
    certainty: Mapped[Certainty]
    evidence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))


class ScopeListStore(Base):
    """The store that the people of a list used: whom the list of an input page names."""

    __tablename__ = "scope_list_stores"
    __table_args__ = ({"info": append_only()},)

    scope_list_id: Mapped[int] = mapped_column(sa.ForeignKey("scope_lists.id"), primary_key=True)
    store_id: Mapped[int] = mapped_column(sa.ForeignKey("data_stores.id"))


class InvolvedPerson(Base):
    """A person in no inventory: affected outsiders, and the stranger who received the data."""

    __tablename__ = "involved_people"

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    role: Mapped[InvolvedRole]
    name: Mapped[str | None]
    contact: Mapped[str | None]
    item_set_id: Mapped[int | None] = mapped_column(sa.ForeignKey("item_sets.id"))
    deletion_confirmed_at: Mapped[datetime | None]
    added_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


class DeletionConfirmation(Base):
    """Somebody who received the data says that it is deleted: what they sent us, and when."""

    __tablename__ = "deletion_confirmations"
    __table_args__ = (
        sa.UniqueConstraint("person_id", name="one_confirmation_per_person"),
        sa.CheckConstraint("evidence_id IS NOT NULL OR text_id IS NOT NULL", name="a_confirmation_has_a_ground"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("involved_people.id"))
    confirmed_at: Mapped[datetime]
    evidence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("evidence.id"))
    text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))


class Evidence(Base):
    """A file kept by its digest under the home folder: a later change of its bytes is detectable (A7)."""

    __tablename__ = "evidence"
    __table_args__ = ({"info": append_only()},)

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    file_name: Mapped[str]
    media_type: Mapped[str] = mapped_column(sa.String(120))
    size: Mapped[int]
    sha256: Mapped[Digest]
    stored_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(sa.String(60))
