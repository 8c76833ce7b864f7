"""The worklist of people whom mail does not reach: page by page, counted, with its own completion (F8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.errors import BadInput
from incident_app.domain.events import ExportMade
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.unreached import Completion, NextChannel, UnreachedBecause
from incident_app.domain.vocabulary import Channel, Language, Purpose
from incident_app.persistence.customers import Customer
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.unreached import Worklist, code_of_letter, contacts_of, has_letter, next_channel
from incident_app.rendering.tabular import csv_text
from incident_app.services.exports import HandOver, keep_in_hand
from incident_app.services.impact_views import mask
from incident_app.services.transaction import reading, transaction

SHOWN_AT_ONCE = 50
AT_ONCE = 1_000
COLUMNS = ("customer_number", "name", "because", "next_channel", "contact", "language", "items", "letter")
_OF_CHANNEL = {NextChannel.POST: Channel.POST, NextChannel.PHONE: Channel.PHONE}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which part of the list."""

    channel: NextChannel | None = None
    because: UnreachedBecause | None = None
    purpose: Purpose = Purpose.LEAK_NOTICE


EVERYBODY = Wanted()


@dataclass(frozen=True, kw_only=True, repr=False)
class Unreached:
    """One person on the list."""

    person_id: int
    customer_number: str
    name: str
    """Masked."""
    because: UnreachedBecause
    channel: NextChannel
    since: datetime
    language: Language
    letter: str | None
    """The code of the letter that is prepared."""


def list_unreached(
    engine: Engine, incident_id: IncidentId, wanted: Wanted = EVERYBODY, *, after: int = 0, limit: int = SHOWN_AT_ONCE
) -> list[Unreached]:
    """Return the people whom mail does not reach, in the order of their keys, behind the person `after`."""
    with reading(engine) as session:
        rows = session.execute(entries_query(incident_id, wanted, after, limit)).all()
        names = _names(session, [row.customer_id for row in rows])
        return [
            Unreached(
                person_id=row.id,
                customer_number=row.customer_number,
                name=mask(names.get(row.customer_id, "")),
                because=UnreachedBecause(row.because),
                channel=NextChannel(row.channel),
                since=row.standing_since,
                language=row.language,
                letter=row.letter,
            )
            for row in rows
        ]


def entries_query(incident_id: IncidentId, wanted: Wanted, after: int, limit: int) -> sa.Select[*tuple[object, ...]]:
    """Return the question for one page of the list."""
    work = Worklist(incident_id, wanted.purpose)
    channel, because = next_channel(), work.because()
    query = (
        sa.select(
            PersonToInform.id,
            PersonToInform.customer_id,
            Customer.customer_number,
            because.label("because"),
            channel.label("channel"),
            PersonToInform.standing_since,
            PersonToInform.language,
            PersonToInform.item_set_id,
            code_of_letter().label("letter"),
        )
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(work.on_it(), PersonToInform.id > after)
        .order_by(PersonToInform.id)
        .limit(limit)
    )
    if wanted.channel is not None:
        query = query.where(channel == wanted.channel.value)
    return query if wanted.because is None else query.where(because == wanted.because.value)


def _names(session: Session, customer_ids: Sequence[int]) -> Mapping[int, str]:
    return {row.customer_id: row.name for row in session.execute(contacts_of(customer_ids)) if row.name}


def completion(engine: Engine, incident_id: IncidentId, *, purpose: Purpose = Purpose.LEAK_NOTICE) -> Completion:
    """Count the list: who is left, by channel and by reason, and who was told by other means already."""
    with reading(engine) as session:
        return completion_in(session, incident_id, purpose)


def completion_in(session: Session, incident_id: IncidentId, purpose: Purpose = Purpose.LEAK_NOTICE) -> Completion:
    """Count the list within an open session."""
    work = Worklist(incident_id, purpose)
    listed = (
        sa.select(work.because().label("because"), next_channel().label("channel"), has_letter().label("in_letter"))
        .select_from(PersonToInform)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(work.on_it())
        .subquery()
    )
    channels: Counter[NextChannel] = Counter()
    reasons: Counter[UnreachedBecause] = Counter()
    in_letters = 0
    columns = (listed.c.because, listed.c.channel, listed.c.in_letter)
    for because, channel, in_letter, number in session.execute(
        sa.select(*columns, sa.func.count()).group_by(*columns),
    ):
        channels[NextChannel(channel)] += number
        reasons[UnreachedBecause(because)] += number
        in_letters += number if in_letter else 0
    told = _told_by_other_means(session, incident_id, purpose)
    return Completion(
        told_otherwise=told.get(Standing.INFORMED_OTHERWISE, 0),
        covered=told.get(Standing.COVERED_BY_PUBLIC_NOTICE, 0),
        by_channel={channel: channels[channel] for channel in NextChannel if channels[channel]},
        by_reason={because: reasons[because] for because in UnreachedBecause if reasons[because]},
        in_letters=in_letters,
    )


def _told_by_other_means(session: Session, incident_id: IncidentId, purpose: Purpose) -> Mapping[Standing, int]:
    """Count customers by standing; people outside the inventory are told by hand from the start and have their own."""
    rows = session.execute(
        sa.select(PersonToInform.standing, sa.func.count())
        .where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == purpose,
            PersonToInform.customer_id.is_not(None),
            PersonToInform.standing.in_([Standing.INFORMED_OTHERWISE, Standing.COVERED_BY_PUBLIC_NOTICE]),
        )
        .group_by(PersonToInform.standing),
    )
    return dict(rows.all())


def export_unreached(
    engine: Engine,
    incident_id: IncidentId,
    wanted: Wanted = EVERYBODY,
    *,
    purpose: str,
    hand_over: HandOver = keep_in_hand,
    actor: Actor,
    now: datetime,
) -> str:
    """Write the list with names and contacts for whoever calls or writes; only who and why stands on the timeline.

    The digest there covers the numbers of the people, not their contacts.
    """
    if not purpose.strip():
        raise BadInput(field="purpose", problem="say what the export is for; it is kept on the timeline")
    numbers: list[str] = []

    def rows() -> Iterator[tuple[object, ...]]:
        for row in _all_rows(engine, incident_id, wanted):
            numbers.append(str(row[0]))
            yield row

    text = csv_text(COLUMNS, rows())
    hand_over(text)
    with transaction(engine, actor=actor, now=now) as act:
        kept = act.keep_text(purpose)
        digest = digest_of_bytes(" ".join(numbers).encode())
        act.record(
            ExportMade(what="unreached", rows=len(numbers), digest=digest, purpose_digest=kept.digest),
            incident=incident_id,
        )
    return text


def _all_rows(engine: Engine, incident_id: IncidentId, wanted: Wanted) -> Iterator[tuple[object, ...]]:
    after = 0
    while True:
        with reading(engine) as session:
            rows = session.execute(entries_query(incident_id, wanted, after, AT_ONCE)).all()
            contacts = {
                (row.customer_id, row.channel): (row.name, row.address)
                for row in session.execute(contacts_of([row.customer_id for row in rows]))
            }
            names = {customer_id: name for (customer_id, _), (name, _) in contacts.items() if name}
            sets = item_codes(session, {row.item_set_id for row in rows})
        for row in rows:
            channel = NextChannel(row.channel)
            wants = _OF_CHANNEL.get(channel)
            contact = contacts[row.customer_id, wants][1] if wants else ""
            items = " ".join(sets[row.item_set_id])
            head = (row.customer_number, names.get(row.customer_id, ""), row.because, channel.value)
            yield (*head, contact, row.language.value, items, row.letter or "")
        if len(rows) < AT_ONCE:
            return
        after = rows[-1].id
