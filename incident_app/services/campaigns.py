"""Filling a wave: choosing its audience, one durable row per message, frozen with a digest."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.audience import AudienceDigest, Candidate, PlannedMessage, campaign_digest, plan_messages
from incident_app.domain.delivery import (
    AudienceRule,
    CampaignEvent,
    CampaignStatus,
    DeliveryState,
    Standing,
    WhenUncertain,
    next_campaign_status,
)
from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.events import DispatchFilled
from incident_app.domain.ids import Actor, CampaignId, IncidentId, NoticeId
from incident_app.domain.vocabulary import Channel, Language
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.customers import CustomerContact, ItemSet
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, MailDomain, PersonToInform
from incident_app.persistence.sql_outbox import microseconds
from incident_app.services.accounts import user_of
from incident_app.services.people import newest_determination
from incident_app.services.transaction import building, reading, transaction
from notifications.addresses import Address, domain_of


class NobodyToInform(IncidentAppError):
    """Nobody with an e-mail address is left for this wave. People without one stand on the list for post and phone."""

    ja = "この波で送る相手がいません。メールアドレスのない人は、郵送・電話の一覧にあります。"


class LanguageMissing(IncidentAppError):
    """The notice has no text in {languages}, but people in this wave are written to in that language."""

    ja = "この波には {languages} で通知する人がいますが、その言語の通知文がありません。"


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who a notice comes from."""

    address: str
    names: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A wave that is ready to be approved."""

    campaign_id: CampaignId
    wave: int
    people: int
    planned: int
    unreachable: int
    told_apart: int


def fill_campaign(
    engine: Engine,
    incident_id: IncidentId,
    notice_id: NoticeId,
    *,
    rule: AudienceRule,
    sender: Sender,
    when_uncertain: WhenUncertain = WhenUncertain.ASK,
    items: frozenset[str] = frozenset(),
    priority: int = 100,
    actor: Actor,
    now: datetime,
) -> Filled:
    """Build the rows of a new wave in chunks, then freeze it with its digest.

    `items` narrows the audience to people of whom one of these items was affected (card holders first). People without
    a valid e-mail address are counted as unreachable and keep their standing; nobody is dropped in silence.
    """
    campaign_id, wave = _open(
        engine, incident_id, notice_id, rule, sender, when_uncertain, priority=priority, actor=actor, now=now
    )
    with reading(engine) as session:
        chosen = list(_chosen(session, incident_id, campaign_id, rule, items))
        candidates = list(_with_contacts(session, chosen))
    if not (messages := plan_messages(candidates)):
        _drop(engine, campaign_id)
        raise NobodyToInform
    for chunk in chunks(messages):
        with building(engine) as session:
            _store(session, campaign_id, chunk, now)
    filled = Filled(
        campaign_id=campaign_id,
        wave=wave,
        people=len(candidates),
        planned=len(messages),
        unreachable=len(chosen) - len(candidates),
        told_apart=sum(bool(message.told_apart_by) for message in messages),
    )
    _freeze(engine, filled, _digest_of(candidates), actor=actor, now=now)
    return filled


def _digest_of(candidates: Sequence[Candidate]) -> ContentDigest:
    digest = AudienceDigest()
    for candidate in sorted(candidates, key=lambda candidate: candidate.person_id):
        digest.add(
            candidate.person_id, candidate.item_set_id, candidate.confirmed_item_set_id, candidate.address_digest
        )
    return digest.finish()


def _open(
    engine: Engine,
    incident_id: IncidentId,
    notice_id: NoticeId,
    rule: AudienceRule,
    sender: Sender,
    when_uncertain: WhenUncertain,
    *,
    priority: int,
    actor: Actor,
    now: datetime,
) -> tuple[CampaignId, int]:
    with building(engine) as session:
        notice = session.get(Notice, notice_id)
        if notice is None or notice.incident_id != incident_id:
            raise NotFound(what="notice", name=notice_id)
        campaign = Campaign(
            public_id=secrets.token_hex(12),
            incident_id=incident_id,
            notice_id=notice_id,
            notice_version=notice.current_version,
            determination_id=newest_determination(session, incident_id).id,
            purpose=notice.purpose,
            wave_number=_next_wave(session, notice),
            audience_rule=rule,
            channel=Channel.EMAIL,
            priority=priority,
            contacts_as_of=now,
            when_uncertain=when_uncertain,
            sender_name=dict(sender.names),
            sender_address=sender.address,
            status=CampaignStatus.BUILDING,
            **dict.fromkeys(("planned", "people", "reported_through"), 0),
            created_at=now,
            created_by=user_of(actor),
        )
        session.add(campaign)
        session.flush()
        return CampaignId(campaign.id), campaign.wave_number


def _next_wave(session: Session, notice: Notice) -> int:
    newest = sa.select(sa.func.max(Campaign.wave_number)).where(
        Campaign.incident_id == notice.incident_id, Campaign.purpose == notice.purpose
    )
    return 1 + (session.scalar(newest) or 0)


def _chosen(
    session: Session, incident_id: IncidentId, campaign_id: CampaignId, rule: AudienceRule, items: frozenset[str]
) -> Iterator[PersonToInform]:
    """Yield the people whom the rule chooses; never one with an open delivery."""
    campaign = session.get_one(Campaign, campaign_id)
    busy = sa.select(DeliveryPerson.person_id).where(DeliveryPerson.open)
    query = (
        sa.select(PersonToInform)
        .where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == campaign.purpose,
            PersonToInform.determination_id == campaign.determination_id,
            PersonToInform.id.not_in(busy),
            _RULES[rule],
        )
        .order_by(PersonToInform.id)
    )
    wanted = _sets_with(session, items) if items else None
    for person in session.scalars(query):
        if wanted is None or person.item_set_id in wanted:
            yield person


_RULES: Mapping[AudienceRule, sa.ColumnElement[bool]] = {
    AudienceRule.EVERYONE_TO_INFORM: PersonToInform.standing == Standing.TO_INFORM,
    AudienceRule.NEWLY_AFFECTED: sa.and_(
        PersonToInform.standing == Standing.TO_INFORM, PersonToInform.told_item_set_id.is_(None)
    ),
    AudienceRule.ITEMS_CHANGED: sa.and_(
        PersonToInform.told_item_set_id.is_not(None),
        PersonToInform.told_item_set_id != PersonToInform.item_set_id,
        PersonToInform.standing != Standing.EXEMPT,
    ),
    AudienceRule.FAILED_ONLY: PersonToInform.standing == Standing.NOT_REACHED,
}


def _sets_with(session: Session, items: frozenset[str]) -> set[int]:
    return {
        set_id for set_id, codes in session.execute(sa.select(ItemSet.id, ItemSet.item_codes)) if items & set(codes)
    }


def _with_contacts(session: Session, chosen: Sequence[PersonToInform]) -> Iterator[Candidate]:
    """Yield those of the chosen people who have a valid e-mail address."""
    for chunk in chunks(chosen, 2_000):
        contacts = {
            contact.customer_id: contact
            for contact in session.scalars(
                sa.select(CustomerContact)
                .where(
                    CustomerContact.customer_id.in_([person.customer_id for person in chunk]),
                    CustomerContact.channel == Channel.EMAIL,
                    CustomerContact.valid_until.is_(None),
                    CustomerContact.address.is_not(None),
                )
                .order_by(CustomerContact.id),
            )
        }
        for person in chunk:
            contact = contacts.get(person.customer_id or 0)
            if contact is not None and person.customer_id is not None:
                yield Candidate(
                    person_id=person.id,
                    customer_id=person.customer_id,
                    contact_id=contact.id,
                    address_digest=contact.address_digest,
                    name=contact.name or "",
                    language=person.language,
                    item_set_id=person.item_set_id,
                    confirmed_item_set_id=person.confirmed_item_set_id,
                    certainty=person.certainty,
                )


def _store(session: Session, campaign_id: CampaignId, messages: Sequence[PlannedMessage], now: datetime) -> None:
    addresses = _addresses(session, [message.first.contact_id for message in messages])
    domains = _domains(session, {domain_of(address) for address in addresses.values()})
    insert_new(
        session,
        DeliveryRow,
        [
            {
                "campaign_id": campaign_id,
                "contact_id": message.first.contact_id,
                "address_digest": message.first.address_digest,
                "told_apart_by": message.told_apart_by,
                "domain_id": domains[domain_of(addresses[message.first.contact_id])],
                "language": Language(message.first.language),
                "token": secrets.token_hex(12),
                "state": DeliveryState.QUEUED,
                "attempt_count": 0,
                "next_attempt_at": microseconds(now),
            }
            for message in messages
        ],
    )
    ids = _delivery_ids(session, campaign_id, messages)
    people = [
        {
            "delivery_id": ids[message.first.address_digest, message.told_apart_by],
            "person_id": person.person_id,
            "item_set_id": person.item_set_id,
            "confirmed_item_set_id": person.confirmed_item_set_id,
            "certainty": person.certainty,
            "open": True,
        }
        for message in messages
        for person in message.people
    ]
    session.execute(sa.insert(DeliveryPerson), people)


def _addresses(session: Session, contact_ids: Sequence[int]) -> dict[int, Address]:
    rows = session.execute(
        sa.select(CustomerContact.id, CustomerContact.address).where(CustomerContact.id.in_(contact_ids)),
    )
    return {contact_id: Address(address or "") for contact_id, address in rows}


def _domains(session: Session, names: AbstractSet[str]) -> dict[str, int]:
    insert_new(session, MailDomain, [{"name": name} for name in sorted(names)])
    rows = session.execute(sa.select(MailDomain.name, MailDomain.id).where(MailDomain.name.in_(sorted(names))))
    return dict(rows.all())


def _delivery_ids(
    session: Session, campaign_id: CampaignId, messages: Sequence[PlannedMessage]
) -> dict[tuple[str, str], int]:
    digests = [message.first.address_digest for message in messages]
    rows = session.execute(
        sa.select(DeliveryRow.address_digest, DeliveryRow.told_apart_by, DeliveryRow.id).where(
            DeliveryRow.campaign_id == campaign_id, DeliveryRow.address_digest.in_(digests)
        ),
    )
    return {(digest, apart): delivery_id for digest, apart, delivery_id in rows}


def _drop(engine: Engine, campaign_id: CampaignId) -> None:
    with building(engine) as session:
        ids = sa.select(DeliveryRow.id).where(DeliveryRow.campaign_id == campaign_id)
        session.execute(sa.delete(DeliveryPerson).where(DeliveryPerson.delivery_id.in_(ids)))
        session.execute(sa.delete(DeliveryRow).where(DeliveryRow.campaign_id == campaign_id))
        session.execute(sa.delete(Campaign).where(Campaign.id == campaign_id))


def _freeze(engine: Engine, filled: Filled, digest: ContentDigest, *, actor: Actor, now: datetime) -> None:
    with transaction(engine, actor=actor, now=now) as act:
        campaign = act.session.get_one(Campaign, filled.campaign_id)
        campaign.people, campaign.planned, campaign.audience_digest = filled.people, filled.planned, digest
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.SEALED)
        act.record(
            DispatchFilled(
                campaign_id=filled.campaign_id,
                wave=campaign.wave_number,
                people=filled.people,
                planned=filled.planned,
                unreachable=filled.unreachable,
                audience_digest=digest,
            ),
            incident=IncidentId(campaign.incident_id),
        )


def current_campaign_digest(session: Session, campaign_id: int) -> ContentDigest:
    """Return what an approver of this wave would sign now: its texts, audience and sender as they are."""
    campaign = session.get_one(Campaign, campaign_id)
    rows = session.execute(
        sa.select(NoticeVersion.language, NoticeVersion.content_digest).where(
            NoticeVersion.notice_id == campaign.notice_id, NoticeVersion.version == campaign.notice_version
        ),
    )
    return campaign_digest(
        audience=campaign.audience_digest or "",
        texts=dict(rows.all()),
        sender={"address": campaign.sender_address, "names": campaign.sender_name},
        when_uncertain=campaign.when_uncertain,
    )


def check_languages(session: Session, campaign: Campaign) -> None:
    """Refuse a wave that holds people in a language in which the notice has no text."""
    written = set(
        session.scalars(
            sa.select(NoticeVersion.language).where(
                NoticeVersion.notice_id == campaign.notice_id, NoticeVersion.version == campaign.notice_version
            ),
        ),
    )
    needed = set(
        session.scalars(sa.select(DeliveryRow.language).where(DeliveryRow.campaign_id == campaign.id).distinct()),
    )
    if missing := sorted(needed - written):
        raise LanguageMissing(languages=", ".join(missing))
