"""Determining impact: who is affected and with which data, stored as a version that can be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.affected_parties import affected_parties
from incident_app.domain.digests import ContentDigest
from incident_app.domain.events import ImpactDetermined
from incident_app.domain.ids import Actor, DeterminationId, IncidentId, ScopeId
from incident_app.domain.impact import RULES_VERSION, Answer, answer, inputs_digest, result_digest
from incident_app.domain.impact_summary import Summary, everybody, summarise
from incident_app.domain.inventory import Inventory
from incident_app.domain.people import NOBODY, digest_of_people, pack, shards
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import BuildStatus, Certainty
from incident_app.persistence.affected import people_by_pattern
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.findings import known_at
from incident_app.persistence.impact import AffectedParty, AffectedShard, ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_codes, item_set_id
from incident_app.persistence.segments import segments_of
from incident_app.persistence.touched import Sources, touched_people
from incident_app.services.affected_parties import are_stored, store_parties
from incident_app.services.counts import ALL, record_counts
from incident_app.services.inventory import keep_snapshot, read_inventory_snapshot
from incident_app.services.involved import count_affected
from incident_app.services.people_outside import not_counted_in
from incident_app.services.person_counts import compose, newest_sealed
from incident_app.services.scope_findings import count_outstanding
from incident_app.services.scope_inventory import inventory_with, stores_named
from incident_app.services.scopes import newest_scope, read_scope
from incident_app.services.transaction import building, reading, transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHARDS_AT_ONCE = 200
"""Shards stored in one go: at most 1.6 MB, so nobody waits long for the write lock."""


class Repetition(StrEnum):
    """What re-running a stored version showed."""

    REPEATS = "repeats"
    DIFFERS = "differs"
    OTHER_RULES = "other_rules"
    """Determined by an earlier version of the rules; the program of that version repeats it."""


def all_repeat(found: Mapping[int, Repetition]) -> bool:
    """Tell whether every version was re-run and gave the same; one that could not be re-run proves nothing."""
    return all(outcome is Repetition.REPEATS for outcome in found.values())


@dataclass(frozen=True, kw_only=True)
class Determined:
    """A stored determination."""

    id: DeterminationId
    version: int
    by_certainty: dict[Certainty, int]
    result_digest: str
    unchanged: bool


@dataclass(frozen=True, kw_only=True)
class _Question:
    scope: Scope
    scope_id: int
    inventory: Inventory
    inventory_digest: str
    known_at: datetime

    @property
    def digest(self) -> ContentDigest:
        return inputs_digest(self.scope, self.inventory_digest, self.known_at)


def determine_impact(engine: Engine, incident_id: IncidentId, *, actor: Actor, now: datetime) -> Determined:
    """Work out who is affected by the newest scope and store it as a version.

    The question (scope, inventory, knowledge) that the newest version answers is not answered again: that version is
    returned, and only people outside the inventory who were added since are counted too. A question of an earlier
    version, to which the scope has come back, is: what is newest must be what is asked now.
    Built in chunks that no reader sees, then sealed; a determination that a crash cut off is dropped and begun anew.
    """
    with reading(engine) as session:
        scope_id = newest_scope(session, incident_id).id
        scope = read_scope(session, ScopeId(scope_id))
    count_outstanding(engine, incident_id, scope_id, scope, actor=actor, now=now)
    stores = stores_named(scope)
    snapshot = keep_snapshot(engine, of=lambda session: inventory_with(session, stores), now=now)
    with reading(engine) as session:
        question = _question(session, ScopeId(scope_id), snapshot)
        same = _answered_last(session, incident_id, question)
        cut_off = _cut_off(session, incident_id, question)
    if same is not None:
        return _again(engine, incident_id, same, actor=actor, now=now)
    for determination_id in cut_off:
        _drop(engine, determination_id)
    with reading(engine) as session:
        answers = _answers(session, question)
        summary = summarise(answers, segments_of(session, everybody(answers)), question.inventory)
    determination_id = _open(engine, incident_id, question, actor, now)
    _build(engine, determination_id, question, answers)
    return _seal(engine, incident_id, determination_id, answers, summary, actor=actor, now=now)


def verify_impact(engine: Engine, incident_id: IncidentId) -> dict[int, Repetition]:
    """Re-run every stored version from its inputs; say for each whether it gives the same digest.

    What is stored is re-read as well: altered people or patterns are found like altered inputs.
    """
    with reading(engine) as session:
        stored = session.scalars(
            sa.select(ImpactDetermination)
            .where(ImpactDetermination.incident_id == incident_id, ImpactDetermination.status == BuildStatus.SEALED)
            .order_by(ImpactDetermination.version),
        ).all()
        return {row.version: _repeats(session, row) for row in stored}


def _repeats(session: Session, row: ImpactDetermination) -> Repetition:
    if row.rules_version != RULES_VERSION:
        return Repetition.OTHER_RULES
    question = _Question(
        scope=read_scope(session, ScopeId(row.scope_id)),
        scope_id=row.scope_id,
        inventory=read_inventory_snapshot(session, row.inventory_digest),
        inventory_digest=row.inventory_digest,
        known_at=row.known_at,
    )
    answers = _answers(session, question)
    same = question.digest == row.inputs_digest and result_digest(answers) == row.result_digest
    parties = affected_parties(question.scope, question.inventory, answers)
    stored = _is_stored(session, row.id, answers) and are_stored(session, row.id, parties)
    return Repetition.REPEATS if same and stored else Repetition.DIFFERS


def _is_stored(session: Session, determination_id: int, answers: Sequence[Answer]) -> bool:
    """Tell whether exactly these people are stored, each under a pattern that says the same of them."""
    whom = people_by_pattern(session, determination_id)
    patterns = session.scalars(
        sa.select(ImpactPattern).where(ImpactPattern.determination_id == determination_id),
    ).all()
    sets = item_codes(session, {key for row in patterns for key in (row.item_set_id, row.confirmed_item_set_id)})
    stored = [
        (
            sets[row.item_set_id],
            sets[row.confirmed_item_set_id],
            row.certainty,
            row.people,
            digest_of_people(whom.get(row.id, NOBODY)),
        )
        for row in patterns
    ]
    wanted = [
        (
            tuple(sorted(found.judgement.items)),
            tuple(sorted(found.judgement.confirmed)),
            found.judgement.certainty,
            len(found.people),
            digest_of_people(found.people),
        )
        for found in answers
    ]
    return sorted(stored) == sorted(wanted) and set(whom) <= {row.id for row in patterns}


def _answers(session: Session, question: _Question) -> tuple[Answer, ...]:
    sources = Sources(session, question.known_at)
    touched = touched_people(question.scope, question.inventory, sources)
    return answer(touched, question.scope, question.inventory)


def newest_knowledge(session: Session) -> datetime:
    """Return the moment up to which everything is known: the newest import that is complete."""
    return known_at(session) or EPOCH


def _question(session: Session, scope_id: ScopeId, snapshot: str) -> _Question:
    scope = read_scope(session, scope_id)
    return _Question(
        scope=scope,
        scope_id=scope_id,
        inventory=read_inventory_snapshot(session, snapshot),
        inventory_digest=snapshot,
        known_at=newest_knowledge(session),
    )


def _answered_last(session: Session, incident_id: IncidentId, question: _Question) -> ImpactDetermination | None:
    """Return the newest version, if it answers this very question by the rules as they are now."""
    newest_id = newest_sealed(session, incident_id)
    newest = session.get_one(ImpactDetermination, newest_id) if newest_id is not None else None
    if newest is None or (newest.inputs_digest, newest.rules_version) != (question.digest, RULES_VERSION):
        return None
    return newest


def _cut_off(session: Session, incident_id: IncidentId, question: _Question) -> Sequence[int]:
    return session.scalars(
        sa.select(ImpactDetermination.id).where(
            ImpactDetermination.incident_id == incident_id,
            ImpactDetermination.inputs_digest == question.digest,
            ImpactDetermination.status == BuildStatus.BUILDING,
        ),
    ).all()


def _drop(engine: Engine, determination_id: int) -> None:
    for table in (AffectedShard, ImpactPattern, AffectedParty):
        with building(engine) as session:
            session.execute(sa.delete(table).where(table.determination_id == determination_id))
    with building(engine) as session:
        session.execute(sa.delete(ImpactDetermination).where(ImpactDetermination.id == determination_id))


def _open(engine: Engine, incident_id: IncidentId, question: _Question, actor: Actor, now: datetime) -> DeterminationId:
    with building(engine) as session:
        newest = sa.select(sa.func.max(ImpactDetermination.version)).where(
            ImpactDetermination.incident_id == incident_id,
        )
        row = ImpactDetermination(
            incident_id=incident_id,
            version=1 + (session.scalar(newest) or 0),
            scope_id=question.scope_id,
            inventory_digest=question.inventory_digest,
            known_at=question.known_at,
            rules_version=RULES_VERSION,
            inputs_digest=question.digest,
            status=BuildStatus.BUILDING,
            at=now,
            by=actor,
        )
        session.add(row)
        session.flush()
        return DeterminationId(row.id)


def _build(engine: Engine, determination_id: DeterminationId, question: _Question, answers: Sequence[Answer]) -> None:
    """Store the patterns, their people chunk by chunk, and the companies, under the parent that nobody reads yet."""
    with building(engine) as session:
        patterns = [_store_pattern(session, determination_id, question.scope, found) for found in answers]
        store_parties(session, determination_id, affected_parties(question.scope, question.inventory, answers))
    rows = [
        {
            "determination_id": determination_id,
            "shard": number,
            "pattern_id": pattern_id,
            "people": len(part),
            "members": pack(part),
        }
        for pattern_id, found in zip(patterns, answers, strict=True)
        for number, part in shards(found.people)
    ]
    rows.sort(key=lambda row: (row["shard"], row["pattern_id"]))
    for chunk in chunks(rows, SHARDS_AT_ONCE):
        with building(engine) as session:
            insert_new(session, AffectedShard, chunk)


def _store_pattern(session: Session, determination_id: DeterminationId, scope: Scope, found: Answer) -> int:
    judgement = found.judgement
    row = ImpactPattern(
        determination_id=determination_id,
        pairs=_pairs_in_words(scope, found),
        item_set_id=item_set_id(session, judgement.items),
        confirmed_item_set_id=item_set_id(session, judgement.confirmed),
        people=len(found.people),
        certainty=judgement.certainty,
        mitigated=dict(judgement.mitigated),
        because={"ja": judgement.because_ja, "en": judgement.because_en},
    )
    session.add(row)
    session.flush()
    return row.id


def _pairs_in_words(scope: Scope, found: Answer) -> list[dict[str, object]]:
    stores = [
        {"store": scope.stores[pair.entry].store, "items": list(pair.items), "upper_bound": pair.upper_bound}
        for pair in sorted(found.pattern.pairs)
    ]
    lists = [
        {"list": scope.lists[listing.entry].list_id, "items": list(listing.items or ())}
        for listing in sorted(found.pattern.listings, key=lambda listing: listing.entry)
    ]
    return [*stores, *lists]


def _seal(
    engine: Engine,
    incident_id: IncidentId,
    determination_id: DeterminationId,
    answers: Sequence[Answer],
    summary: Summary,
    *,
    actor: Actor,
    now: datetime,
) -> Determined:
    result = result_digest(answers)
    with reading(engine) as session:
        compositions = compose(session, determination_id, summary, outside=count_affected(session, incident_id))
    with transaction(engine, actor=actor, now=now) as act:
        row = act.session.get_one(ImpactDetermination, determination_id)
        row.result_digest, row.summary, row.status = result, dict(summary), BuildStatus.SEALED
        act.session.flush()
        by_certainty = summary["by_certainty"]
        act.record(
            ImpactDetermined(
                version=row.version,
                confirmed=by_certainty.get(Certainty.CONFIRMED, 0),
                assumed=by_certainty.get(Certainty.ASSUMED, 0),
                ruled_out=by_certainty.get(Certainty.RULED_OUT, 0),
                inputs_digest=row.inputs_digest,
                result_digest=result,
            ),
            incident=incident_id,
        )
        record_counts(act, incident_id, determination_id, summary, compositions)
        return _determined(row, unchanged=False)


def _again(
    engine: Engine, incident_id: IncidentId, row: ImpactDetermination, *, actor: Actor, now: datetime
) -> Determined:
    """Return a version that was asked for again; its customers stand, people outside may have become more."""
    summary = cast("Summary", row.summary)
    with reading(engine) as session:
        if not not_counted_in(session, incident_id):
            return _determined(row, unchanged=True)
        made_of = compose(session, DeterminationId(row.id), summary, outside=count_affected(session, incident_id))
    with transaction(engine, actor=actor, now=now) as act:
        record_counts(act, incident_id, DeterminationId(row.id), summary, made_of, subjects=(ALL,))
    return _determined(row, unchanged=True)


def _determined(row: ImpactDetermination, *, unchanged: bool) -> Determined:
    counts = dict((row.summary or {}).get("by_certainty", {})) if isinstance(row.summary, dict) else {}
    return Determined(
        id=DeterminationId(row.id),
        version=row.version,
        by_certainty={Certainty(word): number for word, number in counts.items()},
        result_digest=row.result_digest or "",
        unchanged=unchanged,
    )
