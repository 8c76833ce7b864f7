"""What was approved is what leaves: forged approvals, exchanged rows and people told meanwhile are held back."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.access import Role
from incident_app.domain.delivery import CampaignStatus, Standing, WithheldBecause
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.domain.vocabulary import ListRelation, Subject
from incident_app.persistence.triggers import drop_guards
from incident_app.services import accounts, approvals, approved_content, dispatch, people, waves
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock


@pytest.fixture
def incident(instance: Engine) -> IncidentId:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view.id


def forge(engine: Engine, statement: str) -> None:
    """Do what only somebody with the database in their hands can: take the guards away and change rows."""
    with engine.begin() as connection:
        drop_guards(connection)
        connection.exec_driver_sql(statement)


EXCHANGED = (
    "UPDATE deliveries SET contact_id = (SELECT id FROM customer_contacts WHERE address = 'taro@example.org') "
    "WHERE id = (SELECT min(id) FROM deliveries)"
)
REMOVED = "DELETE FROM delivery_people WHERE delivery_id = (SELECT max(id) FROM deliveries)"
ANOTHER_SET = "UPDATE delivery_people SET item_set_id = (SELECT max(id) FROM item_sets)"


def started(engine: Engine, wave: builders.Wave) -> CampaignId:
    dispatch.start_campaign(
        engine, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(engine).actor, now=NOW
    )
    return wave.filled.campaign_id


def test_a_wave_set_running_past_its_approval_sends_nothing_and_is_paused(
    instance: Engine, incident: IncidentId, clock: Clock, tmp_path: Path
) -> None:
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident), approved=False)
    forge(instance, "UPDATE campaigns SET status = 'running', approved_digest = 'forged'")
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert not sink.received
    assert waves.get_campaign(instance, wave.filled.campaign_id).status is CampaignStatus.PAUSED


@pytest.mark.parametrize("change", [EXCHANGED, REMOVED, ANOTHER_SET])
def test_a_wave_whose_rows_were_exchanged_is_neither_approved_nor_started_nor_sent(
    instance: Engine, incident: IncidentId, clock: Clock, tmp_path: Path, change: str
) -> None:
    notice = builders.a_notice(instance, incident)
    wave = builders.a_wave(instance, incident, notice)
    campaign = wave.filled.campaign_id
    started(instance, wave)
    forge(instance, change)
    act = {"actor": author(instance).actor, "now": NOW}
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert not sink.received
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.PAUSED
    with pytest.raises(approved_content.AudienceAltered):
        dispatch.resume_campaign(instance, campaign, **act)
    with pytest.raises(approved_content.AudienceAltered):
        dispatch.start_campaign(instance, campaign, typed_count=wave.filled.planned, **act)
    with pytest.raises(approved_content.AudienceAltered):
        approvals.request_approval(instance, incident, Subject.CAMPAIGN, campaign, **act)


def test_rows_exchanged_between_asking_and_granting_are_noticed(instance: Engine, incident: IncidentId) -> None:
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident), approved=False)
    forge(instance, EXCHANGED)
    with pytest.raises(approved_content.AudienceAltered):
        approvals.grant(instance, wave.request_id, actor=builders.approver(instance).actor, now=NOW)


def test_who_wrote_the_text_and_put_the_wave_together_cannot_approve_it_when_another_asks(
    instance: Engine, incident: IncidentId
) -> None:
    colleague = accounts.add_user(
        instance,
        email="colleague@example.jp",
        name="同僚",
        password=builders.PASSWORD,
        roles=frozenset({Role.PRIVACY_OFFICER}),
        actor=builders.SYSTEM,
        now=NOW,
        hasher=builders.CHEAP,
    )
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident), approved=False)
    approvals.reject(instance, wave.request_id, reason="もう一度", actor=builders.approver(instance).actor, now=NOW)
    asked = approvals.request_approval(
        instance, incident, Subject.CAMPAIGN, wave.filled.campaign_id, actor=f"user:{colleague}", now=NOW
    )
    with pytest.raises(approvals.OwnWork):
        approvals.grant(instance, asked, actor=author(instance).actor, now=NOW)
    approvals.grant(instance, asked, actor=builders.approver(instance).actor, now=NOW)


def mailed(engine: Engine, clock: Clock, folder: Path) -> set[str]:
    with MailSink() as sink:
        run_until_idle(a_worker(engine, sink.port, folder, clock))
        return {mail.recipients[0] for mail in sink.received}


def test_who_is_ruled_out_or_told_after_the_approval_is_not_mailed(
    instance: Engine, incident: IncidentId, clock: Clock, tmp_path: Path
) -> None:
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident))
    ruled_out = builders.a_list(instance, incident, "customer_number\nC4\n", relation=ListRelation.RULES_OUT)
    later = NOW + timedelta(minutes=1)
    builders.determined(instance, incident, builders.a_scope("member-db", lists=[ruled_out]), now=later)
    people.record_told(
        instance,
        incident,
        ["C1"],
        standing=Standing.INFORMED_OTHERWISE,
        how="phone",
        reason="電話で伝えた",
        actor=author(instance).actor,
        now=later,
    )
    exempt = set(people.numbers_with(instance, incident, Standing.EXEMPT))
    campaign = started(instance, wave)
    addresses = mailed(instance, clock, tmp_path / "j")
    assert "ichiro@example.jp" not in addresses
    assert exempt <= {"C4"}
    assert ("info@works.example" in addresses) == (exempt == set())
    found = waves.get_campaign(instance, campaign)
    assert found.totals.agrees
    assert found.totals.skipped == 4 - len(addresses)
    reasons = waves.withheld_by_reason(instance, campaign)
    assert reasons[WithheldBecause.TOLD_ALREADY] == 1
    assert sum(reasons.values()) == found.totals.skipped
    assert people.numbers_with(instance, incident, Standing.INFORMED_OTHERWISE) == ["C1"]


def test_who_turns_out_to_be_affected_by_other_items_is_told_of_them_by_the_next_wave(
    instance: Engine, incident: IncidentId, clock: Clock, tmp_path: Path
) -> None:
    """The mail that was approved would have told them too little."""
    notice = builders.a_notice(instance, incident)
    wave = builders.a_wave(instance, incident, notice)
    builders.determined(instance, incident, builders.a_scope("member-db", "billing-db"), now=NOW + timedelta(minutes=1))
    campaign = started(instance, wave)
    assert "ichiro@example.jp" not in mailed(instance, clock, tmp_path / "j")
    assert waves.withheld_by_reason(instance, campaign) == {WithheldBecause.FACTS_CHANGED: 1}
    started(instance, builders.a_wave(instance, incident, notice))
    assert mailed(instance, clock, tmp_path / "j") == {"ichiro@example.jp"}
    assert people.standings(instance, incident)[Standing.INFORMED] == 4


def test_a_whole_claim_that_is_withheld_does_not_end_the_run(
    instance: Engine, incident: IncidentId, clock: Clock, tmp_path: Path
) -> None:
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident))
    started(instance, wave)
    worker = a_worker(instance, 9, tmp_path / "j", clock)
    people.record_told(
        instance,
        incident,
        ["C1"],
        standing=Standing.INFORMED_OTHERWISE,
        how="phone",
        reason="電話で伝えた",
        actor=author(instance).actor,
        now=NOW,
    )
    assert len(worker._outbox.claim(limit=1, lease=timedelta(minutes=5))) == 1
    with instance.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM deliveries WHERE state = 'withheld'")) == 1


@pytest.fixture(autouse=True)
def _journal_folder(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
