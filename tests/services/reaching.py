"""People whom mail does not reach, for tests of the worklist and of letters."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from incident_app.domain.ids import IncidentId
from incident_app.domain.unreached import ContactOutcome, ContactWay
from incident_app.services import people, unreached
from incident_app.services.unreached_contacts import Contact
from tests import builders
from tests.builders import NOW, author
from tests.conftest import Clock
from tests.services.returning import ICHIRO, bounce, read, sent_wave


def a_bounced_wave(engine: Engine, folder: Path, clock: Clock) -> IncidentId:
    """A wave of four messages: C1 (post and telephone) bounced, C5 (post only) has no mail address."""
    incident, senders = sent_wave(engine, folder, clock)
    read(engine, folder, bounce(senders[ICHIRO]))
    return incident


def to_inform(engine: Engine) -> IncidentId:
    """An incident whose people were listed and not yet written to."""
    builders.with_customers(engine)
    incident = builders.an_incident(engine).id
    builders.determined(engine, incident, builders.a_scope("member-db"))
    people.list_people(engine, incident, actor=author(engine).actor, now=NOW)
    return incident


def listed(engine: Engine, incident: IncidentId) -> dict[str, tuple[str, str]]:
    """Return why each person is on the list, and the next channel, by customer number."""
    return {
        one.customer_number: (one.because.value, one.channel.value)
        for one in unreached.list_unreached(engine, incident)
    }


def a_call(
    outcome: ContactOutcome = ContactOutcome.TOLD, way: ContactWay = ContactWay.PHONE, at: datetime = NOW
) -> Contact:
    return Contact(way=way, outcome=outcome, at=at, reason="窓口の担当が対応した")
