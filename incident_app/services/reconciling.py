"""Bringing the register of duties in step with what the rules say now: kept, superseded visibly, never removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.deadlines import DueTime
from incident_app.domain.events import ApprovalVoided, ObligationReopened, WaiverLapsed, WaiverSuperseded
from incident_app.domain.ids import IncidentId
from incident_app.domain.obligations import LIVE, DerivedObligation, new_reasons
from incident_app.domain.vocabulary import DutyStatus, Subject
from incident_app.persistence.approvals import ApprovalDecision, ApprovalRequest
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.incidents import ClockStart
from incident_app.persistence.obligations import SAID, Obligation
from incident_app.services import people
from incident_app.services.incidents import newest_clocks
from incident_app.services.transaction import Transaction

COMPUTED_STAGES = ("people", "to_the_people")
"""Duties toward people: fulfilled and reopened as the people's standing says; the first fulfilment stays on record."""
Key = tuple[str, str, str, str]
Clocks = Mapping[str, ClockStart]


@dataclass(kw_only=True)
class Reconciled:
    """How many duties are new, were superseded, or stayed as they were."""

    added: int = 0
    superseded: int = 0
    kept: int = 0


def reconcile(
    act: Transaction,
    incident_id: IncidentId,
    derived: Sequence[DerivedObligation],
    versions: Mapping[str, int],
    determination: ImpactDetermination,
) -> Reconciled:
    """Hold what was derived against the register, one row per rule, stage and recipient."""
    done = Reconciled()
    before = _standing(act.session, incident_id)
    clocks = newest_clocks(act.session, incident_id)
    people_left = people.people_left_in(act.session, incident_id)
    for duty in derived:
        row = before.pop(duty.key, None)
        if row is not None and row.status is DutyStatus.FULFILLED and people_left and duty.stage in COMPUTED_STAGES:
            _reopen(act, row, duty.status)  # more people came to light: computed from them, so it is open again
            done.added += 1
        elif row is not None and _stays(row, duty, clocks):
            done.kept += 1
        else:
            if row is not None:
                _supersede(act, row)
                done.superseded += 1
            successor = _store(act, incident_id, duty, versions[duty.regime], determination, clocks)
            done.added += 1
            if row is not None:
                _succeed(row, successor)
    for row in before.values():
        if row.status in LIVE:
            _supersede(act, row)
            done.superseded += 1
    act.session.flush()
    return done


def _standing(session: Session, incident_id: IncidentId) -> dict[Key, Obligation]:
    rows = session.scalars(
        sa.select(Obligation).where(Obligation.incident_id == incident_id, Obligation.status != DutyStatus.SUPERSEDED),
    )
    return {(row.rule_code, row.stage, row.addressee_kind, row.addressee_ref): row for row in rows}


def _stays(row: Obligation, duty: DerivedObligation, clocks: Clocks) -> bool:
    """Tell whether a row still says what the rules say; what was settled stays, unless a waiver lost its ground."""
    if row.status is DutyStatus.WAIVED:
        return not new_reasons(_in(row.because, "en") or "", duty.because.en)
    if row.status not in LIVE:
        return True
    clock = clocks.get(duty.clock)
    return (*_content(row), row.clock_start_id) == (*duty.content(), clock.id if clock else None)


def _content(row: Obligation) -> tuple[object, ...]:
    return (
        row.status,
        row.due_at,
        row.deadline_state,
        row.provisional,
        _in(row.because, "en"),
        _in(row.decide, "en"),
        row.internal_target_at,
    )


def _in(words: object, language: str) -> str | None:
    return words.get(language) if isinstance(words, dict) else None


def _reopen(act: Transaction, row: Obligation, status: DutyStatus) -> None:
    row.status = status
    act.record(ObligationReopened(obligation_id=row.id, rule=row.rule_code), incident=IncidentId(row.incident_id))


def _supersede(act: Transaction, row: Obligation) -> None:
    """Take a row out of the register; it stays readable. A waiver that falls with it is said on the timeline."""
    if row.status is DutyStatus.WAIVED:
        facts = WaiverLapsed(obligation_id=row.id, rule=row.rule_code, decision_id=row.waiver_decision_id)
        act.record(facts, incident=IncidentId(row.incident_id))
    row.status, row.superseded_at = DutyStatus.SUPERSEDED, act.now
    withdraw_requests(act, row)
    act.session.flush()


def take_up_again(act: Transaction, row: Obligation) -> Obligation:
    """Return the successor of a waived duty that was fulfilled nevertheless: what was done goes before the judgement.

    The waived row stays readable with its decision, and the timeline says that it was overtaken.
    """
    copied = {name: getattr(row, name) for name in (*SAID, "title", "form", "addressee", "decide", "confidence")}
    facts = WaiverSuperseded(obligation_id=row.id, rule=row.rule_code, decision_id=row.waiver_decision_id)
    act.record(facts, incident=IncidentId(row.incident_id))
    row.status, row.superseded_at = DutyStatus.SUPERSEDED, act.now
    act.session.flush()
    status = DutyStatus.TO_DECIDE if row.decide else DutyStatus.OPEN
    successor = Obligation(**copied | {"status": status, "derived_at": act.now})
    act.session.add(successor)
    act.session.flush()
    _succeed(row, successor)
    act.session.flush()
    return successor


def withdraw_requests(act: Transaction, row: Obligation) -> None:
    """Ask nobody any more whether a duty is required that no longer stands, or that was asked about anew."""
    asked = act.session.scalars(
        sa.select(ApprovalRequest).where(
            ApprovalRequest.subject == Subject.WAIVER,
            ApprovalRequest.subject_id == row.id,
            ApprovalRequest.withdrawn_at.is_(None),
            ~sa.exists().where(ApprovalDecision.request_id == ApprovalRequest.id),
        ),
    ).all()
    for request in asked:
        request.withdrawn_at = act.now
    if asked:
        act.record(ApprovalVoided(subject=Subject.WAIVER, subject_id=row.id), incident=IncidentId(row.incident_id))


def _store(
    act: Transaction,
    incident_id: IncidentId,
    duty: DerivedObligation,
    version_id: int,
    determination: ImpactDetermination,
    clocks: Clocks,
) -> Obligation:
    clock = clocks.get(duty.clock)
    row = Obligation(
        incident_id=incident_id,
        playbook_version_id=version_id,
        regime=duty.regime,
        rule_code=duty.rule,
        stage=duty.stage,
        title=asdict(duty.title),
        form=duty.form,
        addressee_kind=duty.addressee_kind,
        addressee_ref=duty.addressee_ref,
        addressee=asdict(duty.addressee_name),
        determination_id=determination.id,
        clock_subject=duty.clock,
        clock_start_id=clock.id if clock else None,
        deadline_state=duty.due.state,
        due_at=duty.due.due_at,
        provisional=duty.due.provisional,
        guideline=duty.due.guideline,
        internal_target_at=duty.internal_target_at,
        calculation=_calculation(duty.due),
        because=asdict(duty.because),
        decide=asdict(duty.decide) if duty.decide else None,
        source=duty.source,
        confidence=duty.confidence,
        status=duty.status,
        derived_at=act.now,
    )
    act.session.add(row)
    act.session.flush()
    return row


def _succeed(row: Obligation, successor: Obligation) -> None:
    """Name the successor; one that is open again after a filing keeps that it was filed, and late (C9)."""
    row.superseded_by_id = successor.id
    successor.first_filed_at, successor.was_due_at = row.first_filed_at, row.was_due_at
    successor.was_late = row.was_late


def _calculation(due: DueTime) -> dict[str, object]:
    return {"ja": due.explanation_ja, "en": due.explanation_en, "calendar": due.calendar_version}
