"""What stands of people once something about them was taken back: the newest of what is still on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryState, Standing
from incident_app.domain.import_rows import EPOCH, moment_of
from incident_app.domain.letters import LetterState
from incident_app.domain.unreached import BY_MAIL, BY_POST, ContactOutcome, ContactWay, Told, standing_from
from incident_app.persistence.letters import ContactByHand, Letter
from incident_app.persistence.outbox import DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.persistence.publications import coverings_in_force

_KEPT = (Standing.EXEMPT, Standing.COVERED_BY_PUBLIC_NOTICE)
_UNTOLD = (Standing.TO_INFORM, Standing.NOT_REACHED)
_MAILED = {DeliveryState.ACCEPTED, DeliveryState.FAILED, DeliveryState.BOUNCED}


def stand_anew(session: Session, person_ids: Collection[int], *, at: datetime) -> int:
    """Give people the standing that is left on record; return how many of them are not told now.

    Who is exempt or covered by a public notice stays so; who was covered before they were told otherwise is so again.
    """
    evidence, covered = _evidence(session, person_ids), coverings_in_force(session, person_ids)
    untold = 0
    people = sa.select(PersonToInform).where(PersonToInform.id.in_(person_ids), PersonToInform.standing.not_in(_KEPT))
    for person in session.scalars(people):
        left = evidence[person.id].left()
        standing = left.standing if left else Standing.TO_INFORM
        way, items = (left.how, left.item_set_id) if left else (None, None)
        reason = None
        covering = covered.get(person.id)
        if standing in _UNTOLD and covering is not None and not evidence[person.id].denied_since(covering.covered_at):
            standing, way, reason = Standing.COVERED_BY_PUBLIC_NOTICE, covering.way, covering.reason_text_id
        untold += standing in _UNTOLD
        if (person.standing, person.how, person.told_item_set_id) != (standing, way, items):
            person.standing, person.standing_since, person.how = standing, at, way
            person.told_item_set_id, person.reason_text_id = items, reason
    session.flush()
    return untold


def stand_as_told(session: Session, person_ids: Collection[int], *, at: datetime) -> None:
    """Let those of the people be told whom anything else on record told while a public notice covered them."""
    evidence = _evidence(session, person_ids)
    told = [
        key for key, found in evidence.items() if (left := found.left()) is not None and left.standing not in _UNTOLD
    ]
    stand_anew(session, told, at=at)


@dataclass(kw_only=True)
class _Evidence:
    """What is on record of one person."""

    by_hand: list[Told] = field(default_factory=list)
    by_mail: list[Told] = field(default_factory=list)
    failures: list[Told] = field(default_factory=list)
    denials: list[Told] = field(default_factory=list)
    """Failures that somebody stated: what was sent did not reach them, whatever the server said."""

    def left(self) -> Told | None:
        """Return what stands of the person."""
        return standing_from(self.by_hand, [] if self.denials else self.by_mail, self.failures)

    def denied_since(self, moment: datetime) -> bool:
        """Tell whether somebody stated so at that time or later."""
        return any(denial.at >= moment for denial in self.denials)


def _evidence(session: Session, person_ids: Collection[int]) -> defaultdict[int, _Evidence]:
    found: defaultdict[int, _Evidence] = defaultdict(_Evidence)
    for person_id, told in _by_hand(session, person_ids):
        if told.standing is Standing.INFORMED_OTHERWISE:
            found[person_id].by_hand.append(told)
        else:
            found[person_id].failures.append(told)
            found[person_id].denials.append(told)
    for person_id, told in (*_by_mail(session, person_ids), *_came_back(session, person_ids)):
        (found[person_id].by_mail if told.standing is Standing.INFORMED else found[person_id].failures).append(told)
    return found


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
