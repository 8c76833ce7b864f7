"""Returned mail: read once, matched by its signed return address, and never without its consequence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryEvent, DeliveryState, Standing, next_state
from incident_app.domain.digests import digest_of, digest_of_bytes, keyed_digests
from incident_app.domain.events import BouncesMatched, MailReturned
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.returned_mail import BounceKind, BounceSettled, effect_on_delivery, suppression_of
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.attempts import move_people
from incident_app.persistence.bounces import Bounce, Suppression
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.services.evidence import keep_file
from incident_app.services.transaction import Transaction, reading, transaction
from notifications.addresses import Address, normalised
from notifications.bounces.classifier import ReturnedMail, read_returned
from notifications.bounces.sources import FoundMail
from notifications.bounces.verp import ReturnPath

MAILS_AT_ONCE = 50
"""Stored in one act: others who write wait no longer than for these."""
MOST_RECIPIENTS_KEPT = 20


@dataclass(frozen=True, kw_only=True)
class BounceTools:
    """What reading returned mail needs besides the database."""

    folder: Path
    """Where the bytes of evidence are kept, by their digest."""
    address_key: bytes
    return_path: ReturnPath


@dataclass(frozen=True, kw_only=True, repr=False)
class JudgedMail:
    """What one returned mail is, and whether it is known which message it is about."""

    file: str
    kind: BounceKind
    recipients: tuple[str, ...]
    permanent: bool | None
    status: str | None
    matched: bool


@dataclass(frozen=True, kw_only=True, repr=False)
class _Kept:
    """A mail on its way into the database."""

    file: str
    digest: str
    size: int
    judged: ReturnedMail
    token: str | None


def look_at_mails(mails: Iterable[FoundMail], return_path: ReturnPath | None) -> Iterator[JudgedMail]:
    """Judge mails and store nothing; matched are those with a return address that bears our signature."""
    for mail in mails:
        judged = read_returned(mail.raw)
        signed = return_path is not None and return_path.key is not None
        token = judged.token(return_path) if return_path is not None and signed else None
        yield _judged(mail.file, judged, matched=token is not None)


def read_mails(
    engine: Engine, mails: Iterable[FoundMail], tools: BounceTools, *, actor: Actor, now: datetime
) -> list[JudgedMail]:
    """Keep returned mail, match it, and move messages and people; what was read before changes nothing."""
    found: list[JudgedMail] = []
    rest = iter(mails)
    while batch := list(islice(rest, MAILS_AT_ONCE)):
        kept = [_keep(mail, tools) for mail in batch]
        _store(engine, kept, tools, actor=actor, now=now)
        found += _as_stored(engine, kept)
    apply_waiting(engine, actor=actor, now=now)
    return found


def apply_waiting(engine: Engine, *, actor: Actor, now: datetime) -> None:
    """Move the messages whose bounce came while they were still being sent, so that nothing is noted in vain."""
    with reading(engine) as session:
        waits = session.execute(_effective().limit(1)).first() is not None
    if waits:
        with transaction(engine, actor=actor, now=now) as act:
            take_effect(act, [])


def take_effect(act: Transaction, new: Sequence[Bounce]) -> None:
    """Give newly matched mails, and those that waited, their effect; say so on the timeline of each incident."""
    act.session.flush()
    incidents = _incidents_of(act.session, {row.delivery_id for row in new if row.delivery_id is not None})
    matched: dict[int, list[Bounce]] = defaultdict(list)
    for row in new:
        if row.delivery_id is not None:
            matched[incidents[row.delivery_id][0]].append(row)
    closed = _close_addresses(act, new, {key: digest for key, (_, digest) in incidents.items()})
    moved = _move(act)
    for incident_id in sorted({*matched, *moved}):
        rows = matched[incident_id]
        act.record(
            BouncesMatched(
                matched=len(rows),
                bounced=moved[incident_id],
                closed=sum(row.id in closed for row in rows),
                digest=digest_of([row.raw_digest for row in rows]),
            ),
            incident=IncidentId(incident_id),
        )


def _judged(file: str, judged: ReturnedMail, *, matched: bool) -> JudgedMail:
    return JudgedMail(
        file=file,
        kind=BounceKind(judged.kind),
        recipients=judged.recipients,
        permanent=judged.permanent,
        status=judged.status,
        matched=matched,
    )


def _keep(mail: FoundMail, tools: BounceTools) -> _Kept:
    digest = digest_of_bytes(mail.raw)
    keep_file(tools.folder, mail.raw, digest=digest)
    judged = read_returned(mail.raw)
    return _Kept(
        file=mail.file,
        digest=digest,
        size=len(mail.raw),
        judged=judged,
        token=judged.token(tools.return_path),
    )


def _store(engine: Engine, kept: Sequence[_Kept], tools: BounceTools, *, actor: Actor, now: datetime) -> None:
    with reading(engine) as session:
        known = _known(session, kept)
    if not [mail for mail in kept if mail.digest not in known]:
        return
    with transaction(engine, actor=actor, now=now) as act:
        known = _known(act.session, kept)  # somebody else may have read the same mailbox meanwhile
        new = {mail.digest: mail for mail in kept if mail.digest not in known}
        deliveries = _deliveries_of(act.session, {mail.token for mail in new.values() if mail.token})
        rows = [_row(mail, deliveries.get(mail.token or ""), tools, act) for mail in new.values()]
        act.session.add_all(rows)
        act.record(
            MailReturned(
                mails=len(rows),
                unmatched=sum(row.delivery_id is None for row in rows),
                digest=digest_of(sorted(new)),
            ),
        )
        take_effect(act, rows)


def _row(mail: _Kept, delivery_id: int | None, tools: BounceTools, act: Transaction) -> Bounce:
    is_matched = delivery_id is not None
    return Bounce(
        raw_digest=mail.digest,
        size=mail.size,
        read_at=act.now,
        read_by=act.actor,
        kind=BounceKind(mail.judged.kind),
        permanent=mail.judged.permanent,
        enhanced_code=mail.judged.status,
        recipient_digests=_digests(mail.judged.concerned, tools.address_key),
        delivery_id=delivery_id,
        settled_how=BounceSettled.BY_ADDRESS if is_matched else None,
        settled_at=act.now if is_matched else None,
        settled_by=act.actor if is_matched else None,
    )


def _digests(recipients: Sequence[str], key: bytes) -> list[str]:
    forms = [normalised(Address(one)) for one in recipients[:MOST_RECIPIENTS_KEPT] if "@" in one]
    return list(keyed_digests(key, forms))


def _as_stored(engine: Engine, kept: Sequence[_Kept]) -> Iterator[JudgedMail]:
    with reading(engine) as session:
        known = _known(session, kept)
    for mail in kept:
        yield _judged(mail.file, mail.judged, matched=known[mail.digest] is not None)


def _known(session: Session, kept: Sequence[_Kept]) -> dict[str, int | None]:
    digests = [mail.digest for mail in kept]
    rows = session.execute(sa.select(Bounce.raw_digest, Bounce.delivery_id).where(Bounce.raw_digest.in_(digests)))
    return {row.raw_digest: row.delivery_id for row in rows}


def _deliveries_of(session: Session, tokens: set[str]) -> dict[str, int]:
    rows = session.execute(sa.select(DeliveryRow.token, DeliveryRow.id).where(DeliveryRow.token.in_(tokens)))
    return {row.token: row.id for row in rows}


def _incidents_of(session: Session, delivery_ids: set[int]) -> dict[int, tuple[int, str]]:
    """Return incident and digest of the address of each message."""
    rows = session.execute(
        sa.select(DeliveryRow.id, Campaign.incident_id, CustomerContact.address_digest)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .where(DeliveryRow.id.in_(delivery_ids)),
    )
    return {delivery_id: (incident_id, digest) for delivery_id, incident_id, digest in rows}


def _close_addresses(act: Transaction, new: Sequence[Bounce], digests: dict[int, str]) -> set[int]:
    """Suppress the addresses that these mails say are dead or unwilling; return the mails that closed one."""
    closed = set()
    for row in new:
        reason = suppression_of(row.kind, permanent=row.permanent, status=row.enhanced_code)
        if reason is None or row.delivery_id is None:
            continue
        digest = digests[row.delivery_id]
        in_force = sa.select(Suppression.id).where(
            Suppression.address_digest == digest, Suppression.reason == reason, Suppression.lifted_at.is_(None)
        )
        if act.session.scalar(in_force) is None:
            act.session.add(
                Suppression(
                    address_digest=digest, channel=Channel.EMAIL, reason=reason, bounce_id=row.id, since=act.now
                ),
            )
            act.session.flush()
            closed.add(row.id)
    return closed


def _effective() -> sa.Select[BounceKind, DeliveryRow, int]:
    """Return the query for mails that still have an effect on their message: the states say which."""
    bounced = sa.and_(
        Bounce.kind == BounceKind.BOUNCE, DeliveryRow.state.in_([DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN])
    )
    arrived = sa.and_(
        Bounce.kind.in_([BounceKind.SUCCESS, BounceKind.COMPLAINT]), DeliveryRow.state == DeliveryState.UNCERTAIN
    )
    return (
        sa.select(Bounce.kind, DeliveryRow, Campaign.incident_id)
        .join(DeliveryRow, DeliveryRow.id == Bounce.delivery_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .where(sa.or_(bounced, arrived))
        .order_by(Bounce.id)
    )


def _move(act: Transaction) -> dict[int, int]:
    """Move messages and their people by what came back; return how many were not delivered, by incident."""
    moved: dict[int, int] = defaultdict(int)
    settled: dict[DeliveryEvent, list[int]] = defaultdict(list)
    for kind, row, incident_id in act.session.execute(_effective()).all():
        event = effect_on_delivery(kind, row.state)  # two mails may be about one message: the first has settled it
        if event is not None:
            row.state = next_state(row.state, event)
            settled[event].append(row.id)
            moved[incident_id] += event is DeliveryEvent.BOUNCED_FOR_GOOD
    act.session.flush()
    move_people(act.session, settled[DeliveryEvent.RESOLVED_ACCEPTED], Standing.INFORMED, at=act.now)
    _not_reached(act.session, settled[DeliveryEvent.BOUNCED_FOR_GOOD], act.now)
    return moved


def _not_reached(session: Session, delivery_ids: Sequence[int], at: datetime) -> None:
    """Say of the people in these messages that they were not reached, and of what else they were told, if of anything.

    Whom a later message reached, or another one that said the same, was told all the same.
    """
    of_person = sa.select(DeliveryPerson.person_id, DeliveryPerson.delivery_id, DeliveryPerson.item_set_id)
    inside = DeliveryPerson.delivery_id.in_(delivery_ids)
    lost = session.execute(of_person.where(inside)).all()
    arrived: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for person_id, delivery_id, items in session.execute(
        of_person.join(DeliveryRow, DeliveryRow.id == DeliveryPerson.delivery_id).where(
            DeliveryPerson.person_id.in_(sa.select(DeliveryPerson.person_id).where(inside)),
            DeliveryRow.state == DeliveryState.ACCEPTED,
        )
    ):
        arrived[person_id].append((delivery_id, items))
    untold: dict[int | None, set[int]] = defaultdict(set)
    for person_id, delivery_id, items in lost:
        others = arrived[person_id]
        if not any(other > delivery_id or told == items for other, told in others):
            untold[max(others)[1] if others else None].add(person_id)
    by_mail = [Standing.TO_INFORM, Standing.NOT_REACHED, Standing.INFORMED]
    for told, people in untold.items():
        session.execute(
            sa.update(PersonToInform)
            .where(PersonToInform.id.in_(people), PersonToInform.standing.in_(by_mail))
            .values(standing=Standing.NOT_REACHED, standing_since=at, how="mail", told_item_set_id=told),
        )
    session.execute(sa.update(DeliveryPerson).where(inside).values(open=False))
