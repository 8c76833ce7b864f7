"""What tells whether a part of the policy's promise was kept: one measure each, from rows that are there anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import SETTLED_STANDINGS, Standing
from incident_app.domain.ids import IncidentId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.obligations import LIVE
from incident_app.domain.policy_promises import Commitment, MeasuredBy
from incident_app.domain.vocabulary import DutyStatus, Purpose, StepStatus
from incident_app.domain.words import Words
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryRow, PersonToInform
from incident_app.persistence.playbooks import IncidentStep
from incident_app.services.commitment_by_hand import Finding, by_hand, find_confirmed
from incident_app.services.incidents import newest_clocks
from incident_app.services.people import standings_in, told_too_little_in
from incident_app.services.people_told import people_told_in

TOLD_OTHERWISE = (Standing.INFORMED_OTHERWISE, Standing.COVERED_BY_PUBLIC_NOTICE)


@dataclass(frozen=True, kw_only=True)
class _Telling:
    """The first time that anybody was told: by a wave of mail, or otherwise."""

    at: datetime
    how: Words
    evidence: Words


def find(session: Session, incident_id: IncidentId, part: Commitment) -> Finding:
    """Tell whether one part is discharged, by what and when, or what is missing."""
    return _MEASURES[part.measured_by](session, incident_id, part)


def _first_telling(session: Session, incident_id: IncidentId) -> _Telling | None:
    tellings = [
        telling
        for telling in (_first_accepted(session, incident_id), _first_told_otherwise(session, incident_id))
        if telling is not None
    ]
    return min(tellings, key=lambda telling: telling.at, default=None)


def _first_accepted(session: Session, incident_id: IncidentId) -> _Telling | None:
    row = session.execute(
        sa.select(DeliveryAttempt.finished_at, Campaign.wave_number)
        .join(DeliveryRow, DeliveryRow.id == DeliveryAttempt.delivery_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .where(Campaign.incident_id == incident_id, DeliveryAttempt.outcome == "accepted")
        .order_by(DeliveryAttempt.finished_at)
        .limit(1),
    ).one_or_none()
    if row is None:
        return None
    at, wave = row
    return _Telling(
        at=at,
        how=Words(ja=f"第{wave}波の通知", en=f"the notice of wave {wave}"),
        evidence=Words(ja=f"第{wave}波", en=f"wave {wave}"),
    )


def _first_told_otherwise(session: Session, incident_id: IncidentId) -> _Telling | None:
    row = session.execute(
        sa.select(PersonToInform.standing_since, PersonToInform.how, PersonToInform.id)
        .where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == Purpose.LEAK_NOTICE,
            PersonToInform.standing.in_(TOLD_OTHERWISE),
        )
        .order_by(PersonToInform.standing_since, PersonToInform.id)
        .limit(1),
    ).one_or_none()
    if row is None:
        return None
    at, how, person_id = row
    return _Telling(
        at=at,
        how=Words(ja=f"別の方法（{how}）での連絡", en=f"telling otherwise ({how})"),
        evidence=Words(
            ja=f"知らせる相手 {person_id}（理由を記録）", en=f"person to inform {person_id}, with the reason on record"
        ),
    )


def _facts(session: Session, incident_id: IncidentId, _part: Commitment) -> Finding:
    accepted = _first_accepted(session, incident_id)
    notice = session.scalars(
        sa.select(Notice).where(Notice.incident_id == incident_id).order_by(Notice.id).limit(1)
    ).one_or_none()
    if accepted is not None and notice is not None:
        return Finding(
            discharged=True,
            what=Words(
                ja=f"{accepted.how.ja}で、本人ごとの項目を記した通知文（第{notice.current_version}版まで）を送りました。",
                en=f"An approved notice with each person's own items has left: {accepted.how.en} "
                f"(up to version {notice.current_version}).",
            ),
            at=accepted.at,
            evidence=Words(ja=f"通知文 {notice.id}", en=f"notice {notice.id}"),
        )
    otherwise = _first_told_otherwise(session, incident_id)
    if otherwise is not None:
        return Finding(
            discharged=True,
            what=Words(
                ja=f"{otherwise.how.ja}で事実を伝え、その内容を記録しました。",
                en=f"The facts were told by {otherwise.how.en}, and what was said is on record.",
            ),
            at=otherwise.at,
            evidence=otherwise.evidence,
        )
    if notice is None:
        return _missing(
            ja="通知文も、別の方法で伝えた記録もまだありません。",
            en="There is no notice yet, and nobody was told otherwise.",
        )
    return _missing(ja="承認された通知文がまだ送られていません。", en="No approved notice has been sent yet.")


def _promptly(session: Session, incident_id: IncidentId, part: Commitment) -> Finding:
    aware = newest_clocks(session, incident_id).get(AWARENESS)
    first = _first_telling(session, incident_id)
    if aware is None:
        return _missing(ja="認識の時刻が記録されていません。", en="The time of awareness is not on record.")
    if first is None:
        return _missing(ja="まだ誰にも知らせていません。", en="Nobody has been told yet.")
    hours, minutes = divmod(max(0, int((first.at - aware.at).total_seconds()) // 60), 60)
    target_ja = f"（社内目標 {part.internal_target_hours}時間）" if part.internal_target_hours else ""
    target_en = f" (our own target: {part.internal_target_hours} h)" if part.internal_target_hours else ""
    return Finding(
        discharged=True,
        what=Words(
            ja=f"認識から {hours}時間{minutes}分で最初に知らせました：{first.how.ja}{target_ja}。",
            en=f"The first person was told {hours} h {minutes} min after awareness: {first.how.en}{target_en}.",
        ),
        at=first.at,
        evidence=Words(ja=f"時計 {aware.id}、{first.evidence.ja}", en=f"clock {aware.id}, {first.evidence.en}"),
    )


def _every_person(session: Session, incident_id: IncidentId, _part: Commitment) -> Finding:
    counts = standings_in(session, incident_id, Purpose.LEAK_NOTICE)
    total, outdated = sum(counts.values()), told_too_little_in(session, incident_id, Purpose.LEAK_NOTICE)
    settled = sum(counts.get(standing, 0) for standing in SETTLED_STANDINGS) - outdated
    if not total:
        return _missing(ja="影響の判定がまだです。", en="The impact has not been determined yet.")
    if settled < total:
        left, lost = counts.get(Standing.TO_INFORM, 0), counts.get(Standing.NOT_REACHED, 0)
        return _missing(
            ja=f"{total:,}人のうち {total - settled:,}人が残っています"
            f"（未通知 {left:,}、未達 {lost:,}、項目が増えた人 {outdated:,}）。",
            en=f"{total - settled:,} of {total:,} people are left "
            f"({left:,} to inform, {lost:,} not reached, {outdated:,} with further items).",
        )
    told = people_told_in(session, incident_id)
    earlier, exempt = told.told_and_no_longer_affected, told.total - told.told
    ja = f"影響を受けた {told.total:,}人のうち {told.told:,}人に知らせ、{exempt:,}人は対象外と確かめました"
    en = f"Of {told.total:,} people affected {told.told:,} were told and {exempt:,} found exempt"
    if earlier:
        ja = f"{ja}（ほかに、知らせた後で影響がないと分かった人 {earlier:,}人）"
        en = f"{en} ({earlier:,} more were told before they were found not to be affected)"
    return Finding(
        discharged=True,
        what=Words(ja=f"{ja}。", en=f"{en}."),
        at=session.scalar(
            sa.select(sa.func.max(PersonToInform.standing_since)).where(
                PersonToInform.incident_id == incident_id, PersonToInform.purpose == Purpose.LEAK_NOTICE
            )
        ),
        evidence=Words(ja="一人ひとりの通知の状況", en="standing of each person"),
    )


def _steps(session: Session, incident_id: IncidentId, _part: Commitment) -> Finding:
    """Every response step finished, and every dated duty of law fulfilled in time."""
    steps = session.scalars(sa.select(IncidentStep).where(IncidentStep.incident_id == incident_id)).all()
    steps_left = sum(step.status not in {StepStatus.DONE, StepStatus.SKIPPED} for step in steps)
    dated = session.scalars(
        sa.select(Obligation).where(
            Obligation.incident_id == incident_id,
            Obligation.due_at.is_not(None),
            Obligation.status != DutyStatus.SUPERSEDED,
        ),
    ).all()
    duties_left, late = sum(duty.status in LIVE for duty in dated), sum(duty.was_late is True for duty in dated)
    waived = sum(duty.status is DutyStatus.WAIVED for duty in dated)
    skipped = sum(step.status is StepStatus.SKIPPED for step in steps)
    if steps_left or duties_left or late or not steps:
        return _missing(
            ja=f"手順 {len(steps)}件のうち {steps_left}件、期限のある義務 {len(dated)}件のうち {duties_left}件が"
            f"残っています。遅れて果たした義務は {late}件です。",
            en=f"{steps_left} of {len(steps)} steps and {duties_left} of {len(dated)} dated duties are left; "
            f"{late} duties were fulfilled late.",
        )
    ends = [step.finished_at for step in steps] + [duty.first_filed_at for duty in dated]
    return Finding(
        discharged=True,
        what=Words(
            ja=f"手順 {len(steps)}件（うち見送り {skipped}件）がすべて終わり、期限のある義務 {len(dated)}件を"
            f"期限内に果たしました（うち不要と判断 {waived}件）。",
            en=f"All {len(steps)} steps are finished ({skipped} left out) and all {len(dated)} dated duties "
            f"were fulfilled in time ({waived} judged not required).",
        ),
        at=max((end for end in ends if end), default=None),
        evidence=Words(
            ja=f"手順 {len(steps)}件、期限のある義務 {len(dated)}件",
            en=f"{len(steps)} steps, {len(dated)} dated duties",
        ),
    )


def _desk(session: Session, incident_id: IncidentId, part: Commitment) -> Finding:
    rows = session.execute(
        sa.select(NoticeVersion.facts, Notice.id, NoticeVersion.at)
        .join(Notice, Notice.id == NoticeVersion.notice_id)
        .where(Notice.incident_id == incident_id, NoticeVersion.version == Notice.current_version),
    ).all()
    if not rows:  # people who were told by telephone heard of the desk there: somebody says so
        return find_confirmed(session, incident_id, part) or _missing(
            ja="通知文がまだありません。電話などで伝えたときは、窓口を案内したことを確認して記録してください。",
            en="There is no notice yet. Where people were told otherwise, confirm by hand that the desk was named.",
        )
    named = all(isinstance(facts, dict) and facts.get("desk_phone") and facts.get("desk_hours") for facts, *_ in rows)
    return Finding(
        discharged=named,
        what=Words(
            ja="通知文に窓口の電話と受付時間を記しました。" if named else "通知文に窓口の電話か受付時間がありません。",
            en="The notice names the desk's telephone and hours." if named else "The notice lacks telephone or hours.",
        ),
        at=rows[0][2],
        evidence=Words(ja=f"通知文 {rows[0][1]}", en=f"notice {rows[0][1]}"),
    )


def _missing(*, ja: str, en: str) -> Finding:
    return Finding(discharged=False, what=Words(ja=ja, en=en))


_MEASURES: Mapping[MeasuredBy, Callable[[Session, IncidentId, Commitment], Finding]] = {
    MeasuredBy.FACTS_IN_THE_NOTICE: _facts,
    MeasuredBy.FIRST_NOTICE_AFTER_AWARENESS: _promptly,
    MeasuredBy.EVERY_PERSON_INFORMED: _every_person,
    MeasuredBy.STEPS_FINISHED: _steps,
    MeasuredBy.DESK_NAMED_IN_THE_NOTICE: _desk,
    MeasuredBy.BY_HAND: by_hand,
}
