"""Assessing severity: stored with every input, decided by people with a reason, repeatable."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.services import severity
from incident_app.services.severity import AssessmentView, NobodyAffected
from tests import builders
from tests.builders import NOW


@pytest.fixture
def incident(instance: Engine) -> IncidentId:
    builders.with_customers(instance)
    found = builders.an_incident(instance)
    builders.determined(instance, found.id, builders.a_scope("member-db"))
    return found.id


def assess(engine: Engine, incident: IncidentId, **changes: object) -> AssessmentView:
    return severity.assess_severity(engine, incident, actor=builders.author(engine).actor, now=NOW, **changes)


def input_of(view: AssessmentView, question: str) -> severity.InputView:
    (found,) = [entry for entry in view.inputs if entry.question == question]
    return found


def chosen(view: AssessmentView, question: str) -> list[str]:
    return [option.code for option in input_of(view, question).options if option.chosen]


def test_inputs_come_from_the_determination_and_its_scope(instance: Engine, incident: IncidentId) -> None:
    view = assess(instance, incident)
    assert {entry.question for entry in view.inputs if entry.part == "context"} == {"simple", "credentials"}
    assert chosen(view, "malicious_intent") == ["yes"]
    assert chosen(view, "confidentiality") == ["unknown_recipients"]
    assert chosen(view, "integrity") == ["none"]
    assert view.undecided == 3
    assert (view.lowest, view.highest) == ("1.75", "5.00")
    assert view.determination_version == 1
    assert view.person_count_id is not None
    assert all(entry.reason.ja and entry.reason.en for entry in view.inputs)


def test_items_that_lay_encrypted_count_and_are_flagged(instance: Engine, incident: IncidentId) -> None:
    builders.import_text(instance, "customer_number,store,items\nC1,member-backup,name phone\n")
    builders.determined(instance, incident, builders.a_scope("member-backup"))
    view = assess(instance, incident)
    assert input_of(view, "simple").needs_decision
    assert [flag.en for flag in view.flags] == [
        "All items lay encrypted with the key elsewhere. The score does not change; it is noted as mitigating."
    ]
    builders.determined(instance, incident, builders.a_scope("member-backup", "member-db"))
    partly = assess(instance, incident)
    assert partly.flags[0].en.startswith("1 of 7 items")


def test_open_cards_are_complete_financial_data(instance: Engine, incident: IncidentId) -> None:
    builders.determined(instance, incident, builders.a_scope("member-db", "billing-db"))
    assert chosen(assess(instance, incident), "financial") == ["full"]


def test_asking_again_without_any_change_stores_nothing(instance: Engine, incident: IncidentId) -> None:
    first, again = assess(instance, incident), assess(instance, incident)
    assert not first.unchanged
    assert again.unchanged
    assert again.version == first.version == 1


def test_a_persons_decision_needs_a_reason_and_is_kept_for_the_next_assessment(
    instance: Engine, incident: IncidentId
) -> None:
    with pytest.raises(BadInput):
        assess(instance, incident, decisions={"simple": "as_is"}, reason=" ")
    assess(instance, incident, decisions={"simple": "as_is", "credentials": "simple"}, reason="a plain member list")
    builders.determined(instance, incident, builders.a_scope("member-db", "staff-register"))
    stale = severity.get_severity(instance, incident)
    assert stale is not None
    assert not stale.is_current
    view = assess(instance, incident)
    assert view.version == 2
    assert view.is_current
    assert chosen(view, "simple") == ["as_is"]
    assert input_of(view, "simple").persons_reason == "a plain member list"
    assert [option.code for option in input_of(view, "simple").options if option.derived] == [
        "as_is",
        "profile",
        "sensitive_hints",
        "safety",
    ]


def test_a_decision_can_be_given_back_to_the_rules(instance: Engine, incident: IncidentId) -> None:
    assess(instance, incident, decisions={"simple": "as_is"}, reason="why")
    view = assess(instance, incident, reset=["simple"])
    assert input_of(view, "simple").needs_decision
    assert view.version == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"decisions": {"simple": "nonsense"}, "reason": "why"},
        {"decisions": {"nonsense": "as_is"}, "reason": "why"},
        {"reset": ["nonsense"]},
    ],
)
def test_unknown_questions_and_options_leave_nothing_behind(
    instance: Engine, incident: IncidentId, changes: dict[str, object]
) -> None:
    with pytest.raises(NotFound):
        assess(instance, incident, **changes)
    assert severity.get_severity(instance, incident) is None


def test_there_is_nothing_to_assess_before_a_determination_or_when_nobody_is_affected(instance: Engine) -> None:
    found = builders.an_incident(instance)
    with pytest.raises(NotFound):
        assess(instance, found.id)
    builders.determined(instance, found.id, builders.a_scope("member-db"))
    with pytest.raises(NobodyAffected):
        assess(instance, found.id)
    assert severity.verify_severity(instance, found.id) == {}


def test_every_stored_assessment_repeats_and_a_changed_one_does_not(instance: Engine, incident: IncidentId) -> None:
    assess(instance, incident)
    assess(instance, incident, decisions={"simple": "profile"}, reason="why")
    assert severity.verify_severity(instance, incident) == {1: True, 2: True}
    guard = "guard_severity_assessments_update"
    suffix = " ON severity_assessments" if instance.dialect.name == "postgresql" else ""
    for change in (
        "facts = replace(facts, 'unauthorised_access', 'misdirected') WHERE version = 1",
        "highest_quarters = 24 WHERE version = 2",
    ):
        with instance.begin() as connection:
            connection.execute(sa.text(f"DROP TRIGGER IF EXISTS {guard}{suffix}"))
            connection.execute(sa.text(f"UPDATE severity_assessments SET {change}"))
    assert severity.verify_severity(instance, incident) == {1: False, 2: False}


def test_an_assessment_is_never_changed(instance: Engine, incident: IncidentId) -> None:
    assess(instance, incident)
    with pytest.raises(sa.exc.DatabaseError), instance.begin() as connection:
        connection.execute(sa.text("UPDATE severity_assessments SET highest_quarters = 0"))


def test_a_version_that_is_not_there_is_said_so(instance: Engine, incident: IncidentId) -> None:
    assert severity.get_severity(instance, incident) is None
    with pytest.raises(NotFound):
        severity.get_severity(instance, incident, 7)
