"""What stands of people once something about them was taken back: the newest of what is still on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryState, Standing
from incident_app.domain.import_rows import EPOCH, moment_of
from incident_app.domain.letters import LetterState
from incident_app.domain.unreached import BY_MAIL, BY_POST, ContactOutcome, ContactWay, Told, standing_from
from incident_app.persistence.letters import ContactByHand, Letter
from incident_app.persistence.outbox import DeliveryPerson, DeliveryRow, PersonToInform

_KEPT = (Standing.EXEMPT, Standing.COVERED_BY_PUBLIC_NOTICE)
_MAILED = {DeliveryState.ACCEPTED, DeliveryState.FAILED, DeliveryState.BOUNCED}


def stand_anew(session: Session, person_ids: Collection[int], *, at: datetime) -> int:
    """Give people the standing that is left on record; return how many of them are not told now.

    Who is exempt or covered by a public notice stays so.
    """
    by_hand, by_mail, failures = (defaultdict[int, list[Told]](list) for _ in range(3))
    for person_id, told in _by_hand(session, person_ids):
        (by_hand if told.standing is Standing.INFORMED_OTHERWISE else failures)[person_id].append(told)
    denied = set(failures)
    for person_id, told in (*_by_mail(session, person_ids), *_came_back(session, person_ids)):
        (by_mail if told.standing is Standing.INFORMED else failures)[person_id].append(told)
    untold = 0
    people = sa.select(PersonToInform).where(PersonToInform.id.in_(person_ids), PersonToInform.standing.not_in(_KEPT))
    for person in session.scalars(people):
        mailed = by_mail[person.id] if person.id not in denied else []
        left = standing_from(by_hand[person.id], mailed, failures[person.id])
        standing = left.standing if left else Standing.TO_INFORM
        untold += standing in {Standing.TO_INFORM, Standing.NOT_REACHED}
        way, items = (left.how, left.item_set_id) if left else (None, None)
        if (person.standing, person.how, person.told_item_set_id) != (standing, way, items):
            person.standing, person.standing_since, person.how = standing, at, way
            person.told_item_set_id, person.reason_text_id = items, None
    session.flush()
    return untold


def _by_hand(session: Session, person_ids: Collection[int]) -> Iterator[tuple[int, Told]]:
    """Yield what people recorded: who was told, and of whom somebody knows that what was sent did not reach them.

    A call that nobody answered says nothing of a mail that was accepted.
    """
    contacts = session.execute(
        sa.select(
            ContactByHand.person_id,
            ContactByHand.recorded_at,
            ContactByHand.way,
            ContactByHand.item_set_id,
            ContactByHand.outcome,
        ).where(ContactByHand.person_id.in_(person_ids), ContactByHand.undone_at.is_(None)),
    )
    for person_id, at, way, items, outcome in contacts:
        if outcome is ContactOutcome.TOLD:
            yield person_id, Told(at, Standing.INFORMED_OTHERWISE, way, items)
        elif way not in set(ContactWay):
            yield person_id, Told(at, Standing.NOT_REACHED, way, None)
    for person_id, at, items in session.execute(_letters(person_ids, LetterState.HANDED_OVER)):
        yield person_id, Told(at, Standing.INFORMED_OTHERWISE, BY_POST, items)


def _came_back(session: Session, person_ids: Collection[int]) -> Iterator[tuple[int, Told]]:
    for person_id, at, _ in session.execute(_letters(person_ids, LetterState.RETURNED)):
        yield person_id, Told(at, Standing.NOT_REACHED, BY_POST, None)


def _letters(person_ids: Collection[int], state: LetterState) -> sa.Select[int, datetime, int]:
    return sa.select(Letter.person_id, Letter.at, Letter.item_set_id).where(
        Letter.person_id.in_(person_ids), Letter.state == state
    )


def _by_mail(session: Session, person_ids: Collection[int]) -> Iterator[tuple[int, Told]]:
    """Yield what mail did, in the order of the messages: their times do not matter, all letters come after them."""
    rows = session.execute(
        sa.select(DeliveryPerson.person_id, DeliveryRow.id, DeliveryRow.state, DeliveryPerson.item_set_id)
        .join(DeliveryRow, DeliveryRow.id == DeliveryPerson.delivery_id)
        .where(DeliveryPerson.person_id.in_(person_ids), DeliveryRow.state.in_(_MAILED)),
    )
    for person_id, delivery_id, state, items in rows:
        at = moment_of(delivery_id) or EPOCH
        if state is DeliveryState.ACCEPTED:
            yield person_id, Told(at, Standing.INFORMED, BY_MAIL, items)
        else:
            yield person_id, Told(at, Standing.NOT_REACHED, BY_MAIL, None)
