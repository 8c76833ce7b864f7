"""The worklist of people whom mail does not reach: why, what next, told by hand, taken back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from incident_app.domain.code_lists import Line, LineFault, ListRefused
from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import IncidentId
from incident_app.domain.unreached import ContactOutcome, ContactWay, NextChannel, UnreachedBecause
from incident_app.persistence.letters import ContactByHand
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.timeline import EventRow
from incident_app.services import people, unreached, unreached_contacts
from incident_app.services.transaction import reading, recording
from incident_app.services.unreached import Wanted
from incident_app.services.unreached_contacts import Contact, NothingToTakeBack, Recorded, as_lines
from tests import builders
from tests.builders import NOW, author
from tests.conftest import Clock
from tests.services.reaching import a_bounced_wave, a_call, listed, to_inform
from tests.services.returning import count, standing_of

LATER = NOW + timedelta(hours=2)


def record(
    engine: Engine, incident: IncidentId, *numbers: str, contact: Contact | None = None, now: object = LATER
) -> Recorded:
    return unreached_contacts.record_contacts(
        engine, incident, as_lines(numbers), contact or a_call(), actor=author(engine).actor, now=now
    )


def take_back(engine: Engine, incident: IncidentId, record_number: int, *numbers: str) -> int:
    return unreached_contacts.take_back(
        engine,
        incident,
        record_number,
        numbers=numbers,
        reason="別の人だった",
        actor=author(engine).actor,
        now=LATER + timedelta(minutes=1),
    )


def told_sets(engine: Engine) -> Sequence[tuple[int | None, int]]:
    with reading(engine) as session:
        return session.execute(
            sa.select(PersonToInform.told_item_set_id, PersonToInform.item_set_id).order_by(PersonToInform.id)
        ).all()


def test_who_bounced_and_who_has_no_address_is_listed_with_the_next_channel(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    assert listed(instance, incident) == {"C1": ("bounced", "post"), "C5": ("no_address", "post")}
    found = unreached.completion(instance, incident)
    assert (found.done, found.open, found.total) == (0, 2, 2)
    assert found.by_channel == {NextChannel.POST: 2}
    assert found.by_reason == {UnreachedBecause.BOUNCED: 1, UnreachedBecause.NO_ADDRESS: 1}
    (first,) = unreached.list_unreached(instance, incident, limit=1)
    assert first.name == "髙●●●"
    (second,) = unreached.list_unreached(instance, incident, after=first.person_id)
    assert second.customer_number == "C5"
    only = unreached.list_unreached(instance, incident, Wanted(because=UnreachedBecause.BOUNCED))
    assert [one.customer_number for one in only] == ["C1"]
    assert unreached.list_unreached(instance, incident, Wanted(channel=NextChannel.PHONE)) == []


def test_who_can_still_be_mailed_is_not_on_the_list(instance: Engine) -> None:
    incident = to_inform(instance)
    assert set(listed(instance, incident)) == {"C5"}
    assert people.standings(instance, incident)[Standing.TO_INFORM] == 5


def test_a_closed_address_says_so_and_a_lifted_one_leaves_the_list(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    a_bounced_wave(instance, tmp_path, clock)
    second = builders.an_incident(instance, title="別の事案").id
    builders.determined(instance, second, builders.a_scope("member-db"))
    people.list_people(instance, second, actor=author(instance).actor, now=NOW)
    assert listed(instance, second) == {"C1": ("address_closed", "post"), "C5": ("no_address", "post")}
    with recording(instance) as session:
        session.execute(
            sa.text("UPDATE suppressions SET lifted_at = since, lift_reason_text_id = (SELECT min(id) FROM texts)")
        )
    assert set(listed(instance, second)) == {"C5"}


def test_a_message_that_was_kept_back_leads_to_the_list_and_a_cancelled_one_does_not(instance: Engine) -> None:
    incident = to_inform(instance)
    builders.a_wave(instance, incident, builders.a_notice(instance, incident))
    assert set(listed(instance, incident)) == {"C5"}
    for because, wanted in (("cancelled", {"C5"}), ("contact_gone", {"C5"})):
        with recording(instance) as session:
            session.execute(sa.text("UPDATE delivery_people SET open = :no"), {"no": False})
            session.execute(
                sa.text("UPDATE deliveries SET state = 'withheld', withheld_because = :why"), {"why": because}
            )
        assert set(listed(instance, incident)) == wanted, because
    with recording(instance) as session:  # the address is gone for one of them
        session.execute(
            sa.text(
                "UPDATE customer_contacts SET valid_until = valid_from WHERE channel = 'email' "
                "AND customer_id = (SELECT id FROM customers WHERE customer_number = 'C3')"
            )
        )
    assert listed(instance, incident)["C3"] == ("withheld", "portal")


def test_a_call_that_told_somebody_settles_them_with_what_they_were_told_of(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    found = record(instance, incident, "C1")
    assert (found.people, found.unchanged, len(found.records)) == (1, 0, 1)
    assert standing_of(instance, "C1") is Standing.INFORMED_OTHERWISE
    assert set(listed(instance, incident)) == {"C5"}
    done = unreached.completion(instance, incident)
    assert (done.done, done.open) == (1, 1)
    told, items = told_sets(instance)[0]
    assert told == items
    before = count(instance, EventRow)
    assert record(instance, incident, "C1") == Recorded(people=0, unchanged=1, records=())
    assert count(instance, EventRow) == before
    (view,) = unreached_contacts.list_records(instance, incident)
    assert (view.way, view.people, view.undone, view.customer_numbers) == ("phone", 1, 0, ("C1",))
    assert view.reason == "窓口の担当が対応した"


def test_taking_a_call_back_brings_the_person_back_with_the_old_reason(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    (number,) = record(instance, incident, "C1", "C3").records
    assert standing_of(instance, "C3") is Standing.INFORMED
    assert take_back(instance, incident, number, "C1") == 1
    assert listed(instance, incident)["C1"] == ("bounced", "post")
    assert told_sets(instance)[0][0] is None
    assert take_back(instance, incident, number) == 1
    assert standing_of(instance, "C3") is Standing.INFORMED
    with pytest.raises(NothingToTakeBack):
        take_back(instance, incident, number)
    (view,) = unreached_contacts.list_records(instance, incident)
    assert (view.people, view.undone) == (2, 2)


def test_what_was_told_by_another_way_stays_when_a_call_is_taken_back(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    people.record_told(
        instance,
        incident,
        ["C1"],
        standing=Standing.INFORMED_OTHERWISE,
        how="来店",
        reason="店頭で伝えた",
        actor=author(instance).actor,
        now=NOW,
    )
    (number,) = record(instance, incident, "C1").records
    take_back(instance, incident, number)
    assert standing_of(instance, "C1") is Standing.INFORMED_OTHERWISE
    with reading(instance) as session:
        assert session.scalar(sa.select(PersonToInform.how).where(PersonToInform.how == "来店")) == "来店"
    told = next(view for view in unreached_contacts.list_records(instance, incident) if view.way == "来店")
    assert take_back(instance, incident, told.record) == 1
    assert standing_of(instance, "C1") is Standing.NOT_REACHED


def test_who_is_known_not_to_have_read_an_accepted_mail_stays_unreached_when_a_call_is_taken_back(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    people.record_told(
        instance,
        incident,
        ["C3"],
        standing=Standing.NOT_REACHED,
        how="mail",
        reason="長く使っていないアドレスだと家族から連絡があった",
        actor=author(instance).actor,
        now=NOW,
    )
    assert listed(instance, incident)["C3"] == ("failed", "portal")
    (number,) = record(instance, incident, "C3").records
    take_back(instance, incident, number)
    assert standing_of(instance, "C3") is Standing.NOT_REACHED
    stated = next(view for view in unreached_contacts.list_records(instance, incident) if view.way == "mail")
    take_back(instance, incident, stated.record)
    assert standing_of(instance, "C3") is Standing.INFORMED


def test_each_channel_that_failed_leads_to_the_next(instance: Engine) -> None:
    incident = to_inform(instance)
    with recording(instance) as session:
        session.execute(
            sa.text("UPDATE customer_contacts SET valid_until = valid_from WHERE channel IN ('post', 'email')")
        )
    assert listed(instance, incident)["C1"] == ("no_address", "phone")
    assert listed(instance, incident)["C3"] == ("no_address", "portal")
    failed = ContactOutcome.NOT_REACHED
    (number,) = record(instance, incident, "C1", contact=a_call(failed)).records
    assert standing_of(instance, "C1") is Standing.TO_INFORM
    assert listed(instance, incident)["C1"] == ("no_address", "portal")
    record(instance, incident, "C1", contact=a_call(failed, ContactWay.PORTAL))
    assert listed(instance, incident)["C1"] == ("no_address", "public_notice")
    take_back(instance, incident, number)
    assert listed(instance, incident)["C1"] == ("no_address", "phone")


def test_a_call_in_vain_closes_the_telephone_of_nobody_else(instance: Engine) -> None:
    incident = to_inform(instance)
    head = builders.CUSTOMERS.splitlines()[0]
    builders.import_text(
        instance, f"{head}\nC3,person,customer,en,DE,Jürgen Meyer,,,050-0000-0003\n", now=NOW + timedelta(minutes=1)
    )
    with recording(instance) as session:
        session.execute(
            sa.text(
                "UPDATE customer_contacts SET valid_until = valid_from "
                "WHERE channel IN ('post', 'email') AND valid_until IS NULL"
            )
        )
    in_vain = a_call(ContactOutcome.NOT_REACHED, at=NOW + timedelta(minutes=30))
    record(instance, incident, "C1", contact=in_vain)
    assert listed(instance, incident)["C1"] == ("no_address", "portal")
    assert listed(instance, incident)["C3"] == ("no_address", "phone")


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_no_question_of_the_list_reads_a_whole_table_of_people_or_messages(instance: Engine) -> None:
    """A comparison that the index of open messages does not know made each entry read all people of all waves."""
    incident = to_inform(instance)
    builders.a_wave(instance, incident, builders.a_notice(instance, incident))
    query = unreached.entries_query(incident, Wanted(), 0, 50).compile(instance, compile_kwargs={"literal_binds": True})
    with reading(instance) as session:
        plan = session.execute(sa.text("EXPLAIN QUERY PLAN " + str(query).replace(":", "\\:"))).all()
    assert [row[3] for row in plan if row[3].startswith("SCAN")] == []


def test_a_new_telephone_number_is_called_although_the_old_one_failed(instance: Engine) -> None:
    incident = to_inform(instance)
    with recording(instance) as session:
        session.execute(
            sa.text("UPDATE customer_contacts SET valid_until = valid_from WHERE channel IN ('post', 'email')")
        )
    record(instance, incident, "C1", contact=a_call(ContactOutcome.NOT_REACHED))
    corrected = builders.CUSTOMERS.splitlines()[0] + "\nC1,person,customer,ja,JP,髙橋 一郎,,,050-0000-0009\n"
    builders.import_text(instance, corrected, now=NOW + timedelta(hours=1))
    assert listed(instance, incident)["C1"] == ("no_address", "phone")


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_an_unknown_number_refuses_the_list_by_its_line(instance: Engine) -> None:
    incident = to_inform(instance)
    lines = [Line(number=2, text="C1"), Line(number=5, text="C9"), Line(number=6, text="C6")]
    with pytest.raises(ListRefused) as refused:
        unreached_contacts.record_contacts(instance, incident, lines, a_call(), actor=author(instance).actor, now=LATER)
    assert [(one.line, one.fault) for one in refused.value.faulty] == [
        (5, LineFault.UNKNOWN),
        (6, LineFault.UNKNOWN),
    ]
    assert "line 5" in str(refused.value)
    assert "5行目" in refused.value.message("ja")
    assert "C9" not in str(refused.value)
    assert count(instance, ContactByHand) == 0
    with pytest.raises(BadInput):
        record(instance, incident, "C1", now=NOW - timedelta(minutes=1))
    with pytest.raises(BadInput):
        record(instance, incident)


def test_a_record_of_contacts_is_changed_by_nobody(instance: Engine) -> None:
    incident = to_inform(instance)
    record(instance, incident, "C1")
    for statement in ("UPDATE contacts_by_hand SET way = 'portal'", "DELETE FROM contacts_by_hand"):
        with pytest.raises(DatabaseError), recording(instance) as session:
            session.execute(sa.text(statement))


def test_the_list_is_exported_with_contacts_and_leaves_only_its_digest_behind(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    with pytest.raises(BadInput):
        unreached.export_unreached(instance, incident, purpose=" ", actor=author(instance).actor, now=LATER)
    text = unreached.export_unreached(
        instance, incident, purpose="電話の担当に渡す", actor=author(instance).actor, now=LATER
    )
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["customer_number"] for row in rows] == ["C1", "C5"]
    assert rows[0]["contact"] == "東京都渋谷区試験町1-1"
    assert "password" in rows[0]["items"]
    with reading(instance) as session:
        body = session.scalars(sa.select(EventRow.body).order_by(EventRow.sequence.desc()).limit(1)).one()
    assert "unreached" in body
    assert "試験町" not in body
