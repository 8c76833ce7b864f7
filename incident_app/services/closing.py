"""Closing an incident: what is computed is brought up to date first, then every duty must be settled."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Engine

from incident_app.domain.ids import Actor, IncidentId
from incident_app.services.commitment import discharge_promises
from incident_app.services.incidents import close_incident


def settle_and_close(
    engine: Engine, incident_id: IncidentId, *, reason: str | None = None, actor: Actor, now: datetime
) -> None:
    """Settle the promises as they stand, then close; refused while a duty is open, undecided or open again.

    An incident of which no impact was ever determined needs a reason.
    """
    discharge_promises(engine, incident_id, actor=actor, now=now)
    close_incident(engine, incident_id, reason=reason, actor=actor, now=now)
