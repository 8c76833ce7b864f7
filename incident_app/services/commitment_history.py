"""The history of each part of the promise: what was done toward it, when, from the chained events and its duty."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.events import (
    ClockStarted,
    CommitmentConfirmed,
    DispatchFinished,
    DispatchStarted,
    FactDecided,
    NoticeDrafted,
    ObligationFulfilled,
    ObligationWaived,
    PeopleInformed,
    PeopleListed,
    StepFinished,
    StepSkipped,
    StepStarted,
    summary,
)
from incident_app.domain.ids import IncidentId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.obligations import POLICY_REGIME
from incident_app.domain.policies import read_policy
from incident_app.domain.policy_promises import Commitment, MeasuredBy
from incident_app.persistence.timeline import EventRow, TextRow
from incident_app.services.obligation_history import DutyEntry, lives_of
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.transaction import reading

SHOWN: Mapping[MeasuredBy, frozenset[str]] = {
    MeasuredBy.FACTS_IN_THE_NOTICE: frozenset({NoticeDrafted.kind, DispatchStarted.kind, PeopleInformed.kind}),
    MeasuredBy.FIRST_NOTICE_AFTER_AWARENESS: frozenset({ClockStarted.kind, DispatchStarted.kind, PeopleInformed.kind}),
    MeasuredBy.EVERY_PERSON_INFORMED: frozenset({PeopleListed.kind, DispatchFinished.kind, PeopleInformed.kind}),
    MeasuredBy.STEPS_FINISHED: frozenset(
        {StepFinished.kind, StepSkipped.kind, ObligationFulfilled.kind, ObligationWaived.kind}
    ),
    MeasuredBy.DESK_NAMED_IN_THE_NOTICE: frozenset({NoticeDrafted.kind}),
    MeasuredBy.BY_HAND: frozenset(),
}
"""The kinds of events that count toward a part, by how it is measured."""
STEPS = frozenset({StepStarted.kind, StepFinished.kind, StepSkipped.kind})
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class PartHistory:
    """Everything that happened toward one part of the promise, oldest first."""

    clause: str
    part: str
    promise_ja: str
    promise_en: str
    entries: tuple[DutyEntry, ...]


@dataclass(frozen=True, kw_only=True)
class _Happened:
    kind: str
    at: datetime
    facts: Mapping[str, Any]
    text: str | None

    def entry(self) -> DutyEntry:
        ja, en = summary(self.kind, self.facts, "ja"), summary(self.kind, self.facts, "en")
        said_ja, said_en = (f"：{self.text}", f": {self.text}") if self.text else ("", "")
        return DutyEntry(at=self.at, what_ja=f"{ja}{said_ja}", what_en=f"{en}{said_en}")


def commitment_history(engine: Engine, incident_id: IncidentId) -> list[PartHistory]:
    """Return the history of every part of the policy that the incident is judged by."""
    with reading(engine) as session:
        policies = pinned(session, incident_id, [PlaybookKind.POLICY])
        if not policies:
            return []
        policy = read_policy(policies[-1].content, file=policies[-1].code)
        happened = _happened(session, incident_id)
        lives = {(life.rule, life.stage): life.entries for life in lives_of(session, incident_id)}
        return [
            PartHistory(
                clause=part.clause,
                part=part.part,
                promise_ja=part.promise.ja,
                promise_en=part.promise.en,
                entries=_entries(part, happened, lives.get((f"{POLICY_REGIME}:{part.clause}", part.part), ())),
            )
            for part in policy.commitments
        ]


def _entries(part: Commitment, happened: Sequence[_Happened], life: Sequence[DutyEntry]) -> tuple[DutyEntry, ...]:
    found = [*life, *(event.entry() for event in happened if _counts(part, event))]
    return tuple(sorted(found, key=lambda entry: entry.at or BEGINNING))


def _counts(part: Commitment, event: _Happened) -> bool:
    """Tell whether an event is about this part: by how it is measured, its steps, its fact, or somebody's word."""
    if event.kind == CommitmentConfirmed.kind:
        return (event.facts["clause"], event.facts["part"]) == (part.clause, part.part)
    if event.kind == FactDecided.kind:
        return part.decided_fact is not None and event.facts["fact"] == part.decided_fact
    if event.kind in STEPS and event.facts["code"] in part.steps:
        return True
    if event.kind == ClockStarted.kind and event.facts["subject"] != AWARENESS:
        return False
    return event.kind in SHOWN[part.measured_by]


def _happened(session: Session, incident_id: IncidentId) -> list[_Happened]:
    kinds = frozenset().union(*SHOWN.values()) | STEPS | {CommitmentConfirmed.kind, FactDecided.kind}
    rows = session.execute(
        sa.select(EventRow.kind, EventRow.occurred_at, EventRow.body)
        .where(EventRow.incident_id == incident_id, EventRow.kind.in_(sorted(kinds)))
        .order_by(EventRow.sequence),
    ).all()
    found = [(kind, at, json.loads(body)["facts"]) for kind, at, body in rows]
    texts = _texts(session, {digest for _, _, facts in found if (digest := _digest(facts))})
    return [_Happened(kind=kind, at=at, facts=facts, text=texts.get(_digest(facts))) for kind, at, facts in found]


def _digest(facts: Mapping[str, Any]) -> str:
    """Return the digest of the words that somebody wrote; they stand apart and may be erased."""
    return str(facts.get("reason_digest") or facts.get("result_digest") or "")


def _texts(session: Session, digests: set[str]) -> dict[str, str]:
    rows = session.execute(sa.select(TextRow.digest, TextRow.body).where(TextRow.digest.in_(sorted(digests))))
    return {digest: body for digest, body in rows if body}
