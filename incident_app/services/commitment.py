"""The commitment: each part of the policy's promise for one incident, what discharged it, or what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, NotFound, NothingYet
from incident_app.domain.events import CommitmentConfirmed, ObligationReopened
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.obligations import LIVE, POLICY_REGIME
from incident_app.domain.policies import Policy, read_policy
from incident_app.domain.policy_promises import Commitment, MeasuredBy
from incident_app.domain.regimes import AddresseeKind
from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind
from incident_app.domain.words import Words
from incident_app.persistence.approvals import ApprovalDecision
from incident_app.persistence.commitments import CommitmentConfirmation
from incident_app.persistence.incidents import Evidence
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.timeline import TextRow
from incident_app.rendering.commitment import CommitmentRow
from incident_app.services.commitment_by_hand import Finding
from incident_app.services.commitment_findings import find
from incident_app.services.obligations import fulfil
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.transaction import Transaction, reading, transaction

CONFIRMABLE = frozenset({MeasuredBy.BY_HAND, MeasuredBy.DESK_NAMED_IN_THE_NOTICE})
"""The other parts are computed from what happened: nobody's word changes them."""

Key = tuple[str, str]
"""Clause and part; a duty of regime policy has them as its rule and its stage."""


@dataclass(frozen=True, kw_only=True)
class _Moves:
    """Duties to fulfil with what fulfilled them, and duties whose fulfilment no longer holds."""

    fulfil: tuple[tuple[int, Finding], ...]
    reopen: tuple[int, ...]


def commitment_rows(engine: Engine, incident_id: IncidentId) -> list[CommitmentRow]:
    """Return each part of the policy that the incident is judged by, as it stands now."""
    with reading(engine) as session:
        duties = _promised_duties(session, incident_id)
        return [
            _row(session, part, find(session, incident_id, part), duties.get((part.clause, part.part)))
            for part in _parts(session, incident_id)
        ]


def discharge_promises(engine: Engine, incident_id: IncidentId, *, actor: Actor, now: datetime) -> int:
    """Fulfil the duties whose part of the promise is discharged, and open those again where it no longer is.

    Computed from rows, never set. Return how many were fulfilled.
    """
    with reading(engine) as session:
        moves = _moves(session, incident_id)
    if not moves.fulfil and not moves.reopen:
        return 0
    with transaction(engine, actor=actor, now=now) as act:
        for obligation_id, finding in moves.fulfil:
            row = act.session.get_one(Obligation, obligation_id)
            kind = FulfilmentKind.PEOPLE_COMPUTED
            fulfil(act, row, kind=kind, reference=finding.evidence.en, at=finding.at or now)
        for obligation_id in moves.reopen:
            _reopen(act, obligation_id)
    return len(moves.fulfil)


def _reopen(act: Transaction, obligation_id: int) -> None:
    row = act.session.get_one(Obligation, obligation_id)
    row.status = DutyStatus.OPEN
    act.record(ObligationReopened(obligation_id=row.id, rule=row.rule_code), incident=IncidentId(row.incident_id))


def _moves(session: Session, incident_id: IncidentId) -> _Moves:
    findings = {
        (part.clause, part.part): (part, find(session, incident_id, part))
        for part in _parts(session, incident_id)
        if part.for_every_leak
    }
    to_fulfil: list[tuple[int, Finding]] = []
    to_reopen: list[int] = []
    for key, duty in _promised_duties(session, incident_id).items():
        _, finding = findings.get(key, (None, None))
        if finding is not None and finding.discharged and duty.status in LIVE:
            to_fulfil.append((duty.id, finding))
        if finding is not None and not finding.discharged and duty.status is DutyStatus.FULFILLED:
            to_reopen.append(duty.id)
    for part, finding in findings.values():
        if part.measured_by is MeasuredBy.EVERY_PERSON_INFORMED and finding.discharged:
            to_fulfil += [(duty_id, finding) for duty_id in _duties_toward_people(session, incident_id)]
    return _Moves(fulfil=tuple(to_fulfil), reopen=tuple(to_reopen))


def _promised_duties(session: Session, incident_id: IncidentId) -> Mapping[Key, Obligation]:
    rows = session.scalars(
        sa.select(Obligation)
        .where(
            Obligation.incident_id == incident_id,
            Obligation.regime == POLICY_REGIME,
            Obligation.status != DutyStatus.SUPERSEDED,
        )
        .order_by(Obligation.id),
    )
    return {(row.rule_code.partition(":")[2], row.stage): row for row in rows}


def _duties_toward_people(session: Session, incident_id: IncidentId) -> list[int]:
    """Return the duties of law toward people: they are computed from the people's standing as well."""
    return list(
        session.scalars(
            sa.select(Obligation.id).where(
                Obligation.incident_id == incident_id,
                Obligation.regime != POLICY_REGIME,
                Obligation.addressee_kind == AddresseeKind.PEOPLE,
                Obligation.status == DutyStatus.OPEN,
            ),
        ),
    )


def confirm_promise(
    engine: Engine,
    incident_id: IncidentId,
    clause: str,
    part: str,
    *,
    kept: bool = True,
    note: str,
    evidence_id: int | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Record that somebody looked whether a part was kept that the program cannot tell by itself."""
    if not note.strip():
        raise BadInput(field="note", problem="say what you looked at and what you found")
    with transaction(engine, actor=actor, now=now) as act:
        _check_confirmable(_part(act.session, incident_id, clause, part))
        _check_evidence(act.session, incident_id, evidence_id)
        text = act.keep_text(note)
        act.session.add(
            CommitmentConfirmation(
                incident_id=incident_id,
                clause=clause,
                part=part,
                kept=kept,
                note_text_id=text.id,
                evidence_id=evidence_id,
                confirmed_at=now,
                confirmed_by=actor,
            ),
        )
        act.record(
            CommitmentConfirmed(
                clause=clause, part=part, kept=kept, evidence_id=evidence_id, reason_digest=text.digest
            ),
            incident=incident_id,
        )


def _check_confirmable(part: Commitment) -> None:
    if part.measured_by not in CONFIRMABLE:
        raise BadInput(field="part", problem="this part is computed from what happened and is not confirmed by hand")


def _check_evidence(session: Session, incident_id: IncidentId, evidence_id: int | None) -> None:
    """Refuse evidence that is not there, or belongs to another incident (need to know)."""
    if evidence_id is None:
        return
    evidence = session.get(Evidence, evidence_id)
    if evidence is None or evidence.incident_id != incident_id:
        raise NotFound(what="evidence", name=evidence_id)


def _part(session: Session, incident_id: IncidentId, clause: str, part: str) -> Commitment:
    for entry in _parts(session, incident_id):
        if (entry.clause, entry.part) == (clause, part):
            return entry
    raise NotFound(what="promise", name=f"{clause}/{part}")


def incident_policy(engine: Engine, incident_id: IncidentId) -> Policy:
    """Return the policy that an incident is judged by."""
    with reading(engine) as session:
        return _policy(session, incident_id)


def _parts(session: Session, incident_id: IncidentId) -> tuple[Commitment, ...]:
    return _policy(session, incident_id).commitments


def _policy(session: Session, incident_id: IncidentId) -> Policy:
    playbooks = pinned(session, incident_id, [PlaybookKind.POLICY])
    if not playbooks:
        raise NothingYet(what="policy")
    return read_policy(playbooks[-1].content, file=playbooks[-1].code)


def _row(session: Session, part: Commitment, finding: Finding, duty: Obligation | None) -> CommitmentRow:
    waived = duty is not None and duty.status is DutyStatus.WAIVED and not finding.discharged
    shown = _waiver(session, duty, finding) if waived and duty is not None else finding
    return CommitmentRow(
        clause=part.clause,
        part=part.part,
        section=part.section,
        promise_ja=part.promise.ja,
        promise_en=part.promise.en,
        measurable_end_ja=part.measurable_end.ja,
        measurable_end_en=part.measurable_end.en,
        discharged=shown.discharged,
        waived=waived,
        confirmable=part.measured_by in CONFIRMABLE,
        found_ja=shown.what.ja,
        found_en=shown.what.en,
        at=shown.at,
        evidence_ja=shown.evidence.ja,
        evidence_en=shown.evidence.en,
    )


def _waiver(session: Session, duty: Obligation, finding: Finding) -> Finding:
    """Say that a second person judged the part not required, why, and what is missing for it."""
    text = session.get(TextRow, duty.waiver_text_id) if duty.waiver_text_id else None
    decision = session.get(ApprovalDecision, duty.waiver_decision_id) if duty.waiver_decision_id else None
    reason = (text.body if text else None) or "－"
    return Finding(
        discharged=False,
        what=Words(
            ja=f"ほかの人の承認により不要と判断しました（{reason}）。{finding.what.ja}",
            en=f"Judged not required, granted by a second person ({reason}). {finding.what.en}",
        ),
        at=decision.decided_at if decision else None,
        evidence=Words(ja=f"承認の決裁 {duty.waiver_decision_id}", en=f"approval decision {duty.waiver_decision_id}"),
    )
