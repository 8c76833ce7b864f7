"""The commitment: each part of the policy's promise for one incident, what discharged it, or what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import SETTLED_STANDINGS, Standing
from incident_app.domain.errors import NothingYet
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.policies import Commitment, MeasuredBy, read_policy
from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind, Purpose, StepStatus
from incident_app.domain.words import Words
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryRow, PersonToInform
from incident_app.persistence.playbooks import IncidentStep
from incident_app.rendering.commitment import CommitmentRow
from incident_app.services.incidents import newest_clocks
from incident_app.services.obligations import LIVE, fulfil
from incident_app.services.people import standings_in, told_too_little_in
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.transaction import reading, transaction


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """Whether a part was discharged, what by or what is missing, when, and where the evidence lies."""

    discharged: bool
    what: Words
    at: datetime | None = None
    evidence: str = ""


def commitment_rows(engine: Engine, incident_id: IncidentId) -> list[CommitmentRow]:
    """Return each part of the policy that the incident is judged by, as it stands now."""
    with reading(engine) as session:
        parts = _parts(session, incident_id)
        return [_row(part, _MEASURES[part.measured_by](session, incident_id, part)) for part in parts]


def discharge_promises(engine: Engine, incident_id: IncidentId, *, actor: Actor, now: datetime) -> int:
    """Fulfil the duties of regime policy whose part is discharged; computed from rows, never set. Return how many."""
    with reading(engine) as session:
        findings = {
            part.part: _MEASURES[part.measured_by](session, incident_id, part)
            for part in _parts(session, incident_id)
            if part.for_every_leak
        }
        duties = session.scalars(
            sa.select(Obligation).where(
                Obligation.incident_id == incident_id, Obligation.regime == "policy", Obligation.status.in_(LIVE)
            ),
        ).all()
    ready = [duty.id for duty in duties if duty.stage in findings and findings[duty.stage].discharged]
    people_told = findings.get("to_the_people")
    if people_told is not None and people_told.discharged:
        ready += _duties_toward_people(engine, incident_id)
    if not ready:
        return 0
    with transaction(engine, actor=actor, now=now) as act:
        for obligation_id in ready:
            row = act.session.get_one(Obligation, obligation_id)
            finding = findings.get(row.stage) or people_told
            at = finding.at if finding and finding.at else now
            fulfil(act, row, kind=FulfilmentKind.PEOPLE_COMPUTED, reference=finding.evidence if finding else "", at=at)
    return len(ready)


def _duties_toward_people(engine: Engine, incident_id: IncidentId) -> list[int]:
    """Return the duties of law toward people: they are computed from the people's standing as well."""
    with reading(engine) as session:
        return list(
            session.scalars(
                sa.select(Obligation.id).where(
                    Obligation.incident_id == incident_id,
                    Obligation.regime != "policy",
                    Obligation.addressee_kind == "people",
                    Obligation.status == DutyStatus.OPEN,
                ),
            ),
        )


def _parts(session: Session, incident_id: IncidentId) -> tuple[Commitment, ...]:
    playbooks = pinned(session, incident_id, [PlaybookKind.POLICY])
    if not playbooks:
        raise NothingYet(what="policy")
    return read_policy(playbooks[-1].content, file=playbooks[-1].code).commitments


def _row(part: Commitment, finding: _Finding) -> CommitmentRow:
    return CommitmentRow(
        clause=part.clause,
        part=part.part,
        section=part.section,
        promise_ja=part.promise.ja,
        promise_en=part.promise.en,
        measurable_end_ja=part.measurable_end.ja,
        measurable_end_en=part.measurable_end.en,
        discharged=finding.discharged,
        found_ja=finding.what.ja,
        found_en=finding.what.en,
        at=finding.at,
        evidence=finding.evidence,
    )


def _first_accepted(session: Session, incident_id: IncidentId) -> tuple[datetime, int] | None:
    """Return when the first notice was accepted, and the wave."""
    row = session.execute(
        sa.select(DeliveryAttempt.finished_at, Campaign.wave_number)
        .join(DeliveryRow, DeliveryRow.id == DeliveryAttempt.delivery_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .where(Campaign.incident_id == incident_id, DeliveryAttempt.outcome == "accepted")
        .order_by(DeliveryAttempt.finished_at)
        .limit(1),
    ).one_or_none()
    return (row[0], row[1]) if row else None


def _facts(session: Session, incident_id: IncidentId, _part: Commitment) -> _Finding:
    first = _first_accepted(session, incident_id)
    notice = session.scalars(
        sa.select(Notice).where(Notice.incident_id == incident_id).order_by(Notice.id).limit(1)
    ).one_or_none()
    if notice is None:
        return _Finding(discharged=False, what=Words(ja="通知文がまだありません。", en="There is no notice yet."))
    if first is None:
        return _Finding(
            discharged=False,
            what=Words(ja="承認された通知文がまだ送られていません。", en="No approved notice has been sent yet."),
        )
    return _Finding(
        discharged=True,
        what=Words(
            ja=f"第{first[1]}波で、本人ごとの項目を記した通知文（第{notice.current_version}版まで）を送りました。",
            en=f"Wave {first[1]} carried an approved notice with each person's own items "
            f"(up to version {notice.current_version}).",
        ),
        at=first[0],
        evidence=f"notice {notice.id}",
    )


def _promptly(session: Session, incident_id: IncidentId, part: Commitment) -> _Finding:
    aware = newest_clocks(session, incident_id).get(AWARENESS)
    first = _first_accepted(session, incident_id)
    if aware is None:
        return _Finding(
            discharged=False,
            what=Words(ja="認識の時刻が記録されていません。", en="The time of awareness is not on record."),
        )
    if first is None:
        return _Finding(
            discharged=False, what=Words(ja="最初の通知がまだです。", en="The first notice has not left yet.")
        )
    hours, minutes = divmod(int((first[0] - aware.at).total_seconds()) // 60, 60)
    target_ja = f"（社内目標 {part.internal_target_hours}時間）" if part.internal_target_hours else ""
    target_en = f" (our own target: {part.internal_target_hours} h)" if part.internal_target_hours else ""
    return _Finding(
        discharged=True,
        what=Words(
            ja=f"認識から {hours}時間{minutes}分で最初の通知が受け付けられました{target_ja}。",
            en=f"The first notice was accepted {hours} h {minutes} min after awareness{target_en}.",
        ),
        at=first[0],
        evidence=f"clock {aware.id}, wave {first[1]}",
    )


def _every_person(session: Session, incident_id: IncidentId, _part: Commitment) -> _Finding:
    counts = standings_in(session, incident_id, Purpose.LEAK_NOTICE)
    total, outdated = sum(counts.values()), told_too_little_in(session, incident_id, Purpose.LEAK_NOTICE)
    settled = sum(counts.get(standing, 0) for standing in SETTLED_STANDINGS) - outdated
    if not total:
        return _Finding(
            discharged=False, what=Words(ja="影響の判定がまだです。", en="The impact has not been determined yet.")
        )
    if settled < total:
        left, lost = counts.get(Standing.TO_INFORM, 0), counts.get(Standing.NOT_REACHED, 0)
        return _Finding(
            discharged=False,
            what=Words(
                ja=f"{total:,}人のうち {total - settled:,}人が残っています"
                f"（未通知 {left:,}、未達 {lost:,}、項目が増えた人 {outdated:,}）。",
                en=f"{total - settled:,} of {total:,} people are left "
                f"({left:,} to inform, {lost:,} not reached, {outdated:,} with further items).",
            ),
        )
    return _Finding(
        discharged=True,
        what=Words(
            ja=f"{total:,}人全員に知らせました（または対象外と確かめました）。",
            en=f"All {total:,} people were told, or found not to be affected.",
        ),
        at=_last_standing(session, incident_id),
        evidence="standing of each person",
    )


def _last_standing(session: Session, incident_id: IncidentId) -> datetime | None:
    return session.scalar(
        sa.select(sa.func.max(PersonToInform.standing_since)).where(PersonToInform.incident_id == incident_id),
    )


def _steps(session: Session, incident_id: IncidentId, _part: Commitment) -> _Finding:
    steps = session.scalars(sa.select(IncidentStep).where(IncidentStep.incident_id == incident_id)).all()
    left = [step for step in steps if step.status not in {StepStatus.DONE, StepStatus.SKIPPED}]
    late = session.scalars(
        sa.select(sa.func.count()).where(Obligation.incident_id == incident_id, Obligation.was_late.is_(True)),
    ).one()
    if left or not steps:
        return _Finding(
            discharged=False,
            what=Words(
                ja=f"手順 {len(steps)}件のうち {len(left)}件が残っています（遅れた義務 {late}件）。",
                en=f"{len(left)} of {len(steps)} steps are left ({late} duties were late).",
            ),
        )
    return _Finding(
        discharged=late == 0,
        what=Words(
            ja=f"手順 {len(steps)}件がすべて終わりました（遅れた義務 {late}件）。",
            en=f"All {len(steps)} steps are finished ({late} duties were late).",
        ),
        at=max((step.finished_at for step in steps if step.finished_at), default=None),
        evidence=f"{len(steps)} steps",
    )


def _desk(session: Session, incident_id: IncidentId, _part: Commitment) -> _Finding:
    rows = session.execute(
        sa.select(NoticeVersion.facts, Notice.id, NoticeVersion.at)
        .join(Notice, Notice.id == NoticeVersion.notice_id)
        .where(Notice.incident_id == incident_id, NoticeVersion.version == Notice.current_version),
    ).all()
    if not rows:
        return _Finding(discharged=False, what=Words(ja="通知文がまだありません。", en="There is no notice yet."))
    named = all(isinstance(facts, dict) and facts.get("desk_phone") and facts.get("desk_hours") for facts, *_ in rows)
    return _Finding(
        discharged=named,
        what=Words(
            ja="通知文に窓口の電話と受付時間を記しました。" if named else "通知文に窓口の電話か受付時間がありません。",
            en="The notice names the desk's telephone and hours." if named else "The notice lacks telephone or hours.",
        ),
        at=rows[0][2],
        evidence=f"notice {rows[0][1]}",
    )


def _by_hand(_session: Session, _incident_id: IncidentId, part: Commitment) -> _Finding:
    return _Finding(
        discharged=False,
        what=Words(
            ja="自動では確かめられません。振り返りで確認し、タイムラインに記録してください。",
            en=f"Cannot be told automatically ({part.clause}): confirm it in the review and record it on the timeline.",
        ),
    )


_MEASURES: Mapping[MeasuredBy, Callable[[Session, IncidentId, Commitment], _Finding]] = {
    MeasuredBy.FACTS_IN_THE_NOTICE: _facts,
    MeasuredBy.FIRST_NOTICE_AFTER_AWARENESS: _promptly,
    MeasuredBy.EVERY_PERSON_INFORMED: _every_person,
    MeasuredBy.STEPS_FINISHED: _steps,
    MeasuredBy.DESK_NAMED_IN_THE_NOTICE: _desk,
    MeasuredBy.BY_HAND: _by_hand,
}
