"""Events of an incident: clocks, scope, impact, duties, steps."""

from __future__ import annotations

from datetime import datetime

from incident_app.domain.events.base import EventFacts, event


@event("incident.opened", ja="事案 {reference} を開きました", en="Incident {reference} opened")
class IncidentOpened(EventFacts):
    reference: str
    incident_kind: str
    exercise: bool
    title_digest: str


@event("member.added", ja="関係者に利用者 {user_id} を加えました", en="Account {user_id} joined the incident")
class MemberAdded(EventFacts):
    user_id: int
    role: str


@event("clock.started", ja="時計を記録しました：{subject}（{source}）", en="Clock recorded: {subject} ({source})")
class ClockStarted(EventFacts):
    subject: str
    at: datetime
    source: str
    corrects: int | None
    reason_digest: str | None


@event(
    "playbook.pinned",
    ja="この事案に手順書 {code}（{version}）を固定しました",
    en="Playbook {code} ({version}) pinned to the incident",
)
class PlaybookPinned(EventFacts):
    code: str
    version: str
    digest: str


@event("steps.planned", ja="対応手順を {added}件加えました（{code}）", en="{added} response steps added ({code})")
class StepsPlanned(EventFacts):
    code: str
    added: int


@event("step.started", ja="手順 {code} に着手しました", en="Step {code} started")
class StepStarted(EventFacts):
    code: str


@event("step.finished", ja="手順 {code} を終えました", en="Step {code} finished")
class StepFinished(EventFacts):
    code: str
    result_digest: str | None


@event("step.skipped", ja="手順 {code} を見送りました", en="Step {code} skipped")
class StepSkipped(EventFacts):
    code: str
    reason_digest: str


@event(
    "list.loaded",
    ja="顧客の一覧を読み込みました（一致 {matched}行、不一致 {unmatched}行）",
    en="List of customers loaded ({matched} matched, {unmatched} unmatched)",
)
class ListLoaded(EventFacts):
    list_id: int
    digest: str
    matched: int
    unmatched: int


@event("evidence.added", ja="証拠 {evidence_id} を保管しました", en="Evidence {evidence_id} stored")
class EvidenceAdded(EventFacts):
    evidence_id: int
    sha256: str
    size: int


@event(
    "scope.set",
    ja="範囲 第{version}版を定めました（保管先 {stores}件、一覧 {lists}件）",
    en="Scope version {version} set ({stores} stores, {lists} lists)",
)
class ScopeSet(EventFacts):
    version: int
    stores: int
    lists: int
    cause: str
    digest: str


@event(
    "retention.exceeded",
    ja="範囲 第{version}版：保存期間を過ぎた記録が {records}件あります（保管先 {stores}件、項目 {items}件）",
    en="Scope version {version}: {records} records are held past their retention ({stores} stores, {items} items)",
)
class RetentionExceeded(EventFacts):
    version: int
    stores: int
    items: int
    records: int
    digest: str


@event(
    "scope.counted",
    ja="範囲 第{version}版について、設定時に数え切れなかった数を数えました（{findings}件）",
    en="Scope version {version}: counted what was too much to count when it was set ({findings} numbers)",
)
class ScopeCounted(EventFacts):
    version: int
    findings: int


@event(
    "involved.added",
    ja="登録外の関係者 {person_id} を加えました（{role}）",
    en="Person {person_id} outside the inventory added ({role})",
)
class InvolvedAdded(EventFacts):
    person_id: int
    role: str
    items: int


@event(
    "deletion.confirmed",
    ja="関係者 {person_id} がデータの削除を確認しました",
    en="Person {person_id} confirmed that the data is deleted",
)
class DeletionConfirmed(EventFacts):
    person_id: int
    evidence_id: int | None
    note_digest: str | None


@event(
    "involved.erased",
    ja="関係者 {person_id} の氏名と連絡先を消去しました",
    en="Name and contact of person {person_id} erased",
)
class InvolvedErased(EventFacts):
    person_id: int


@event(
    "impact.determined",
    ja="影響 第{version}版を判定しました（確定 {confirmed}、推定 {assumed}、除外 {ruled_out}）",
    en="Impact version {version} determined ({confirmed} confirmed, {assumed} assumed, {ruled_out} ruled out)",
)
class ImpactDetermined(EventFacts):
    version: int
    confirmed: int
    assumed: int
    ruled_out: int
    inputs_digest: str
    result_digest: str


@event(
    "people.counted",
    ja="人数を記録しました：{subject} {value}人（{count_kind}）",
    en="People counted: {subject} {value} ({count_kind})",
)
class PeopleCounted(EventFacts):
    count_id: int
    subject: str
    count_kind: str
    value: int
    origin: str
    reason_digest: str | None


@event("threshold.passed", ja="人数が {threshold}人を超えました", en="The number of people passed {threshold}")
class ThresholdPassed(EventFacts):
    threshold: int
    value: int


@event(
    "obligations.derived",
    ja="義務を導き直しました（新規 {added}、置換 {superseded}、継続 {kept}）",
    en="Obligations derived ({added} new, {superseded} superseded, {kept} kept)",
)
class ObligationsDerived(EventFacts):
    added: int
    superseded: int
    kept: int
    digest: str


@event(
    "obligation.fulfilled",
    ja="義務 {obligation_id} を果たしました（遅れ：{was_late}）",
    en="Obligation {obligation_id} fulfilled (late: {was_late})",
)
class ObligationFulfilled(EventFacts):
    obligation_id: int
    rule: str
    by: str
    was_late: bool


@event(
    "obligation.waived",
    ja="義務 {obligation_id} を不要と判断しました",
    en="Obligation {obligation_id} judged not required",
)
class ObligationWaived(EventFacts):
    obligation_id: int
    rule: str
    reason_digest: str
    decision_id: int


@event(
    "obligation.reopened",
    ja="義務 {obligation_id} は果たされた状態ではなくなったため、再び開きました",
    en="Obligation {obligation_id} is open again: what fulfilled it no longer holds",
)
class ObligationReopened(EventFacts):
    obligation_id: int
    rule: str


@event(
    "waiver.superseded",
    ja="義務 {obligation_id} は不要と判断されていましたが、果たされました（果たしたことが優先します）",
    en="Obligation {obligation_id} was judged not required and was fulfilled nevertheless: what was done counts",
)
class WaiverSuperseded(EventFacts):
    obligation_id: int
    rule: str
    decision_id: int | None


@event(
    "waiver.lapsed",
    ja="義務 {obligation_id} を不要とした判断は、その後に分かった事実のため効力を失いました",
    en="The judgement that obligation {obligation_id} is not required lapsed: further facts came to light",
)
class WaiverLapsed(EventFacts):
    obligation_id: int
    rule: str
    decision_id: int | None


@event(
    "commitment.confirmed",
    ja="お約束 {clause}／{part} を確認しました（果たした：{kept}）",
    en="Promise {clause}/{part} confirmed by hand (kept: {kept})",
)
class CommitmentConfirmed(EventFacts):
    clause: str
    part: str
    kept: bool
    evidence_id: int | None
    reason_digest: str


@event(
    "party.messaged",
    ja="相手先とのやり取り {message_id} を記録しました（{message_kind}、{direction}）",
    en="Message {message_id} with another company recorded ({message_kind}, {direction})",
)
class PartyMessaged(EventFacts):
    message_id: int
    message_kind: str
    direction: str
    party: str | None
    customer_id: int | None
    items_known: int
    content_digest: str | None
    text_digest: str | None
    evidence_id: int | None


@event(
    "contract.recorded",
    ja="顧客 {customer_id} との契約の通知時間を記録しました（{notice_hours}時間）",
    en="Hours of notice in the contract of customer {customer_id} recorded ({notice_hours})",
)
class ContractRecorded(EventFacts):
    customer_id: int
    notice_hours: int | None


@event(
    "playbook.moved",
    ja="この事案を手順書 {code} の版 {from_version} から {version} へ移しました",
    en="The incident was moved from version {from_version} of playbook {code} to {version}",
)
class PlaybookMoved(EventFacts):
    code: str
    from_version: str | None
    version: str
    digest: str
    reason_digest: str


@event("incident.closed", ja="事案を閉じました", en="Incident closed")
class IncidentClosed(EventFacts):
    reference: str
    reason_digest: str | None


@event(
    "fact.decided",
    ja="事実を判断しました：{fact}（{value}）",
    en="Fact decided: {fact} ({value})",
)
class FactDecided(EventFacts):
    fact: str
    value: bool
    reason_digest: str
