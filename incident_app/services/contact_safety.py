"""Contact safety: whose address may have been changed by the attacker, and which channels leak themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.contact_safety import (
    AttackTimes,
    ContactChoice,
    ContactTerms,
    LeftOutBecause,
    RunChannel,
    contacts_as_of,
    takeover_possible,
)
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import ChannelAllowed, ChannelDropped, ChannelRecorded
from incident_app.domain.ids import Actor, CampaignId, IncidentId
from incident_app.domain.vocabulary import Certainty, Channel, Harm, ItemFlag
from incident_app.persistence.bulk import CHUNK, insert_many
from incident_app.persistence.contact_safety import (
    ChannelException,
    PartyChannel,
    PersonLeftOut,
    channels_of_leaking_parties,
    left_out_by_reason,
    why_left_out,
)
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.incidents import Incident, IncidentScope, ScopeStore
from incident_app.persistence.inventory import DataItem, ThirdParty
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import Campaign, DeliveryRow
from incident_app.persistence.timeline import TextRow
from incident_app.services.audience import Chosen
from incident_app.services.transaction import Transaction, Turns, reading, transaction
from notifications.addresses import domain_of, parse_address
from notifications.errors import AddressRefused


class ChannelLeaking(IncidentAppError):
    """All mail runs through {parties}, at which the data leaked. Use another channel, or say why mail is safe."""

    ja = (
        "メールは、漏えい元である {parties} を通ります。"
        "ほかの連絡手段を使うか、メールを使っても安全な理由を記入してください。"
    )


@dataclass(frozen=True, kw_only=True)
class Safety:
    """What a wave may use: decided when its filling begins."""

    determination_id: int
    as_of: datetime
    terms: ContactTerms
    allowed: tuple[RunChannel, ...]
    """Channels of leaking companies that are used all the same."""


def decide_safety(
    session: Session, determination: ImpactDetermination, choice: ContactChoice, *, now: datetime
) -> Safety:
    """Decide as of when contacts are taken, and refuse a channel that leaks itself unless a reason is given."""
    moment = contacts_as_of(
        stated=choice.as_of,
        takeover=takeover_is_possible(session, determination.id),
        times=_attack(session, determination),
        now=now,
    )
    leaking = channels_of_leaking_parties(session, determination.id, Channel.EMAIL)
    excused = bool(choice.channel_reason.strip())
    whole = sorted({channel.party for channel in leaking if not channel.mail_domain})
    if whole and not excused:
        raise ChannelLeaking(parties=", ".join(whole))
    domains = () if excused else tuple(sorted({channel.mail_domain for channel in leaking}))
    return Safety(
        determination_id=determination.id,
        as_of=moment,
        terms=ContactTerms(as_of=moment if moment < now else None, leaking_domains=domains),
        allowed=tuple(leaking) if excused else (),
    )


def takeover_is_possible(session: Session, determination_id: int) -> bool:
    """Tell whether what leaked lets an attacker change contacts."""
    patterns = sa.select(ImpactPattern.item_set_id).where(
        ImpactPattern.determination_id == determination_id, ImpactPattern.certainty != Certainty.RULED_OUT
    )
    codes = {code for codes in item_codes(session, session.scalars(patterns)).values() for code in codes}
    flags = {
        ItemFlag(flag)
        for code, listed in session.execute(sa.select(DataItem.code, DataItem.flags))
        if code in codes
        for flag in listed
    }
    harms = session.scalars(
        sa.select(IncidentScope.harms)
        .join(ImpactDetermination, ImpactDetermination.scope_id == IncidentScope.id)
        .where(ImpactDetermination.id == determination_id),
    ).one()
    return takeover_possible(flags, {Harm(harm) for harm in harms})


def _attack(session: Session, determination: ImpactDetermination) -> AttackTimes:
    incident = session.get_one(Incident, determination.incident_id)
    touched = session.scalar(
        sa.select(sa.func.min(ScopeStore.touched_from)).where(
            ScopeStore.scope_id == determination.scope_id, ScopeStore.certainty != Certainty.RULED_OUT
        ),
    )
    return AttackTimes(occurred_from=incident.occurred_from, touched_from=touched, detected_at=incident.detected_at)


def note_left_out(
    engine: Engine, campaign_id: CampaignId, left: Iterable[Chosen], terms: ContactTerms, *, reader: Session
) -> int:
    """Store whom a wave that is being filled leaves out, turn by turn; return how many they are.

    `left` are those whom its rule chooses and who are in no message once all messages are stored.
    """
    purpose = reader.get_one(Campaign, campaign_id).purpose
    turns, number = Turns(), 0
    people = iter(left)
    while chunk := list(islice(people, CHUNK)):
        reasons = why_left_out(reader, [person.customer_id for person in chunk], purpose, terms)
        rows = [(campaign_id, person.id, reasons[person.customer_id].value) for person in chunk]
        with turns.building(engine) as session:
            insert_many(session, PersonLeftOut, ("campaign_id", "person_id", "because"), rows)
        number += len(chunk)
    return number


def forget_left_out(session: Session, campaign_id: int) -> None:
    """Take back what a fill that is dropped noted."""
    session.execute(sa.delete(PersonLeftOut).where(PersonLeftOut.campaign_id == campaign_id))


def record_allowed(act: Transaction, campaign: Campaign, safety: Safety, reason: str) -> None:
    """Record why channels of leaking companies are used, while the wave is sealed."""
    if not safety.allowed:
        return
    text = act.keep_text(reason)
    act.session.add_all(
        ChannelException(campaign_id=campaign.id, party_channel_id=channel.id, reason_text_id=text.id)
        for channel in safety.allowed
    )
    act.session.flush()
    act.record(
        ChannelAllowed(
            campaign_id=campaign.id,
            wave=campaign.wave_number,
            channels=", ".join(channel.spelled for channel in safety.allowed),
            reason_digest=text.digest,
        ),
        incident=IncidentId(campaign.incident_id),
    )


@dataclass(frozen=True, kw_only=True)
class WaveSafety:
    """What whoever approves a wave must know of its contacts."""

    contacts_as_of: datetime
    is_earlier: bool
    """True when addresses that were changed since are not used."""
    left_out: Mapping[LeftOutBecause, int]
    people: int
    addresses: int
    messages: int
    told_apart: int
    """Messages to an address that several people share who do not belong together."""
    allowed: tuple[tuple[RunChannel, str], ...]
    """Channels of leaking companies that are used, each with the reason."""


def safety_of(engine: Engine, campaign_id: CampaignId) -> WaveSafety:
    """Return what is to be known of the contacts of a wave."""
    with reading(engine) as session:
        campaign = session.get_one(Campaign, campaign_id)
        shared = session.execute(
            sa.select(sa.func.count(), sa.func.count(sa.distinct(DeliveryRow.address_digest))).where(
                DeliveryRow.campaign_id == campaign_id, DeliveryRow.told_apart_by != ""
            ),
        ).one()
        return WaveSafety(
            contacts_as_of=campaign.contacts_as_of,
            is_earlier=campaign.contacts_as_of < campaign.created_at,
            left_out=left_out_by_reason(session, campaign_id),
            people=campaign.people,
            messages=campaign.planned,
            told_apart=shared[0],
            addresses=campaign.planned - shared[0] + shared[1],
            allowed=tuple(_allowed(session, campaign_id)),
        )


def _allowed(session: Session, campaign_id: int) -> Iterator[tuple[RunChannel, str]]:
    rows = session.execute(
        sa.select(PartyChannel, ThirdParty.code, TextRow.body)
        .join(ChannelException, ChannelException.party_channel_id == PartyChannel.id)
        .join(ThirdParty, ThirdParty.id == PartyChannel.party_id)
        .join(TextRow, TextRow.id == ChannelException.reason_text_id)
        .where(ChannelException.campaign_id == campaign_id)
        .order_by(ThirdParty.code, PartyChannel.mail_domain),
    )
    for row, code, reason in rows:
        yield RunChannel(id=row.id, party=code, channel=row.channel, mail_domain=row.mail_domain), reason or ""


def record_channel(
    engine: Engine, party: str, channel: Channel, *, mail_domain: str = "", actor: Actor, now: datetime
) -> None:
    """Record that a company runs a channel: all of it, or the mail of one domain. Doing it twice changes nothing."""
    domain = _checked_domain(mail_domain) if mail_domain else ""
    if domain and channel is not Channel.EMAIL:
        raise BadInput(field="mail_domain", problem="only mail has a domain")
    with transaction(engine, actor=actor, now=now) as act:
        known = _find(act.session, party, channel, domain)
        if known is None:
            row = PartyChannel(
                party_id=_party(act.session, party).id,
                channel=channel,
                mail_domain=domain,
                added_at=now,
                added_by=actor,
            )
            act.session.add(row)
            act.session.flush()
        act.record(ChannelRecorded(party=party, channel=channel, domain=domain))


def drop_channel(
    engine: Engine, party: str, channel: Channel, *, mail_domain: str = "", actor: Actor, now: datetime
) -> None:
    """Record that a company no longer runs a channel."""
    with transaction(engine, actor=actor, now=now) as act:
        row = _find(act.session, party, channel, mail_domain.lower())
        if row is None:
            raise NotFound(what="channel", name=f"{party} {channel} {mail_domain}".strip())
        row.removed_at, row.removed_by = now, actor
        act.record(ChannelDropped(party=party, channel=channel, domain=row.mail_domain))


def run_channels(engine: Engine) -> Sequence[RunChannel]:
    """Return the channels that other companies run."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(PartyChannel, ThirdParty.code)
            .join(ThirdParty, ThirdParty.id == PartyChannel.party_id)
            .where(PartyChannel.removed_at.is_(None))
            .order_by(ThirdParty.code, PartyChannel.channel, PartyChannel.mail_domain),
        )
        return [
            RunChannel(id=row.id, party=code, channel=row.channel, mail_domain=row.mail_domain) for row, code in rows
        ]


def _party(session: Session, code: str) -> ThirdParty:
    row = session.scalars(sa.select(ThirdParty).where(ThirdParty.code == code)).one_or_none()
    if row is None:
        raise NotFound(what="third party", name=code)
    return row


def _find(session: Session, party: str, channel: Channel, mail_domain: str) -> PartyChannel | None:
    return session.scalars(
        sa.select(PartyChannel).where(
            PartyChannel.party_id == _party(session, party).id,
            PartyChannel.channel == channel,
            PartyChannel.mail_domain == mail_domain,
            PartyChannel.removed_at.is_(None),
        ),
    ).one_or_none()


def _checked_domain(text: str) -> str:
    try:
        return domain_of(parse_address(f"a@{text.strip().removeprefix('@')}"))
    except AddressRefused as refusal:
        raise BadInput(field="mail_domain", problem="this is no mail domain") from refusal
