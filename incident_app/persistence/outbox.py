"""Who was told: people to inform, waves, the outbox and its attempts."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from incident_app.domain.delivery import (
    AudienceRule,
    CampaignStatus,
    DeliveryState,
    Standing,
    WhenUncertain,
    WithheldBecause,
)
from incident_app.domain.vocabulary import Certainty, Channel, Language, Purpose
from incident_app.persistence.database import AddressKey, Base, BigInt, BigKey, Digest, Json, Key
from incident_app.persistence.triggers import (
    Refusal,
    append_only,
    changed,
    never_removed,
    references_in_bulk,
    refers,
    refusing,
)

_GRANTED = (
    "NEW.status IN ('approved', 'running') AND NEW.approved_digest IS NOT NULL AND NOT EXISTS (SELECT 1 "
    "FROM approval_decisions d JOIN approval_requests r ON r.id = d.request_id WHERE r.subject = 'campaign' "
    "AND r.subject_id = NEW.id AND d.verdict = 'granted' AND d.content_digest = NEW.approved_digest)"
)
_FROZEN_WITH_A_WAVE = (
    "incident_id",
    "notice_id",
    "determination_id",
    "purpose",
    "wave_number",
    "audience_rule",
    "channel",
    "contacts_as_of",
    "when_uncertain",
    "sender_name",
    "sender_address",
    "planned",
    "people",
    "audience_digest",
    "item_names",
    "created_at",
    "created_by",
)
_OF_A_FROZEN_WAVE = "NOT EXISTS (SELECT 1 FROM campaigns c WHERE c.id = {row}.campaign_id AND c.status = 'building')"
_IN_A_FROZEN_WAVE = (
    "NOT EXISTS (SELECT 1 FROM deliveries d JOIN campaigns c ON c.id = d.campaign_id "
    "WHERE d.id = {row}.delivery_id AND c.status = 'building')"
)


_ADDED_TO_A_FROZEN_WAVE = (
    "EXISTS (SELECT 1 FROM (SELECT DISTINCT campaign_id AS k FROM added) a "
    "WHERE (SELECT c.status FROM campaigns c WHERE c.id = a.k) IS DISTINCT FROM 'building')"
)
_PUT_INTO_A_FROZEN_WAVE = (
    "EXISTS (SELECT 1 FROM (SELECT DISTINCT (SELECT d.campaign_id FROM deliveries d WHERE d.id = added.delivery_id) "
    "AS k FROM added) a WHERE (SELECT c.status FROM campaigns c WHERE c.id = a.k) IS DISTINCT FROM 'building')"
)


def _only_while_building(condition: str, in_bulk: str) -> tuple[Refusal, Refusal]:
    return (
        Refusal(
            name="added",
            action="INSERT",
            condition=condition.format(row="NEW"),
            in_bulk=in_bulk,
            reason="the wave is frozen",
        ),
        Refusal(name="removed", action="DELETE", condition=condition.format(row="OLD"), reason="the wave is frozen"),
    )


_ROWS_STAY = tuple(refusal for refusal in never_removed() if refusal.action != "UPDATE")
"""People move by the million, so that nobody asks each time whether the key is the same; no column of ours names it."""


class PersonToInform(Base):
    """Has this person been told, and of which items? Moved only by an outcome; duties are computed from these rows."""

    __tablename__ = "people_to_inform"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "purpose", "customer_id", name="one_standing_per_customer"),
        sa.Index(
            "one_standing_per_involved_person",
            "incident_id",
            "purpose",
            "involved_person_id",
            unique=True,
            sqlite_where=sa.text("involved_person_id IS NOT NULL"),
            postgresql_where=sa.text("involved_person_id IS NOT NULL"),
        ),
        sa.CheckConstraint("(customer_id IS NULL) <> (involved_person_id IS NULL)", name="one_person"),
        sa.Index("ix_people_to_inform_standing", "incident_id", "purpose", "standing"),
        {"info": refusing(*_ROWS_STAY)},
    )

    id: Mapped[Key]
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    purpose: Mapped[Purpose]
    customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customers.id"))
    involved_person_id: Mapped[int | None] = mapped_column(sa.ForeignKey("involved_people.id"))
    language: Mapped[Language]
    item_set_id: Mapped[int] = mapped_column(sa.ForeignKey("item_sets.id"))
    """What the newest determination says was touched."""
    confirmed_item_set_id: Mapped[int] = mapped_column(sa.ForeignKey("item_sets.id"))
    """Those of the items whose leak is confirmed."""
    certainty: Mapped[Certainty]
    """How sure the newest determination is."""
    told_item_set_id: Mapped[int | None] = mapped_column(sa.ForeignKey("item_sets.id"))
    """What the person was told of."""
    determination_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    standing: Mapped[Standing]
    standing_since: Mapped[datetime]
    how: Mapped[str | None] = mapped_column(sa.String(60))
    reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))


class Campaign(Base):
    __tablename__ = "campaigns"
    __table_args__ = (
        sa.UniqueConstraint("incident_id", "purpose", "wave_number", name="one_campaign_per_wave"),
        sa.CheckConstraint(
            "status NOT IN ('approved', 'running') OR approved_digest IS NOT NULL", name="sending_needs_approval"
        ),
        sa.Index(
            "uq_campaigns_building",
            "incident_id",
            "purpose",
            unique=True,
            sqlite_where=sa.text("status = 'building'"),
            postgresql_where=sa.text("status = 'building'"),
        ),
        {
            "info": refusing(
                Refusal(name="approved", action="UPDATE", condition=_GRANTED, reason="nobody approved this digest"),
                Refusal(name="born_approved", action="INSERT", condition=_GRANTED, reason="nobody approved this"),
                Refusal(
                    name="frozen",
                    action="UPDATE",
                    condition="OLD.status <> 'building' "
                    f"AND (NEW.status = 'building' OR {changed(*_FROZEN_WITH_A_WAVE)})",
                    reason="the wave is frozen",
                ),
                Refusal(
                    name="removed", action="DELETE", condition="OLD.status <> 'building'", reason="the wave is frozen"
                ),
                Refusal(
                    name="messages",
                    action="DELETE",
                    condition="OLD.status = 'building' "
                    "AND EXISTS (SELECT 1 FROM deliveries WHERE campaign_id = OLD.id)",
                    reason="its messages refer to it",
                ),
                Refusal(name="identity", action="UPDATE", condition=changed("id"), reason="a key is never changed"),
            )
        },
    )

    id: Mapped[Key]
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True)
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incidents.id"))
    notice_id: Mapped[int] = mapped_column(sa.ForeignKey("notices.id"))
    notice_version: Mapped[int]
    determination_id: Mapped[int] = mapped_column(sa.ForeignKey("impact_determinations.id"))
    purpose: Mapped[Purpose]
    wave_number: Mapped[int]
    audience_rule: Mapped[AudienceRule]
    channel: Mapped[Channel]
    priority: Mapped[int]
    hours_from: Mapped[int | None]
    hours_until: Mapped[int | None]
    per_hour_ceiling: Mapped[int | None]
    countries: Mapped[Json | None]
    """Whose law the people of the wave live under, noted when hours are set: it tells the zone they are in."""
    contacts_as_of: Mapped[datetime]
    canary_size: Mapped[int | None]
    """How many messages were to be sent before all others; kept after the wave went on."""
    canary_from: Mapped[int | None] = mapped_column(BigKey)
    canary_through: Mapped[int | None] = mapped_column(BigKey)
    """First and last message that may be sent while the canary is looked at; empty when all of them may."""
    watched_after: Mapped[int | None] = mapped_column(BigKey)
    """The newest attempt when a person last let the wave go on: the brake judges what came after it."""
    when_uncertain: Mapped[WhenUncertain]
    sender_name: Mapped[Json]
    sender_address: Mapped[str] = mapped_column(sa.String(254))
    status: Mapped[CampaignStatus]
    planned: Mapped[int]
    people: Mapped[int]
    approved_digest: Mapped[Digest | None]
    audience_digest: Mapped[Digest | None]
    item_names: Mapped[Json | None]
    """The data items of the audience as the mails name them, frozen when the wave is filled."""
    pause_reason_text_id: Mapped[int | None] = mapped_column(sa.ForeignKey("texts.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    reported_through: Mapped[BigInt]
    """The attempt up to which outcomes were put on the timeline."""


class MailDomain(Base):
    __tablename__ = "mail_domains"
    __table_args__ = (
        sa.Index("ix_mail_domains_paced", "id", sqlite_where=sa.text("paced"), postgresql_where=sa.text("paced")),
        {"info": refusing(*never_removed())},
    )

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(sa.String(254), unique=True)
    per_minute: Mapped[int | None]
    connections: Mapped[int | None]
    paused_until: Mapped[datetime | None]
    paced: Mapped[bool | None]
    """True once a limit was set: its messages then wait in a queue of their own, so that they are in nobody's way."""


class DeliveryRow(Base):
    """One message of one wave. Queue times are integers: UTC microseconds since 1970."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="lease_while_sending"),
        sa.CheckConstraint("(state = 'sending') = (lease_owner IS NOT NULL)", name="owner_while_sending"),
        sa.UniqueConstraint("campaign_id", "address_digest", "told_apart_by", name="one_message_per_address"),
        sa.Index(
            "ix_deliveries_queued",
            "campaign_id",
            "next_attempt_at",
            "id",
            sqlite_where=sa.text("state = 'queued' AND paced IS NULL"),
            postgresql_where=sa.text("state = 'queued' AND paced IS NULL"),
        ),
        sa.Index(
            "ix_deliveries_paced",
            "campaign_id",
            "domain_id",
            "next_attempt_at",
            "id",
            sqlite_where=sa.text("state = 'queued' AND paced"),
            postgresql_where=sa.text("state = 'queued' AND paced"),
        ),
        sa.Index(
            "ix_deliveries_sending",
            "lease_until",
            sqlite_where=sa.text("state = 'sending'"),
            postgresql_where=sa.text("state = 'sending'"),
        ),
        sa.Index("ix_deliveries_campaign_state", "campaign_id", "state"),
        refers("campaign_id", "campaigns.id"),
        refers("contact_id", "customer_contacts.id"),
        refers("domain_id", "mail_domains.id"),
        {
            "info": refusing(
                Refusal(
                    name="readdressed",
                    action="UPDATE",
                    condition=changed(
                        "id",
                        "campaign_id",
                        "contact_id",
                        "address_digest",
                        "told_apart_by",
                        "domain_id",
                        "language",
                        "token",
                    ),
                    reason="whom a message is for never changes",
                ),
                *_only_while_building(_OF_A_FROZEN_WAVE, _ADDED_TO_A_FROZEN_WAVE),
                Refusal(
                    name="people",
                    action="DELETE",
                    condition="EXISTS (SELECT 1 FROM delivery_people WHERE delivery_id = OLD.id)",
                    reason="its people refer to it",
                ),
            )
            | references_in_bulk(differing=("contact_id",))
        },
    )

    id: Mapped[Key]
    campaign_id: Mapped[BigInt]
    contact_id: Mapped[BigInt]
    address_digest: Mapped[str] = mapped_column(AddressKey())
    """The first eight octets of the contact's; two addresses that begin alike are told apart."""
    told_apart_by: Mapped[str] = mapped_column(sa.String(24))
    """Empty, or the key of a person whose message must not be joined with others at the same address."""
    domain_id: Mapped[BigInt]
    language: Mapped[Language]
    notice_version_id: Mapped[int | None] = mapped_column(sa.ForeignKey("notice_versions.id"))
    """Set when the message is claimed: a sent notice names its version."""
    token: Mapped[str] = mapped_column(sa.String(24), unique=True)
    state: Mapped[DeliveryState]
    attempt_count: Mapped[int]
    first_attempt_at: Mapped[int | None] = mapped_column(BigKey)
    next_attempt_at: Mapped[BigInt]
    lease_until: Mapped[int | None] = mapped_column(BigKey)
    lease_owner: Mapped[str | None] = mapped_column(sa.String(60))
    withheld_because: Mapped[WithheldBecause | None]
    paced: Mapped[bool | None]
    """True when the message waits in the queue of its domain; empty in that of its wave."""


class DeliveryPerson(Base):
    """Who is in one message. While the delivery is open the person is in no other of the same purpose."""

    __tablename__ = "delivery_people"
    __table_args__ = (
        sa.PrimaryKeyConstraint("delivery_id", "person_id"),
        refers("delivery_id", "deliveries.id"),
        refers("person_id", "people_to_inform.id"),
        refers("item_set_id", "item_sets.id"),
        refers("confirmed_item_set_id", "item_sets.id"),
        sa.Index(
            "uq_delivery_people_open",
            "person_id",
            unique=True,
            sqlite_where=sa.text("open"),
            postgresql_where=sa.text("open"),
        ),
        {
            "sqlite_with_rowid": False,
            "info": refusing(
                Refusal(
                    name="exchanged",
                    action="UPDATE",
                    condition=changed("delivery_id", "person_id", "item_set_id", "confirmed_item_set_id", "certainty"),
                    reason="whom a message is for never changes",
                ),
                *_only_while_building(_IN_A_FROZEN_WAVE, _PUT_INTO_A_FROZEN_WAVE),
            )
            | references_in_bulk(differing=("person_id",), guarded=("delivery_id",)),
        },
    )

    delivery_id: Mapped[BigInt]
    person_id: Mapped[BigInt]
    item_set_id: Mapped[BigInt]
    confirmed_item_set_id: Mapped[BigInt]
    certainty: Mapped[str] = mapped_column(sa.String(20))
    open: Mapped[bool]


class DeliveryAttempt(Base):
    __tablename__ = "delivery_attempts"
    __table_args__ = (
        sa.UniqueConstraint("delivery_id", "number", name="one_row_per_attempt"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    delivery_id: Mapped[int] = mapped_column(sa.ForeignKey("deliveries.id"))
    number: Mapped[int]
    finished_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(sa.String(40))
    reply_code: Mapped[int | None]
    enhanced_code: Mapped[str | None] = mapped_column(sa.String(12))
    reply_text: Mapped[str] = mapped_column(sa.String(500))
    content_digest: Mapped[Digest | None]
