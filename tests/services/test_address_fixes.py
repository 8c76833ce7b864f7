"""Corrected addresses: named, reasoned, with history; the next wave takes them and leaves out what is still dead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from incident_app.domain.address_fixes import (
    AddressClosed,
    AddressesRefused,
    ComplaintStands,
    NotTwoColumns,
    SameAddress,
)
from incident_app.domain.delivery import AudienceRule, DeliveryState, Standing
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import IncidentId
from incident_app.domain.returned_mail import SuppressionReason
from incident_app.persistence.address_fixes import AddressCorrection
from incident_app.persistence.bounces import Suppression
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.outbox import DeliveryRow
from incident_app.persistence.timeline import EventRow
from incident_app.services import address_fixes, bounces_shown, campaigns
from incident_app.services.address_fixes import Corrected, Why
from incident_app.services.campaigns import NobodyToInform
from incident_app.services.people import NumbersUnknown
from incident_app.services.transaction import reading, recording
from notifications.sink import MailSink, SinkScript
from tests import builders
from tests.builders import KEY, NOW, a_worker, author, run_until_idle
from tests.conftest import Clock
from tests.services.returning import ICHIRO, JUERGEN, bounce, count, read, sent_wave, standing_of, start

WHY = Why(source="told_by_person", reason="電話で聞いた")
DESPITE = Why(source="told_by_person", reason="電話で聞いた", despite_complaint=True)
NEW = "ichiro.new@example.net"


def correct(engine: Engine, incident: IncidentId, number: str = "C1", address: str = NEW, why: Why = WHY) -> Corrected:
    return address_fixes.correct_address(
        engine, incident, number, address, why, address_key=KEY, actor=author(engine).actor, now=NOW
    )


def load(engine: Engine, incident: IncidentId, text: str, why: Why = WHY) -> Corrected:
    return address_fixes.correct_from_file(
        engine, incident, text.encode(), why, address_key=KEY, actor=author(engine).actor, now=NOW
    )


def again(engine: Engine, incident: IncidentId) -> campaigns.Filled:
    notice = builders.a_notice(engine, incident)
    return builders.a_wave(engine, incident, notice, rule=AudienceRule.FAILED_ONLY).filled


def addressed(engine: Engine, campaign_id: int) -> list[str]:
    with reading(engine) as session:
        query = (
            sa.select(CustomerContact.address)
            .join(DeliveryRow, DeliveryRow.contact_id == CustomerContact.id)
            .where(DeliveryRow.campaign_id == campaign_id)
            .order_by(CustomerContact.address)
        )
        return list(session.scalars(query))


@pytest.fixture
def returned(instance: Engine, clock: Clock, tmp_path: Path) -> IncidentId:
    """The mails of C1 (no such mailbox) and C3 (mailbox full, given up) came back."""
    incident, senders = sent_wave(instance, tmp_path, clock)
    full = bounce(senders[JUERGEN], JUERGEN, status="5.2.2", words="mailbox full")
    read(instance, tmp_path, bounce(senders[ICHIRO]), full)
    return incident


def test_a_wave_for_those_not_reached_takes_the_new_address_and_whoever_bounced_softly(
    instance: Engine, returned: IncidentId
) -> None:
    assert correct(instance, returned) == Corrected(people=1, unchanged=0, complaints=0)
    filled = again(instance, returned)
    assert addressed(instance, filled.campaign_id) == [NEW, JUERGEN]


def test_without_a_correction_the_dead_address_is_left_out_and_counted(instance: Engine, returned: IncidentId) -> None:
    filled = again(instance, returned)
    assert addressed(instance, filled.campaign_id) == [JUERGEN]
    assert filled.unreachable == 1


def test_what_was_sent_to_the_old_address_stays_and_its_suppression_stays(
    instance: Engine, returned: IncidentId
) -> None:
    correct(instance, returned)
    with reading(instance) as session:
        rows = session.execute(
            sa.select(CustomerContact.address, CustomerContact.valid_until.is_(None), CustomerContact.name)
            .where(CustomerContact.channel == "email", CustomerContact.address.like("ichiro%"))
            .order_by(CustomerContact.id)
        ).all()
        state = session.scalar(
            sa.select(DeliveryRow.state)
            .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
            .where(CustomerContact.address == ICHIRO)
        )
    assert [tuple(row) for row in rows] == [(ICHIRO, False, "髙橋 一郎"), (NEW, True, "髙橋 一郎")]
    assert state is DeliveryState.BOUNCED
    assert [row.recipient for row in bounces_shown.list_suppressions(instance)] == ["i●●●@example.jp"]
    assert standing_of(instance, "C1") is Standing.NOT_REACHED


def test_a_mail_to_the_corrected_address_informs_the_person(
    instance: Engine, returned: IncidentId, clock: Clock, tmp_path: Path
) -> None:
    correct(instance, returned)
    _, senders = sent_wave(instance, tmp_path, clock, incident=returned, rule=AudienceRule.FAILED_ONLY)
    assert set(senders) == {NEW, JUERGEN}
    assert standing_of(instance, "C1") is Standing.INFORMED


def test_the_history_names_both_addresses_masked(instance: Engine, returned: IncidentId) -> None:
    correct(instance, returned)
    correct(instance, returned, address="z@example.org", why=Why(source="own_records", reason="契約書"))
    newest, first = address_fixes.list_corrections(instance, returned)
    assert (first.customer_number, first.before, first.after) == ("C1", "i●●●@example.jp", "i●●●@example.net")
    assert (newest.before, newest.after, newest.source) == ("i●●●@example.net", "z●●●@example.org", "own_records")
    assert address_fixes.list_corrections(instance, returned, after=newest.id) == [first]


def test_the_timeline_holds_no_address(instance: Engine, returned: IncidentId) -> None:
    correct(instance, returned)
    with reading(instance) as session:
        body = session.scalars(sa.select(EventRow.body).where(EventRow.kind == "addresses.corrected")).one()
    facts = json.loads(body)["facts"]
    assert (facts["people"], facts["known_from"], facts["complaints"]) == (1, "told_by_person", 0)
    assert "@" not in body
    assert "C1" not in body


@pytest.fixture
def refused(instance: Engine, clock: Clock, tmp_path: Path) -> IncidentId:
    """The server refuses C1 for good (no such user) and C3 for good (policy)."""
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident))
    start(instance, wave.filled.campaign_id, wave.filled.planned)
    answers = {ICHIRO: "550 5.1.1 no such user", JUERGEN: "554 5.7.1 policy"}
    with MailSink(script=SinkScript(recipient=answers.get)) as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "journals", clock))
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    assert standing_of(instance, "C3") is Standing.NOT_REACHED
    return incident


def test_an_address_that_the_server_does_not_know_is_not_tried_again(instance: Engine, refused: IncidentId) -> None:
    assert addressed(instance, again(instance, refused).campaign_id) == [JUERGEN]


def test_it_is_tried_again_once_it_was_corrected(instance: Engine, refused: IncidentId) -> None:
    correct(instance, refused)
    assert addressed(instance, again(instance, refused).campaign_id) == [NEW, JUERGEN]


def test_nobody_is_left_when_every_address_is_dead(instance: Engine, refused: IncidentId) -> None:
    with recording(instance) as session:
        session.execute(sa.text("UPDATE people_to_inform SET standing = 'informed' WHERE customer_id <> 1"))
    with pytest.raises(NobodyToInform):
        again(instance, refused)


@pytest.mark.parametrize(
    ("number", "address", "refusal"),
    [
        ("C99", NEW, NumbersUnknown),
        ("C6", NEW, NumbersUnknown),
        ("C1", "nowhere", BadInput),
        ("C1", "a@b\r\nBcc: x@y.example", BadInput),
        ("C1", ICHIRO, AddressClosed),
        ("C2", "hana..ko@KEITAI.example", SameAddress),
        ("C4", JUERGEN, None),
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(
    instance: Engine, returned: IncidentId, number: str, address: str, refusal: type[Exception] | None
) -> None:
    if refusal is None:
        assert correct(instance, returned, number, address).people == 1
        return
    with pytest.raises(refusal):
        correct(instance, returned, number, address)
    assert count(instance, AddressCorrection) == 0


@pytest.mark.parametrize("why", [Why(source="guess", reason="x"), Why(source="own_records", reason=" ")])
def test_a_source_and_a_reason_are_needed(instance: Engine, returned: IncidentId, why: Why) -> None:
    with pytest.raises(BadInput):
        correct(instance, returned, why=why)


def complain(engine: Engine) -> None:
    """Turn the suppression of C1 into that of a complaint."""
    with recording(engine) as session:
        row = session.scalars(sa.select(Suppression)).one()
        session.add(
            Suppression(
                address_digest=row.address_digest,
                channel=row.channel,
                reason=SuppressionReason.COMPLAINT,
                bounce_id=row.bounce_id,
                since=NOW,
            )
        )


def test_a_complaint_is_never_passed_over_unsaid(instance: Engine, returned: IncidentId) -> None:
    complain(instance)
    with pytest.raises(ComplaintStands):
        correct(instance, returned)
    with pytest.raises(ComplaintStands):
        load(instance, returned, f"customer_number,email\nC2,x@example.net\nC1,{NEW}\n")
    assert count(instance, AddressCorrection) == 0
    assert correct(instance, returned, why=DESPITE).complaints == 1
    (row,) = address_fixes.list_corrections(instance, returned)
    assert row.despite_complaint


def test_a_list_corrects_many_and_twice_changes_nothing(instance: Engine, returned: IncidentId) -> None:
    text = f"customer_number,email\nC1,{NEW}\nC5,c5@example.net\nC2,hana..ko@keitai.example\n"
    assert load(instance, returned, text) == Corrected(people=2, unchanged=1, complaints=0)
    before = count(instance, EventRow), count(instance, CustomerContact)
    assert load(instance, returned, text) == Corrected(people=0, unchanged=3, complaints=0)
    assert (count(instance, EventRow), count(instance, CustomerContact)) == before
    with reading(instance) as session:
        name = session.scalar(sa.select(CustomerContact.name).where(CustomerContact.address == "c5@example.net"))
    assert name == "無 宛先"


def test_a_list_of_a_spreadsheet_in_japan_is_read(instance: Engine, returned: IncidentId) -> None:
    text = f"customer_number,email,備考\r\nC1,{NEW},電話済み\r\n"
    done = address_fixes.correct_from_file(
        instance, returned, text.encode("cp932"), WHY, address_key=KEY, actor=author(instance).actor, now=NOW
    )
    assert done.people == 1


def test_a_faulty_line_refuses_the_whole_list_by_its_number(instance: Engine, returned: IncidentId) -> None:
    text = f"customer_number,email\nC2,x@example.net\nC3,nowhere\nC99,y@example.net\nC4,{ICHIRO}\nC2,z@example.net\n"
    with pytest.raises(AddressesRefused) as refusal:
        load(instance, returned, text)
    assert refusal.value.facts == {"invalid": "3", "unknown": "4", "closed": "5", "doubled": "6"}
    assert "@" not in refusal.value.message("ja") + refusal.value.message("en")
    assert count(instance, AddressCorrection) == 0
    with pytest.raises(NotTwoColumns):
        load(instance, returned, "number,email\nC1,x@example.net\n")


def test_the_record_of_a_correction_is_never_changed(instance: Engine, returned: IncidentId) -> None:
    correct(instance, returned)
    for statement in (sa.delete(AddressCorrection), sa.update(AddressCorrection).values(despite_complaint=True)):
        with pytest.raises(DatabaseError), recording(instance) as session:
            session.execute(statement)
