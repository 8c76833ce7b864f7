"""Acts that change a number of people, with the duties that follow from it derived anew."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Engine

from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.vocabulary import CountKind
from incident_app.services import merging, obligations, person_counts
from incident_app.services.merging import Merged


def set_count_and_derive(
    engine: Engine,
    incident_id: IncidentId,
    *,
    kind: CountKind,
    value: int,
    basis: str,
    subject: str,
    reason: str | None,
    designated_operator: bool = False,
    actor: Actor,
    now: datetime,
) -> int:
    """Record a number of natural persons and derive the duties anew; return the id of the count."""
    count_id = person_counts.set_count(
        engine,
        incident_id,
        kind=kind,
        value=value,
        basis=basis,
        subject=subject,
        reason=reason,
        actor=actor,
        now=now,
    )
    obligations.derive_if_determined(engine, incident_id, designated_operator=designated_operator, actor=actor, now=now)
    return count_id


def confirm_and_derive(
    engine: Engine, proposal_id: int, *, designated_operator: bool = False, actor: Actor, now: datetime
) -> Merged:
    """Confirm a merge and derive the duties of every incident whose number it changed."""
    merged = merging.confirm(engine, proposal_id, actor=actor, now=now)
    _derive(engine, merged, designated_operator=designated_operator, actor=actor, now=now)
    return merged


def undo_and_derive(
    engine: Engine, merge_id: int, *, reason: str, designated_operator: bool = False, actor: Actor, now: datetime
) -> Merged:
    """Undo a merge and derive the duties of every incident whose number it changed."""
    merged = merging.undo(engine, merge_id, reason=reason, actor=actor, now=now)
    _derive(engine, merged, designated_operator=designated_operator, actor=actor, now=now)
    return merged


def _derive(engine: Engine, merged: Merged, *, designated_operator: bool, actor: Actor, now: datetime) -> None:
    for effect in merged.effects:
        obligations.derive_if_determined(
            engine, effect.incident_id, designated_operator=designated_operator, actor=actor, now=now
        )
