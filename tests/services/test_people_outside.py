"""People outside the inventory: counted and listed with the next determination, told by hand, proven like others."""

import csv
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import IncidentId
from incident_app.domain.involved import Outsider, contact_channel
from incident_app.domain.vocabulary import Certainty, Channel, InvolvedRole
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.timeline import EventRow
from incident_app.services import (
    campaigns,
    exports,
    impact_verification,
    involved,
    obligations,
    people,
    people_outside,
    scopes,
)
from incident_app.services.people import OutsidersUnknown, newest_determination
from incident_app.services.people_told import people_told_in
from incident_app.services.person_counts import number_for_law, people_told
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, author

LATER = NOW + timedelta(hours=3)
ITEMS = frozenset({"name", "phone"})


@pytest.fixture
def incident(instance: Engine) -> IncidentId:
    builders.with_customers(instance)
    return builders.an_incident(instance).id


def add(engine: Engine, incident: IncidentId, role: InvolvedRole = InvolvedRole.AFFECTED) -> int:
    items = ITEMS if role is InvolvedRole.AFFECTED else frozenset()
    person = Outsider(role=role, name="=外部 花子", contact="050-0000-0009", items=items)
    return involved.add_person(engine, incident, person, actor=author(engine).actor, now=NOW)


def again(engine: Engine, incident: IncidentId) -> obligations.Determined:
    return obligations.determine_and_derive(engine, incident, actor=author(engine).actor, now=LATER)


def told(engine: Engine, incident: IncidentId, *persons: int, numbers: tuple[str, ...] = (), **changes: object) -> int:
    values = {"standing": Standing.INFORMED_OTHERWISE, "how": "phone", "reason": "called by the desk", **changes}
    return people.record_told(
        engine,
        incident,
        list(numbers),
        outside=persons,
        actor=author(engine).actor,
        now=LATER,
        **values,  # type: ignore[arg-type]
    )


def listed(engine: Engine, incident: IncidentId) -> dict[int, PersonToInform]:
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(PersonToInform).where(
                PersonToInform.incident_id == incident, PersonToInform.involved_person_id.is_not(None)
            ),
        ).all()
        session.expunge_all()
        return {row.involved_person_id or 0: row for row in rows}


def test_only_affected_people_are_to_be_informed_of_what_was_written_down(
    instance: Engine, incident: IncidentId
) -> None:
    first = add(instance, incident)
    add(instance, incident, InvolvedRole.RECEIVED_THE_DATA)
    add(instance, incident, InvolvedRole.FOUND_IT)
    elsewhere = builders.an_incident(instance).id
    add(instance, elsewhere)
    builders.determined(instance, incident, builders.a_scope("member-db"))
    again(instance, incident)
    found = listed(instance, incident)
    assert set(found) == {first}
    row = found[first]
    assert (row.standing, row.certainty) == (Standing.TO_INFORM, Certainty.CONFIRMED)
    assert row.item_set_id == row.confirmed_item_set_id
    with reading(instance) as session:
        assert item_codes(session, {row.item_set_id})[row.item_set_id] == tuple(sorted(ITEMS))
    assert people.standings(instance, incident) == {Standing.TO_INFORM: 6}


def test_who_was_added_after_a_determination_counts_and_is_listed_from_the_next(
    instance: Engine, incident: IncidentId
) -> None:
    assert people_outside.not_counted(instance, incident) == 0
    add(instance, incident)
    assert people_outside.not_counted(instance, incident) == 0  # nothing is counted yet, so nothing is left out
    builders.determined(instance, incident, builders.a_scope("member-db"))
    second = add(instance, incident)
    assert people_outside.not_counted(instance, incident) == 1
    assert involved.list_people(instance, incident)[1].standing is None
    with pytest.raises(OutsidersUnknown):
        told(instance, incident, second)
    determined = again(instance, incident)
    assert (determined.version, determined.unchanged) == (1, True)
    assert people_outside.not_counted(instance, incident) == 0
    assert involved.list_people(instance, incident)[1].standing is Standing.TO_INFORM
    with reading(instance) as session:
        counted = number_for_law(session, incident)
    assert counted is not None
    assert counted.value == 7
    again(instance, incident)
    with reading(instance) as session:
        assert number_for_law(session, incident) == counted  # nobody new: nothing is counted again
    assert impact_verification.verify_impact(instance, incident) == {1: impact_verification.Repetition.REPEATS}


def test_a_new_version_carries_them_on_and_keeps_whom_was_told(instance: Engine, incident: IncidentId) -> None:
    first, second = add(instance, incident), add(instance, incident)
    builders.determined(instance, incident, builders.a_scope("member-db"))
    told(instance, incident, first)
    builders.determined(instance, incident, builders.a_scope("member-db", "billing-db"), now=LATER)
    found = listed(instance, incident)
    assert {key: row.standing for key, row in found.items()} == {
        first: Standing.INFORMED_OTHERWISE,
        second: Standing.TO_INFORM,
    }
    with reading(instance) as session:
        assert {row.determination_id for row in found.values()} == {newest_determination(session, incident).id}
        assert people_told_in(session, incident).affected == {Standing.INFORMED_OTHERWISE: 1, Standing.TO_INFORM: 6}


def test_a_recorded_call_moves_their_standing_and_proves_of_what_they_were_told(
    instance: Engine, incident: IncidentId
) -> None:
    first = add(instance, incident)
    stranger = add(instance, incident, InvolvedRole.RECEIVED_THE_DATA)
    builders.determined(instance, incident, builders.a_scope("member-db"))
    assert people_outside.left_to_tell(instance, incident) == 1
    told(instance, incident, first, standing=Standing.NOT_REACHED)
    assert people_outside.left_to_tell(instance, incident) == 1
    with pytest.raises(OutsidersUnknown):
        told(instance, incident, first, stranger)
    assert listed(instance, incident)[first].standing is Standing.NOT_REACHED
    assert told(instance, incident, first, numbers=("C1",)) == 2
    row = listed(instance, incident)[first]
    assert (row.standing, row.told_item_set_id) == (Standing.INFORMED_OTHERWISE, row.item_set_id)
    assert people_outside.left_to_tell(instance, incident) == 0
    with reading(instance) as session:
        assert people_told(session, incident) == 2
        assert people.people_left_in(session, incident) == 4


def test_a_record_of_telling_nobody_is_refused(instance: Engine, incident: IncidentId) -> None:
    builders.determined(instance, incident, builders.a_scope("member-db"))
    with pytest.raises(BadInput):
        told(instance, incident)


def test_the_duty_to_tell_people_stays_open_until_they_were_told_too(instance: Engine, incident: IncidentId) -> None:
    first = add(instance, incident)
    builders.determined(instance, incident, builders.a_scope("member-db"))
    told(instance, incident, numbers=("C1", "C2", "C3", "C4", "C5"))
    with reading(instance) as session:
        assert people.people_left_in(session, incident) == 1
    told(instance, incident, first)
    with reading(instance) as session:
        assert people.people_left_in(session, incident) == 0


def test_no_wave_of_mail_chooses_them(instance: Engine, incident: IncidentId) -> None:
    person = Outsider(role=InvolvedRole.AFFECTED, contact="hanako@example.org", items=ITEMS)
    builders.determined(instance, incident, builders.a_scope("member-db"))
    before = builders.a_wave(instance, incident, builders.a_notice(instance, incident), approved=False).filled
    other = builders.an_incident(instance).id
    involved.add_person(instance, other, person, actor=author(instance).actor, now=NOW)
    builders.determined(instance, other, builders.a_scope("member-db"))
    filled = builders.a_wave(instance, other, builders.a_notice(instance, other), approved=False).filled
    assert (filled.people, filled.planned, filled.unreachable) == (before.people, before.planned, before.unreachable)
    assert isinstance(filled, campaigns.Filled)


def test_whom_to_tell_is_exported_with_its_purpose_and_nothing_personal_on_the_timeline(
    instance: Engine, incident: IncidentId
) -> None:
    first, second = add(instance, incident), add(instance, incident)
    builders.determined(instance, incident, builders.a_scope("member-db"))
    told(instance, incident, second)

    def export(purpose: str) -> str:
        return exports.export_to_tell_by_hand(
            instance, incident, purpose=purpose, actor=author(instance).actor, now=LATER
        )

    with pytest.raises(BadInput):
        export(" ")
    (row,) = csv.DictReader(io.StringIO(export("to call them")))
    assert row == {
        "person": str(first),
        "name": "'=外部 花子",
        "channel": "phone",
        "contact": "050-0000-0009",
        "items": "name phone",
    }
    with reading(instance) as session:
        bodies = session.scalars(sa.select(EventRow.body).where(EventRow.incident_id == incident)).all()
    assert sum("people_outside" in body for body in bodies) == 1
    assert not any("花子" in body or "0000-0009" in body or "to call" in body for body in bodies)


def test_an_erased_person_is_still_left_to_tell_and_can_be_covered_by_a_public_notice(
    instance: Engine, incident: IncidentId
) -> None:
    first = add(instance, incident)
    builders.determined(instance, incident, builders.a_scope("member-db"))
    involved.erase_person(instance, incident, first, actor=author(instance).actor, now=LATER)
    assert people_outside.left_to_tell(instance, incident) == 1
    told(instance, incident, first, standing=Standing.COVERED_BY_PUBLIC_NOTICE)
    assert people_outside.left_to_tell(instance, incident) == 0


@pytest.mark.parametrize(
    ("contact", "channel"),
    [
        ("", None),
        ("a@example.jp", Channel.EMAIL),
        ("+81 (50) 0000-0009", Channel.PHONE),
        ("０５０-００００-０００９", Channel.PHONE),
        ("東京都千代田区1-1-1", Channel.POST),
        ("123", Channel.POST),
    ],
)
def test_the_contact_says_how_somebody_is_reached(contact: str, channel: Channel | None) -> None:
    assert contact_channel(contact) is channel


def test_going_back_to_an_earlier_scope_makes_it_the_newest_version_again(
    instance: Engine, incident: IncidentId
) -> None:
    narrow, wide = builders.a_scope("billing-db"), builders.a_scope("billing-db", "member-db")
    first = builders.determined(instance, incident, narrow)
    wider = builders.determined(instance, incident, wide, now=NOW + timedelta(hours=1))
    back = builders.determined(instance, incident, narrow, now=LATER)
    assert (back.version, back.unchanged, back.result_digest) == (3, False, first.result_digest)
    assert first.by_certainty != wider.by_certainty
    assert again(instance, incident).unchanged
    with reading(instance) as session:
        newest = newest_determination(session, incident)
        assert newest.version == 3
        assert newest.scope_id == scopes.newest_scope(session, incident).id
        rows = session.scalars(sa.select(ImpactDetermination.inputs_digest)).all()
    assert (len(rows), len(set(rows))) == (3, 2)
    assert people.standings(instance, incident).get(Standing.EXEMPT)  # whom only the wide scope had affected
    assert set(impact_verification.verify_impact(instance, incident).values()) == {
        impact_verification.Repetition.REPEATS
    }


def test_an_incident_that_touched_outsiders_only_is_determined(instance: Engine, incident: IncidentId) -> None:
    me = author(instance).actor
    nothing_named = builders.a_scope()
    with pytest.raises(BadInput, match="person outside the register"):
        scopes.set_scope(instance, incident, nothing_named, actor=me, now=NOW)
    add(instance, incident, InvolvedRole.RECEIVED_THE_DATA)
    with pytest.raises(BadInput):
        scopes.set_scope(instance, incident, nothing_named, actor=me, now=NOW)
    number = add(instance, incident)
    scopes.set_scope(instance, incident, nothing_named, actor=me, now=NOW)
    again(instance, incident)
    with reading(instance) as session:
        count = number_for_law(session, incident)
        assert count is not None
        assert count.value == 1
        (person,) = session.scalars(sa.select(PersonToInform))
        assert (person.customer_id, person.involved_person_id) == (None, number)
    assert impact_verification.all_repeat(impact_verification.verify_impact(instance, incident))
