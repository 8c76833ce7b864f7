"""The life of each duty: what it said when, why that changed, what fulfilled it, and who judged it not required."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.deadlines import DeadlineState, moment_en, moment_ja
from incident_app.domain.events import ObligationReopened
from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind
from incident_app.domain.words import Words
from incident_app.persistence.approvals import ApprovalDecision
from incident_app.persistence.incidents import ClockStart
from incident_app.persistence.obligations import Obligation, ObligationFulfilment
from incident_app.persistence.timeline import EventRow, TextRow
from incident_app.services.transaction import reading

JST = ZoneInfo("Asia/Tokyo")
OTHER_DECISION = Words(ja="判断することが変わりました", en="what must be decided is another")
OVERTAKEN = Words(
    ja="不要との判断にかかわらず果たされたため、その判断は効力を失いました",
    en="it was fulfilled although it had been judged not required, so that judgement no longer holds",
)
STATES: Mapping[str, Words] = {
    DeadlineState.NO_FIXED_DEADLINE: Words(ja="期限の定めなし（速やかに）", en="no fixed deadline (promptly)"),
    DeadlineState.NOT_STARTED: Words(ja="時計は始まっていない", en="the clock has not started"),
    DeadlineState.NEEDS_DECISION: Words(ja="判断が必要", en="a decision is needed"),
}
FULFILLED_BY: Mapping[FulfilmentKind, Words] = {
    FulfilmentKind.REPORT_SUBMISSION: Words(ja="報告書の提出", en="a filed report"),
    FulfilmentKind.PUBLICATION: Words(ja="公表", en="a publication"),
    FulfilmentKind.CONTACT: Words(ja="相手への連絡", en="word to the recipient"),
    FulfilmentKind.PEOPLE_COMPUTED: Words(ja="記録からの計算", en="what the records show"),
}


@dataclass(frozen=True, kw_only=True)
class DutyEntry:
    """One thing that happened to a duty."""

    at: datetime | None
    what_ja: str
    what_en: str


@dataclass(frozen=True, kw_only=True)
class DutyLife:
    """Everything that happened to the duty of one rule, stage and recipient, oldest first."""

    id: int
    """The row that stands, or the last one that did."""
    rule: str
    stage: str
    addressee_ref: str
    title_ja: str
    title_en: str
    addressee_ja: str
    addressee_en: str
    status: DutyStatus
    entries: tuple[DutyEntry, ...]

    @property
    def is_gone(self) -> bool:
        """Tell whether the rules no longer see this duty."""
        return self.status is DutyStatus.SUPERSEDED


def duty_lives(engine: Engine, incident_id: IncidentId) -> list[DutyLife]:
    """Return the life of every duty an incident ever had, in the order in which they came up."""
    with reading(engine) as session:
        return lives_of(session, incident_id)


def lives_of(session: Session, incident_id: IncidentId) -> list[DutyLife]:
    """Return the lives of duties inside a larger reading."""
    by_key: dict[tuple[str, str, str, str], list[Obligation]] = defaultdict(list)
    rows = session.scalars(sa.select(Obligation).where(Obligation.incident_id == incident_id).order_by(Obligation.id))
    for row in rows:
        by_key[row.rule_code, row.stage, row.addressee_kind, row.addressee_ref].append(row)
    happened = _happened(session, incident_id)
    return [_life(session, versions, happened) for versions in by_key.values()]


def _life(session: Session, versions: Sequence[Obligation], happened: Mapping[int, list[DutyEntry]]) -> DutyLife:
    entries: list[DutyEntry] = []
    for position, row in enumerate(versions):
        entries.append(_derived(session, row, versions[position - 1] if position else None))
        entries += happened.get(row.id, [])
        if row.status is DutyStatus.SUPERSEDED and row.superseded_by_id is None:
            gone = Words(ja="規定に照らして、義務ではなくなりました。", en="By the rules this is no longer due.")
            entries.append(_entry(row.superseded_at, gone))
    last = versions[-1]
    return DutyLife(
        id=last.id,
        rule=last.rule_code,
        stage=last.stage,
        addressee_ref=last.addressee_ref,
        title_ja=_in(last.title).ja,
        title_en=_in(last.title).en,
        addressee_ja=_in(last.addressee).ja,
        addressee_en=_in(last.addressee).en,
        status=last.status,
        entries=tuple(entries),
    )


def _derived(session: Session, row: Obligation, before: Obligation | None) -> DutyEntry:
    state, reason = _state(row), _in(row.because)
    if before is None or before.superseded_by_id != row.id:
        first = Words(
            ja=f"導き出しました：{state.ja}。理由：{reason.ja}", en=f"Derived: {state.en}, because: {reason.en}"
        )
        return _entry(row.derived_at, first)
    old, old_reason, ja, en = _state(before), _in(before.because), [], []
    if old != state:
        ja.append(f"{old.ja} → {state.ja}")
        en.append(f"{old.en} → {state.en}")
    if old_reason != reason:
        ja.append(f"理由：{old_reason.ja} → {reason.ja}")
        en.append(f"reason: {old_reason.en} → {reason.en}")
    if clock := _corrected_clock(session, row, before):
        ja.append(clock.ja)
        en.append(clock.en)
    other = OVERTAKEN if before.waiver_decision_id is not None else OTHER_DECISION
    said = Words(ja="改めました：" + "、".join(ja or [other.ja]), en="Superseded: " + "; ".join(en or [other.en]))
    return _entry(row.derived_at, said)


def _corrected_clock(session: Session, row: Obligation, before: Obligation) -> Words | None:
    """Say that the clock was corrected between two versions, and why."""
    if row.clock_start_id is None or row.clock_start_id == before.clock_start_id:
        return None
    clock = session.get_one(ClockStart, row.clock_start_id)
    text = session.get(TextRow, clock.reason_text_id) if clock.reason_text_id else None
    reason = (text.body if text else None) or "－"
    at_ja, at_en = moment_ja(clock.at, JST), moment_en(clock.at, JST)
    if before.clock_start_id is None:
        return Words(ja=f"時計が {at_ja} に始まりました", en=f"the clock began {at_en}")
    return Words(
        ja=f"時計の始まりを {at_ja} に訂正しました（{reason}）",
        en=f"the clock was corrected to {at_en} ({reason})",
    )


def _state(row: Obligation) -> Words:
    if row.due_at is None:
        words = STATES.get(row.deadline_state, STATES[DeadlineState.NEEDS_DECISION])
    else:
        words = Words(ja=f"期限 {moment_ja(row.due_at, JST)}", en=f"due {moment_en(row.due_at, JST)}")
    marks_ja = [mark for said, mark in ((row.guideline, "目安"), (row.provisional, "暫定")) if said]
    marks_en = [mark for said, mark in ((row.guideline, "guideline"), (row.provisional, "provisional")) if said]
    if row.decide is not None:
        marks_ja.append("要判断")
        marks_en.append("to decide")
    if not marks_ja:
        return words
    return Words(ja=f"{words.ja}（{'・'.join(marks_ja)}）", en=f"{words.en} ({', '.join(marks_en)})")


def _happened(session: Session, incident_id: IncidentId) -> Mapping[int, list[DutyEntry]]:
    """Return fulfilments, reopenings and waivers by the row that they belong to, oldest first."""
    found: dict[int, list[DutyEntry]] = defaultdict(list)
    for entries in (
        _fulfilments(session, incident_id),
        _reopenings(session, incident_id),
        _waivers(session, incident_id),
    ):
        for obligation_id, entry in entries:
            found[obligation_id].append(entry)
    return {key: sorted(entries, key=lambda entry: str(entry.at or "")) for key, entries in found.items()}


def _fulfilments(session: Session, incident_id: IncidentId) -> list[tuple[int, DutyEntry]]:
    rows = session.execute(
        sa.select(ObligationFulfilment, Obligation)
        .join(Obligation, Obligation.id == ObligationFulfilment.obligation_id)
        .where(Obligation.incident_id == incident_id)
        .order_by(ObligationFulfilment.id),
    )
    found = []
    for fulfilment, duty in rows:
        late = duty.was_late is True and fulfilment.at == duty.first_filed_at
        by = FULFILLED_BY[fulfilment.kind]
        said = Words(
            ja=f"果たしました：{by.ja}（{fulfilment.reference}）{'。期限に遅れました' if late else ''}",
            en=f"Fulfilled: {by.en} ({fulfilment.reference}){', late' if late else ''}",
        )
        found.append((duty.id, _entry(fulfilment.at, said)))
    return found


def _reopenings(session: Session, incident_id: IncidentId) -> list[tuple[int, DutyEntry]]:
    rows = session.execute(
        sa.select(EventRow.body, EventRow.recorded_at)
        .where(EventRow.incident_id == incident_id, EventRow.kind == ObligationReopened.kind)
        .order_by(EventRow.sequence),
    )
    said = Words(
        ja="再び開きました：果たしたものが成り立たなくなりました。", en="Open again: what fulfilled it no longer holds."
    )
    return [(int(json.loads(body)["facts"]["obligation_id"]), _entry(at, said)) for body, at in rows]


def _waivers(session: Session, incident_id: IncidentId) -> list[tuple[int, DutyEntry]]:
    rows = session.execute(
        sa.select(Obligation.id, ApprovalDecision.id, ApprovalDecision.decided_at, TextRow.body)
        .join(ApprovalDecision, ApprovalDecision.id == Obligation.waiver_decision_id)
        .join(TextRow, TextRow.id == Obligation.waiver_text_id)
        .where(Obligation.incident_id == incident_id),
    )
    return [
        (
            obligation_id,
            _entry(
                at,
                Words(
                    ja=f"ほかの人の承認（決裁 {decision_id}）により不要と判断しました：{reason or '－'}",
                    en=f"Judged not required by a second person (decision {decision_id}): {reason or '-'}",
                ),
            ),
        )
        for obligation_id, decision_id, at, reason in rows
    ]


def _entry(at: datetime | None, said: Words) -> DutyEntry:
    return DutyEntry(at=at, what_ja=said.ja, what_en=said.en)


def _in(stored: object) -> Words:
    words: Mapping[str, str] = stored if isinstance(stored, dict) else {}
    return Words(ja=words.get("ja", ""), en=words.get("en", ""))
