"""People in no inventory: counted, masked, erasable, and the stranger's confirmation that the data is gone."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.involved import (
    HIDDEN,
    ControlCharacter,
    Outsider,
    TooLong,
    check_outsider,
    masked_contact,
    masked_name,
)
from incident_app.domain.vocabulary import InvolvedRole
from incident_app.persistence.incidents import DeletionConfirmation, InvolvedPerson
from incident_app.persistence.timeline import EventRow
from incident_app.services import involved
from incident_app.services.evidence import record_evidence
from incident_app.services.involved import AlreadyConfirmed, AlreadyErased, NothingReceived
from incident_app.services.transaction import reading, transaction
from tests import builders
from tests.builders import NOW, author

AFFECTED = Outsider(
    role=InvolvedRole.AFFECTED, name="外部 花子", contact="hanako@example.org", items=frozenset({"name", "phone"})
)
STRANGER = Outsider(role=InvolvedRole.RECEIVED_THE_DATA, name="宛先 違い", contact="050-0000-0009")


def add(engine: Engine, incident: IncidentId, person: Outsider) -> int:
    return involved.add_person(engine, incident, person, actor=author(engine).actor, now=NOW)


def confirm(engine: Engine, incident: IncidentId, person: int, **changes: object) -> None:
    values = {"confirmed_at": NOW, "note": "by telephone", "actor": author(engine).actor, "now": NOW, **changes}
    involved.confirm_deletion(engine, incident, person, **values)  # type: ignore[arg-type]


def bodies(engine: Engine, incident: IncidentId) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(sa.select(EventRow.body).where(EventRow.incident_id == incident)))


def test_only_affected_people_of_this_incident_count_and_erased_ones_still_do(instance: Engine) -> None:
    mine, other = builders.an_incident(instance), builders.an_incident(instance)
    first = add(instance, mine.id, AFFECTED)
    add(instance, mine.id, AFFECTED)
    add(instance, mine.id, STRANGER)
    add(instance, other.id, AFFECTED)
    involved.erase_person(instance, mine.id, first, actor=author(instance).actor, now=NOW)
    with reading(instance) as session:
        assert involved.count_affected(session, mine.id) == 2
        assert involved.count_affected(session, other.id) == 1
    found = involved.people_outside(instance, mine.id)
    assert (found.affected, found.received_the_data, found.found_it, found.deletion_open) == (2, 1, 0, 1)


def test_people_are_shown_masked_and_stand_in_no_event(instance: Engine) -> None:
    view = builders.an_incident(instance)
    number = add(instance, view.id, AFFECTED)
    add(instance, view.id, STRANGER)
    shown, stranger = involved.list_people(instance, view.id)
    assert (shown.masked_name, shown.masked_contact) == ("外●●●", "h●●●@example.org")
    assert shown.items == ("name", "phone")
    assert stranger.masked_contact == HIDDEN
    involved.erase_person(instance, view.id, number, actor=author(instance).actor, now=NOW)
    erased = involved.list_people(instance, view.id, roles=[InvolvedRole.AFFECTED])[0]
    assert (erased.masked_name, erased.masked_contact, erased.erased_at) == ("", "", NOW)
    with reading(instance) as session:
        row = session.get_one(InvolvedPerson, number)
        assert (row.name, row.contact) == (None, None)
    text = "".join(bodies(instance, view.id))
    assert "花子" not in text
    assert "hanako" not in text
    assert "0009" not in text
    assert "花子" not in repr(AFFECTED)
    with pytest.raises(AlreadyErased):
        involved.erase_person(instance, view.id, number, actor=author(instance).actor, now=NOW)


def test_the_stranger_confirms_the_deletion_once_with_a_ground(instance: Engine) -> None:
    view = builders.an_incident(instance)
    number = add(instance, view.id, STRANGER)
    with transaction(instance, actor=author(instance).actor, now=NOW) as act:
        letter = record_evidence(act, view.id, "e" * 64, 3, file_name="evidence.pdf")
    with pytest.raises(BadInput, match="evidence"):
        confirm(instance, view.id, number, note=" ")
    with pytest.raises(BadInput, match="future"):
        confirm(instance, view.id, number, confirmed_at=NOW + timedelta(minutes=1))
    with pytest.raises(NotFound, match="evidence"):
        confirm(instance, view.id, number, evidence_id=letter + 1)
    confirm(instance, view.id, number, evidence_id=letter, confirmed_at=NOW - timedelta(hours=1))
    (shown,) = involved.list_people(instance, view.id)
    assert (shown.deletion_confirmed_at, shown.deletion_evidence_id) == (NOW - timedelta(hours=1), letter)
    assert involved.people_outside(instance, view.id).deletion_open == 0
    with pytest.raises(AlreadyConfirmed):
        confirm(instance, view.id, number)
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DeletionConfirmation)) == 1
    assert "by telephone" not in "".join(bodies(instance, view.id))


def test_only_who_received_the_data_can_confirm_and_only_in_their_incident(instance: Engine) -> None:
    mine, other = builders.an_incident(instance), builders.an_incident(instance)
    affected, stranger = add(instance, mine.id, AFFECTED), add(instance, mine.id, STRANGER)
    with pytest.raises(NothingReceived):
        confirm(instance, mine.id, affected)
    with pytest.raises(NotFound, match="person"):
        confirm(instance, other.id, stranger)
    with pytest.raises(NotFound, match="person"):
        involved.erase_person(instance, other.id, stranger, actor=author(instance).actor, now=NOW)


@pytest.mark.parametrize(
    ("person", "refusal", "named"),
    [
        (Outsider(role=InvolvedRole.FOUND_IT, name=" "), BadInput, "name or a contact"),
        (Outsider(role=InvolvedRole.AFFECTED, name="x"), BadInput, "items"),
        (Outsider(role=InvolvedRole.AFFECTED, name="x", items=frozenset({"shoe"})), NotFound, "shoe"),
        (Outsider(role=InvolvedRole.FOUND_IT, name="x" * 301), TooLong, "300"),
        (Outsider(role=InvolvedRole.FOUND_IT, name="x\u202ey"), ControlCharacter, "cannot be seen"),
        (Outsider(role=InvolvedRole.FOUND_IT, contact="a\nb"), ControlCharacter, "contact"),
    ],
)
def test_a_person_about_whom_nothing_is_known_is_refused(person: Outsider, refusal: type[BadInput], named: str) -> None:
    with pytest.raises(refusal, match=named):
        check_outsider(person, all_items=frozenset({"name"}))


def test_a_mask_tells_neither_length_nor_a_whole_short_address() -> None:
    assert masked_name("王") == "王●●●"
    assert masked_name("") == ""
    assert masked_contact("") == ""
    assert masked_contact("@nobody") == HIDDEN
    assert masked_contact("03-1234-5678") == masked_contact("1") == HIDDEN
