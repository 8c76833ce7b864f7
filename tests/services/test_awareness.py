"""Times of an incident that cannot be: nobody notices or knows what has not begun."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import ClockSource
from incident_app.services import incidents
from incident_app.services.incidents import IncidentView
from tests.builders import NOW, an_incident, author

BEGAN = NOW - timedelta(hours=3)


def correct(engine: Engine, view: IncidentView, aware_at: datetime) -> None:
    incidents.record_awareness(
        engine,
        view.id,
        aware_at=aware_at,
        source=ClockSource.TOLD_BY_PARTY,
        known_by="請求担当",
        reason="委託先から先に聞いていた",
        actor=author(engine).actor,
        now=NOW,
    )


@pytest.mark.parametrize("field", ["detected_at", "aware_at"])
def test_a_time_before_the_incident_began_is_refused_by_its_field(instance: Engine, field: str) -> None:
    changes = {"occurred_from": BEGAN, field: BEGAN - timedelta(minutes=1)}
    with pytest.raises(BadInput, match=f"{field}.*lies before the incident, which began"):
        an_incident(instance, **changes)
    an_incident(instance, occurred_from=BEGAN, detected_at=BEGAN, aware_at=BEGAN)  # noticed at once


def test_awareness_is_not_corrected_to_before_the_incident_but_to_before_its_detection(instance: Engine) -> None:
    view = an_incident(instance, occurred_from=BEGAN)
    with pytest.raises(BadInput, match="lies before the incident"):
        correct(instance, view, BEGAN - timedelta(seconds=1))
    told_at = view.detected_at - timedelta(hours=1)
    correct(instance, view, told_at)  # the processor told another department before the security team noticed
    assert incidents.get_incident(instance, view.reference, author(instance)).aware_at == told_at


def test_without_a_known_beginning_any_past_time_is_taken(instance: Engine) -> None:
    view = an_incident(instance, detected_at=NOW - timedelta(days=400), aware_at=NOW - timedelta(days=400))
    correct(instance, view, NOW - timedelta(days=500))
