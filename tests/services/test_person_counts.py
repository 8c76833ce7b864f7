"""Numbers of natural persons: set by people, determined from rows, quoted by papers, and read by the law."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import Certainty, CountKind
from incident_app.persistence.reports import ReportVersion
from incident_app.services import obligations, person_counts, recounting, reports
from incident_app.services.person_counts import CountDoubted
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, SYSTEM

EXACT, ESTIMATE, MAXIMUM = CountKind.EXACT, CountKind.ESTIMATE, CountKind.MAXIMUM


@pytest.fixture
def incident(instance: Engine) -> IncidentId:
    builders.with_customers(instance)
    found = builders.an_incident(instance, kind="misdirected-mail")
    builders.determined(instance, found.id, builders.a_scope("member-db", certainty=Certainty.ASSUMED))
    return found.id


def set_count(engine: Engine, incident: IncidentId, kind: CountKind, value: int, **changes: str) -> int:
    return recounting.set_count_and_derive(
        engine,
        incident,
        kind=kind,
        value=value,
        basis=changes.get("basis", "counted in the log"),
        subject=changes.get("subject", "all"),
        reason=changes.get("reason"),
        actor=builders.author(engine).actor,
        now=NOW,
    )


def for_law(engine: Engine, incident: IncidentId) -> int:
    with reading(engine) as session:
        found = person_counts.number_for_law(session, incident)
        assert found is not None
        return found.value


def because(engine: Engine, incident: IncidentId) -> str:
    return " ".join(duty.because_en for duty in obligations.list_obligations(engine, incident))


def test_a_determination_counts_natural_persons_and_says_what_they_are(instance: Engine, incident: IncidentId) -> None:
    row = person_counts.history(instance, incident, "all")[0]
    assert row.count.kind is MAXIMUM
    assert row.count.value == 5
    assert "5 records, of which 1 organisation with 1 contact person" in row.count.basis_en
    assert "うち法人 1件" in row.count.basis_ja


def test_each_contact_name_of_an_organisation_is_a_person(instance: Engine, incident: IncidentId) -> None:
    with instance.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO customer_contacts (customer_id, channel, name, address, address_digest, valid_from) "
                "SELECT customer_id, 'phone', '港 太郎', '050', 'x', valid_from FROM customer_contacts c "
                "WHERE c.customer_id = (SELECT id FROM customers WHERE customer_number = 'C4')"
            ),
        )
    builders.determined(instance, incident, builders.a_scope("member-db"))
    newest = person_counts.history(instance, incident, "all")[-1].count
    assert newest.value == 6
    assert newest.kind is EXACT


def test_an_organisation_without_any_contact_name_is_nobody(instance: Engine, incident: IncidentId) -> None:
    with instance.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE customer_contacts SET name = NULL "
                "WHERE customer_id = (SELECT id FROM customers WHERE customer_number = 'C4')"
            ),
        )
    builders.determined(instance, incident, builders.a_scope("member-db"))
    assert for_law(instance, incident) == 4


@pytest.mark.parametrize(("maximum", "reported"), [(1_000, False), (1_001, True)])
def test_the_maximum_drives_the_law_while_the_number_is_open(
    instance: Engine, incident: IncidentId, maximum: int, reported: bool
) -> None:
    set_count(instance, incident, MAXIMUM, maximum)
    set_count(instance, incident, ESTIMATE, 600)
    assert for_law(instance, incident) == maximum
    assert ("more than 1,000" in because(instance, incident)) is reported


def test_an_exact_number_ends_the_question(instance: Engine, incident: IncidentId) -> None:
    set_count(instance, incident, MAXIMUM, 1_001)
    assert "more than 1,000" in because(instance, incident)
    set_count(instance, incident, EXACT, 1_000)
    live = [duty for duty in obligations.list_obligations(instance, incident) if duty.is_live]
    assert not any("more than 1,000" in duty.because_en for duty in live)


def test_a_later_determination_does_not_override_an_exact_number(instance: Engine, incident: IncidentId) -> None:
    set_count(instance, incident, EXACT, 4)
    builders.determined(instance, incident, builders.a_scope("member-db", "staff-register"))
    view = person_counts.show_numbers(instance, incident)[0]
    assert view.for_law is not None
    assert view.standing.determined is not None
    assert (view.for_law.value, view.standing.determined.value) == (4, 6)
    (finding,) = view.findings
    assert "gives 6" in finding.en


def test_a_number_against_what_is_known_needs_a_reason_that_is_kept(instance: Engine, incident: IncidentId) -> None:
    set_count(instance, incident, EXACT, 1_200)
    with pytest.raises(CountDoubted) as doubt:
        set_count(instance, incident, MAXIMUM, 1_100)
    assert "below the exact number 1,200" in str(doubt.value)
    assert "1,200人より少ない" in doubt.value.message("ja")
    assert for_law(instance, incident) == 1_200
    count_id = set_count(instance, incident, MAXIMUM, 1_100, reason="the log was double")
    row = person_counts.history(instance, incident, "all")[-1]
    assert row.count.id == count_id
    assert row.reason == "the log was double"
    assert row.replaces_id is not None


def test_an_exact_number_below_the_people_told_needs_a_reason(instance: Engine, incident: IncidentId) -> None:
    with instance.begin() as connection:
        connection.execute(sa.text("UPDATE people_to_inform SET standing = 'informed'"))
    with pytest.raises(CountDoubted):
        set_count(instance, incident, EXACT, 4)
    set_count(instance, incident, EXACT, 5)
    assert person_counts.show_numbers(instance, incident)[0].told == 5
    assert Standing.INFORMED in person_counts.TOLD


@pytest.mark.parametrize(
    "changes",
    [
        {"value": -1},
        {"value": 2_147_483_648},
        {"basis": " "},
        {"basis": "x" * 301},
        {"subject": "All people"},
    ],
)
def test_a_number_that_is_none_is_refused(instance: Engine, incident: IncidentId, changes: dict[str, object]) -> None:
    values = {"kind": EXACT, "value": 5, "basis": "b", "subject": "all", **changes}
    with pytest.raises(BadInput):
        person_counts.set_count(instance, incident, actor=SYSTEM, now=NOW, **values)


def test_a_paper_quotes_the_number_that_drives_the_law_and_keeps_its_id_beside_the_text(
    instance: Engine, incident: IncidentId
) -> None:
    count_id = set_count(instance, incident, EXACT, 4)
    builders.determined(instance, incident, builders.a_scope("member-db", "staff-register"))
    view = reports.draft_report(
        instance, incident, builders.FORMS, form="jp-appi-preliminary", actor=builders.author(instance).actor, now=NOW
    )
    with reading(instance) as session:
        row = session.scalars(sa.select(ReportVersion)).one()
        assert row.person_count_id == count_id
        assert "4人（確定" in str(row.fields)
        assert "人数の記録" not in str(row.fields)  # the number of a row of ours says nothing to an authority
        assert "顧客 " not in str(row.fields)  # a member of staff is among them
    assert view.id


def test_other_subjects_have_numbers_of_their_own(instance: Engine, incident: IncidentId) -> None:
    set_count(instance, incident, EXACT, 1, subject="card")
    with reading(instance) as session:
        numbers = person_counts.numbers_for_law(session, incident)
    assert numbers["card"].value == 1
    assert numbers["all"].value == 5
    assert [view.subject for view in person_counts.show_numbers(instance, incident)] == ["all", "card"]
