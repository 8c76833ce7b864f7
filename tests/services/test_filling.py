"""Filling a wave that dies, or that somebody else fills at the same time: nobody is locked out, nothing is left."""

import threading
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import CampaignStatus, DeliveryState, Standing
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow
from incident_app.services import audience, campaigns, dispatch, outbox_checks, people, waves
from incident_app.services.transaction import reading, recording
from notifications.journal import Journal
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it is done."""


@pytest.fixture
def ready(instance: Engine) -> tuple[IncidentId, int]:
    """An incident of which four people can be written to, and its notice."""
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view.id, builders.a_notice(instance, view.id)


def rows(engine: Engine, table: type) -> int:
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def die_after_the_first_chunk(monkeypatch: pytest.MonkeyPatch, *, cleaning_up: bool) -> None:
    real_store, stored = campaigns._store, []

    def store(*arguments: object) -> None:
        if stored:
            raise Killed
        stored.append(True)
        real_store(*arguments)

    monkeypatch.setattr(campaigns, "CHUNK", 2)
    monkeypatch.setattr(campaigns, "_store", store)
    if not cleaning_up:
        monkeypatch.setattr(campaigns, "_give_up", lambda *_: None)


def half_fill(engine: Engine, ready: tuple[IncidentId, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave behind what a killed fill leaves behind."""
    with monkeypatch.context() as patched:
        die_after_the_first_chunk(patched, cleaning_up=False)
        with pytest.raises(Killed):
            builders.a_wave(engine, *ready)
    assert rows(engine, DeliveryPerson) == 2


def test_people_of_a_fill_that_was_killed_are_in_the_next_one(
    instance: Engine, ready: tuple[IncidentId, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    half_fill(instance, ready, monkeypatch)
    assert builders.a_wave(instance, *ready).filled.people == 4
    assert [(wave.wave, wave.totals.agrees) for wave in waves.list_campaigns(instance, ready[0])] == [(1, True)]
    assert rows(instance, DeliveryRow) == 4


def test_a_fill_that_breaks_leaves_nothing(
    instance: Engine, ready: tuple[IncidentId, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    die_after_the_first_chunk(monkeypatch, cleaning_up=True)
    with pytest.raises(Killed):
        builders.a_wave(instance, *ready)
    assert (rows(instance, Campaign), rows(instance, DeliveryRow), rows(instance, DeliveryPerson)) == (0, 0, 0)


def test_a_fill_that_was_killed_is_shown_and_cleared_by_the_worker(
    instance: Engine, ready: tuple[IncidentId, int], monkeypatch: pytest.MonkeyPatch, clock: Clock, tmp_path: Path
) -> None:
    half_fill(instance, ready, monkeypatch)
    assert waves.being_filled(instance, ready[0]) == [(1, NOW)]
    worker = a_worker(instance, 9, tmp_path / "j", clock)
    run_until_idle(worker)
    assert rows(instance, Campaign) == 1  # it may still be alive in another process
    clock.forward(campaigns.LONGEST_FILL + timedelta(seconds=1))
    (fault,) = outbox_checks.outbox_faults(instance, now=clock())
    assert "died half-way" in fault
    run_until_idle(worker)
    assert (rows(instance, Campaign), rows(instance, DeliveryRow), rows(instance, DeliveryPerson)) == (0, 0, 0)
    assert outbox_checks.outbox_faults(instance, now=clock()) == []


def test_a_fill_whose_place_was_taken_is_refused_clearly_and_keeps_nothing(
    instance: Engine, ready: tuple[IncidentId, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second fill gets the same key as the dropped first one on SQLite; the first must not write into it."""
    real, meanwhile = campaigns._store, []

    def store(*arguments: object) -> None:
        if not meanwhile:
            raise AssertionError("the replaced fill went on")
        real(*arguments)

    def chosen(*arguments: object) -> object:
        monkeypatch.setattr(campaigns, "chosen_people", audience.chosen_people)
        meanwhile.append(builders.a_wave(instance, *ready))
        monkeypatch.setattr(campaigns, "_store", lambda *_: pytest.fail("the replaced fill went on"))
        return audience.chosen_people(*arguments)

    monkeypatch.setattr(campaigns, "chosen_people", chosen)
    with pytest.raises(IncidentAppError) as refusal:
        builders.a_wave(instance, *ready)
    assert isinstance(refusal.value, (campaigns.FillReplaced, campaigns.NobodyToInform))
    assert meanwhile[0].filled.people == 4
    assert (rows(instance, Campaign), rows(instance, DeliveryRow)) == (1, 4)


def test_fills_at_the_same_time_end_with_one_wave_and_clear_refusals(
    instance: Engine, ready: tuple[IncidentId, int]
) -> None:
    ended: list[object] = []

    def fill() -> None:
        try:
            ended.append(builders.a_wave(instance, *ready, approved=False).filled.people)
        except IncidentAppError as refusal:
            ended.append(type(refusal))
        except Exception as failure:  # noqa: BLE001 - a thread must tell what it met
            ended.append(repr(failure))

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended.count(4) == 1
    assert set(ended) - {4} <= {campaigns.FillReplaced, campaigns.NobodyToInform}
    assert (rows(instance, Campaign), rows(instance, DeliveryRow)) == (1, 4)


def test_the_database_lets_one_wave_of_an_incident_be_filled_at_a_time(
    instance: Engine, ready: tuple[IncidentId, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    half_fill(instance, ready, monkeypatch)
    with reading(instance) as session:
        first = session.scalars(sa.select(Campaign)).one()
        values = {name: getattr(first, name) for name in Campaign.__table__.columns.keys() if name != "id"}  # noqa: SIM118 - columns, not a mapping
    again = Campaign(**values | {"public_id": "another", "wave_number": 2})
    with (
        pytest.raises(sa.exc.IntegrityError, match=r"uq_campaigns_building|campaigns\.incident_id"),
        recording(instance) as session,
    ):
        session.add(again)


def test_people_of_whom_no_item_is_known_are_counted_and_never_left_out_in_silence(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    named = builders.a_list(instance, view.id, "customer_number\nC1\nC6\n")
    nothing_held = builders.import_text(
        instance, builders.CUSTOMERS.splitlines(keepends=True)[0] + "C7,person,customer,ja,JP,新規 客,c7@example.jp,,\n"
    )
    assert nothing_held
    unknown = builders.a_list(instance, view.id, "customer_number\nC7\n")
    builders.determined(instance, view.id, builders.a_scope("member-db", lists=[named, unknown]))
    notice = builders.a_notice(instance, view.id)
    with reading(instance) as session:
        empty = session.scalar(
            sa.text(
                "SELECT count(*) FROM people_to_inform p JOIN item_sets s ON s.id = p.item_set_id "
                "WHERE s.item_codes = '[]'"
            )
        )
    assert empty
    with pytest.raises(audience.ItemsNotKnown) as refusal:
        builders.a_wave(instance, view.id, notice)
    assert refusal.value.facts == {"people": empty}
    assert rows(instance, Campaign) == 0
    first = campaigns.fill_campaign(
        instance,
        view.id,
        notice,
        rule=campaigns.AudienceRule.EVERYONE_TO_INFORM,
        sender=campaigns.Sender(address="notice@example.jp", names={}),
        items=frozenset({"email"}),
        actor=author(instance).actor,
        now=NOW,
    )
    assert first.people >= 4


def test_a_sender_from_which_nothing_can_be_sent_is_refused_when_the_wave_is_filled(
    instance: Engine, ready: tuple[IncidentId, int]
) -> None:
    with pytest.raises(BadInput, match="sender"):
        campaigns.fill_campaign(
            instance,
            *ready,
            rule=campaigns.AudienceRule.EVERYONE_TO_INFORM,
            sender=campaigns.Sender(address="not an address", names={}),
            actor=author(instance).actor,
            now=NOW,
        )
    assert rows(instance, Campaign) == 0


def start(engine: Engine, wave: builders.Wave) -> CampaignId:
    dispatch.start_campaign(
        engine, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(engine).actor, now=NOW
    )
    return wave.filled.campaign_id


def test_messages_of_a_killed_worker_whose_wave_was_cancelled_are_withheld_and_their_people_free(
    instance: Engine, ready: tuple[IncidentId, int], clock: Clock, tmp_path: Path
) -> None:
    campaign = start(instance, builders.a_wave(instance, *ready))
    (tmp_path / "j").mkdir()
    dead = a_worker(instance, 9, tmp_path / "j", clock)
    with Journal.fresh(dead._path(dead.owner)):
        dead._outbox.claim(limit=3, lease=timedelta(minutes=5))
    assert dispatch.cancel_campaign(instance, campaign, reason="文面に誤り", actor=author(instance).actor, now=NOW) == 1
    run_until_idle(a_worker(instance, 9, tmp_path / "j", clock))  # no wave runs
    assert dict(waves.get_campaign(instance, campaign).totals.by_state) == {DeliveryState.WITHHELD: 4}
    second = start(instance, builders.a_wave(instance, *ready))
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert len(sink.received) == 4
    assert waves.get_campaign(instance, second).status is CampaignStatus.FINISHED
    assert people.standings(instance, ready[0])[Standing.INFORMED] == 4


@pytest.mark.parametrize("resolution", [dispatch.Resolution.NOT_SENT, dispatch.Resolution.SEND_AGAIN])
def test_a_doubt_of_a_cancelled_wave_frees_its_people_once_it_is_resolved(
    instance: Engine, ready: tuple[IncidentId, int], resolution: dispatch.Resolution
) -> None:
    act = {"actor": author(instance).actor, "now": NOW}
    campaign = start(instance, builders.a_wave(instance, *ready))
    with recording(instance) as session:
        doubt = session.scalars(sa.select(DeliveryRow).order_by(DeliveryRow.id)).first()
        doubt.state = DeliveryState.UNCERTAIN
        doubt_id = doubt.id
    dispatch.cancel_campaign(instance, campaign, reason="文面に誤り", **act)
    dispatch.resolve(instance, ready[0], doubt_id, resolution, reason="記録で確認", **act)
    assert waves.get_campaign(instance, campaign).totals.skipped == 4
    assert builders.a_wave(instance, *ready).filled.people == 4


def test_a_message_queued_in_a_cancelled_wave_is_a_fault_that_is_named(
    instance: Engine, ready: tuple[IncidentId, int]
) -> None:
    campaign = start(instance, builders.a_wave(instance, *ready))
    dispatch.cancel_campaign(instance, campaign, reason="文面に誤り", actor=author(instance).actor, now=NOW)
    assert outbox_checks.outbox_faults(instance, now=NOW) == []
    with recording(instance) as session:
        session.execute(sa.update(DeliveryRow).values(state=DeliveryState.QUEUED))
    (fault,) = outbox_checks.outbox_faults(instance, now=NOW)
    assert "4 messages are still queued" in fault


def test_mails_name_the_items_as_they_were_when_the_wave_was_approved(
    instance: Engine, ready: tuple[IncidentId, int], clock: Clock, tmp_path: Path
) -> None:
    """The names are part of what the second person signed; a policy loaded later must not reword the mails."""
    wave = builders.a_wave(instance, *ready)
    before = waves.get_campaign(instance, wave.filled.campaign_id).content_digest
    with recording(instance) as session:
        session.execute(sa.update(DataItem).values(name_ja="書き換えた項目", name_en="reworded item"))
    start(instance, wave)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        texts = [message_from_bytes(mail.content, policy=SMTP).get_body(("plain",)) for mail in sink.received]
    bodies = [text.get_content() for text in texts if text is not None]
    assert len(bodies) == 4
    assert not any("書き換えた項目" in body or "reworded item" in body for body in bodies)
    assert any("パスワード" in body for body in bodies)
    with recording(instance) as session:
        row = session.get_one(Campaign, wave.filled.campaign_id)
        names = [dict(name) for name in row.item_names]
    assert before == waves.get_campaign(instance, wave.filled.campaign_id).content_digest
    assert {name["code"] for name in names} == {"name", "email", "customer-number", "password", "organisation"}
