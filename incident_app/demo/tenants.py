"""The customers of the demonstration whose entrusted data was touched: who they are, and what they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Engine

from incident_app.demo.people import DemoPerson
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.parties import Message
from incident_app.domain.vocabulary import MessageDirection, MessageKind
from incident_app.services import parties

STORES_OF_TENANTS = ("member-db", "tenant-storage")
TENANTS = 2
"""So many customers had somebody else in their storage."""


def choose_tenants(crowd: Sequence[DemoPerson]) -> list[str]:
    """Return the numbers of the first customers that are organisations and keep data with us."""
    found = [person.number for person in crowd if (person.relation, person.kind) == ("customer", "organisation")]
    return found[:TENANTS]


def tell_tenants(
    engine: Engine, incident_id: IncidentId, tenants: Sequence[str], *, actor: Actor, now: datetime
) -> Sequence[str]:
    """Send each of them the sheet with what is known, but for the last, which is left to whoever looks around."""
    for number in tenants[:-1]:
        sheet = Message(
            kind=MessageKind.TENANT_DATA_SHEET,
            direction=MessageDirection.OUTGOING,
            at=now,
            customer=number,
            text="担当窓口へメールで送り、電話で受領を確かめた",
        )
        parties.record_message(engine, incident_id, sheet, actor=actor, now=now)
    return tenants[:-1]
