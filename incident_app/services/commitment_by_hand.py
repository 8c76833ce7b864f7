"""Parts of the promise that people see to: shown by a decision, by finished steps, or by somebody who looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.conditions import FACTS
from incident_app.domain.ids import IncidentId
from incident_app.domain.policy_promises import Commitment
from incident_app.domain.vocabulary import StepStatus
from incident_app.domain.words import Words
from incident_app.persistence.commitments import CommitmentConfirmation
from incident_app.persistence.obligations import FactDecision
from incident_app.persistence.playbooks import IncidentStep
from incident_app.persistence.timeline import TextRow

NOTHING = Words(ja="", en="")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Whether a part was discharged, what by or what is missing, when, and where the evidence lies."""

    discharged: bool
    what: Words
    at: datetime | None = None
    evidence: Words = NOTHING


def by_hand(session: Session, incident_id: IncidentId, part: Commitment) -> Finding:
    """Read what somebody confirmed; else the decision of its fact; else its finished steps."""
    confirmed = find_confirmed(session, incident_id, part)
    if confirmed is not None:
        return confirmed
    if part.decided_fact is not None:
        return _decided(session, incident_id, part.decided_fact)
    steps = session.scalars(
        sa.select(IncidentStep)
        .where(IncidentStep.incident_id == incident_id, IncidentStep.code.in_(part.steps))
        .order_by(IncidentStep.position),
    ).all()
    if steps:
        return _by_steps([*steps])
    return Finding(
        discharged=False,
        what=Words(
            ja="自動では確かめられません。振り返りで確かめ、確認した内容を記録してください。",
            en="Cannot be told automatically: look at it in the review and confirm it with a note.",
        ),
    )


def find_confirmed(session: Session, incident_id: IncidentId, part: Commitment) -> Finding | None:
    """Return what somebody confirmed by hand, the latest word; None when nobody did."""
    row = session.execute(
        sa.select(CommitmentConfirmation, TextRow.body)
        .join(TextRow, TextRow.id == CommitmentConfirmation.note_text_id)
        .where(
            CommitmentConfirmation.incident_id == incident_id,
            CommitmentConfirmation.clause == part.clause,
            CommitmentConfirmation.part == part.part,
        )
        .order_by(CommitmentConfirmation.id.desc())
        .limit(1),
    ).one_or_none()
    if row is None:
        return None
    confirmation, note = row
    number, file = confirmation.id, confirmation.evidence_id
    said = note or "－"
    return Finding(
        discharged=confirmation.kept,
        what=Words(
            ja=f"{'確認しました' if confirmation.kept else '果たされていないと確認しました'}：{said}",
            en=f"{'Confirmed' if confirmation.kept else 'Found not to be kept'}: {said}",
        ),
        at=confirmation.confirmed_at,
        evidence=Words(
            ja=f"確認 {number}" + (f"、証拠 {file}" if file else ""),
            en=f"confirmation {number}" + (f", evidence {file}" if file else ""),
        ),
    )


def _decided(session: Session, incident_id: IncidentId, fact: str) -> Finding:
    ja, en = FACTS[fact]
    row = session.execute(
        sa.select(FactDecision, TextRow.body)
        .join(TextRow, TextRow.id == FactDecision.reason_text_id)
        .where(FactDecision.incident_id == incident_id, FactDecision.fact == fact)
        .order_by(FactDecision.id.desc())
        .limit(1),
    ).one_or_none()
    if row is None:
        return Finding(
            discharged=False,
            what=Words(
                ja=f"「{ja}」かどうかがまだ判断されていません。", en=f"Not decided yet whether this holds: {en}."
            ),
        )
    decision, reason = row
    return Finding(
        discharged=True,
        what=Words(
            ja=f"「{ja}」かどうかを判断しました：{'はい' if decision.value else 'いいえ'}（{reason or '－'}）",
            en=f"Decided whether this holds: {en}: {'yes' if decision.value else 'no'} ({reason or '-'})",
        ),
        at=decision.decided_at,
        evidence=Words(ja=f"事実の判断 {decision.id}", en=f"fact decision {decision.id}"),
    )


def _by_steps(steps: list[IncidentStep]) -> Finding:
    left = [step for step in steps if step.status is not StepStatus.DONE]
    if left:
        return Finding(
            discharged=False,
            what=Words(
                ja="終わっていない手順：" + "、".join(f"{step.title_ja}（{step.code}）" for step in left),
                en="Steps that were not done: " + ", ".join(f"{step.title_en} ({step.code})" for step in left),
            ),
        )
    return Finding(
        discharged=True,
        what=Words(
            ja="手順を終えました：" + "、".join(step.title_ja for step in steps),
            en="Steps done: " + ", ".join(step.title_en for step in steps),
        ),
        at=max((step.finished_at for step in steps if step.finished_at), default=None),
        evidence=Words(
            ja="、".join(f"手順 {step.code}" for step in steps), en=", ".join(f"step {step.code}" for step in steps)
        ),
    )
