"""The policy's promise: what discharges each part, what reopens it, what a person confirms, and closing at the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.vocabulary import DutyStatus, Phase, StepStatus
from incident_app.persistence.commitments import CommitmentConfirmation
from incident_app.persistence.incidents import Evidence
from incident_app.persistence.obligations import Obligation
from incident_app.rendering.commitment import CommitmentRow, commitment_csv, commitment_markdown
from incident_app.services import (
    approvals,
    closing,
    commitment,
    facts,
    incidents,
    obligations,
    people,
    reports,
    steps,
)
from incident_app.services.incidents import IncidentView
from incident_app.services.transaction import recording
from tests import builders
from tests.builders import NOW, approver, author


def act(engine: Engine) -> dict[str, object]:
    return {"actor": author(engine).actor, "now": NOW}


def a_leak(engine: Engine, text: str = "customer_number,items\nC1,name email\n", **changes: object) -> IncidentView:
    builders.with_customers(engine)
    view = builders.an_incident(engine, **changes)
    determined(engine, view, text)
    return view


def determined(engine: Engine, view: IncidentView, *texts: str) -> None:
    lists = [builders.a_list(engine, view.id, text) for text in texts]
    builders.determined(engine, view.id, builders.a_scope(lists=lists))


def skip_all_steps(engine: Engine, view: IncidentView) -> None:
    for step in steps.list_steps(engine, view.id):
        if step.status not in {StepStatus.DONE, StepStatus.SKIPPED}:
            steps.skip_step(engine, view.id, step.code, reason="該当なし", **act(engine))


def rows(engine: Engine, view: IncidentView) -> dict[str, CommitmentRow]:
    return {f"{row.clause}/{row.part}": row for row in commitment.commitment_rows(engine, view.id)}


def promise(engine: Engine, view: IncidentView, part: str) -> obligations.ObligationView:
    found = obligations.list_obligations(engine, view.id)
    return next(duty for duty in found if duty.regime == "policy" and duty.stage == part)


def told_by_phone(engine: Engine, view: IncidentView, *numbers: str) -> None:
    people.record_told(
        engine,
        view.id,
        list(numbers),
        standing=Standing.INFORMED_OTHERWISE,
        how="phone",
        reason="電話で事実を伝えた",
        actor=author(engine).actor,
        now=NOW + timedelta(minutes=30),
    )


def waived(engine: Engine, view: IncidentView, obligation_id: int) -> None:
    request = obligations.ask_waiver(engine, view.id, obligation_id, reason="実害がない", **act(engine))
    approvals.grant(engine, request, actor=approver(engine).actor, now=NOW)
    obligations.waive(engine, view.id, obligation_id, **act(engine))


def file_everything(engine: Engine, view: IncidentView, *, at_hours: int = 0) -> None:
    now = NOW + timedelta(hours=at_hours)
    for duty in obligations.list_obligations(engine, view.id):
        if duty.form is None or not duty.is_live:
            continue
        words = {"form": duty.form, "obligation_id": duty.id, "actor": author(engine).actor, "now": now}
        gaps = reports.draft_report(engine, view.id, builders.FORMS, **words).filled.gaps
        report = reports.draft_report(
            engine, view.id, builders.FORMS, stated_gaps=dict.fromkeys(gaps, "調査中"), **words
        )
        request = approvals.request_approval(
            engine, view.id, approvals.Subject.REPORT, report.id, actor=author(engine).actor, now=now
        )
        approvals.grant(engine, request, actor=approver(engine).actor, now=now)
        reports.file_report(
            engine, view.id, report.id, forms=builders.FORMS, channel="web form", actor=author(engine).actor, now=now
        )


def test_skipping_every_step_keeps_no_promise_while_dated_duties_are_open(instance: Engine) -> None:
    view = a_leak(instance)
    skip_all_steps(instance, view)
    found = rows(instance, view)["leak-response/quick_and_proper"]
    assert not found.discharged
    assert "0 of" in found.found_en
    # two to the Commission, and two of the PrivacyMark that the policy leaves open
    assert "4 of 4 dated duties are left" in found.found_en
    commitment.discharge_promises(instance, view.id, **act(instance))
    assert promise(instance, view, "quick_and_proper").status is DutyStatus.OPEN
    file_everything(instance, view)
    assert rows(instance, view)["leak-response/quick_and_proper"].discharged
    commitment.discharge_promises(instance, view.id, **act(instance))
    assert promise(instance, view, "quick_and_proper").status is DutyStatus.FULFILLED


def test_a_duty_that_was_fulfilled_late_is_counted_for_ever(instance: Engine) -> None:
    view = a_leak(instance)
    skip_all_steps(instance, view)
    file_everything(instance, view, at_hours=24 * 90)
    found = rows(instance, view)["leak-response/quick_and_proper"]
    assert not found.discharged
    assert "4 duties were fulfilled late" in found.found_en


def test_a_promise_that_no_longer_holds_is_opened_again_and_keeps_its_first_fulfilment(instance: Engine) -> None:
    view = a_leak(instance)
    skip_all_steps(instance, view)
    file_everything(instance, view)
    commitment.discharge_promises(instance, view.id, **act(instance))
    first = promise(instance, view, "quick_and_proper").first_filed_at
    determined(instance, view, "customer_number,items\nC1,name email\nC3,name email\n")  # C3 lives in Germany
    commitment.discharge_promises(instance, view.id, **act(instance))
    again = promise(instance, view, "quick_and_proper")
    assert again.status is DutyStatus.OPEN
    assert again.first_filed_at == first
    assert commitment.discharge_promises(instance, view.id, **act(instance)) == 0


def test_one_person_told_by_telephone_keeps_the_promise_without_any_notice(instance: Engine) -> None:
    """Story (a): an invoice went to the wrong customer; its owner is told by telephone."""
    view = a_leak(instance, kind="misdirected-mail")
    found = rows(instance, view)
    assert "nobody was told otherwise" in found["leak-response/the_facts"].found_en
    assert "Nobody has been told" in found["leak-response/promptly"].found_en
    told_by_phone(instance, view, "C1")
    found = rows(instance, view)
    for part in ("the_facts", "promptly", "to_the_people"):
        assert found[f"leak-response/{part}"].discharged, part
        assert found[f"leak-response/{part}"].at == NOW + timedelta(minutes=30)
    assert "1 h 30 min after awareness: telling otherwise (phone)" in found["leak-response/promptly"].found_en
    assert "person to inform" in found["leak-response/the_facts"].evidence_en
    assert commitment.discharge_promises(instance, view.id, **act(instance)) >= 3


def test_a_promise_judged_not_required_is_shown_as_such_with_its_reason(instance: Engine) -> None:
    view = a_leak(instance)
    waived(instance, view, promise(instance, view, "the_facts").id)
    found = rows(instance, view)["leak-response/the_facts"]
    assert (found.waived, found.discharged) == (True, False)
    assert "実害がない" in found.found_ja
    assert found.evidence_en.startswith("approval decision")
    assert ",waived," in commitment_csv([found])
    assert "不要と判断" in commitment_markdown([found], language="ja")


def test_what_people_see_to_is_shown_by_a_decision_a_step_or_a_confirmation(instance: Engine) -> None:
    view = a_leak(instance)
    open_parts = {key for key, row in rows(instance, view).items() if not row.discharged}
    assert {"secrecy-of-communications/compliance", "improvement/continuous", "staff/supervision"} <= open_parts
    facts.decide_fact(
        instance, view.id, "communications_secrecy", value=False, reason="通信は含まれない", **act(instance)
    )
    decided = rows(instance, view)["secrecy-of-communications/compliance"]
    assert decided.discharged
    assert decided.evidence_en.startswith("fact decision")
    assert "通信は含まれない" in decided.found_ja
    skip_all_steps(instance, view)
    assert not rows(instance, view)["improvement/continuous"].discharged  # a review left out is no review
    commitment.confirm_promise(
        instance, view.id, "improvement", "continuous", note="別の会議で振り返った", **act(instance)
    )
    confirmed = rows(instance, view)["improvement/continuous"]
    assert confirmed.discharged
    assert confirmed.at == NOW
    assert "別の会議で振り返った" in confirmed.found_ja
    commitment.confirm_promise(
        instance, view.id, "improvement", "continuous", kept=False, note="まだ対策がない", **act(instance)
    )
    assert not rows(instance, view)["improvement/continuous"].discharged  # the latest word counts


def test_a_finished_step_shows_the_part_that_it_stands_for(instance: Engine) -> None:
    view = a_leak(instance)
    while not rows(instance, view)["security/measures"].discharged:
        ready = next(
            step
            for step in steps.list_steps(instance, view.id)
            if step.status is StepStatus.TO_DO and not step.waiting_for_en and step.code != "review"
        )
        steps.finish_step(instance, view.id, ready.code, result="済み", **act(instance))
    found = rows(instance, view)["security/measures"]
    assert found.discharged
    assert found.evidence_en == "step prevent-recurrence"
    assert not rows(instance, view)["improvement/continuous"].discharged


def test_what_the_program_computes_is_not_confirmed_by_hand_and_a_note_is_needed(instance: Engine) -> None:
    view = a_leak(instance)
    other = builders.an_incident(instance)
    evidence = builders.a_list(instance, other.id, "customer_number,items\nC2,name\n").evidence_id
    for words, refusal in (
        ({"clause": "leak-response", "part": "to_the_people", "note": "大丈夫"}, BadInput),
        ({"clause": "leak-response", "part": "nothing", "note": "大丈夫"}, NotFound),
        ({"clause": "staff", "part": "supervision", "note": "  "}, BadInput),
        ({"clause": "staff", "part": "supervision", "note": "研修", "evidence_id": evidence}, NotFound),
    ):
        with pytest.raises(refusal):
            commitment.confirm_promise(instance, view.id, **words, **act(instance))
    with recording(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(CommitmentConfirmation)) == 0
        own = session.scalars(sa.select(Evidence.id).where(Evidence.incident_id == view.id)).first()
    commitment.confirm_promise(
        instance, view.id, "staff", "supervision", note="研修を行った", evidence_id=own, **act(instance)
    )
    assert f"evidence {own}" in rows(instance, view)["staff/supervision"].evidence_en


def test_the_database_keeps_confirmations_as_they_were(instance: Engine) -> None:
    view = a_leak(instance)
    commitment.confirm_promise(instance, view.id, "staff", "supervision", note="研修", **act(instance))
    with pytest.raises(DBAPIError, match="never changed"), recording(instance) as session:
        session.execute(sa.update(CommitmentConfirmation).values(kept=False))


def test_a_desk_that_was_named_on_the_telephone_is_confirmed_by_hand(instance: Engine) -> None:
    view = a_leak(instance, kind="misdirected-mail")
    assert not rows(instance, view)["complaints/desk"].discharged
    commitment.confirm_promise(instance, view.id, "complaints", "desk", note="電話で案内した", **act(instance))
    assert rows(instance, view)["complaints/desk"].discharged


def test_people_told_and_then_ruled_out_are_told_apart_from_those_affected(instance: Engine) -> None:
    view = a_leak(instance, "customer_number,items\nC1,name email\nC2,name email\nC4,organisation\n")
    told_by_phone(instance, view, "C1", "C2", "C4")
    determined(instance, view, "customer_number,items\nC1,name email\nC2,name email\n")
    report = reports.draft_report(instance, view.id, builders.FORMS, form="jp-appi-preliminary", **act(instance))
    values = {field.code: field.value for field in report.filled.fields if field.value}
    assert values["people"].ja.startswith("2人")
    assert values["people-told"].ja.startswith("対象 2人のうち 2人に通知済み、未達 0人")
    assert "対象外と分かった人 1人" in values["people-told"].ja
    found = rows(instance, view)["leak-response/to_the_people"]
    assert found.discharged
    assert "Of 2 people affected 2 were told" in found.found_en
    assert "1 more" in found.found_en


def test_closing_settles_what_is_kept_and_refuses_while_anything_is_open(instance: Engine) -> None:
    view = a_leak(instance, kind="misdirected-mail")
    with pytest.raises(BadInput, match="still open"):
        closing.settle_and_close(instance, view.id, **act(instance))
    told_by_phone(instance, view, "C1")
    skip_all_steps(instance, view)
    file_everything(instance, view)
    for duty in obligations.list_obligations(instance, view.id):
        if duty.is_live and duty.regime != "policy":
            waived(instance, view, duty.id)
    closing.settle_and_close(instance, view.id, **act(instance))
    assert incidents.get_incident(instance, view.reference, author(instance)).phase is Phase.CLOSED
    with pytest.raises(IllegalMove):
        closing.settle_and_close(instance, view.id, **act(instance))


def test_closing_opens_a_promise_again_that_was_fulfilled_by_an_earlier_rule(instance: Engine) -> None:
    view = a_leak(instance)
    with recording(instance) as session:
        session.execute(sa.update(Obligation).where(Obligation.regime == "policy").values(status="fulfilled"))
    with pytest.raises(BadInput, match="still open"):
        closing.settle_and_close(instance, view.id, **act(instance))
    assert promise(instance, view, "quick_and_proper").status is DutyStatus.OPEN
