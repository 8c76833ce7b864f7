"""Filling a wave: choosing its audience, one durable row per message, frozen with a digest."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from incident_app.domain.audience import PlannedMessage
from incident_app.domain.contact_safety import ContactChoice
from incident_app.domain.delivery import (
    AudienceRule,
    CampaignEvent,
    CampaignStatus,
    WhenUncertain,
    next_campaign_status,
)
from incident_app.domain.digests import ContentDigest, utc_text
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import DispatchFilled
from incident_app.domain.ids import Actor, CampaignId, IncidentId, NoticeId
from incident_app.domain.vocabulary import Channel, Purpose
from incident_app.persistence.bulk import chunks
from incident_app.persistence.incidents import Incident
from incident_app.persistence.notices import Notice
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow
from incident_app.persistence.sql_outbox import microseconds
from incident_app.persistence.waiting import keep_domains
from incident_app.persistence.waves_in_bulk import noted_domains, store_messages
from incident_app.persistence.waves_in_bulk import store_waiting as _store
from incident_app.services.accounts import user_of
from incident_app.services.approved_content import NamedItem, names_of_items
from incident_app.services.audience import Census, census, chosen_people, left_by, messages_of_shared
from incident_app.services.contact_safety import Safety, decide_safety, forget_left_out, note_left_out, record_allowed
from incident_app.services.people import newest_determination
from incident_app.services.transaction import (
    Turns,
    TurnSize,
    building,
    on_one_connection,
    reading,
    setting_aside,
    transaction,
)
from notifications.addresses import parse_address
from notifications.errors import AddressRefused

CHUNK = 1_000
"""Messages stored in one turn: who writes elsewhere waits for no more than that."""
LONGEST_FILL = timedelta(minutes=30)
"""A fill that began longer ago has died; a million people take a few minutes."""


class NobodyToInform(IncidentAppError):
    """Nobody with an e-mail address is left for this wave. People without one stand on the list for post and phone."""

    ja = "この波で送る相手がいません。メールアドレスのない人は、郵送・電話の一覧にあります。"


class FillReplaced(IncidentAppError):
    """Another wave of this incident was begun while this one was being filled, and took its place.

    Nothing of this one is kept. If people are still missing from the other wave, fill again once it is done.
    """

    ja = (
        "この波を作成している間に、同じ事案の別の波の作成が始まったため、こちらは取りやめました。何も残っていません。"
        "まだ波に入っていない人がいるときは、もう一方の作成が終わってから、もう一度作成してください。"
    )


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
    contacts: ContactChoice | None = None,
    actor: Actor,
    now: datetime,
) -> Filled:
    """Build the rows of a new wave in chunks, then freeze it with its digest.

    `items` narrows the audience to people of whom one of these items was affected (card holders first). People without
    an e-mail address that may be used (`contacts`) are noted with the reason and keep their standing; nobody is dropped
    in silence.
    """
    contacts = contacts or ContactChoice()
    begun = _begin(
        engine, incident_id, notice_id, rule, sender, when_uncertain, contacts, priority=priority, actor=actor, now=now
    )
    with ExitStack() as undo:
        undo.callback(_give_up, engine, begun)
        filled, content = _build(engine, begun, rule, items, now)
        _freeze(engine, begun, filled, content, contacts, actor=actor, now=now)
        undo.pop_all()
    return filled


def _build(
    engine: Engine, begun: _Begun, rule: AudienceRule, items: frozenset[str], now: datetime
) -> tuple[Filled, _Content]:
    """Let the audience of one moment wait in a temporary table, then store it range by range.

    Nobody need be held in memory, and a contact that changes meanwhile cannot belie the digest.
    """
    terms = begun.safety.terms
    with on_one_connection(engine) as connection:
        with setting_aside(connection) as session:
            campaign = _still_ours(session, begun, locked=False)
            found = census(session, chosen_people(session, campaign, rule, items), campaign.purpose, terms)
            if not found.people:
                raise NobodyToInform
            names = names_of_items(session, found.item_sets)
            shared = messages_of_shared(session, found.shared)
        planned, told_apart = _store_all(connection, begun, found, shared, microseconds(now))
    with reading(engine) as session:  # whom the rule still chooses is in none of the messages
        left = left_by(session, chosen_people(session, _still_ours(session, begun, locked=False), rule, items))
        unreachable = note_left_out(engine, begun.id, left, terms, reader=session)
    filled = Filled(
        campaign_id=begun.id,
        wave=begun.wave,
        people=found.people,
        planned=planned,
        unreachable=unreachable,
        told_apart=told_apart,
    )
    return filled, _Content(audience=found.digest, item_names=names)


def _store_all(
    connection: Connection, begun: _Begun, found: Census, shared: Iterator[PlannedMessage], queued_at: int
) -> tuple[int, int]:
    """Store messages turn by turn; return how many they are, and how many of them are told apart at one address.

    First of those whose address is theirs alone, then of those who share one.
    """
    turns = Turns(pause_seconds=0.001)
    for names in chunks(found.domains):
        with turns.building(connection) as turn:
            _still_ours(turn, begun)
            keep_domains(turn, noted_domains(turn, names))
    planned, told_apart = found.people - len(found.shared), 0
    low, size = found.numbers.start, TurnSize(connection.dialect.name, CHUNK)
    while low < found.numbers.stop:
        high = low + size.rows - 1
        with turns.building(connection) as turn, size.measured():
            _still_ours(turn, begun)
            _store(turn, begun.id, low, high, queued_at)
        low = high + 1
    while chunk := list(islice(shared, CHUNK)):
        with turns.building(connection) as turn:
            _still_ours(turn, begun)
            store_messages(turn, begun.id, chunk, queued_at)
        planned += len(chunk)
        told_apart += sum(bool(message.told_apart_by) for message in chunk)
    return planned, told_apart


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What is frozen with a wave, for whoever approves it."""

    audience: ContentDigest
    item_names: list[NamedItem]


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A wave that is being filled. The public id tells it from a later one that got the same key."""

    id: CampaignId
    public_id: str
    wave: int
    safety: Safety


def _begun(row: Campaign, safety: Safety) -> _Begun:
    return _Begun(id=CampaignId(row.id), public_id=row.public_id, wave=row.wave_number, safety=safety)


def _begin(
    engine: Engine,
    incident_id: IncidentId,
    notice_id: NoticeId,
    rule: AudienceRule,
    sender: Sender,
    when_uncertain: WhenUncertain,
    contacts: ContactChoice,
    *,
    priority: int,
    actor: Actor,
    now: datetime,
) -> _Begun:
    _check_sender(sender)
    with building(engine) as session:
        notice = _take_place(session, incident_id, notice_id)
        safety = decide_safety(session, newest_determination(session, incident_id), contacts, now=now)
        campaign = Campaign(
            public_id=secrets.token_hex(12),
            incident_id=incident_id,
            notice_id=notice_id,
            notice_version=notice.current_version,
            determination_id=safety.determination_id,
            purpose=notice.purpose,
            wave_number=_next_wave(session, notice),
            audience_rule=rule,
            channel=Channel.EMAIL,
            priority=priority,
            contacts_as_of=safety.as_of,
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
        return _begun(campaign, safety)


def _take_place(session: Session, incident_id: IncidentId, notice_id: NoticeId) -> Notice:
    """Let one fill of an incident begin at a time, in the place of whatever is unfinished."""
    session.get(Incident, incident_id, with_for_update={"key_share": True})
    notice = session.get(Notice, notice_id)
    if notice is None or notice.incident_id != incident_id:
        raise NotFound(what="notice", name=notice_id)
    for unfinished in _unfinished(session, incident_id, notice.purpose):
        _drop(session, unfinished)
    return notice


def _check_sender(sender: Sender) -> None:
    try:
        parse_address(sender.address)
    except AddressRefused as refusal:
        raise BadInput(field="sender", problem=f"nothing can be sent from this address ({refusal})") from refusal


def _unfinished(session: Session, incident_id: IncidentId, purpose: Purpose) -> Sequence[Campaign]:
    """Return what an earlier fill left behind, or is still building; the later one takes its place."""
    return session.scalars(
        sa.select(Campaign)
        .where(
            Campaign.incident_id == incident_id,
            Campaign.purpose == purpose,
            Campaign.status == CampaignStatus.BUILDING,
        )
        .with_for_update(),
    ).all()


def _find_ours(session: Session, begun: _Begun, *, locked: bool = True) -> Campaign | None:
    query = sa.select(Campaign).where(Campaign.public_id == begun.public_id, Campaign.status == CampaignStatus.BUILDING)
    return session.scalars(query.with_for_update() if locked else query).one_or_none()


def _still_ours(session: Session, begun: _Begun, *, locked: bool = True) -> Campaign:
    campaign = _find_ours(session, begun, locked=locked)
    if campaign is None:
        raise FillReplaced
    return campaign


def _give_up(engine: Engine, begun: _Begun) -> None:
    """Leave nothing half-filled behind, or its people would be kept out of every later wave."""
    with building(engine) as session:
        campaign = _find_ours(session, begun)
        if campaign is not None:
            _drop(session, campaign)


def drop_stale_fills(engine: Engine, *, now: datetime) -> int:
    """Drop what fills that died have left behind, so that their people are free; return how many waves that were."""
    with building(engine) as session:
        stale = session.scalars(
            sa.select(Campaign)
            .where(Campaign.status == CampaignStatus.BUILDING, Campaign.created_at < now - LONGEST_FILL)
            .with_for_update(),
        ).all()
        for campaign in stale:
            _drop(session, campaign)
        return len(stale)


def _next_wave(session: Session, notice: Notice) -> int:
    newest = sa.select(sa.func.max(Campaign.wave_number)).where(
        Campaign.incident_id == notice.incident_id, Campaign.purpose == notice.purpose
    )
    return 1 + (session.scalar(newest) or 0)


def _drop(session: Session, campaign: Campaign) -> None:
    ids = sa.select(DeliveryRow.id).where(DeliveryRow.campaign_id == campaign.id)
    session.execute(sa.delete(DeliveryPerson).where(DeliveryPerson.delivery_id.in_(ids)))
    session.execute(sa.delete(DeliveryRow).where(DeliveryRow.campaign_id == campaign.id))
    forget_left_out(session, campaign.id)
    session.delete(campaign)
    session.flush()


def _freeze(
    engine: Engine,
    begun: _Begun,
    filled: Filled,
    content: _Content,
    contacts: ContactChoice,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    with transaction(engine, actor=actor, now=now) as act:
        campaign = _still_ours(act.session, begun)
        record_allowed(act, campaign, begun.safety, contacts.channel_reason)
        campaign.people, campaign.planned, campaign.audience_digest = filled.people, filled.planned, content.audience
        campaign.item_names = content.item_names
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.SEALED)
        act.record(
            DispatchFilled(
                campaign_id=filled.campaign_id,
                wave=campaign.wave_number,
                people=filled.people,
                planned=filled.planned,
                unreachable=filled.unreachable,
                audience_digest=content.audience,
                contacts_as_of=utc_text(begun.safety.as_of),
            ),
            incident=IncidentId(campaign.incident_id),
        )
