"""The commands with which a wave is tried out and confirmed before it is sent."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from incident_app.domain.delivery import CampaignStatus
from incident_app.services import rehearsals, waves
from incident_app.services.incidents import IncidentView
from notifications.sink import MailSink
from tests import builders
from tests.cli.conftest import Run

AUTHOR = ("--as", "author@example.jp")


@pytest.fixture
def incident(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


@pytest.fixture
def campaign(instance: Engine, incident: IncidentView) -> int:
    return builders.a_wave(instance, incident.id, builders.a_notice(instance, incident.id)).filled.campaign_id


def test_a_test_goes_to_an_account_of_ours_through_the_mail_server_that_is_set(
    run: Run, incident: IncidentView, campaign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailSink() as sink:
        monkeypatch.setenv("INCIDENT_APP_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("INCIDENT_APP_SMTP_PORT", str(sink.port))
        monkeypatch.setenv("INCIDENT_APP_SMTP_SECURITY", "plaintext_loopback_only")
        words = ("dispatch", "test-send", incident.reference, str(campaign), "--to")
        tested = run(*words, "approver@example.jp", "--customer", "C3", "--json", *AUTHOR)
        assert json.loads(tested.stdout)["outcome"] == "accepted"
        assert "accepted" in run(*words, "author@example.jp", *AUTHOR).stdout
        refused = run(*words, "somebody@keitai.example", *AUTHOR, code=1)
        assert "active account" in refused.stderr
        run(*words, "author@example.jp", "--as", "auditor@example.jp", code=1)
        assert [mail.recipients[0] for mail in sink.received] == ["approver@example.jp", "author@example.jp"]


def test_a_rehearsal_prints_its_report_and_its_digest(
    run: Run, instance: Engine, incident: IncidentView, campaign: int
) -> None:
    shown = json.loads(run("dispatch", "rehearse", incident.reference, str(campaign), "--json", *AUTHOR).stdout)
    report = shown["report"]
    assert report["is_sound"]
    assert report["planned"] == 4
    assert (report["lost"], report["duplicates"]) == (0, 0)
    assert rehearsals.get_rehearsal(instance, campaign).digest == shown["digest"]
    (wave,) = json.loads(run("dispatch", "status", incident.reference, "--json", *AUTHOR).stdout)
    assert wave["rehearsal"]["digest"] == shown["digest"]
    assert wave["rehearsal"]["is_current"]


def test_whoever_starts_a_wave_sees_what_is_sent_and_types_the_number(
    run: Run, instance: Engine, incident: IncidentView, campaign: int
) -> None:
    words = ["dispatch", "start", incident.reference, str(campaign), *AUTHOR]
    run(*words, "--json", code=2)
    wrong = CliRunner().invoke(main, words, input="5\n")
    assert wrong.exit_code == 1
    for shown in ("4 messages to 4 people, version 1", "example.jp 1", "髙●●● i●●●@example.jp"):
        assert shown in wrong.stderr
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.APPROVED
    assert CliRunner().invoke(main, words, input="4\n").exit_code == 0
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.RUNNING
