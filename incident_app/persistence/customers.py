"""People and what is held of them. Names and addresses stand in contacts only."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import Channel, ImportStatus, Language, PersonKind, Relation
from incident_app.persistence.database import Base, BigInt, Digest, Json, Key, LongText
from incident_app.persistence.triggers import (
    Refusal,
    append_only,
    changed,
    never_removed,
    references_in_bulk,
    refers,
    refusing,
    sealed_child,
    sealed_parent,
    set_once,
)


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = (
        sa.Index(
            "ix_customers_organisations",
            "id",
            sqlite_where=sa.text("kind = 'organisation'"),
            postgresql_where=sa.text("kind = 'organisation'"),
        ),
        {"info": refusing(*never_removed())},
    )

    id: Mapped[Key]
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True)
    customer_number: Mapped[str] = mapped_column(sa.String(60), unique=True)
    kind: Mapped[PersonKind]
    relation: Mapped[Relation]
    language: Mapped[Language]
    jurisdiction: Mapped[str] = mapped_column(sa.String(2))
    added_at: Mapped[datetime | None]
    """When the import that first named the person was made: an abandoned import takes back whom it added."""
    erased_at: Mapped[datetime | None]


class CustomerChange(Base):
    """What a customer's attributes were until `changed_at`, so that an old determination can be repeated."""

    __tablename__ = "customer_changes"
    __table_args__ = (sa.PrimaryKeyConstraint("customer_id", "changed_at"), {"info": append_only()})

    customer_id: Mapped[BigInt] = mapped_column(sa.ForeignKey("customers.id"))
    changed_at: Mapped[datetime]
    kind: Mapped[PersonKind]
    relation: Mapped[Relation]
    language: Mapped[Language]
    jurisdiction: Mapped[str] = mapped_column(sa.String(2))


class CustomerContact(Base):
    """One way to reach a person. A correction is a new row; erasing drops name and address."""

    __tablename__ = "customer_contacts"
    __table_args__ = (
        sa.UniqueConstraint(
            "customer_id", "channel", "address_digest", "valid_from", name="one_contact_per_address_and_start"
        ),
        sa.Index("ix_customer_contacts_address_digest", "address_digest"),
        refers("customer_id", "customers.id"),
        refers("import_id", "imports.id"),
        {"info": set_once("valid_until", erasable=("name", "address")) | references_in_bulk()},
    )

    id: Mapped[Key]
    customer_id: Mapped[BigInt]
    channel: Mapped[Channel]
    name: Mapped[str | None]
    address: Mapped[str | None] = mapped_column(sa.String(500))
    address_digest: Mapped[Digest]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    import_id: Mapped[BigInt | None]


class ItemSet(Base):
    """A distinct set of data items; few exist, holdings, lists and impact share them."""

    __tablename__ = "item_sets"
    __table_args__ = ({"info": append_only()},)

    id: Mapped[Key]
    digest: Mapped[Digest] = mapped_column(unique=True)
    item_codes: Mapped[Json]


class Holding(Base):
    """What one store holds of one person: true in the world from/until, known to us from/until."""

    __tablename__ = "holdings"
    __table_args__ = (
        sa.PrimaryKeyConstraint("store_id", "customer_id", "item_set_id", "recorded_at", "period"),
        sa.Index("ix_holdings_customer_id", "customer_id"),
        refers("store_id", "data_stores.id"),
        refers("customer_id", "customers.id"),
        refers("item_set_id", "item_sets.id"),
        refers("import_id", "imports.id"),
        {"info": set_once("held_until", "retracted_at") | references_in_bulk(), "sqlite_with_rowid": False},
    )

    store_id: Mapped[BigInt]
    customer_id: Mapped[BigInt]
    item_set_id: Mapped[BigInt]
    recorded_at: Mapped[datetime]
    period: Mapped[BigInt] = mapped_column(server_default="0")
    """`held_from` in microseconds, 0 for none: several periods of one set are several rows."""
    held_from: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    retracted_at: Mapped[datetime | None]
    import_id: Mapped[BigInt | None]


_WHILE_ROWS_REFER = (
    Refusal(
        name="rows",
        action="DELETE",
        condition="EXISTS (SELECT 1 FROM holdings WHERE import_id = OLD.id) "
        "OR EXISTS (SELECT 1 FROM customer_contacts WHERE import_id = OLD.id)",
        reason="its rows refer to it",
    ),
    Refusal(name="identity", action="UPDATE", condition=changed("id"), reason="a key is never changed"),
)


class Import(Base):
    __tablename__ = "imports"
    __table_args__ = (
        sa.Index(
            "same_file_twice_changes_nothing",
            "kind",
            "file_digest",
            "profile_digest",
            unique=True,
            sqlite_where=sa.text("status <> 'abandoned'"),
            postgresql_where=sa.text("status <> 'abandoned'"),
        ),
        sa.Index(
            "one_import_under_way",
            "status",
            unique=True,
            sqlite_where=sa.text("status = 'building'"),
            postgresql_where=sa.text("status = 'building'"),
        ),
        {"info": sealed_parent() | refusing(*_WHILE_ROWS_REFER)},
    )

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(sa.String(40))
    file_digest: Mapped[Digest]
    profile_digest: Mapped[Digest] = mapped_column(server_default="")
    """What the file was read by, beyond its own columns; empty for none."""
    status: Mapped[ImportStatus]
    reached: Mapped[str | None] = mapped_column(sa.String(60))
    """While building: the customer number up to which rows are loaded. A resumed import goes on behind it."""
    rows_read: Mapped[int]
    rows_kept: Mapped[int]
    rows_refused: Mapped[int]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))


class ImportRefusal(Base):
    """A row of a file that was not taken: line and reason, never its content."""

    __tablename__ = "import_refusals"
    __table_args__ = ({"info": sealed_child("imports", "import_id")},)

    import_id: Mapped[int] = mapped_column(sa.ForeignKey("imports.id"), primary_key=True)
    line_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[LongText]
    person_kept: Mapped[bool]
