"""Merging records of one person: confirmed by a person, undone with a reason, visible in the numbers at once (K18).

Who is listed as affected does not change: rows stay. What changes is how many natural persons the rows are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import MergeConfirmed, MergeReversed
from incident_app.domain.ids import Actor, CustomerId, DeterminationId, IncidentId
from incident_app.domain.merging import (
    AlreadyDismissed,
    AlreadyMerged,
    AlreadyUndone,
    DifferentKinds,
    Link,
    PersonKey,
    RecordErased,
    person_keys,
    surplus,
)
from incident_app.domain.vocabulary import Phase, Purpose
from incident_app.persistence.customers import Customer
from incident_app.persistence.incidents import Incident
from incident_app.persistence.merging import PersonMerge, affected_among, confirmed_links
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.counts import ALL
from incident_app.services.merge_proposals import get_proposal
from incident_app.services.person_counts import determined_numbers, newest_sealed, recount_merged, subject_patterns
from incident_app.services.transaction import Transaction, reading, transaction


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a merge changed for one open incident: natural persons, and persons on the list to inform."""

    incident_id: IncidentId
    reference: str
    people_before: int
    people_after: int
    notices_before: int
    notices_after: int


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A merge that was confirmed or undone, with its effects."""

    merge_id: int
    proposal_id: int
    effects: tuple[Effect, ...]


def persons_of(session: Session, customer_ids: Iterable[CustomerId]) -> dict[CustomerId, PersonKey]:
    """Return the person behind each record. Who writes to people tells one person the union of their records."""
    keys = person_keys(confirmed_links(session))
    return {customer_id: keys.get(customer_id, PersonKey(customer_id)) for customer_id in customer_ids}


def merged_duplicates(session: Session, determination_id: DeterminationId, *, known_at: datetime | None = None) -> int:
    """Return how many affected records are one too many, because another affected one is the same person."""
    keys = person_keys(confirmed_links(session, known_at))
    patterns = subject_patterns(session, determination_id)[ALL]
    return surplus(affected_among(session, determination_id, keys, patterns), keys)


def confirm(engine: Engine, proposal_id: int, *, actor: Actor, now: datetime) -> Merged:
    """Confirm that two records are one person; the numbers of every open incident that lists both follow."""
    with transaction(engine, actor=actor, now=now) as act:
        proposal, earlier = get_proposal(act.session, proposal_id)
        if earlier is not None and earlier.undone_at is None:
            raise AlreadyMerged
        if earlier is None and proposal.dismissed_at is not None:
            raise AlreadyDismissed
        link = Link(first=proposal.first_customer_id, second=proposal.second_customer_id)
        _check_same_kind(act.session, link)
        before = confirmed_links(act.session)
        merge = PersonMerge(
            proposal_id=proposal.id,
            first_customer_id=link.first,
            second_customer_id=link.second,
            confirmed_at=now,
            confirmed_by=actor,
        )
        act.session.add(merge)
        act.session.flush()
        act.record(
            MergeConfirmed(
                merge_id=merge.id,
                proposal_id=proposal.id,
                first_customer_id=link.first,
                second_customer_id=link.second,
            ),
        )
        change = _change(before, [*before, link], link)
        recounted = _recount(act, change)
        merge_id = merge.id
    return Merged(merge_id=merge_id, proposal_id=proposal_id, effects=_effects(engine, recounted, change))


def undo(engine: Engine, merge_id: int, *, reason: str, actor: Actor, now: datetime) -> Merged:
    """Undo a merge with the reason; both records are different people again, unless another link joins them."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why these records are of different people after all")
    with transaction(engine, actor=actor, now=now) as act:
        merge = act.session.get(PersonMerge, merge_id)
        if merge is None:
            raise NotFound(what="merge", name=str(merge_id))
        if merge.undone_at is not None:
            raise AlreadyUndone
        before = confirmed_links(act.session)
        text = act.keep_text(reason.strip())
        merge.undone_at, merge.undone_by, merge.undone_text_id = now, actor, text.id
        act.session.flush()
        act.record(MergeReversed(merge_id=merge.id, reason_digest=text.digest))
        link = Link(first=merge.first_customer_id, second=merge.second_customer_id)
        change = _change(before, confirmed_links(act.session), link)
        recounted = _recount(act, change)
        proposal_id = merge.proposal_id
    return Merged(merge_id=merge_id, proposal_id=proposal_id, effects=_effects(engine, recounted, change))


def _check_same_kind(session: Session, link: Link) -> None:
    rows = session.scalars(sa.select(Customer).where(Customer.id.in_([link.first, link.second]))).all()
    if len({row.kind for row in rows}) > 1:
        raise DifferentKinds
    if any(row.erased_at for row in rows):
        raise RecordErased


@dataclass(frozen=True, kw_only=True)
class _Change:
    """The groups before and after one link was made or undone, and the records of the groups that it touches."""

    before: dict[int, PersonKey]
    after: dict[int, PersonKey]
    records: frozenset[int]
    undone: bool

    def more(self, listed: Iterable[int]) -> int:
        """Return how many of the listed records are one too many now that were not before."""
        records = set(listed)
        return surplus(records, self.after) - surplus(records, self.before)


def _change(before: list[Link], after: list[Link], changed: Link) -> _Change:
    keys_before, keys_after = person_keys(before), person_keys(after)
    return _Change(
        before=keys_before,
        after=keys_after,
        records=frozenset(_group(keys_before, changed) | _group(keys_after, changed)),
        undone=len(after) < len(before),
    )


def _recount(act: Transaction, change: _Change) -> dict[IncidentId, tuple[str, int, int]]:
    """Write the numbers that follow for every open incident whose newest determination lists the records."""
    found = {}
    open_incidents = act.session.scalars(sa.select(Incident).where(Incident.phase == Phase.OPEN).order_by(Incident.id))
    for incident in open_incidents.all():
        incident_id = IncidentId(incident.id)
        determination_id = newest_sealed(act.session, incident_id)
        if determination_id is None:
            continue
        numbers = determined_numbers(act.session, incident_id)
        for subject, pattern_ids in subject_patterns(act.session, determination_id).items():
            more = change.more(affected_among(act.session, determination_id, change.records, pattern_ids))
            if more and subject in numbers:
                recounted = recount_merged(act, incident_id, numbers[subject], more, undone=change.undone)
                if subject == ALL:
                    found[incident_id] = (incident.reference, numbers[ALL].value, recounted.value)
    return found


def _effects(engine: Engine, recounted: dict[IncidentId, tuple[str, int, int]], change: _Change) -> tuple[Effect, ...]:
    effects = []
    for incident_id, (reference, before, after) in recounted.items():
        with reading(engine) as session:
            notices_before, notices_after = _notices(session, incident_id, change)
        effects.append(
            Effect(
                incident_id=incident_id,
                reference=reference,
                people_before=before,
                people_after=after,
                notices_before=notices_before,
                notices_after=notices_after,
            ),
        )
    return tuple(effects)


def _notices(session: Session, incident_id: IncidentId, change: _Change) -> tuple[int, int]:
    """Count the persons on the list to inform before and after: each is to have one notice, of the union."""
    on_the_list = sa.and_(
        PersonToInform.incident_id == incident_id,
        PersonToInform.purpose == Purpose.LEAK_NOTICE,
        PersonToInform.standing != Standing.EXEMPT,
    )
    rows = session.scalar(sa.select(sa.func.count()).select_from(PersonToInform).where(on_the_list)) or 0
    records = sorted({*change.before, *change.after})
    linked = session.scalars(
        sa.select(PersonToInform.customer_id).where(on_the_list, PersonToInform.customer_id.in_(records)),
    )
    listed = {customer_id for customer_id in linked if customer_id}
    return rows - surplus(listed, change.before), rows - surplus(listed, change.after)


def _group(keys: dict[int, PersonKey], link: Link) -> set[int]:
    persons = {keys[record] for record in (link.first, link.second) if record in keys}
    return {record for record, person in keys.items() if person in persons} | {link.first, link.second}
