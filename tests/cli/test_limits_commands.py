"""The commands of limits and paces: as text and as JSON, and what they refuse."""

from __future__ import annotations

import json

import pytest
from sqlalchemy.engine import Engine

from incident_app.services.incidents import IncidentView
from tests import builders
from tests.cli.conftest import Run

AUTHOR = ("--as", "author@example.jp")


@pytest.fixture
def incident(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


def test_limits_are_set_shown_and_lifted(run: Run, instance: Engine) -> None:
    assert "no limit a second, no limit an hour" in run("limits", "show", *AUTHOR).stdout
    run("limits", "set", "--per-second", "50", "--per-hour", "9000", *AUTHOR)
    run("limits", "set", "--domain", "mail.example", "--per-minute", "60", "--connections", "2", *AUTHOR)
    run("limits", "set", "--domain", "late.example", "--paused-until", "2999-01-01T00:00+09:00", *AUTHOR)
    shown = run("limits", "show", *AUTHOR).stdout
    assert "50 a second, 9,000 an hour" in shown
    assert "mail.example: 60 a minute, 2 at once; 0 wait." in shown
    found = json.loads(run("limits", "show", "--json", *AUTHOR).stdout)
    assert [one["domain"] for one in found["domains"]] == ["late.example", "mail.example"]
    run("limits", "lift", "mail.example", *AUTHOR)
    assert "mail.example" not in run("limits", "show", *AUTHOR).stdout
    run("limits", "lift", "mail.example", *AUTHOR, code=1)
    run("limits", "set", "--domain", "mail.example", "--per-hour", "5", *AUTHOR, code=1)
    run("limits", "set", "--per-minute", "5", *AUTHOR, code=1)
    run("limits", "set", "--per-second", "0", *AUTHOR, code=2)
    run("limits", "set", "--per-second", "5", "--as", "auditor@example.jp", code=1)


def test_a_pace_is_given_when_a_wave_is_filled_and_changed_later(
    run: Run, instance: Engine, incident: IncidentView
) -> None:
    notice = builders.a_notice(instance, incident.id)
    filled = run(
        "dispatch", "fill", incident.reference, str(notice), "--hours", "8-20", "--per-hour", "2", "--json", *AUTHOR
    )
    campaign = str(json.loads(filled.stdout)["campaign_id"])
    status = run("dispatch", "status", incident.reference, *AUTHOR).stdout
    assert "held by the ceiling of the wave, sent from 8:00 to 20:00" in status
    changed = run(
        "dispatch", "pace", incident.reference, campaign, "--calls-per-hour", "30", "--percent-who-call", "3", *AUTHOR
    )
    assert "at most 1,000 an hour" in changed.stdout
    status = json.loads(run("dispatch", "status", incident.reference, "--json", *AUTHOR).stdout)
    assert status[0]["campaign"]["pace"] == {"hours": None, "per_hour": 1000}
    assert status[0]["forecast"]["within_hours"] is None
    run("dispatch", "pace", incident.reference, campaign, "--hours", "20-8", *AUTHOR, code=1)
    run("dispatch", "pace", incident.reference, campaign, "--hours", "early", *AUTHOR, code=2)
    run("dispatch", "pace", incident.reference, campaign, "--per-hour", "5", "--calls-per-hour", "5", *AUTHOR, code=1)
