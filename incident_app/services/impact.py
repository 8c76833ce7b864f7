"""Determining impact: who is affected and with which data, stored as a version that can be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest
from incident_app.domain.events import ImpactDetermined
from incident_app.domain.ids import Actor, DeterminationId, IncidentId, ScopeId
from incident_app.domain.impact import (
    RULES_VERSION,
    Judgement,
    Pattern,
    ResultDigest,
    inputs_digest,
    judge,
    pattern_key,
)
from incident_app.domain.inventory import Inventory
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import BuildStatus, Certainty
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.customers import Import
from incident_app.persistence.impact import AffectedCustomer, ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_set_id
from incident_app.persistence.touched import customer_ranges, touched_patterns
from incident_app.services.counts import record_counts, summarise
from incident_app.services.inventory import keep_snapshot, read_inventory_snapshot
from incident_app.services.scopes import newest_scope, read_scope
from incident_app.services.transaction import building, reading, transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    digest: ContentDigest


def determine_impact(engine: Engine, incident_id: IncidentId, *, actor: Actor, now: datetime) -> Determined:
    """Work out who is affected by the newest scope and store it as a version.

    The same question (scope, inventory, knowledge) is answered once: asked again, the stored version is returned.
    Built in chunks that no reader sees, then sealed; a determination that a crash cut off is dropped and begun anew.
    """
    with reading(engine) as session:
        scope_id = newest_scope(session, incident_id).id
    snapshot = keep_snapshot(engine, now=now)
    with reading(engine) as session:
        question = _question(session, ScopeId(scope_id), snapshot)
        same = _same_question(session, incident_id, question)
        if same is not None and same.status is BuildStatus.SEALED:
            return _determined(same, unchanged=True)
    if same is not None:
        _drop(engine, same.id)
    determination_id = _open(engine, incident_id, question, actor, now)
    result = _build(engine, determination_id, question)
    return _seal(engine, incident_id, determination_id, result, actor=actor, now=now)


def verify_impact(engine: Engine, incident_id: IncidentId) -> dict[int, bool]:
    """Re-run every stored version from its inputs; say for each whether it gives the same digest."""
    with reading(engine) as session:
        stored = session.scalars(
            sa.select(ImpactDetermination)
            .where(ImpactDetermination.incident_id == incident_id, ImpactDetermination.status == BuildStatus.SEALED)
            .order_by(ImpactDetermination.version),
        ).all()
        return {row.version: _repeats(session, row) for row in stored}


def _repeats(session: Session, row: ImpactDetermination) -> bool:
    inventory = read_inventory_snapshot(session, row.inventory_digest)
    scope = read_scope(session, ScopeId(row.scope_id))
    digest, judgements = ResultDigest(), _Judgements(scope, inventory)
    for low, high in customer_ranges(session):
        for customer_id, key in judgements.affected(session, low, high, row.known_at):
            digest.add(customer_id, key)
    return digest.finish(judgements.used) == row.result_digest


class _Judgements:
    """Judges each distinct pattern once."""

    def __init__(self, scope: Scope, inventory: Inventory) -> None:
        self.scope = scope
        self.inventory = inventory
        self.used: dict[ContentDigest, Judgement] = {}
        self.patterns: dict[ContentDigest, Pattern] = {}
        self._known: dict[Pattern, tuple[ContentDigest, Judgement | None]] = {}

    def affected(self, session: Session, low: int, high: int, known_at: datetime) -> list[tuple[int, ContentDigest]]:
        """Return the affected customers of a key range, each with the key of their pattern, in order."""
        found = []
        for customer_id, pattern in touched_patterns(session, self.scope, self.inventory, low, high, known_at):
            if pattern not in self._known:
                self._known[pattern] = (pattern_key(pattern), judge(pattern, self.scope, self.inventory))
            key, judgement = self._known[pattern]
            if judgement is not None:
                self.used[key] = judgement
                self.patterns[key] = pattern
                found.append((customer_id, key))
        return found


def _question(session: Session, scope_id: ScopeId, snapshot: str) -> _Question:
    scope = read_scope(session, scope_id)
    known_at = session.scalar(sa.select(sa.func.max(Import.at)).where(Import.status == BuildStatus.SEALED)) or EPOCH
    return _Question(
        scope=scope,
        scope_id=scope_id,
        inventory=read_inventory_snapshot(session, snapshot),
        inventory_digest=snapshot,
        known_at=known_at,
        digest=inputs_digest(scope, snapshot, known_at),
    )


def _same_question(session: Session, incident_id: IncidentId, question: _Question) -> ImpactDetermination | None:
    return session.scalars(
        sa.select(ImpactDetermination).where(
            ImpactDetermination.incident_id == incident_id,
            ImpactDetermination.inputs_digest == question.digest,
            ImpactDetermination.rules_version == RULES_VERSION,
        ),
    ).one_or_none()


def _drop(engine: Engine, determination_id: int) -> None:
    for table in (AffectedCustomer, ImpactPattern):
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


def _build(engine: Engine, determination_id: DeterminationId, question: _Question) -> ContentDigest:
    judgements = _Judgements(question.scope, question.inventory)
    digest = ResultDigest()
    stored: dict[ContentDigest, int] = {}
    with reading(engine) as session:
        ranges = list(customer_ranges(session))
    for low, high in ranges:
        with reading(engine) as session:
            affected = judgements.affected(session, low, high, question.known_at)
        with building(engine) as session:
            for key in dict.fromkeys(key for _, key in affected):
                if key not in stored:
                    stored[key] = _store_pattern(session, determination_id, judgements, key)
            insert_new(
                session,
                AffectedCustomer,
                [
                    {"determination_id": determination_id, "customer_id": customer_id, "pattern_id": stored[key]}
                    for customer_id, key in affected
                ],
            )
        for customer_id, key in affected:
            digest.add(customer_id, key)
    return digest.finish(judgements.used)


def _store_pattern(
    session: Session, determination_id: DeterminationId, judgements: _Judgements, key: ContentDigest
) -> int:
    judgement = judgements.used[key]
    row = ImpactPattern(
        determination_id=determination_id,
        pairs=_pairs_in_words(judgements, key),
        item_set_id=item_set_id(session, judgement.items),
        certainty=judgement.certainty,
        mitigated=dict(judgement.mitigated),
        because={"ja": judgement.because_ja, "en": judgement.because_en},
    )
    session.add(row)
    session.flush()
    return row.id


def _pairs_in_words(judgements: _Judgements, key: ContentDigest) -> list[dict[str, object]]:
    pattern = judgements.patterns[key]
    stores = [
        {"store": judgements.scope.stores[pair.entry].store, "items": list(pair.items), "upper_bound": pair.upper_bound}
        for pair in sorted(pattern.pairs)
    ]
    lists = [
        {"list": judgements.scope.lists[listing.entry].list_id, "items": list(listing.items or ())}
        for listing in sorted(pattern.listings, key=lambda listing: listing.entry)
    ]
    return [*stores, *lists]


def _seal(
    engine: Engine,
    incident_id: IncidentId,
    determination_id: DeterminationId,
    result: ContentDigest,
    *,
    actor: Actor,
    now: datetime,
) -> Determined:
    with reading(engine) as session:
        summary = summarise(session, determination_id)
    with transaction(engine, actor=actor, now=now) as act:
        row = act.session.get_one(ImpactDetermination, determination_id)
        row.result_digest, row.summary, row.status = result, summary, BuildStatus.SEALED
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
        record_counts(act, incident_id, determination_id, summary)
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
