"""Taking public notice for telling people: those whom nothing else reaches, each with the reason (APPI art. 26(2))."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryState
from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import PeopleCovered
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.publications import (
    CoverReason,
    CoverRule,
    MailWay,
    NobodyToCover,
    check_may_cover,
    reason_to_cover,
)
from incident_app.domain.unreached import NextChannel
from incident_app.domain.vocabulary import BuildStatus, Purpose
from incident_app.domain.zones import JST
from incident_app.persistence.bounces import closed_addresses
from incident_app.persistence.bulk import CHUNK, chunks, insert_new, rows_with
from incident_app.persistence.customers import Customer
from incident_app.persistence.incidents import InvolvedPerson
from incident_app.persistence.outbox import DeliveryPerson, PersonToInform
from incident_app.persistence.publications import (
    COVERABLE,
    CoveredPerson,
    Covering,
    Untold,
    lost_addresses,
    untold_after,
)
from incident_app.persistence.timeline import TextRow
from incident_app.persistence.unreached import next_channel
from incident_app.services.people import newest_determination, to_be_told
from incident_app.services.publications import desk_of, finish_coverings, get_publication
from incident_app.services.transaction import Transaction, building, reading, transaction

Reasons = Sequence[tuple[int, CoverReason]]
"""People by the key of their row, in its order, each with the reason why public notice is taken for telling them."""

_MAILS = """
SELECT customer_id, address_digest FROM (
    SELECT customer_id, address_digest FROM customer_contacts
    WHERE channel = 'email' AND valid_until IS NULL AND address <> ''
) live
"""
"""Mail addresses that are valid and were not erased."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """People whom somebody named: by customer number, and people outside the inventory by theirs."""

    numbers: tuple[str, ...] = ()
    outside: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Covered:
    """What an act of covering did."""

    people: int
    because: Mapping[CoverReason, int]
    left_out: int
    """People who were named but were told already, or are being written to."""


@dataclass(kw_only=True)
class _Tally:
    people: int = 0
    because: dict[CoverReason, int] = field(default_factory=lambda: defaultdict(int))
    hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, rows: Reasons) -> None:
        for person_id, reason in rows:
            self.people += 1
            self.because[reason] += 1
            self.hash.update(f"{person_id}:{reason}\n".encode())


def cover_people(
    engine: Engine,
    incident_id: IncidentId,
    version: int,
    *,
    named: Named | None = None,
    reason: str,
    purpose: Purpose = Purpose.LEAK_NOTICE,
    actor: Actor,
    now: datetime,
) -> Covered:
    """Let a publication stand for telling people: those named, else everybody whom nothing else reaches.

    Built in chunks that nobody sees, sealed with an event in one short act, then the people are moved in short turns.
    """
    if not reason.strip():
        raise BadInput(field="reason", problem="say why public notice is taken for telling these people")
    finish_coverings(engine, now=now)
    begun = _begin(
        engine, incident_id, version, CoverRule.LIST if named else CoverRule.UNREACHABLE, purpose, actor, now
    )
    tally, left_out = _Tally(), 0
    with ExitStack() as undo:
        undo.callback(_give_up, engine, begun)
        if named:
            rows, left_out = _named(engine, incident_id, purpose, named)
            _store(engine, begun, rows, tally)
        else:
            for rows in _unreachable(engine, incident_id, purpose):
                _store(engine, begun, rows, tally)
        if not tally.people:
            raise NobodyToCover
        with transaction(engine, actor=actor, now=now) as act:
            _seal(act, begun, incident_id, version, tally, reason)
        undo.pop_all()
    finish_coverings(engine, now=now)
    return Covered(people=tally.people, because=dict(tally.because), left_out=left_out)


def _begin(
    engine: Engine,
    incident_id: IncidentId,
    version: int,
    rule: CoverRule,
    purpose: Purpose,
    actor: Actor,
    now: datetime,
) -> int:
    with building(engine) as session:
        publication = get_publication(session, incident_id, version, lock=True)
        check_may_cover(
            desk_of(publication),
            is_withdrawn=publication.withdrawn_at is not None,
            today=now.astimezone(JST).date(),
        )
        unfinished = session.scalars(
            sa.select(Covering.id).where(
                Covering.publication_id == publication.id, Covering.status == BuildStatus.BUILDING
            )
        ).all()
        for key in unfinished:
            _drop(session, key)
        covering = Covering(
            publication_id=publication.id,
            purpose=purpose,
            rule=rule,
            status=BuildStatus.BUILDING,
            people=0,
            covered_at=now,
            covered_by=actor,
        )
        session.add(covering)
        session.flush()
        return covering.id


def _drop(session: Session, covering_id: int) -> None:
    session.execute(sa.delete(CoveredPerson).where(CoveredPerson.covering_id == covering_id))
    session.execute(sa.delete(Covering).where(Covering.id == covering_id, Covering.status == BuildStatus.BUILDING))


def _give_up(engine: Engine, covering_id: int) -> None:
    with building(engine) as session:
        _drop(session, covering_id)


def _store(engine: Engine, covering_id: int, rows: Reasons, tally: _Tally) -> None:
    for chunk in chunks(rows):
        with building(engine) as session:
            insert_new(
                session,
                CoveredPerson,
                [{"covering_id": covering_id, "person_id": key, "because": reason} for key, reason in chunk],
            )
    tally.add(rows)


def _seal(act: Transaction, begun: int, incident_id: IncidentId, version: int, tally: _Tally, reason: str) -> None:
    publication = get_publication(act.session, incident_id, version, lock=True)
    check_may_cover(
        desk_of(publication),
        is_withdrawn=publication.withdrawn_at is not None,
        today=act.now.astimezone(JST).date(),
    )
    covering = act.session.get(Covering, begun)
    if covering is None:
        raise NotFound(what="covering", name=begun)
    text: TextRow = act.keep_text(reason)
    covering.people, covering.digest = tally.people, ContentDigest(tally.hash.hexdigest())
    covering.reason_text_id, covering.status = text.id, BuildStatus.SEALED
    act.record(
        PeopleCovered(
            publication_id=publication.id,
            version=version,
            cover_rule=covering.rule,
            people=tally.people,
            people_digest=covering.digest,
            reason_digest=text.digest,
        ),
        incident=incident_id,
    )


def _named(engine: Engine, incident_id: IncidentId, purpose: Purpose, named: Named) -> tuple[Reasons, int]:
    """Return who of the people named was not told and is not being written to, and how many the others are."""
    with reading(engine) as session:
        people = to_be_told(session, incident_id, purpose, list(named.numbers), named.outside)
        keys = [person.id for person in people]
        busy = {
            person_id
            for chunk in chunks(keys)
            for person_id in session.scalars(
                sa.select(DeliveryPerson.person_id).where(DeliveryPerson.person_id.in_(chunk), DeliveryPerson.open)
            )
        }
        wanted = sorted(person.id for person in people if person.standing in COVERABLE and person.id not in busy)
    return [(key, CoverReason.NAMED) for key in wanted], len(people) - len(wanted)


def _unreachable(engine: Engine, incident_id: IncidentId, purpose: Purpose) -> Iterator[Reasons]:
    """Yield the people whom nothing else reaches, chunk by chunk; no transaction is open in between."""
    after = 0
    while True:
        with reading(engine) as session:
            newest = newest_determination(session, incident_id).id
            people = untold_after(session, incident_id, purpose, newest, after, CHUNK)
            found = _judged(session, incident_id, purpose, people)
        yield found
        if len(people) < CHUNK:
            return
        after = people[-1].id


def _judged(session: Session, incident_id: IncidentId, purpose: Purpose, people: Sequence[Untold]) -> Reasons:
    customers = [person.customer_id for person in people if person.customer_id is not None]
    by_hand, mail = _by_hand(session, people), _mail_ways(session, incident_id, purpose, customers)
    outsiders = _outsiders_with_contact(session, [key.involved_person_id for key in people if key.involved_person_id])
    found = []
    for person in people:
        if person.customer_id is None:
            reachable, ways = person.involved_person_id in outsiders, frozenset[MailWay]()
        else:
            reachable, ways = person.customer_id in by_hand, frozenset(mail.get(person.customer_id, ()))
        if (reason := reason_to_cover(by_hand=reachable, mail=ways)) is not None:
            found.append((person.id, reason))
    return found


def _by_hand(session: Session, people: Sequence[Untold]) -> set[int]:
    """Return the customers whom post or telephone may still reach: as the worklist says it (decision 0045)."""
    query = (
        sa.select(PersonToInform.customer_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(
            PersonToInform.id.in_([person.id for person in people]),
            next_channel().in_([NextChannel.POST.value, NextChannel.PHONE.value]),
        )
    )
    return {customer_id for customer_id in session.scalars(query) if customer_id is not None}


def _mail_ways(
    session: Session, incident_id: IncidentId, purpose: Purpose, customers: Collection[int]
) -> dict[int, set[MailWay]]:
    """Return what is known of the mail addresses of each."""
    mails = rows_with(session, _MAILS, "customer_id", customers)
    digests = {digest for _, digest in mails}
    closed, lost = closed_addresses(session, digests, purpose), lost_addresses(session, incident_id, sorted(digests))
    found: dict[int, set[MailWay]] = defaultdict(set)
    for customer_id, digest in mails:
        states = lost.get(digest, set())
        if DeliveryState.BOUNCED in states:
            found[customer_id].add(MailWay.RETURNED)
        elif DeliveryState.FAILED in states:
            found[customer_id].add(MailWay.FAILED)
        else:
            found[customer_id].add(MailWay.CLOSED if digest in closed else MailWay.OPEN)
    return found


def _outsiders_with_contact(session: Session, ids: Sequence[int]) -> set[int]:
    query = sa.select(InvolvedPerson.id).where(InvolvedPerson.id.in_(ids), InvolvedPerson.contact != "")
    return set(session.scalars(query))
