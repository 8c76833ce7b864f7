"""Verifying the impact: every stored version is worked out again from its inputs, and what is stored is read again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.affected_parties import affected_parties
from incident_app.domain.digests import digest_of, utc_text
from incident_app.domain.events import ImpactDetermined, PeopleCounted
from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.impact import RULES_VERSION, Answer, result_digest
from incident_app.domain.impact_summary import everybody, summarise
from incident_app.domain.people import NOBODY, digest_of_people
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import BuildStatus
from incident_app.persistence.affected import people_by_pattern
from incident_app.persistence.impact import AffectedShard, ImpactDetermination, ImpactPattern, PersonCount
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.segments import segments_of
from incident_app.persistence.timeline import EventRow
from incident_app.services.affected_parties import are_stored
from incident_app.services.impact import Question, answers_to, pairs_in_words
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.scopes import read_scope
from incident_app.services.transaction import reading

Facts = Mapping[str, object]
Event = Mapping[str, Any]
"""An event as its body tells it: who, when, and the facts."""


class Repetition(StrEnum):
    """What re-running a stored version showed."""

    REPEATS = "repeats"
    DIFFERS = "differs"
    MISSING = "missing"
    """The timeline says that it was determined, but it is not stored any more."""
    OTHER_RULES = "other_rules"
    """Determined by an earlier version of the rules; the program of that version repeats it."""


def all_repeat(found: Mapping[int, Repetition]) -> bool:
    """Tell whether every version was re-run and gave the same; one that could not be re-run proves nothing."""
    return all(outcome is Repetition.REPEATS for outcome in found.values())


def verify_impact(engine: Engine, incident_id: IncidentId) -> dict[int, Repetition]:
    """Re-run every stored version from its inputs; say for each whether it gives the same.

    What is stored is read again as well, to the last word, and compared with what the timeline says was determined and
    counted: altered people, patterns, counts and reasons are found like altered inputs, and so is a version that is
    gone, or that bears another moment or another name.
    """
    with reading(engine) as session:
        stored = session.scalars(
            sa.select(ImpactDetermination)
            .where(ImpactDetermination.incident_id == incident_id, ImpactDetermination.status == BuildStatus.SEALED)
            .order_by(ImpactDetermination.version),
        ).all()
        told = {event["facts"]["version"]: event for event in _told(session, incident_id, ImpactDetermined.kind)}
        counted = {
            event["facts"]["count_id"]: event["facts"] for event in _told(session, incident_id, PeopleCounted.kind)
        }
        found = {row.version: _repeats(session, row, told.get(row.version), counted) for row in stored}
        gone = {version: Repetition.MISSING for version in told if isinstance(version, int) and version not in found}
        return dict(sorted({**found, **gone}.items()))


def _told(session: Session, incident_id: IncidentId, kind: str) -> list[Event]:
    bodies = sa.select(EventRow.body).where(EventRow.incident_id == incident_id, EventRow.kind == kind)
    return [json.loads(body) for body in session.scalars(bodies)]


def _repeats(
    session: Session, row: ImpactDetermination, told: Event | None, counted: Mapping[object, Facts]
) -> Repetition:
    if told is None or not _is_as_told(row, told):
        return Repetition.DIFFERS
    if row.rules_version != RULES_VERSION:
        return Repetition.OTHER_RULES
    question = Question(
        scope=read_scope(session, ScopeId(row.scope_id)),
        scope_id=row.scope_id,
        inventory=read_inventory_snapshot(session, row.inventory_digest),
        inventory_digest=row.inventory_digest,
        known_at=row.known_at,
    )
    answers = answers_to(session, question)
    summary = summarise(answers, segments_of(session, everybody(answers), row.known_at), question.inventory)
    same = (
        question.digest == row.inputs_digest
        and result_digest(answers) == row.result_digest
        and digest_of(summary) == digest_of(row.summary)
        and _is_stored(session, row.id, question.scope, answers)
        and are_stored(session, row.id, affected_parties(question.scope, question.inventory, answers))
        and _are_counted(session, row.id, counted)
    )
    return Repetition.REPEATS if same else Repetition.DIFFERS


def _is_as_told(row: ImpactDetermination, told: Event) -> bool:
    """Tell whether a version bears the digests, the moment and the name of whom the timeline tells of."""
    facts = told["facts"]
    return (facts["inputs_digest"], facts["result_digest"], told["recorded_at"], told["actor"]) == (
        row.inputs_digest,
        row.result_digest,
        utc_text(row.at),
        row.by,
    )


def _is_stored(session: Session, determination_id: int, scope: Scope, answers: Sequence[Answer]) -> bool:
    """Tell whether exactly these people are stored, each under a pattern that says the same of them."""
    whom = people_by_pattern(session, determination_id)
    sizes = _sizes_of_patterns(session, determination_id)
    patterns = session.scalars(
        sa.select(ImpactPattern).where(ImpactPattern.determination_id == determination_id),
    ).all()
    sets = item_codes(session, {key for row in patterns for key in (row.item_set_id, row.confirmed_item_set_id)})
    stored = [
        _digest_of_pattern(
            sets[row.item_set_id],
            sets[row.confirmed_item_set_id],
            row.certainty,
            (row.people, sizes.get(row.id, 0), digest_of_people(whom.get(row.id, NOBODY))),
            (row.mitigated, row.because, row.pairs),
        )
        for row in patterns
    ]
    wanted = [_digest_of_answer(scope, found) for found in answers]
    return sorted(stored) == sorted(wanted) and set(whom) <= {row.id for row in patterns}


def _sizes_of_patterns(session: Session, determination_id: int) -> dict[int, int]:
    sizes = sa.select(AffectedShard.pattern_id, sa.func.sum(AffectedShard.people))
    below = sizes.where(AffectedShard.determination_id == determination_id).group_by(AffectedShard.pattern_id)
    return {pattern_id: int(people) for pattern_id, people in session.execute(below)}


def _digest_of_answer(scope: Scope, found: Answer) -> str:
    said, number = found.judgement, len(found.people)
    because = {"ja": said.because_ja, "en": said.because_en}
    return _digest_of_pattern(
        sorted(said.items),
        sorted(said.confirmed),
        said.certainty,
        (number, number, digest_of_people(found.people)),
        (said.mitigated, because, pairs_in_words(scope, found)),
    )


def _digest_of_pattern(
    items: Sequence[str],
    confirmed: Sequence[str],
    certainty: str,
    people: tuple[int, int, str],
    told: tuple[object, ...],
) -> str:
    return digest_of([list(items), list(confirmed), certainty, *people, *told])


def _are_counted(session: Session, determination_id: int, counted: Mapping[object, Facts]) -> bool:
    """Tell whether the numbers that papers quote from this version are those that the timeline says were recorded."""
    rows = session.scalars(sa.select(PersonCount).where(PersonCount.determination_id == determination_id))
    return all(
        row.id in counted
        and (counted[row.id]["subject"], counted[row.id]["count_kind"], counted[row.id]["value"])
        == (row.subject, row.kind, row.value)
        for row in rows
    )
