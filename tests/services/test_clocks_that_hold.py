"""Clocks cannot be moved by saying something again, and none begins before anybody was aware."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from incident_app.services import facts
from tests import builders
from tests.builders import NOW, author
from tests.services.test_register_of_duties import HOUR, correct_awareness, count, derive, duty, small_leak

FORM_8K = "us-sec:authority"


def test_deciding_a_second_time_that_it_is_material_gives_no_further_days(instance: Engine, tmp_path: Path) -> None:
    builders.designated(instance, tmp_path, "sec_registrant")
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))

    def decide(*, value: bool, now: datetime) -> datetime | None:
        facts.decide_fact(
            instance, view.id, "material", value=value, reason="確かめた", actor=author(instance).actor, now=now
        )
        derive(instance, view.id, now)
        found = duty(instance, view.id, FORM_8K)
        return found.due_at if found else None

    first = decide(value=True, now=NOW)
    assert first == datetime.fromisoformat("2026-11-27T23:59:59-05:00")  # 26 November is Thanksgiving
    assert decide(value=True, now=NOW + timedelta(days=5)) == first
    assert decide(value=False, now=NOW + timedelta(days=6)) is None
    assert decide(value=True, now=NOW + timedelta(days=10)) == datetime.fromisoformat("2026-12-04T23:59:59-05:00")


def test_a_number_that_was_passed_before_anybody_was_aware_counts_from_awareness(instance: Engine) -> None:
    view = small_leak(instance)
    count(instance, view.id, 900, NOW)
    count(instance, view.id, 1500, NOW + HOUR)
    correct_awareness(instance, view.id, NOW + timedelta(days=3), NOW + timedelta(days=4))
    later = duty(instance, view.id)
    assert later is not None
    assert later.due_at == datetime.fromisoformat("2026-12-22T23:59:59+09:00")  # day 30 from 23 November
    correct_awareness(instance, view.id, NOW - HOUR, NOW + timedelta(days=5))
    back = duty(instance, view.id)
    assert back is not None
    assert back.due_at == datetime.fromisoformat("2026-12-21T23:59:59+09:00")  # day 30 is 19 December, a Saturday
