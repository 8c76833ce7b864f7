"""Editing the scope: what somebody adds or takes out is done to the scope as it is at that moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Engine

from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.scope_changes import NOTHING_YET
from incident_app.domain.scopes import Scope
from incident_app.services.scopes import ChangedMeanwhile, find_newest_scope, set_scope

ATTEMPTS = 5


def change_scope(
    engine: Engine,
    incident_id: IncidentId,
    change: Callable[[Scope], Scope],
    *,
    note: str | None = None,
    actor: Actor,
    now: datetime,
) -> int:
    """Store what `change` makes of the newest scope as its next version; return its number.

    When two people add something at once, the second change is made of what the first one set: nothing is lost.
    """
    for _ in range(ATTEMPTS):
        version, scope = find_newest_scope(engine, incident_id) or (0, NOTHING_YET)
        try:
            return set_scope(engine, incident_id, change(scope), note=note, based_on=version, actor=actor, now=now)
        except ChangedMeanwhile:
            continue
    raise ChangedMeanwhile(version=version)
