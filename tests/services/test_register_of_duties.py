"""The register of duties: one live row each, superseded visibly, late for ever, never waived by one person alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import Cause, ClockSource, CountKind, DutyStatus, FulfilmentKind
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.timeline import EventRow
from incident_app.services import approvals, clock_book, facts, incidents, obligation_history, obligations, recounting
from incident_app.services.incidents import IncidentView
from incident_app.services.obligations import ObligationView
from incident_app.services.transaction import transaction
from tests import builders
from tests.builders import NOW, approver, author

HOUR = timedelta(hours=1)
DEFINITIVE = "jp-appi:definitive"


def small_leak(engine: Engine) -> IncidentView:
    """Something was misconfigured: without an improper purpose only the number of people makes it reportable."""
    builders.with_customers(engine)
    view = builders.an_incident(engine, kind="general")
    builders.determined(engine, view.id, misconfigured("staff-register"))
    for fact in ("improper_purpose", "encryption_exempt"):
        facts.decide_fact(engine, view.id, fact, value=False, reason="確かめた", actor=author(engine).actor, now=NOW)
    derive(engine, view.id)
    return view


def misconfigured(*stores: str) -> Scope:
    return replace(builders.a_scope(*stores), cause=Cause.MISCONFIGURATION)


def derive(engine: Engine, incident: IncidentId, now: datetime = NOW) -> None:
    obligations.derive_obligations(engine, incident, actor=author(engine).actor, now=now)


def count(engine: Engine, incident: IncidentId, value: int, now: datetime) -> None:
    recounting.set_count_and_derive(
        engine,
        incident,
        kind=CountKind.EXACT,
        value=value,
        basis="数え直し",
        subject="all",
        reason="数え直し",
        actor=author(engine).actor,
        now=now,
    )


def duty(engine: Engine, incident: IncidentId, rule: str = DEFINITIVE) -> ObligationView | None:
    return next((row for row in obligations.list_obligations(engine, incident) if row.rule == rule), None)


def correct_awareness(engine: Engine, incident: IncidentId, aware_at: datetime, now: datetime = NOW) -> None:
    incidents.record_awareness(
        engine,
        incident,
        aware_at=aware_at,
        source=ClockSource.DEPARTMENT,
        reason="請求担当が先に聞いていた",
        actor=author(engine).actor,
        now=now,
    )
    derive(engine, incident, now)


def kinds(engine: Engine, incident: IncidentId) -> list[str]:
    with Session(engine) as session:
        rows = sa.select(EventRow.kind).where(EventRow.incident_id == incident).order_by(EventRow.sequence)
        return list(session.scalars(rows))


def test_the_day_the_number_passes_a_thousand_is_remembered_and_counted_from(instance: Engine) -> None:
    view = small_leak(instance)
    count(instance, view.id, 1000, NOW + HOUR)
    assert duty(instance, view.id) is None
    passed_at = NOW + timedelta(days=10)
    count(instance, view.id, 1001, passed_at)
    found = duty(instance, view.id)
    assert found is not None
    assert found.due_at == datetime.fromisoformat("2027-01-04T23:59:59+09:00")  # day 30 is 29 December: offices closed
    clock = clock_book.list_clocks(instance, view.id)[-1]
    assert (clock.subject, clock.at, clock.source) == ("passed:people:1000", passed_at, ClockSource.THRESHOLD_PASSED)
    assert "threshold.passed" in kinds(instance, view.id)
    count(instance, view.id, 4000, passed_at + timedelta(days=3))
    assert len([row for row in clock_book.list_clocks(instance, view.id) if row.subject == clock.subject]) == 1


def test_a_number_above_the_threshold_from_the_start_counts_from_awareness(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, kind="general")
    count_first = NOW + timedelta(minutes=1)
    recounting.set_count_and_derive(
        instance,
        view.id,
        kind=CountKind.MAXIMUM,
        value=90_000,
        basis="ログ",
        subject="all",
        reason=None,
        actor=author(instance).actor,
        now=count_first,
    )
    builders.determined(instance, view.id, misconfigured("staff-register"))
    assert [row.subject for row in clock_book.list_clocks(instance, view.id)] == ["detection", "awareness"]


def test_a_clock_is_corrected_by_a_later_row_with_a_reason_and_never_before_awareness(instance: Engine) -> None:
    view = small_leak(instance)
    count(instance, view.id, 900, NOW + HOUR)
    count(instance, view.id, 1200, NOW + timedelta(days=10))
    before = duty(instance, view.id)
    at, me = NOW + timedelta(days=8), author(instance).actor
    later = NOW + timedelta(days=11)

    def correct(subject: str, moment: datetime, reason: str) -> None:
        clock_book.correct_clock(instance, view.id, subject, at=moment, reason=reason, actor=me, now=later)

    with pytest.raises(BadInput, match="reason"):
        correct("passed:people:1000", at, " ")
    with pytest.raises(BadInput, match="before anybody knew"):
        correct("passed:people:1000", NOW - timedelta(days=3), "ログを見直した")
    for unknown in ("awareness", "detection", "passed:people:7"):
        with pytest.raises(NotFound):
            correct(unknown, at, "ログを見直した")
    correct("passed:people:1000", at, "ログを見直した")
    derive(instance, view.id, later)
    after = duty(instance, view.id)
    assert before is not None
    assert after is not None
    assert after.id != before.id
    *_, first, second = clock_book.list_clocks(instance, view.id)
    assert (first.counts, second.counts, second.corrects_id) == (False, True, first.id)


def test_corrected_awareness_supersedes_visibly_and_says_why(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    before = duty(instance, view.id)
    correct_awareness(instance, view.id, NOW - timedelta(days=3))
    after = duty(instance, view.id)
    assert before is not None
    assert after is not None
    assert before.due_at is not None
    assert after.due_at is not None
    assert after.due_at < before.due_at
    rows = obligations.list_obligations(instance, view.id, superseded=True)
    assert next(row for row in rows if row.id == before.id).status is DutyStatus.SUPERSEDED
    life = next(life for life in obligation_history.duty_lives(instance, view.id) if life.id == after.id)
    assert [entry.at for entry in life.entries] == [NOW, NOW]
    assert "請求担当が先に聞いていた" in life.entries[1].what_ja
    assert "the clock was corrected" in life.entries[1].what_en
    people = next(life for life in obligation_history.duty_lives(instance, view.id) if life.rule == "jp-appi:people")
    assert len(people.entries) == 2  # without a date too: each duty names the row that it counts from


def test_a_filing_that_was_late_stays_late_whatever_becomes_of_the_clock(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    found = duty(instance, view.id, "eu-gdpr:authority")
    assert found is not None
    filed_at = NOW + timedelta(days=30)
    with transaction(instance, actor=author(instance).actor, now=filed_at) as act:
        row = obligations.get_obligation(act.session, view.id, found.id)
        obligations.fulfil(act, row, kind=FulfilmentKind.REPORT_SUBMISSION, reference="test", at=filed_at)
    incidents.record_awareness(
        instance,
        view.id,
        aware_at=filed_at - HOUR,
        source=ClockSource.DEPARTMENT,
        reason="本当は遅く知った",
        actor=author(instance).actor,
        now=filed_at,
    )
    derive(instance, view.id, filed_at)
    late = duty(instance, view.id, "eu-gdpr:authority")
    assert late is not None
    assert (late.id, late.status, late.was_late) == (found.id, DutyStatus.FULFILLED, True)
    for change in ({"was_late": False}, {"first_filed_at": NOW}, {"was_due_at": filed_at + HOUR}):
        with pytest.raises(DatabaseError, match="judged once"), instance.begin() as connection:
            connection.execute(sa.update(Obligation).where(Obligation.id == found.id).values(**change))


def test_a_duty_opened_again_carries_its_late_filing_to_its_successor(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    found = duty(instance, view.id, "policy:leak-response")
    people = next(row for row in obligations.list_obligations(instance, view.id) if row.rule == "jp-appi:people")
    assert found is not None
    with transaction(instance, actor=author(instance).actor, now=NOW) as act:
        row = obligations.get_obligation(act.session, view.id, people.id)
        obligations.fulfil(act, row, kind=FulfilmentKind.PEOPLE_COMPUTED, reference="test", at=NOW)
    derive(instance, view.id)  # nobody was told in truth, so it is open again, and the timeline says so
    assert "obligation.reopened" in kinds(instance, view.id)
    correct_awareness(instance, view.id, NOW - timedelta(days=2))
    successor = duty(instance, view.id, "jp-appi:people")
    assert successor is not None
    assert successor.id != people.id
    assert (successor.first_filed_at, successor.was_late) == (NOW, False)
    life = next(life for life in obligation_history.duty_lives(instance, view.id) if life.id == successor.id)
    assert [entry.what_en.split(":")[0] for entry in life.entries] == [
        "Derived",
        "Fulfilled",
        "Open again",
        "Superseded",
    ]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"due_at": NOW}, "never rewritten"),
        ({"because": {"ja": "x", "en": "x"}}, "never rewritten"),
        ({"addressee_ref": "nobody"}, "never rewritten"),
    ],
    ids=["due", "because", "addressee"],
)
def test_the_database_rewrites_no_duty(instance: Engine, values: dict[str, object], match: str) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    found = duty(instance, view.id)
    assert found is not None
    with pytest.raises(DatabaseError, match=match), instance.begin() as connection:
        connection.execute(sa.update(Obligation).where(Obligation.id == found.id).values(**values))
    with pytest.raises(DatabaseError, match="never removed"), instance.begin() as connection:
        connection.execute(sa.delete(Obligation).where(Obligation.id == found.id))


def waive(engine: Engine, incident: IncidentId, obligation_id: int) -> None:
    request = obligations.ask_waiver(
        engine, incident, obligation_id, reason="該当しないと判断", actor=author(engine).actor, now=NOW
    )
    approvals.grant(engine, request, actor=approver(engine).actor, now=NOW)
    obligations.waive(engine, incident, obligation_id, actor=author(engine).actor, now=NOW)


def test_a_grant_for_one_duty_waives_no_other_and_none_without_a_reason(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    first, second = [row for row in obligations.list_obligations(instance, view.id) if row.due_at][:2]
    waive(instance, view.id, first.id)
    with Session(instance) as session:
        row = session.get_one(Obligation, first.id)
        decision, text = row.waiver_decision_id, row.waiver_text_id
    for stolen in (
        {"status": DutyStatus.WAIVED, "waiver_decision_id": decision, "waiver_text_id": text},
        {"status": DutyStatus.WAIVED, "waiver_decision_id": decision},
    ):
        with pytest.raises(DatabaseError, match="grant of a second person"), instance.begin() as connection:
            connection.execute(sa.update(Obligation).where(Obligation.id == second.id).values(**stolen))
    life = next(life for life in obligation_history.duty_lives(instance, view.id) if life.id == first.id)
    assert "該当しないと判断" in life.entries[-1].what_ja


def test_a_waiver_lapses_when_something_new_makes_it_due_and_not_when_less_does(instance: Engine) -> None:
    view = small_leak(instance)
    count(instance, view.id, 900, NOW + HOUR)
    count(instance, view.id, 1200, NOW + 2 * HOUR)
    found = duty(instance, view.id)
    assert found is not None
    waive(instance, view.id, found.id)
    count(instance, view.id, 1300, NOW + 3 * HOUR)
    kept = duty(instance, view.id)
    assert kept is not None
    assert (kept.id, kept.status) == (found.id, DutyStatus.WAIVED)
    facts.decide_fact(
        instance,
        view.id,
        "improper_purpose",
        value=True,
        reason="侵入の跡",
        actor=author(instance).actor,
        now=NOW + HOUR,
    )
    derive(instance, view.id, NOW + 4 * HOUR)
    again = duty(instance, view.id)
    assert again is not None
    assert (again.id != found.id, again.status) == (True, DutyStatus.OPEN)
    assert "waiver.lapsed" in kinds(instance, view.id)


def test_what_was_filed_goes_before_the_judgement_that_it_is_not_required(instance: Engine, tmp_path: Path) -> None:
    """The final report of NIS2 counts from the filing of the notification, which somebody had waived before."""
    builders.with_customers(instance)
    builders.designated(instance, tmp_path, "nis2_entity")
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    facts.decide_fact(
        instance,
        view.id,
        "significant_incident",
        value=True,
        reason="止まった",
        actor=author(instance).actor,
        now=NOW,
    )
    derive(instance, view.id)
    found = duty(instance, view.id, "eu-nis2:notification")
    assert found is not None
    waive(instance, view.id, found.id)
    filed_at = NOW + HOUR
    with transaction(instance, actor=author(instance).actor, now=filed_at) as act:
        row = obligations.get_obligation(act.session, view.id, found.id)
        obligations.fulfil(act, row, kind=FulfilmentKind.REPORT_SUBMISSION, reference="test", at=filed_at)
    standing = duty(instance, view.id, "eu-nis2:notification")
    assert standing is not None
    assert (standing.status, standing.first_filed_at, standing.was_late) == (DutyStatus.FULFILLED, filed_at, False)
    assert standing.due_at == found.due_at
    assert "waiver.superseded" in kinds(instance, view.id)
    life = next(life for life in obligation_history.duty_lives(instance, view.id) if life.id == standing.id)
    said = [entry.what_en for entry in life.entries]
    assert "Judged not required by a second person" in said[-3]
    assert "it was fulfilled although it had been judged not required" in said[-2]
    assert said[-1].startswith("Fulfilled: a filed report")
    derive(instance, view.id, filed_at)
    final = duty(instance, view.id, "eu-nis2:final")
    assert final is not None
    assert (final.status, final.due_at is not None) == (DutyStatus.OPEN, True)


def test_nobody_is_asked_any_more_about_a_duty_that_was_superseded(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    found = duty(instance, view.id)
    assert found is not None
    request = obligations.ask_waiver(
        instance, view.id, found.id, reason="該当しないと判断", actor=author(instance).actor, now=NOW
    )
    assert [row.id for row in approvals.pending_approvals(instance, view.id)] == [request]
    correct_awareness(instance, view.id, NOW - timedelta(days=3))
    assert approvals.pending_approvals(instance, view.id) == []
    assert "approval.voided" in kinds(instance, view.id)
    with pytest.raises(approvals.AlreadyDecided):
        approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)


def test_asking_for_a_waiver_anew_withdraws_the_earlier_request_visibly(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    found = duty(instance, view.id)
    assert found is not None
    act = {"actor": author(instance).actor, "now": NOW}
    first = obligations.ask_waiver(instance, view.id, found.id, reason="該当しない", **act)
    second = obligations.ask_waiver(instance, view.id, found.id, reason="暗号化されていた", **act)
    assert [row.id for row in approvals.pending_approvals(instance, view.id)] == [second]
    assert kinds(instance, view.id).count("approval.voided") == 1
    with pytest.raises(approvals.AlreadyDecided):
        approvals.grant(instance, first, actor=approver(instance).actor, now=NOW)
    approvals.grant(instance, second, actor=approver(instance).actor, now=NOW)
    obligations.waive(instance, view.id, found.id, **act)
    assert obligations.waiver_reason(instance, view.id, found.id) == "暗号化されていた"


def test_facts_that_contradict_each_other_are_refused_until_the_other_is_decided_anew(instance: Engine) -> None:
    view = builders.an_incident(instance)

    def decide(fact: str, *, value: bool) -> None:
        facts.decide_fact(
            instance, view.id, fact, value=value, reason="確かめた", actor=author(instance).actor, now=NOW
        )

    decide("high_risk_to_people", value=True)
    with pytest.raises(BadInput, match="both high and unlikely"):
        decide("no_risk_to_people", value=True)
    decide("no_risk_to_people", value=False)
    decide("high_risk_to_people", value=False)
    decide("no_risk_to_people", value=True)
