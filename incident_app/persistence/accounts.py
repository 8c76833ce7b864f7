"""Accounts, roles granted, and membership of incidents (need to know)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.access import Role
from incident_app.persistence.database import Base, Key, Text
from incident_app.persistence.triggers import set_once


class User(Base):
    __tablename__ = "users"

    id: Mapped[Key]
    email: Mapped[str] = mapped_column(Text(254), unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    totp_secret: Mapped[str | None]
    language: Mapped[str] = mapped_column(sa.String(2), server_default="ja")
    active: Mapped[bool]
    failed_logins: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    sessions_valid_from: Mapped[datetime]


class RoleGrant(Base):
    __tablename__ = "role_grants"
    __table_args__ = (
        sa.CheckConstraint("granted_by IS NULL OR granted_by <> user_id", name="nobody_grants_to_themselves"),
        sa.Index("ix_role_grants_user_id", "user_id"),
        {"info": set_once("revoked_at")},
    )

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    role: Mapped[Role]
    incident_id: Mapped[int | None] = mapped_column(sa.ForeignKey("incidents.id"))
    granted_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    """NULL only for the first administrator, made at the command line of the machine itself."""
    granted_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class IncidentMember(Base):
    __tablename__ = "incident_members"
    __table_args__ = (
        sa.Index(
            "uq_incident_members_live",
            "incident_id",
            "user_id",
            unique=True,
            sqlite_where=sa.text("removed_at IS NULL"),
            postgresql_where=sa.text("removed_at IS NULL"),
        ),
        {"info": set_once("removed_at")},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(Text(40))
    added_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
