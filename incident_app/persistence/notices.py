"""Notices and their versions: text with placeholders, never one person's copy."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.vocabulary import Language, Purpose
from incident_app.persistence.database import Base, Code, Digest, Json, Key, LongText
from incident_app.persistence.triggers import append_only


class Notice(Base):
    __tablename__ = "notices"

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    kind: Mapped[Code]
    purpose: Mapped[Purpose]
    title: Mapped[str]
    current_version: Mapped[int]
    created_at: Mapped[datetime]
    rings: Mapped[Json | None]
    """How sure we must be of the people it goes to; none: everybody."""
    relations: Mapped[Json | None]
    """What the people it goes to are to us; none: everybody."""


class NoticeVersion(Base):
    """One language of one version. All languages of a version share its number."""

    __tablename__ = "notice_versions"
    __table_args__ = (
        sa.UniqueConstraint("notice_id", "version", "language", name="one_text_per_version_and_language"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    notice_id: Mapped[int] = mapped_column(sa.ForeignKey("notices.id"))
    version: Mapped[int]
    language: Mapped[Language]
    template_version_id: Mapped[int] = mapped_column(sa.ForeignKey("template_versions.id"))
    facts: Mapped[Json]
    subject: Mapped[str] = mapped_column(sa.String(500))
    text: Mapped[LongText]
    html: Mapped[LongText]
    content_digest: Mapped[Digest]
    written_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    at: Mapped[datetime]


class TemplateVersion(Base):
    """The text of a template as it was when it was used: a sent notice names its version (E1)."""

    __tablename__ = "template_versions"
    __table_args__ = (
        sa.UniqueConstraint("kind", "language", "version", name="one_template_per_version"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    kind: Mapped[Code]
    language: Mapped[Language]
    version: Mapped[int]
    texts: Mapped[Json]
    digest: Mapped[Digest] = mapped_column(unique=True)
    written_by: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]


class NoticeWithdrawal(Base):
    """A version of a notice that holds no longer: it is not sent any more, and the public page says so."""

    __tablename__ = "notice_withdrawals"
    __table_args__ = (
        sa.UniqueConstraint("notice_id", "version", name="one_withdrawal_per_version"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    notice_id: Mapped[int] = mapped_column(sa.ForeignKey("notices.id"))
    version: Mapped[int]
    reason_text_id: Mapped[int] = mapped_column(sa.ForeignKey("texts.id"))
    withdrawn_at: Mapped[datetime]
    withdrawn_by: Mapped[str] = mapped_column(sa.String(60))


class LintWaiver(Base):
    """A finding of the linter that somebody accepts for one version of a text, with the reason."""

    __tablename__ = "lint_waivers"
    __table_args__ = (
        sa.UniqueConstraint("notice_id", "version", "language", "rule", name="one_waiver_per_finding"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    notice_id: Mapped[int] = mapped_column(sa.ForeignKey("notices.id"))
    version: Mapped[int]
    language: Mapped[Language]
    rule: Mapped[Code]
    reason_text_id: Mapped[int] = mapped_column(sa.ForeignKey("texts.id"))
    waived_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    at: Mapped[datetime]
