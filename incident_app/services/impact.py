"""Determining impact: who is affected and with which data, stored as a version that can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest
from incident_app.domain.events import ImpactDetermined
from incident_app.domain.ids import Actor, DeterminationId, IncidentId, ScopeId
from incident_app.domain.impact import RULES_VERSION, Answer, answer, inputs_digest, result_digest
from incident_app.domain.impact_summary import Summary, everybody, summarise
from incident_app.domain.inventory import Inventory
from incident_app.domain.people import pack, shards
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import BuildStatus, Certainty
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.findings import known_at
from incident_app.persistence.impact import AffectedShard, ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_set_id
from incident_app.persistence.segments import segments_of
from incident_app.persistence.touched import Sources, touched_people
from incident_app.services.counts import record_counts
from incident_app.services.half_built import Child, HalfBuilt, new_builder, take_up
from incident_app.services.inventory import keep_snapshot, read_inventory_snapshot
from incident_app.services.involved import count_affected
from incident_app.services.person_counts import compose
from incident_app.services.scopes import newest_scope, read_scope
from incident_app.services.transaction import building, reading, transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BELOW = (
    Child(parent=AffectedShard.determination_id, key=AffectedShard.shard),
    Child(parent=ImpactPattern.determination_id, key=ImpactPattern.id),
)
SHARDS_AT_ONCE = 200
"""Shards stored in one go: at most 1.6 MB, so nobody waits long for the write lock."""


@dataclass(frozen=True, kw_only=True)
class Determined:
    """A stored determination."""

    id: DeterminationId
    version: int
    by_certainty: dict[Certainty, int]
    result_digest: str
    unchanged: bool


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a determination answers: the scope, the inventory, and what was known."""

    scope: Scope
    scope_id: int
    inventory: Inventory
    inventory_digest: str
    known_at: datetime

    @property
    def digest(self) -> ContentDigest:
        """Return what tells this question from every other."""
        return inputs_digest(self.scope, self.inventory_digest, self.known_at)


def determine_impact(engine: Engine, incident_id: IncidentId, *, actor: Actor, now: datetime) -> Determined:
    """Work out who is affected by the newest scope and store it as a version.

    The same question (scope, inventory, knowledge) is answered once: asked again, the stored version is returned.
    Built in chunks that no reader sees, then sealed; a determination that a crash cut off is taken up and built anew.
    """
    with reading(engine) as session:
        scope_id = newest_scope(session, incident_id).id
    snapshot = keep_snapshot(engine, now=now)
    with reading(engine) as session:
        question = _question(session, ScopeId(scope_id), snapshot)
        same = _same_question(session, incident_id, question)
        if same is not None and same.status is BuildStatus.SEALED:
            return _determined(same, unchanged=True)
        answers = answers_to(session, question)
        summary = summarise(answers, segments_of(session, everybody(answers), question.known_at), question.inventory)
    opened = _open(engine, incident_id, question, actor, now)
    if isinstance(opened, Determined):
        return opened
    _build(engine, opened, question.scope, answers)
    return _seal(engine, incident_id, opened, answers, summary, actor=actor, now=now)


def answers_to(session: Session, question: Question) -> tuple[Answer, ...]:
    """Return who is affected and with what: the same for the same question at any later time."""
    sources = Sources(session, question.known_at, question.inventory)
    touched = touched_people(question.scope, question.inventory, sources)
    return answer(touched, question.scope, question.inventory)


def newest_knowledge(session: Session) -> datetime:
    """Return the moment up to which everything is known: the newest import that is complete."""
    return known_at(session) or EPOCH


def _question(session: Session, scope_id: ScopeId, snapshot: str) -> Question:
    scope = read_scope(session, scope_id)
    return Question(
        scope=scope,
        scope_id=scope_id,
        inventory=read_inventory_snapshot(session, snapshot),
        inventory_digest=snapshot,
        known_at=newest_knowledge(session),
    )


def _same_question(session: Session, incident_id: IncidentId, question: Question) -> ImpactDetermination | None:
    return session.scalars(
        sa.select(ImpactDetermination).where(
            ImpactDetermination.incident_id == incident_id,
            ImpactDetermination.inputs_digest == question.digest,
            ImpactDetermination.rules_version == RULES_VERSION,
        ),
    ).one_or_none()


def _open(
    engine: Engine, incident_id: IncidentId, question: Question, actor: Actor, now: datetime
) -> HalfBuilt | Determined:
    """Become the builder of a version for this question; return its answer if somebody sealed one meanwhile."""
    try:
        return _begin_or_take_up(engine, incident_id, question, actor, now)
    except IntegrityError:  # somebody else began in the same moment: now their row is there
        return _begin_or_take_up(engine, incident_id, question, actor, now)


def _begin_or_take_up(
    engine: Engine, incident_id: IncidentId, question: Question, actor: Actor, now: datetime
) -> HalfBuilt | Determined:
    with building(engine) as session:
        row = _same_question(session, incident_id, question)
        if row is not None and row.status is BuildStatus.SEALED:
            return _determined(row, unchanged=True)
        if row is not None:
            taken = take_up(session, row)
            row.scope_id, row.at, row.by = question.scope_id, now, actor
            return taken
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
            builder=new_builder(),
            at=now,
            by=actor,
        )
        session.add(row)
        session.flush()
        return HalfBuilt(table=ImpactDetermination, id=row.id, builder=row.builder or "")


def _build(engine: Engine, half: HalfBuilt, scope: Scope, answers: Sequence[Answer]) -> None:
    """Store the patterns and their people, chunk by chunk, under the parent that nobody reads yet."""
    half.clear(engine, *BELOW)
    with half.chunk(engine) as session:
        patterns = [_store_pattern(session, half.id, scope, found) for found in answers]
    rows = [
        {
            "determination_id": half.id,
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
        with half.chunk(engine) as session:
            insert_new(session, AffectedShard, chunk)


def _store_pattern(session: Session, determination_id: int, scope: Scope, found: Answer) -> int:
    judgement = found.judgement
    row = ImpactPattern(
        determination_id=determination_id,
        pairs=pairs_in_words(scope, found),
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


def pairs_in_words(scope: Scope, found: Answer) -> list[dict[str, object]]:
    """Return what touches the people of an answer, by the codes of stores and the numbers of lists."""
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
    half: HalfBuilt,
    answers: Sequence[Answer],
    summary: Summary,
    *,
    actor: Actor,
    now: datetime,
) -> Determined:
    result, determination_id = result_digest(answers), DeterminationId(half.id)
    with reading(engine) as session:
        compositions = compose(session, determination_id, summary, outside=count_affected(session, incident_id))
    with transaction(engine, actor=actor, now=now) as act:
        half.confirm(act.session)
        row = act.session.get_one(ImpactDetermination, determination_id)
        row.result_digest, row.summary = result, dict(summary)
        row.status, row.builder = BuildStatus.SEALED, None
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


def _determined(row: ImpactDetermination, *, unchanged: bool) -> Determined:
    counts = dict((row.summary or {}).get("by_certainty", {})) if isinstance(row.summary, dict) else {}
    return Determined(
        id=DeterminationId(row.id),
        version=row.version,
        by_certainty={Certainty(word): number for word, number in counts.items()},
        result_digest=row.result_digest or "",
        unchanged=unchanged,
    )
