"""Attacks on the register of duties: forged waivers, two people at once, words that must not travel."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.parties import Message
from incident_app.domain.vocabulary import DutyStatus, MessageDirection, MessageKind, Subject, Verdict
from incident_app.persistence.approvals import ApprovalDecision
from incident_app.persistence.obligations import Obligation, ObligationFulfilment
from incident_app.persistence.timeline import EventRow
from incident_app.services import approvals, obligations, parties, reports
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import NOW, approver, author

SECRET = "桜井様の口座は差し押さえ中との伝言"


@pytest.fixture
def view(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    found = builders.an_incident(instance)
    builders.determined(instance, found.id, builders.a_scope("member-db"))
    return found


def dated(engine: Engine, view: IncidentView) -> list[obligations.ObligationView]:
    return [row for row in obligations.list_obligations(engine, view.id) if row.due_at]


def asked(engine: Engine, view: IncidentView, obligation_id: int, reason: str = "該当しない") -> int:
    return obligations.ask_waiver(engine, view.id, obligation_id, reason=reason, actor=author(engine).actor, now=NOW)


def waived(engine: Engine, view: IncidentView, obligation_id: int) -> None:
    approvals.grant(engine, asked(engine, view, obligation_id), actor=approver(engine).actor, now=NOW)
    obligations.waive(engine, view.id, obligation_id, actor=author(engine).actor, now=NOW)


def refused(engine: Engine, statement: sa.Executable, match: str) -> None:
    with pytest.raises(DatabaseError, match=match), engine.begin() as connection:
        connection.execute(statement)


def test_nobody_waives_by_writing_into_the_table(instance: Engine, view: IncidentView) -> None:
    first, second = dated(instance, view)[:2]
    row = sa.update(Obligation).where(Obligation.id == first.id)
    refused(instance, row.values(status=DutyStatus.WAIVED), "waiver_needs_second_person")
    request = asked(instance, view, first.id)
    # asked for and decided by one and the same person
    forged = sa.insert(ApprovalDecision).values(
        request_id=request,
        requested_by=author(instance).id,
        decided_by=author(instance).id,
        verdict=Verdict.GRANTED,
        content_digest="0" * 64,
        decided_at=NOW,
    )
    refused(instance, forged, "four_eyes|exactly what was asked for")
    approvals.reject(instance, request, reason="該当する", actor=approver(instance).actor, now=NOW)
    with Session(instance) as session:
        rejected = session.scalars(sa.select(ApprovalDecision.id)).one()
    refused(instance, row.values(status=DutyStatus.WAIVED, waiver_decision_id=rejected), "grant of a second person")
    waived(instance, view, second.id)
    with Session(instance) as session:
        grant = session.get_one(Obligation, second.id).waiver_decision_id
    refused(instance, row.values(status=DutyStatus.WAIVED, waiver_decision_id=grant), "grant of a second person")


@pytest.mark.parametrize("change", ["reason", "decision", "status", "fulfilled"])
def test_a_waiver_that_stands_keeps_its_reason_and_its_decision(
    instance: Engine, view: IncidentView, change: str
) -> None:
    """The reason that a second person judged was exchanged afterwards, and nobody noticed."""
    first, second = dated(instance, view)[:2]
    waived(instance, view, first.id)
    asked(instance, view, second.id, "ほかの理由")
    with Session(instance) as session:
        other = session.get_one(Obligation, second.id).waiver_text_id
    values = {
        "reason": {"waiver_text_id": other},
        "decision": {"waiver_decision_id": None, "status": DutyStatus.OPEN},
        "status": {"status": DutyStatus.OPEN},
        "fulfilled": {"status": DutyStatus.FULFILLED},
    }[change]
    refused(instance, sa.update(Obligation).where(Obligation.id == first.id).values(**values), "never rewritten")


def at_once(*acts: Callable[[], object]) -> list[IncidentAppError | None]:
    """Do several acts at the same moment; return what refused each."""
    found: list[IncidentAppError | None] = [None] * len(acts)
    start = threading.Barrier(len(acts))

    def run(position: int, act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except IncidentAppError as refusal:
            found[position] = refusal

    threads = [threading.Thread(target=run, args=entry) for entry in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_two_people_filing_and_one_waiving_at_once_leave_one_filing_that_counts(
    instance: Engine, view: IncidentView
) -> None:
    duty = next(row for row in dated(instance, view) if row.rule == "jp-appi:preliminary")
    act = {"actor": author(instance).actor, "now": NOW}
    draft = reports.draft_report(
        instance, view.id, builders.FORMS, form="jp-appi-preliminary", obligation_id=duty.id, **act
    )
    gaps = dict.fromkeys(draft.filled.gaps, "調査中")
    reports.draft_report(
        instance, view.id, builders.FORMS, form="jp-appi-preliminary", report_id=draft.id, stated_gaps=gaps, **act
    )
    request = approvals.request_approval(instance, view.id, Subject.REPORT, draft.id, **act)
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    approvals.grant(instance, asked(instance, view, duty.id), actor=approver(instance).actor, now=NOW)

    def file() -> None:
        reports.file_report(instance, view.id, draft.id, forms=builders.FORMS, channel="web form", **act)

    def waive() -> None:
        obligations.waive(instance, view.id, duty.id, **act)

    refusals = at_once(file, file, waive)
    assert [refusals[0], refusals[1]].count(None) == 1
    (standing,) = [row for row in obligations.list_obligations(instance, view.id) if row.rule == duty.rule]
    assert (standing.status, standing.first_filed_at) == (DutyStatus.FULFILLED, NOW)
    with Session(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ObligationFulfilment)) == 1


def test_the_words_of_a_message_are_in_no_event_and_no_log(
    instance: Engine, view: IncidentView, caplog: pytest.LogCaptureFixture
) -> None:
    party = parties.parties_of(instance)[0][0]
    with caplog.at_level("DEBUG"):
        for message in (
            Message(kind=MessageKind.ORDER, direction=MessageDirection.INCOMING, at=NOW, party=party, text=SECRET),
            Message(
                kind=MessageKind.FIRST_REPORT,
                direction=MessageDirection.INCOMING,
                at=view.detected_at,
                party=party,
                text=SECRET,
            ),
        ):
            parties.record_message(instance, view.id, message, actor=author(instance).actor, now=NOW)
    with Session(instance) as session:
        bodies = "\n".join(session.scalars(sa.select(EventRow.body)))
    assert "party.messaged" in bodies
    assert SECRET not in bodies
    assert SECRET not in caplog.text
