"""Determining impact: who is affected and with which data, stored as a version that can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
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
from incident_app.domain.people import pack, shards
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import BuildStatus, Certainty
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.findings import known_at
from incident_app.persistence.impact import AffectedParty, AffectedShard, ImpactDetermination, ImpactPattern
from incident_app.persistence.incidents import Incident
from incident_app.persistence.item_sets import item_set_id
from incident_app.persistence.segments import segments_of
from incident_app.persistence.touched import Sources, touched_people
from incident_app.services.affected_parties import store_parties
from incident_app.services.counts import ALL, record_counts
from incident_app.services.half_built import Child, HalfBuilt, new_builder, take_up
from incident_app.services.inventory import keep_snapshot, read_inventory_snapshot
from incident_app.services.involved import count_affected
from incident_app.services.people_outside import not_counted_in
from incident_app.services.person_counts import compose, newest_sealed
from incident_app.services.scope_findings import count_outstanding
from incident_app.services.scope_inventory import inventory_with, stores_named
from incident_app.services.scopes import newest_scope, read_scope
from incident_app.services.transaction import building, reading, transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BELOW = (
    Child(parent=AffectedShard.determination_id, key=AffectedShard.shard),
    Child(parent=ImpactPattern.determination_id, key=ImpactPattern.id),
    Child(parent=AffectedParty.determination_id, key=AffectedParty.party_id),
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

    The question (scope, inventory, knowledge) that the newest version answers is not answered again: that version is
    returned, and only people outside the inventory who were added since are counted too. A question of an earlier
    version, to which the scope has come back, is: what is newest must be what is asked now.
    Built in chunks that no reader sees, then sealed; a determination that a crash cut off is taken up and built anew.
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
        answers = answers_to(session, question) if same is None else ()
        summary = summarise(answers, segments_of(session, everybody(answers), question.known_at), question.inventory)
    opened = same or _open(engine, incident_id, question, actor, now)
    if isinstance(opened, ImpactDetermination):
        return _again(engine, incident_id, opened, actor=actor, now=now)
    _build(engine, opened, question, answers)
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


def _answered_last(session: Session, incident_id: IncidentId, question: Question) -> ImpactDetermination | None:
    """Return the newest version, if it answers this very question by the rules as they are now."""
    newest_id = newest_sealed(session, incident_id)
    newest = session.get_one(ImpactDetermination, newest_id) if newest_id is not None else None
    if newest is None or (newest.inputs_digest, newest.rules_version) != (question.digest, RULES_VERSION):
        return None
    return newest


def _half_built(session: Session, incident_id: IncidentId, question: Question) -> ImpactDetermination | None:
    """Return what somebody began for this very question and has not sealed."""
    return session.scalars(
        sa.select(ImpactDetermination)
        .where(
            ImpactDetermination.incident_id == incident_id,
            ImpactDetermination.inputs_digest == question.digest,
            ImpactDetermination.rules_version == RULES_VERSION,
            ImpactDetermination.status == BuildStatus.BUILDING,
        )
        .order_by(ImpactDetermination.version.desc())
        .limit(1),
    ).one_or_none()


def _open(
    engine: Engine, incident_id: IncidentId, question: Question, actor: Actor, now: datetime
) -> HalfBuilt | ImpactDetermination:
    """Become the builder of a version for this question; return the version if somebody sealed one meanwhile."""
    with building(engine) as session:
        # One after the other, so that two who ask the same at once share one version. SQLite has one writer anyway.
        session.execute(sa.select(Incident.id).where(Incident.id == incident_id).with_for_update(key_share=True))
        sealed = _answered_last(session, incident_id, question)
        if sealed is not None:
            session.expunge(sealed)
            return sealed
        row = _half_built(session, incident_id, question)
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


def _build(engine: Engine, half: HalfBuilt, question: Question, answers: Sequence[Answer]) -> None:
    """Store the patterns, their people chunk by chunk, and the companies, under the parent that nobody reads yet."""
    half.clear(engine, *BELOW)
    with half.chunk(engine) as session:
        patterns = [_store_pattern(session, half.id, question.scope, found) for found in answers]
        store_parties(session, half.id, affected_parties(question.scope, question.inventory, answers))
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
