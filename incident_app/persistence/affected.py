"""Reading who is affected by a stored determination: all, one person, or a stretch of people in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.orm import Session

from incident_app.domain.people import People, people, shard_of, unpack
from incident_app.persistence.impact import AffectedShard


def people_by_pattern(
    session: Session, determination_id: int, patterns: Collection[int] | None = None
) -> dict[int, People]:
    """Return the people of each pattern of a determination, or of the named patterns."""
    gathered: dict[int, BitMap] = defaultdict(BitMap)
    for pattern_id, part in _shards(session, determination_id, patterns):
        gathered[pattern_id] |= part
    return {pattern_id: people(whom) for pattern_id, whom in gathered.items()}


def pattern_of(session: Session, determination_id: int, customer_id: int) -> int | None:
    """Return the pattern that a customer falls into; None when they are not affected."""
    for pattern_id, part in _shards(session, determination_id, None, AffectedShard.shard == shard_of(customer_id)):
        if customer_id in part:
            return pattern_id
    return None


def patterns_between(session: Session, determination_id: int, low: int, high: int) -> dict[int, int]:
    """Return the affected customers whose keys lie from `low` to `high`, each with the pattern."""
    found: dict[int, int] = {}
    wanted = people(range(low, high + 1))
    between = AffectedShard.shard.between(shard_of(low), shard_of(high))
    for pattern_id, part in _shards(session, determination_id, None, between):
        found.update(dict.fromkeys(part & wanted, pattern_id))
    return found


def after(
    session: Session, determination_id: int, customer_id: int, limit: int, patterns: Collection[int] | None = None
) -> list[tuple[int, int]]:
    """Return the next affected customers in order of their keys, each with the pattern; at any depth alike."""
    found: list[tuple[int, int]] = []
    for shard in _later_shards(session, determination_id, shard_of(customer_id + 1), patterns):
        parts = _shards(session, determination_id, patterns, AffectedShard.shard == shard)
        here = [(key, pattern) for pattern, part in parts for key in _next(part, customer_id, limit)]
        found += sorted(here)[: limit - len(found)]
        if len(found) >= limit:
            break
    return found


def _later_shards(
    session: Session, determination_id: int, shard: int, patterns: Collection[int] | None
) -> Sequence[int]:
    query = sa.select(AffectedShard.shard).where(
        AffectedShard.determination_id == determination_id, AffectedShard.shard >= shard
    )
    if patterns is not None:
        query = query.where(AffectedShard.pattern_id.in_(patterns))
    return session.scalars(query.distinct().order_by(AffectedShard.shard)).all()


def _next(part: People, customer_id: int, limit: int) -> People:
    start = part.rank(customer_id)
    return part[start : start + limit]


def _shards(
    session: Session,
    determination_id: int,
    patterns: Collection[int] | None,
    where: sa.ColumnElement[bool] | None = None,
) -> Iterator[tuple[int, People]]:
    query = (
        sa.select(AffectedShard.pattern_id, AffectedShard.members)
        .where(AffectedShard.determination_id == determination_id)
        .order_by(AffectedShard.shard, AffectedShard.pattern_id)
    )
    if patterns is not None:
        query = query.where(AffectedShard.pattern_id.in_(patterns))
    if where is not None:
        query = query.where(where)
    for pattern_id, members in session.execute(query):
        yield pattern_id, unpack(members)
