"""People to inform: kept in step with the newest determination; their standing belongs to the incident."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import SETTLED_STANDINGS, Standing
from incident_app.domain.errors import BadInput, NotFound, NothingYet
from incident_app.domain.events import PeopleInformed, PeopleListed
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.lengths import check_length
from incident_app.domain.unreached import ContactOutcome
from incident_app.domain.vocabulary import BuildStatus, Certainty, Language, Purpose
from incident_app.persistence.affected import patterns_between
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.customers import Customer
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.touched import customer_ranges
from incident_app.services.people_outside import bring_outsiders_in_step, named_outside
from incident_app.services.transaction import building, reading, transaction
from incident_app.services.unreached_contacts import note_contacts


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What bringing the list up to date changed."""

    added: int
    changed: int
    exempted: int


LONGEST_WAY = 60
"""Characters that say how somebody was told: what the column of a person holds."""


class NumbersUnknown(NotFound):
    """{unknown} of the customer numbers given are not those of people to inform."""

    ja = "顧客番号のうち {unknown}件は、知らせる相手の番号ではありません。"


class OutsidersUnknown(NotFound):
    """{unknown} of the people outside the inventory that were named are not to be informed.

    Only affected people are, from the determination after they were added.
    """

    ja = (
        "指定した登録外の人のうち {unknown}人は、知らせる相手ではありません。"
        "知らせる相手になるのは影響を受けた人だけで、加えた後の影響の判定からです。"
    )


def newest_determination(session: Session, incident_id: IncidentId) -> ImpactDetermination:
    """Return the newest sealed determination; NotFound when there is none."""
    row = session.scalars(
        sa.select(ImpactDetermination)
        .where(ImpactDetermination.incident_id == incident_id, ImpactDetermination.status == BuildStatus.SEALED)
        .order_by(ImpactDetermination.version.desc())
        .limit(1),
    ).one_or_none()
    if row is None:
        raise NothingYet(what="determination of impact")
    return row


def list_people(
    engine: Engine, incident_id: IncidentId, *, purpose: Purpose = Purpose.LEAK_NOTICE, actor: Actor, now: datetime
) -> Listed:
    """Bring the people to inform in step with the newest determination.

    New people are added, other items noted, those no longer affected exempted unless they were told already; affected
    people outside the inventory are on it too. Doing it twice changes nothing: an interrupted run is simply repeated.
    """
    with reading(engine) as session:
        determination = newest_determination(session, incident_id)
        ranges = list(customer_ranges(session))
    totals = [0, 0, 0]
    for low, high in ranges:
        with building(engine) as session:
            counts = _list_range(session, incident_id, determination.id, purpose, low, high, now)
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    with building(engine) as session:
        totals[0] += bring_outsiders_in_step(session, incident_id, determination.id, purpose, now)
    listed = Listed(added=totals[0], changed=totals[1], exempted=totals[2])
    with transaction(engine, actor=actor, now=now) as act:
        act.record(
            PeopleListed(
                purpose=purpose,
                determination_version=determination.version,
                added=listed.added,
                changed=listed.changed,
                exempted=listed.exempted,
            ),
            incident=incident_id,
        )
    return listed


def _list_range(
    session: Session,
    incident_id: IncidentId,
    determination_id: int,
    purpose: Purpose,
    low: int,
    high: int,
    now: datetime,
) -> tuple[int, int, int]:
    affected = _affected(session, determination_id, low, high)
    present = {
        person.customer_id: person
        for person in session.scalars(
            sa.select(PersonToInform).where(
                PersonToInform.incident_id == incident_id,
                PersonToInform.purpose == purpose,
                PersonToInform.customer_id.between(low, high),
            ),
        )
    }
    common = {
        "incident_id": incident_id,
        "purpose": purpose,
        "determination_id": determination_id,
        "standing": Standing.TO_INFORM,
        "standing_since": now,
    }
    new = [
        {**common, "customer_id": customer_id, **asdict(row)}
        for customer_id, row in affected.items()
        if customer_id not in present
    ]
    insert_new(session, PersonToInform, new)
    changed, exempted = _bring_in_step(present.values(), affected, determination_id, now)
    return len(new), changed, exempted


def _bring_in_step(
    present: Iterable[PersonToInform],
    affected: Mapping[int, _Affected],
    determination_id: int,
    now: datetime,
) -> tuple[int, int]:
    changed = exempted = 0
    for person in present:
        customer_id = person.customer_id or 0
        row = affected.get(customer_id)
        if row is None:
            exempted += _exempt(person, now)
            continue
        changed += person.item_set_id != row.item_set_id
        person.item_set_id, person.confirmed_item_set_id = row.item_set_id, row.confirmed_item_set_id
        person.certainty, person.determination_id = row.certainty, determination_id
        if person.standing is Standing.EXEMPT and person.how == NO_LONGER_AFFECTED:
            person.standing, person.standing_since, person.how = Standing.TO_INFORM, now, None
    return changed, exempted


NO_LONGER_AFFECTED = "no_longer_affected"


def _exempt(person: PersonToInform, now: datetime) -> int:
    if person.standing not in {Standing.TO_INFORM, Standing.NOT_REACHED}:
        return 0
    person.standing, person.standing_since, person.how = Standing.EXEMPT, now, NO_LONGER_AFFECTED
    return 1


@dataclass(frozen=True, kw_only=True)
class _Affected:
    language: Language
    item_set_id: int
    confirmed_item_set_id: int
    certainty: Certainty


def _affected(session: Session, determination_id: int, low: int, high: int) -> dict[int, _Affected]:
    """Return the affected customers of a key range with what they must be told of; ruled out ones are left out."""
    patterns = {
        pattern.id: pattern
        for pattern in session.scalars(
            sa.select(ImpactPattern).where(
                ImpactPattern.determination_id == determination_id, ImpactPattern.certainty != Certainty.RULED_OUT
            ),
        )
    }
    found = patterns_between(session, determination_id, low, high)
    languages = session.execute(sa.select(Customer.id, Customer.language).where(Customer.id.between(low, high)))
    return {
        customer_id: _Affected(
            language=language,
            item_set_id=pattern.item_set_id,
            confirmed_item_set_id=pattern.confirmed_item_set_id,
            certainty=pattern.certainty,
        )
        for customer_id, language in languages
        if (pattern := patterns.get(found.get(customer_id, -1))) is not None
    }


def _named(
    session: Session, incident_id: IncidentId, purpose: Purpose, customer_numbers: list[str]
) -> Sequence[PersonToInform]:
    return session.scalars(
        sa.select(PersonToInform)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == purpose,
            Customer.customer_number.in_(customer_numbers),
        ),
    ).all()


def _check_telling(standing: Standing, how: str, reason: str) -> None:
    if standing in {Standing.TO_INFORM, Standing.INFORMED}:
        raise BadInput(field="standing", problem="a delivered mail sets this by itself; record another way of telling")
    if not reason.strip():
        raise BadInput(field="reason", problem="say how and by whom the person was told, or why nobody has to")
    check_length(how, field="how", longest=LONGEST_WAY)


def to_be_told(
    session: Session, incident_id: IncidentId, purpose: Purpose, numbers: list[str], outside: Collection[int]
) -> Sequence[PersonToInform]:
    """Return everybody who was named; refuse when somebody is not to be informed."""
    people = _named(session, incident_id, purpose, numbers)
    if len(people) != len(set(numbers)):
        raise NumbersUnknown(unknown=len(set(numbers)) - len(people))
    outsiders = named_outside(session, incident_id, purpose, outside)
    if len(outsiders) != len(set(outside)):
        raise OutsidersUnknown(unknown=len(set(outside)) - len(outsiders))
    return [*people, *outsiders]


def numbers_with(
    engine: Engine, incident_id: IncidentId, standing: Standing, *, purpose: Purpose = Purpose.LEAK_NOTICE
) -> list[str]:
    """Return the customer numbers of the people with this standing."""
    with reading(engine) as session:
        return list(
            session.scalars(
                sa.select(Customer.customer_number)
                .join(PersonToInform, PersonToInform.customer_id == Customer.id)
                .where(
                    PersonToInform.incident_id == incident_id,
                    PersonToInform.purpose == purpose,
                    PersonToInform.standing == standing,
                )
                .order_by(Customer.customer_number),
            ),
        )


def standings(
    engine: Engine, incident_id: IncidentId, *, purpose: Purpose = Purpose.LEAK_NOTICE
) -> Mapping[Standing, int]:
    """Count the people of an incident by standing."""
    with reading(engine) as session:
        return standings_in(session, incident_id, purpose)


def standings_in(session: Session, incident_id: IncidentId, purpose: Purpose) -> Mapping[Standing, int]:
    """Count the people of an incident by standing, within an open session."""
    rows = session.execute(
        sa.select(PersonToInform.standing, sa.func.count())
        .where(PersonToInform.incident_id == incident_id, PersonToInform.purpose == purpose)
        .group_by(PersonToInform.standing),
    )
    return dict(rows.all())


def told_too_little_in(session: Session, incident_id: IncidentId, purpose: Purpose) -> int:
    """Count the people who were told, but not of every item that is now known to be affected."""
    rows = session.execute(
        sa.select(PersonToInform.told_item_set_id, PersonToInform.item_set_id, sa.func.count())
        .where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == purpose,
            PersonToInform.standing.in_([Standing.INFORMED, Standing.INFORMED_OTHERWISE]),
            PersonToInform.told_item_set_id != PersonToInform.item_set_id,
        )
        .group_by(PersonToInform.told_item_set_id, PersonToInform.item_set_id),
    ).all()
    sets = item_codes(session, {set_id for told, now_known, _ in rows for set_id in (told, now_known) if set_id})
    return sum(number for told, known, number in rows if told and not set(sets[known]) <= set(sets[told]))


def people_left_in(session: Session, incident_id: IncidentId, purpose: Purpose = Purpose.LEAK_NOTICE) -> int:
    """Count the people who are still to be told of something."""
    counts = standings_in(session, incident_id, purpose)
    unsettled = sum(number for standing, number in counts.items() if standing not in SETTLED_STANDINGS)
    return unsettled + told_too_little_in(session, incident_id, purpose)


def _move(people: Iterable[PersonToInform], standing: Standing, how: str, text_id: int, now: datetime) -> None:
    for person in people:
        person.standing, person.standing_since, person.how = standing, now, how
        person.reason_text_id = text_id
        if standing is Standing.INFORMED_OTHERWISE:
            person.told_item_set_id = person.item_set_id


_OUTCOMES = {Standing.INFORMED_OTHERWISE: ContactOutcome.TOLD, Standing.NOT_REACHED: ContactOutcome.NOT_REACHED}
"""What can be taken back: kept for each person."""


def record_told(
    engine: Engine,
    incident_id: IncidentId,
    customer_numbers: list[str],
    *,
    standing: Standing,
    how: str,
    reason: str,
    outside: Collection[int] = (),
    purpose: Purpose = Purpose.LEAK_NOTICE,
    actor: Actor,
    now: datetime,
) -> int:
    """Record that people were told by phone, by letter or by public notice, or are exempt, with the reason.

    `outside` names people outside the inventory by the numbers they got when they were added.
    """
    if not customer_numbers and not outside:
        raise BadInput(field="numbers", problem="name at least one person")
    _check_telling(standing, how, reason)
    with transaction(engine, actor=actor, now=now) as act:
        people = to_be_told(act.session, incident_id, purpose, customer_numbers, outside)
        text, way = act.keep_text(reason), act.keep_text(how)
        _move(people, standing, how, text.id, now)
        record = act.record(
            PeopleInformed(
                purpose=purpose,
                standing=standing,
                people=len(people),
                how_digest=way.digest,
                reason_digest=text.digest,
            ),
            incident=incident_id,
        )
        if (outcome := _OUTCOMES.get(standing)) is not None:
            note_contacts(act, people, how, outcome, record=record, text_id=text.id, at=now)
        return len(people)
