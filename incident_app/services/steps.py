"""Response steps of an incident: planned from playbooks, worked on with results, blocked until needs are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, IllegalMove, IncidentAppError, NotFound
from incident_app.domain.events import StepFinished, StepSkipped, StepsPlanned, StepStarted
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.responses import Response, Step, due_at, read_response
from incident_app.domain.vocabulary import StepStatus
from incident_app.persistence.playbooks import IncidentStep, StepNeed, StepSource
from incident_app.persistence.timeline import TextRow
from incident_app.services.playbooks import Playbook, PlaybookKind, newest
from incident_app.services.transaction import Transaction, reading, transaction


class StepBlocked(IncidentAppError):
    """This step waits for: {waiting_for}."""

    ja = "先に終える手順があります：{waiting_for}。"


@dataclass(frozen=True, kw_only=True)
class StepView:
    """A step as pages show it."""

    id: int
    code: str
    title_ja: str
    title_en: str
    guidance_ja: str
    guidance_en: str
    owner_role: str
    serves: str | None
    due_at: datetime | None
    needs_result: bool
    status: StepStatus
    waiting_for_ja: tuple[str, ...]
    waiting_for_en: tuple[str, ...]
    finished_at: datetime | None
    result: str | None


def plan_from_playbooks(
    act: Transaction, incident_id: IncidentId, playbooks: Sequence[Playbook], anchors: Mapping[str, datetime | None]
) -> None:
    """Add the steps of every response playbook; a step that is there already is not doubled (D2)."""
    for playbook in playbooks:
        if playbook.kind is not PlaybookKind.RESPONSE:
            continue
        response = read_response(playbook.content, file=playbook.code)
        rows = _rows(act.session, incident_id)
        new = [step for step in response.steps if step.code not in rows]
        for step in new:
            row = _row(incident_id, step, len(rows), anchors)
            act.session.add(row)
            act.session.flush()
            rows[step.code] = row
        for step in response.steps:
            act.session.merge(StepSource(step_id=rows[step.code].id, playbook_version_id=playbook.id))
            for needed in step.needs:
                act.session.merge(StepNeed(step_id=rows[step.code].id, needs_step_id=rows[needed].id))
        act.record(StepsPlanned(code=playbook.code, added=len(new)), incident=incident_id)


def replan(act: Transaction, incident_id: IncidentId, anchors: Mapping[str, datetime | None]) -> None:
    """Move the due times of open steps when an anchor changed; finished ones stay (D5)."""
    for row in _rows(act.session, incident_id).values():
        if row.status in {StepStatus.TO_DO, StepStatus.DOING}:
            row.due_at = _due(row, anchors)
    act.session.flush()


def list_steps(engine: Engine, incident_id: IncidentId) -> list[StepView]:
    """Return the steps of an incident in order."""
    with reading(engine) as session:
        rows = sorted(_rows(session, incident_id).values(), key=lambda row: row.position)
        by_id = {row.id: row for row in rows}
        needs = session.execute(sa.select(StepNeed.step_id, StepNeed.needs_step_id).where(StepNeed.step_id.in_(by_id)))
        waiting: dict[int, list[IncidentStep]] = {}
        for step_id, needed in needs:
            if by_id[needed].status not in {StepStatus.DONE, StepStatus.SKIPPED}:
                waiting.setdefault(step_id, []).append(by_id[needed])
        text_ids = [row.result_text_id for row in rows if row.result_text_id]
        texts = dict(session.execute(sa.select(TextRow.id, TextRow.body).where(TextRow.id.in_(text_ids))).all())
        return [_view(row, waiting.get(row.id, []), texts.get(row.result_text_id or 0)) for row in rows]


def start_step(engine: Engine, incident_id: IncidentId, code: str, *, actor: Actor, now: datetime) -> None:
    """Take a step up; refused while a step that it needs is open (D3)."""
    with transaction(engine, actor=actor, now=now) as act:
        row = _get(act.session, incident_id, code)
        _check_not_blocked(act.session, row)
        if row.status is not StepStatus.TO_DO:
            raise IllegalMove(thing="step", state=row.status, event="start")
        row.status, row.acknowledged_at = StepStatus.DOING, now
        act.record(StepStarted(code=code), incident=incident_id)


def finish_step(
    engine: Engine, incident_id: IncidentId, code: str, *, result: str | None, actor: Actor, now: datetime
) -> None:
    """Finish a step; where a result is wanted it must be written down (D4)."""
    with transaction(engine, actor=actor, now=now) as act:
        row = _get(act.session, incident_id, code)
        _check_not_blocked(act.session, row)
        if row.status not in {StepStatus.TO_DO, StepStatus.DOING}:
            raise IllegalMove(thing="step", state=row.status, event="finish")
        if row.needs_result and not (result or "").strip():
            raise BadInput(field="result", problem="this step is finished by writing down its result")
        text = act.keep_text(result) if result and result.strip() else None
        row.result_text_id = text.id if text else None
        row.status, row.finished_at = StepStatus.DONE, now
        act.record(StepFinished(code=code, result_digest=text.digest if text else None), incident=incident_id)


def skip_step(engine: Engine, incident_id: IncidentId, code: str, *, reason: str, actor: Actor, now: datetime) -> None:
    """Leave a step out, with the reason."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why this step is left out")
    with transaction(engine, actor=actor, now=now) as act:
        row = _get(act.session, incident_id, code)
        if row.status not in {StepStatus.TO_DO, StepStatus.DOING}:
            raise IllegalMove(thing="step", state=row.status, event="skip")
        text = act.keep_text(reason)
        row.result_text_id, row.status, row.finished_at = text.id, StepStatus.SKIPPED, now
        act.record(StepSkipped(code=code, reason_digest=text.digest), incident=incident_id)


def incident_kinds(engine: Engine) -> list[Response]:
    """Return the kinds of incident that have a response playbook."""
    with reading(engine) as session:
        return [read_response(entry.content, file=entry.code) for entry in newest(session, PlaybookKind.RESPONSE)]


def _rows(session: Session, incident_id: IncidentId) -> dict[str, IncidentStep]:
    rows = session.scalars(sa.select(IncidentStep).where(IncidentStep.incident_id == incident_id))
    return {row.code or "": row for row in rows}


def _get(session: Session, incident_id: IncidentId, code: str) -> IncidentStep:
    row = _rows(session, incident_id).get(code)
    if row is None:
        raise NotFound(what="step", name=code)
    return row


def _check_not_blocked(session: Session, row: IncidentStep) -> None:
    open_needs = session.scalars(
        sa.select(IncidentStep.code)
        .join(StepNeed, StepNeed.needs_step_id == IncidentStep.id)
        .where(StepNeed.step_id == row.id, IncidentStep.status.in_([StepStatus.TO_DO, StepStatus.DOING]))
        .order_by(IncidentStep.position),
    ).all()
    if open_needs:
        raise StepBlocked(waiting_for=", ".join(code or "" for code in open_needs))


def _row(incident_id: IncidentId, step: Step, position: int, anchors: Mapping[str, datetime | None]) -> IncidentStep:
    return IncidentStep(
        incident_id=incident_id,
        code=step.code,
        title_ja=step.title.ja,
        title_en=step.title.en,
        guidance_ja=step.guidance.ja,
        guidance_en=step.guidance.en,
        serves=step.serves,
        owner_role=step.owner_role,
        anchor=step.anchor,
        offset_minutes=step.offset_minutes,
        due_at=due_at(step, anchors),
        needs_result=step.needs_result,
        position=position,
        status=StepStatus.TO_DO,
    )


def _due(row: IncidentStep, anchors: Mapping[str, datetime | None]) -> datetime | None:
    anchor = anchors.get(row.anchor)
    return None if anchor is None or row.offset_minutes is None else anchor + timedelta(minutes=row.offset_minutes)


def _view(row: IncidentStep, waiting: Sequence[IncidentStep], result: str | None) -> StepView:
    return StepView(
        id=row.id,
        code=row.code or "",
        title_ja=row.title_ja,
        title_en=row.title_en,
        guidance_ja=row.guidance_ja,
        guidance_en=row.guidance_en,
        owner_role=row.owner_role,
        serves=row.serves,
        due_at=row.due_at,
        needs_result=row.needs_result,
        status=row.status,
        waiting_for_ja=tuple(step.title_ja for step in waiting),
        waiting_for_en=tuple(step.title_en for step in waiting),
        finished_at=row.finished_at,
        result=result,
    )
