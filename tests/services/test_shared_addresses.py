"""Several customers behind one address: one message for those who belong together, a warning for the others."""

from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.services import contact_safety, dispatch, merge_proposals, merging, previews
from incident_app.services.composing import NoticeComposer
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock

HEAD = builders.CUSTOMERS.splitlines(keepends=True)[0]
SHARED = (
    HEAD
    + "O1,organisation,customer,ja,JP,株式会社みなと,info@works.example,,\n"
    + "O2,organisation,customer,ja,JP,株式会社　みなと,info@works.example,,\n"
    + "P1,person,customer,ja,JP,山田 太郎,home@example.jp,,\n"
    + "P2,person,customer,ja,JP,山田 太郎,home@example.jp,,\n"
    + "P3,person,customer,ja,JP,山田 花子,home@example.jp,,\n"
)
HELD = (
    "customer_number,store,items\n"
    "O1,member-db,organisation email\nO2,member-db,password\n"
    "P1,member-db,name\nP2,member-db,email\nP3,member-db,name email\n"
)


@pytest.fixture
def ready(instance: Engine) -> tuple[IncidentId, int]:
    builders.import_text(instance, SHARED)
    builders.import_text(instance, HELD)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view.id, builders.a_notice(instance, view.id)


def composer(engine: Engine, clock: Clock) -> NoticeComposer:
    return NoticeComposer(engine, clock=clock, bounce_domain="bounce.example.jp", message_domain="example.jp")


def texts(content: bytes) -> tuple[str, str]:
    mail = message_from_bytes(content, policy=SMTP)
    return tuple(mail.get_body((kind,)).get_content() for kind in ("plain", "html"))


def test_people_addresses_and_messages_are_counted_apart_and_strangers_at_one_address_are_warned_of(
    instance: Engine, ready: tuple[IncidentId, int]
) -> None:
    wave = builders.a_wave(instance, *ready)
    safety = contact_safety.safety_of(instance, wave.filled.campaign_id)
    assert (safety.people, safety.addresses, safety.messages, safety.told_apart) == (5, 2, 4, 3)
    assert wave.filled.told_apart == 3


def test_one_organisation_gets_one_message_that_lists_each_number_with_its_own_items(
    instance: Engine, ready: tuple[IncidentId, int], clock: Clock
) -> None:
    wave = builders.a_wave(instance, *ready)
    found = previews.preview_in_wave(instance, composer(instance, clock), wave.filled.campaign_id, "O2")
    assert found.people == 2
    text, html = texts(found.content)
    first, second = text.index("管理番号 O1 の情報"), text.index("管理番号 O2 の情報")
    end = text.index("ここに記載のない項目")
    assert "パスワード" not in text[first:second]
    assert "パスワード" in text[second:end]
    assert "メールアドレス" in text[first:second]
    assert "<h3>管理番号 O1 の情報</h3>" in html
    assert "パスワードを変更してください" in text[end:]


def test_people_of_one_name_are_told_by_themselves_until_a_person_confirms_that_they_are_one(
    instance: Engine, ready: tuple[IncidentId, int], clock: Clock
) -> None:
    act = {"actor": author(instance).actor, "now": NOW}
    first = builders.a_wave(instance, *ready)
    text, _ = texts(
        previews.preview_in_wave(instance, composer(instance, clock), first.filled.campaign_id, "P1").content
    )
    assert "管理番号" not in text
    dispatch.cancel_campaign(instance, first.filled.campaign_id, reason="重複", **act)
    merge_proposals.propose(instance, **act)
    for proposal in merge_proposals.list_proposals(instance):
        if "P1" in str(proposal):
            merging.confirm(instance, proposal.id, **act)
    second = builders.a_wave(instance, *ready)
    safety = contact_safety.safety_of(instance, second.filled.campaign_id)
    assert (safety.people, safety.messages, safety.told_apart) == (5, 3, 2)
    text, _ = texts(
        previews.preview_in_wave(instance, composer(instance, clock), second.filled.campaign_id, "P2").content
    )
    assert "管理番号 P1 の情報" in text
    assert "管理番号 P3" not in text


def test_records_with_the_same_items_stand_under_one_heading(instance: Engine, clock: Clock) -> None:
    builders.import_text(instance, SHARED)
    builders.import_text(instance, "customer_number,store,items\nO1,member-db,email\nO2,member-db,email\n")
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    text, _ = texts(
        previews.preview_in_wave(instance, composer(instance, clock), wave.filled.campaign_id, "O1").content
    )
    assert text.count("管理番号 O1、O2 の情報") == 1
    assert text.count("・メールアドレス") == 1


def test_the_preview_is_byte_for_byte_what_is_sent(
    instance: Engine, ready: tuple[IncidentId, int], clock: Clock, tmp_path: Path
) -> None:
    wave = builders.a_wave(instance, *ready)
    numbers = ("O1", "P1", "P2", "P3")
    shown = {
        previews.preview_in_wave(instance, composer(instance, clock), wave.filled.campaign_id, number).content
        for number in numbers
    }
    dispatch.start_campaign(
        instance, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(instance).actor, now=NOW
    )
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        sent = {mail.content for mail in sink.received}
    assert shown == sent


def test_who_is_not_in_a_wave_and_whose_message_will_not_leave_have_no_preview(
    instance: Engine, ready: tuple[IncidentId, int], clock: Clock
) -> None:
    wave = builders.a_wave(instance, *ready)
    with pytest.raises(NotFound):
        previews.preview_in_wave(instance, composer(instance, clock), wave.filled.campaign_id, "nobody")
    builders.import_text(instance, SHARED.replace("info@works.example", "new@works.example"), now=NOW)
    with pytest.raises(previews.MessageWithheld) as refusal:
        previews.preview_in_wave(instance, composer(instance, clock), wave.filled.campaign_id, "O1")
    assert refusal.value.facts == {"because": "contact_gone"}
