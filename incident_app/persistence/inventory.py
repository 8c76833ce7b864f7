"""The inventory: categories, items, stores, parties, disclosures, joint use."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import BusinessLine, DisclosureBasis, Medium, OurRole, PartyRole, Protection
from incident_app.persistence.database import Base, Code, Digest, Json, Key, LongText
from incident_app.persistence.triggers import append_only, never_removed, refusing, set_once


def _only_live(name: str, *columns: str, among: str) -> sa.Index:
    """Say that one live row exists per `columns`: rows that were retracted stay and do not count."""
    return sa.Index(name, *columns, unique=True, sqlite_where=sa.text(among), postgresql_where=sa.text(among))


class DataCategory(Base):
    __tablename__ = "data_categories"

    code: Mapped[Code] = mapped_column(primary_key=True)
    parent_code: Mapped[Code | None] = mapped_column(sa.ForeignKey("data_categories.code"))
    name_ja: Mapped[str]
    name_en: Mapped[str]
    section: Mapped[str] = mapped_column(sa.String(40))
    position: Mapped[int]
    retired_at: Mapped[datetime | None]


class DataItem(Base):
    __tablename__ = "data_items"

    code: Mapped[Code] = mapped_column(primary_key=True)
    category_code: Mapped[Code] = mapped_column(sa.ForeignKey("data_categories.code"))
    name_ja: Mapped[str]
    name_en: Mapped[str]
    flags: Mapped[Json]
    section: Mapped[str] = mapped_column(sa.String(40))
    position: Mapped[int]
    retired_at: Mapped[datetime | None]


class ThirdParty(Base):
    __tablename__ = "third_parties"
    __table_args__ = (
        sa.Index(
            "uq_third_parties_is_ourselves",
            "is_ourselves",
            unique=True,
            sqlite_where=sa.text("is_ourselves"),
            postgresql_where=sa.text("is_ourselves"),
        ),
    )

    id: Mapped[Key]
    code: Mapped[Code] = mapped_column(unique=True)
    name_ja: Mapped[str]
    name_en: Mapped[str]
    country: Mapped[str] = mapped_column(sa.String(2))
    section: Mapped[str] = mapped_column(sa.String(40))
    is_ourselves: Mapped[bool]
    incident_contact: Mapped[str | None]
    contract_reference: Mapped[str | None]
    contract_notice_hours: Mapped[int | None]
    audited_on: Mapped[date | None]
    retired_at: Mapped[datetime | None]


class DataStore(Base):
    __tablename__ = "data_stores"
    __table_args__ = ({"info": refusing(*never_removed())},)

    id: Mapped[Key]
    code: Mapped[Code] = mapped_column(unique=True)
    name_ja: Mapped[str]
    name_en: Mapped[str]
    medium: Mapped[Medium]
    country: Mapped[str] = mapped_column(sa.String(2))
    our_role: Mapped[OurRole]
    operator_id: Mapped[int] = mapped_column(sa.ForeignKey("third_parties.id"))
    business_line: Mapped[BusinessLine]
    owner: Mapped[str]
    reviewed_on: Mapped[date | None]
    retired_at: Mapped[datetime | None]
    loaded_from: Mapped[str] = mapped_column(server_default="")
    """The file of stores that named it last, or the policy: what such a file no longer names is retired."""


class StoreItem(Base):
    __tablename__ = "store_items"
    __table_args__ = (
        _only_live(
            "uq_store_items_live_since",
            "store_id",
            "item_code",
            "held_from",
            among="retracted_at IS NULL AND held_from IS NOT NULL",
        ),
        _only_live(
            "uq_store_items_live_always", "store_id", "item_code", among="retracted_at IS NULL AND held_from IS NULL"
        ),
        {"info": set_once("held_until", "retracted_at")},
    )

    id: Mapped[Key]
    store_id: Mapped[int] = mapped_column(sa.ForeignKey("data_stores.id"))
    item_code: Mapped[Code] = mapped_column(sa.ForeignKey("data_items.code"))
    purpose: Mapped[str]
    protection: Mapped[Protection]
    keep_for_days: Mapped[int | None]
    held_from: Mapped[date | None]
    held_until: Mapped[date | None]
    recorded_at: Mapped[datetime]
    retracted_at: Mapped[datetime | None]


class Disclosure(Base):
    __tablename__ = "disclosures"
    __table_args__ = ({"info": set_once("until")},)

    id: Mapped[Key]
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("third_parties.id"))
    item_code: Mapped[Code] = mapped_column(sa.ForeignKey("data_items.code"))
    role: Mapped[PartyRole]
    basis: Mapped[DisclosureBasis]
    purpose_ja: Mapped[str]
    purpose_en: Mapped[str]
    joint_use_group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("joint_use_groups.id"))
    legal_basis: Mapped[str]
    section: Mapped[str] = mapped_column(sa.String(40), server_default="")
    recorded_at: Mapped[datetime]
    until: Mapped[datetime | None]


class JointUseGroup(Base):
    __tablename__ = "joint_use_groups"

    id: Mapped[Key]
    code: Mapped[Code] = mapped_column(unique=True)
    name_ja: Mapped[str]
    name_en: Mapped[str]
    purpose_ja: Mapped[LongText]
    purpose_en: Mapped[LongText]
    responsible_party_id: Mapped[int] = mapped_column(sa.ForeignKey("third_parties.id"))
    published_url: Mapped[str | None]
    retired_at: Mapped[datetime | None]


class JointUseMember(Base):
    __tablename__ = "joint_use_members"
    __table_args__ = (
        _only_live("uq_joint_use_members_live", "group_id", "party_id", among="until IS NULL"),
        {"info": set_once("until")},
    )

    id: Mapped[Key]
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("joint_use_groups.id"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("third_parties.id"))
    since: Mapped[date]
    until: Mapped[date | None]


class JointUseItem(Base):
    __tablename__ = "joint_use_items"
    __table_args__ = (
        _only_live("uq_joint_use_items_live", "group_id", "item_code", among="retracted_at IS NULL"),
        {"info": set_once("retracted_at")},
    )

    id: Mapped[Key]
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("joint_use_groups.id"))
    item_code: Mapped[Code] = mapped_column(sa.ForeignKey("data_items.code"))
    uncertain: Mapped[bool]
    recorded_at: Mapped[datetime]
    retracted_at: Mapped[datetime | None]


class InventorySnapshot(Base):
    """The whole small inventory as it was: what makes an old determination repeatable."""

    __tablename__ = "inventory_snapshots"
    __table_args__ = ({"info": append_only()},)

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    content: Mapped[Json]
    taken_at: Mapped[datetime]
