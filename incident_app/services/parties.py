"""Messages from and to other companies: recorded once, never changed; they start clocks and settle duties."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.entrusting import customer_ref
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import PartyMessaged
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.incidents import AWARENESS, check_awareness
from incident_app.domain.lengths import LINE
from incident_app.domain.obligations import LIVE
from incident_app.domain.parties import Message, check_message, check_told
from incident_app.domain.regimes import AddresseeKind
from incident_app.domain.tenant_packs import TenantPack
from incident_app.domain.vocabulary import ClockSource, DutyStatus, FulfilmentKind, MessageDirection, MessageKind
from incident_app.persistence.customers import Customer
from incident_app.persistence.incidents import Evidence
from incident_app.persistence.inventory import ThirdParty
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.parties import PartyMessage
from incident_app.persistence.timeline import TextRow
from incident_app.services.incidents import anchors_of, get_row, newest_clocks, start_clock
from incident_app.services.obligations import derive_if_determined, fulfil
from incident_app.services.people import newest_determination
from incident_app.services.steps import replan
from incident_app.services.tenant_packs import fill_pack
from incident_app.services.transaction import Transaction, reading, transaction


@dataclass(frozen=True, kw_only=True)
class MessageView:
    """A message as pages and commands show it."""

    id: int
    kind: MessageKind
    direction: MessageDirection
    at: datetime
    party: str | None
    with_ja: str
    with_en: str
    customer_number: str | None
    items_known: tuple[str, ...]
    text: str | None
    evidence_id: int | None
    content_digest: str | None
    started_clock: bool
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, kw_only=True)
class _With:
    party_id: int | None = None
    customer_id: int | None = None


def record_message(
    engine: Engine,
    incident_id: IncidentId,
    message: Message,
    *,
    offers_report: bool = False,
    designated_operator: bool = False,
    actor: Actor,
    now: datetime,
) -> int:
    """Record a message and what follows from it: a clock that began, duties that it settles; return its number.

    An incoming first report with `starts_clock` is when we became aware. A data sheet settles what we owe its customer;
    once every customer who entrusted data has one, a processor is released from reporting itself (Rules art. 9).
    """
    with reading(engine) as session:  # looked up before the act: nobody waits for it
        check_message(message, occurred_from=get_row(session, incident_id).occurred_from, now=now)
        whom = _with(session, message)
        _check_evidence(session, incident_id, message.evidence_id)
        pack = None
        if message.kind is MessageKind.TENANT_DATA_SHEET:
            number = message.customer or ""
            pack = fill_pack(session, incident_id, number, offers_report=offers_report, now=now)
    with transaction(engine, actor=actor, now=now) as act:
        clock_id = _start_clock(act, incident_id, message) if message.starts_clock else None
        stored = _store(act, incident_id, message, whom, pack, clock_id)
        message_id = stored.id
        if pack is not None:
            _settle(act, incident_id, stored, customer_ref(pack.customer_id))
    derive_if_determined(engine, incident_id, designated_operator=designated_operator, actor=actor, now=now)
    return message_id


def _with(session: Session, message: Message) -> _With:
    if message.party is not None:
        party = session.execute(
            sa.select(ThirdParty.id, ThirdParty.is_ourselves).where(ThirdParty.code == message.party),
        ).one_or_none()
        if party is None:
            raise NotFound(what="party", name=message.party)
        if party.is_ourselves:
            raise BadInput(field="party", problem="this is ourselves; name another company")
        return _With(party_id=party.id)
    found = session.scalar(sa.select(Customer.id).where(Customer.customer_number == message.customer))
    if found is None:
        raise NotFound(what="customer", name=message.customer)
    return _With(customer_id=found)


def _check_evidence(session: Session, incident_id: IncidentId, evidence_id: int | None) -> None:
    if evidence_id is None:
        return
    mine = sa.select(Evidence.id).where(Evidence.id == evidence_id, Evidence.incident_id == incident_id)
    if session.scalar(mine) is None:
        raise NotFound(what="evidence", name=evidence_id)


def _start_clock(act: Transaction, incident_id: IncidentId, message: Message) -> int:
    """Record that we became aware by being told; whoever knew earlier had started that clock already."""
    row, aware = get_row(act.session, incident_id), newest_clocks(act.session, incident_id).get(AWARENESS)
    if aware is not None and aware.at <= message.at:
        raise BadInput(field="starts_clock", problem="we were aware before this message, so it starts no clock")
    reason = message.text.strip() or None
    check_awareness(row.detected_at, message.at, reason)
    if aware is not None and reason is None:
        raise BadInput(field="reason", problem="say why the time of awareness is corrected")
    known_by = (message.party or message.customer or "")[:LINE]
    start_clock(act, incident_id, AWARENESS, message.at, ClockSource.TOLD_BY_PARTY, known_by=known_by, reason=reason)
    replan(act, incident_id, anchors_of(act.session, row))
    return newest_clocks(act.session, incident_id)[AWARENESS].id


def _store(
    act: Transaction, incident_id: IncidentId, message: Message, whom: _With, pack: TenantPack | None, clock: int | None
) -> PartyMessage:
    told = _told(message, pack)
    said = message.text.strip()
    text = act.keep_text(said) if said else None
    row = PartyMessage(
        incident_id=incident_id,
        party_id=whom.party_id,
        customer_id=whom.customer_id,
        direction=message.direction,
        kind=message.kind,
        at=message.at,
        items_known=sorted(told),
        determination_id=newest_determination(act.session, incident_id).id if pack else None,
        person_count_id=pack.person_count_id if pack else None,
        content_digest=pack.digest(told) if pack else None,
        text_id=text.id if text else None,
        evidence_id=message.evidence_id,
        clock_start_id=clock,
        recorded_at=act.now,
        recorded_by=act.actor,
    )
    act.session.add(row)
    act.session.flush()
    facts = PartyMessaged(
        message_id=row.id,
        message_kind=row.kind,
        direction=row.direction,
        party=message.party,
        customer_id=whom.customer_id,
        items_known=len(told),
        content_digest=row.content_digest,
        text_digest=text.digest if text else None,
        evidence_id=message.evidence_id,
    )
    act.record(facts, incident=incident_id, occurred_at=message.at)
    return row


def _told(message: Message, pack: TenantPack | None) -> frozenset[str]:
    if pack is None:
        return message.items_known
    told = message.items_known or pack.known
    check_told(told, pack.known)
    return told


def _settle(act: Transaction, incident_id: IncidentId, message: PartyMessage, ref: str) -> None:
    """Fulfil what is owed to this customer: the sheet tells them what we know."""
    owed = act.session.scalars(
        sa.select(Obligation).where(
            Obligation.incident_id == incident_id,
            Obligation.addressee_kind == AddresseeKind.PARTY,
            Obligation.addressee_ref == ref,
            Obligation.status.in_([*LIVE, DutyStatus.WAIVED]),
        ),
    ).all()
    for duty in owed:
        fulfil(act, duty, kind=FulfilmentKind.CONTACT, reference=f"message:{message.id}", at=message.at)


def list_messages(engine: Engine, incident_id: IncidentId) -> list[MessageView]:
    """Return the messages of an incident in the order in which they went."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(PartyMessage, ThirdParty, Customer.customer_number, TextRow.body)
            .outerjoin(ThirdParty, ThirdParty.id == PartyMessage.party_id)
            .outerjoin(Customer, Customer.id == PartyMessage.customer_id)
            .outerjoin(TextRow, TextRow.id == PartyMessage.text_id)
            .where(PartyMessage.incident_id == incident_id)
            .order_by(PartyMessage.at, PartyMessage.id),
        ).all()
        return [_view(row, party, number, body) for row, party, number, body in rows]


def _view(row: PartyMessage, party: ThirdParty | None, number: str | None, body: str | None) -> MessageView:
    return MessageView(
        id=row.id,
        kind=row.kind,
        direction=row.direction,
        at=row.at,
        party=party.code if party else None,
        with_ja=party.name_ja if party else f"利用企業 {number}",
        with_en=party.name_en if party else f"customer {number}",
        customer_number=number,
        items_known=tuple(str(item) for item in row.items_known) if isinstance(row.items_known, list) else (),
        text=body,
        evidence_id=row.evidence_id,
        content_digest=row.content_digest,
        started_clock=row.clock_start_id is not None,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
    )


def parties_of(engine: Engine) -> list[tuple[str, str, str]]:
    """Return the companies of the register that a message can be with: code and names."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(ThirdParty.code, ThirdParty.name_ja, ThirdParty.name_en)
            .where(ThirdParty.is_ourselves.is_(False), ThirdParty.retired_at.is_(None))
            .order_by(ThirdParty.code),
        )
        return [(code, ja, en) for code, ja, en in rows]
