"""Rehearsals: a whole wave to a sink with faults and a killed worker; nobody is written to and nothing changes."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.cli.rehearsal_worker import LOOPBACK, make_rehearsing_worker
from incident_app.domain.delivery import CampaignStatus
from incident_app.domain.digests import digest_of
from incident_app.domain.ids import CampaignId
from incident_app.domain.sending_hours import Pace, SendingHours
from incident_app.domain.zones import JST
from incident_app.persistence.tables import Base
from incident_app.services import dispatch, limits, paces, rehearsals, waves
from incident_app.services.rehearsals import RehearsalTools
from incident_app.services.timeline import entries
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, author
from tests.services.test_canaries import a_wave_of

PEOPLE = 120
MAY_GROW = {"events", "chain_head", "rehearsals"}


def tools(home: Path) -> RehearsalTools:
    return RehearsalTools(
        home=home,
        start_worker=(sys.executable, "-m", "incident_app.cli.rehearsal_worker"),
        connections=5,
        per_second=2,
    )


def everything(engine: Engine) -> dict[str, str]:
    """A digest of all rows of every table that a rehearsal must leave as it is."""
    found = {}
    with reading(engine) as session:
        for name, table in Base.metadata.tables.items():
            if name not in MAY_GROW:
                rows = sorted(map(str, session.execute(sa.select(table)).all()))
                found[name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def test_a_whole_wave_is_rehearsed_with_faults_and_a_kill_and_nothing_of_it_changes(
    instance: Engine, tmp_path: Path
) -> None:
    incident, campaign = a_wave_of(instance, PEOPLE)
    before = everything(instance)
    seen: list[tuple[int, int]] = []
    found = rehearsals.rehearse(
        instance,
        campaign,
        tools(tmp_path),
        progress=lambda done, total: seen.append((done, total)),
        actor=author(instance).actor,
        now=NOW,
    )
    assert everything(instance) == before
    report = found.report
    parts = ("sent", "failed", "skipped", "in_doubt", "waiting")
    assert report["planned"] == PEOPLE == sum(report[part] for part in parts)
    assert report["waiting"] == 0
    assert (report["lost"], report["duplicates"], report["foreign"]) == (0, 0, 0)
    assert report["is_sound"]
    assert report["workers_killed"] == 1
    assert report["failed"] == report["faults"]["refused_for_good"] > 0
    assert all(number > 0 for number in report["faults"].values()), report["faults"]
    assert 0 < report["in_doubt"] <= report["in_doubt_at_most"]
    assert report["taken_by_sink"] >= report["sent"] > PEOPLE * 0.8
    assert report["forecast"]["per_minute"] == 120
    assert found.digest == digest_of(report)
    assert found.is_current
    assert seen[-1][1] == PEOPLE
    told = [entry for entry in entries(instance, incident) if entry.kind == "dispatch.rehearsed"]
    assert f"planned {PEOPLE} = sent {report['sent']}" in told[0].summary_en
    assert list((tmp_path / rehearsals.FOLDER).iterdir()) == [], "no copy of anybody's address is left"
    assert rehearsals.get_rehearsal(instance, campaign) == found


def test_the_report_shows_the_first_mails_and_names_nobody(instance: Engine, tmp_path: Path) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    campaign = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled.campaign_id
    found = rehearsals.rehearse(instance, campaign, tools(tmp_path), actor=author(instance).actor, now=NOW)
    mails = found.report["mails"]
    assert 0 < len(mails) <= 3
    for mail in mails:
        assert mail["subject"]
        assert "●●●@" in mail["to"]
        assert len(mail["digest"]) == 64
        assert len(mail["text"]) > 200
    said = json.dumps(found.report, ensure_ascii=False)
    for name in ("髙橋", "一郎", "花子", "Jürgen", "Meyer", "みなと", "ichiro", "hana", "juergen", "info@"):
        assert name not in said
    assert rehearsals.latest_rehearsal(instance, campaign) == found


def test_limits_hours_and_ceiling_slow_no_rehearsal(instance: Engine, tmp_path: Path) -> None:
    """A copied domain kept its limit, and a rehearsal of a hundred messages took minutes and was never done."""
    _, campaign = a_wave_of(instance, 12)
    act = {"actor": author(instance).actor, "now": NOW}
    limits.set_limits(instance, per_second=1, per_hour=1, **act)
    limits.limit_domain(instance, "example.jp", per_minute=1, connections=1, **act)
    hour = NOW.astimezone(JST).hour
    closed = SendingHours(begin=hour + 1, end=24)
    paces.set_pace(instance, campaign, Pace(hours=closed, per_hour=1), **act)
    found = rehearsals.rehearse(instance, campaign, tools(tmp_path), **act)
    assert found.report["is_sound"]
    assert found.report["waiting"] == 0
    assert found.report["forecast"]["bound_by"] in {"per_hour", "ceiling"}


def test_only_a_wave_that_was_not_started_is_rehearsed(instance: Engine, tmp_path: Path) -> None:
    _, campaign = a_wave_of(instance, 3)
    dispatch.start_campaign(instance, campaign, typed_count=3, actor=author(instance).actor, now=NOW)
    with pytest.raises(rehearsals.RehearsedTooLate):
        rehearsals.rehearse(instance, campaign, tools(tmp_path), actor=author(instance).actor, now=NOW)
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.RUNNING
    assert rehearsals.latest_rehearsal(instance, campaign) is None


def test_workers_that_do_not_start_are_told_and_leave_nothing(instance: Engine, tmp_path: Path) -> None:
    _, campaign = a_wave_of(instance, 3)
    broken = RehearsalTools(home=tmp_path, start_worker=(sys.executable, "-c", "pass"), connections=5, per_second=2)
    with pytest.raises(rehearsals.RehearsalBroke):
        rehearsals.rehearse(instance, campaign, broken, actor=author(instance).actor, now=NOW)
    assert list((tmp_path / rehearsals.FOLDER).iterdir()) == []
    assert rehearsals.latest_rehearsal(instance, CampaignId(campaign)) is None


def test_the_worker_of_a_rehearsal_knows_no_mail_server_but_the_sink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path))
    monkeypatch.setenv("INCIDENT_APP_SMTP_HOST", "mail.example.com")
    monkeypatch.setenv("INCIDENT_APP_SMTP_FALLBACK", "other.example.com:587")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@db.example.com/real")
    worker = make_rehearsing_worker(tmp_path, 2525)
    settings = worker._transport._settings
    assert (settings.host, settings.port) == (LOOPBACK, 2525)
    assert str(worker.engine.url) == f"sqlite:///{tmp_path / 'rehearsal.db'}"
