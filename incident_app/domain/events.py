"""Every kind of event, the facts it carries, and how it reads. Facts hold ids and digests, never people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import ClassVar, TypeVar


@dataclass(frozen=True, kw_only=True)
class EventFacts:
    """The facts of one event. Subclasses name their kind and how they read in Japanese and English."""

    kind: ClassVar[str]
    ja: ClassVar[str]
    en: ClassVar[str]

    def as_mapping(self) -> dict[str, object]:
        """Return the facts by name, ready to be hashed."""
        return asdict(self)


Facts = TypeVar("Facts", bound=EventFacts)
KINDS: dict[str, type[EventFacts]] = {}


def _event(kind: str, *, ja: str, en: str) -> Callable[[type[Facts]], type[Facts]]:
    def register(cls: type[Facts]) -> type[Facts]:
        frozen = dataclass(frozen=True, kw_only=True)(cls)
        frozen.kind, frozen.ja, frozen.en = kind, ja, en
        KINDS[kind] = frozen
        return frozen

    return register


def summary(kind: str, facts: Mapping[str, object], language: str) -> str:
    """Say in one line what happened. An unknown kind (from a newer version) reads as its own name."""
    if kind not in KINDS:
        return kind
    cls = KINDS[kind]
    shown = {field.name: _shown(facts.get(field.name), language) for field in fields(cls)}
    return (cls.ja if language == "ja" else cls.en).format(**shown)


def _shown(value: object, language: str) -> str:
    if value is None:
        return "−"
    if isinstance(value, bool):
        words = {"ja": ("はい", "いいえ"), "en": ("yes", "no")}[language]
        return words[0] if value else words[1]
    return f"{value:,}" if isinstance(value, int) else str(value)


@_event(
    "policy.loaded", ja="ポリシー {code} 第{version}版を読み込みました", en="Policy {code} version {version} loaded"
)
class PolicyLoaded(EventFacts):
    code: str
    version: str
    digest: str


@_event("playbook.loaded", ja="手順書 {code}（{version}）を読み込みました", en="Playbook {code} ({version}) loaded")
class PlaybookLoaded(EventFacts):
    playbook_kind: str
    code: str
    version: str
    digest: str


@_event(
    "inventory.loaded", ja="データ台帳を更新しました（保管先 {stores}件）", en="Inventory updated ({stores} stores)"
)
class InventoryLoaded(EventFacts):
    stores: int
    digest: str


@_event(
    "customers.imported",
    ja="顧客データを取り込みました（採用 {rows_kept}行、除外 {rows_refused}行）",
    en="Customers imported ({rows_kept} rows kept, {rows_refused} refused)",
)
class CustomersImported(EventFacts):
    import_id: int
    file_digest: str
    rows_read: int
    rows_kept: int
    rows_refused: int


@_event("user.added", ja="利用者 {user_id} を追加しました", en="Account {user_id} added")
class UserAdded(EventFacts):
    user_id: int


@_event("role.granted", ja="利用者 {user_id} に役割 {role} を付けました", en="Role {role} granted to account {user_id}")
class RoleGranted(EventFacts):
    user_id: int
    role: str


@_event(
    "role.revoked", ja="利用者 {user_id} の役割 {role} を外しました", en="Role {role} revoked from account {user_id}"
)
class RoleRevoked(EventFacts):
    user_id: int
    role: str


@_event("incident.opened", ja="事案 {reference} を開きました", en="Incident {reference} opened")
class IncidentOpened(EventFacts):
    reference: str
    incident_kind: str
    exercise: bool
    title_digest: str


@_event("member.added", ja="関係者に利用者 {user_id} を加えました", en="Account {user_id} joined the incident")
class MemberAdded(EventFacts):
    user_id: int
    role: str


@_event("clock.started", ja="時計を記録しました：{subject}（{source}）", en="Clock recorded: {subject} ({source})")
class ClockStarted(EventFacts):
    subject: str
    at: datetime
    source: str
    corrects: int | None
    reason_digest: str | None


@_event(
    "playbook.pinned",
    ja="この事案に手順書 {code}（{version}）を固定しました",
    en="Playbook {code} ({version}) pinned to the incident",
)
class PlaybookPinned(EventFacts):
    code: str
    version: str
    digest: str


@_event("steps.planned", ja="対応手順を {added}件加えました（{code}）", en="{added} response steps added ({code})")
class StepsPlanned(EventFacts):
    code: str
    added: int


@_event("step.started", ja="手順 {code} に着手しました", en="Step {code} started")
class StepStarted(EventFacts):
    code: str


@_event("step.finished", ja="手順 {code} を終えました", en="Step {code} finished")
class StepFinished(EventFacts):
    code: str
    result_digest: str | None


@_event("step.skipped", ja="手順 {code} を見送りました", en="Step {code} skipped")
class StepSkipped(EventFacts):
    code: str
    reason_digest: str


@_event(
    "list.loaded",
    ja="顧客の一覧を読み込みました（一致 {matched}行、不一致 {unmatched}行）",
    en="List of customers loaded ({matched} matched, {unmatched} unmatched)",
)
class ListLoaded(EventFacts):
    list_id: int
    digest: str
    matched: int
    unmatched: int


@_event("evidence.added", ja="証拠 {evidence_id} を保管しました", en="Evidence {evidence_id} stored")
class EvidenceAdded(EventFacts):
    evidence_id: int
    sha256: str
    size: int


@_event(
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


@_event(
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


@_event(
    "people.counted",
    ja="人数を記録しました：{subject} {value}人（{count_kind}）",
    en="People counted: {subject} {value} ({count_kind})",
)
class PeopleCounted(EventFacts):
    count_id: int
    subject: str
    count_kind: str
    value: int


@_event("threshold.passed", ja="人数が {threshold}人を超えました", en="The number of people passed {threshold}")
class ThresholdPassed(EventFacts):
    threshold: int
    value: int


@_event(
    "obligations.derived",
    ja="義務を導き直しました（新規 {added}、置換 {superseded}、継続 {kept}）",
    en="Obligations derived ({added} new, {superseded} superseded, {kept} kept)",
)
class ObligationsDerived(EventFacts):
    added: int
    superseded: int
    kept: int
    digest: str


@_event(
    "obligation.fulfilled",
    ja="義務 {obligation_id} を果たしました（遅れ：{was_late}）",
    en="Obligation {obligation_id} fulfilled (late: {was_late})",
)
class ObligationFulfilled(EventFacts):
    obligation_id: int
    rule: str
    by: str
    was_late: bool


@_event(
    "obligation.waived",
    ja="義務 {obligation_id} を不要と判断しました",
    en="Obligation {obligation_id} judged not required",
)
class ObligationWaived(EventFacts):
    obligation_id: int
    rule: str
    reason_digest: str
    decision_id: int


@_event("notice.drafted", ja="通知文 第{version}版を作成しました", en="Notice version {version} drafted")
class NoticeDrafted(EventFacts):
    notice_id: int
    version: int
    notice_kind: str
    digest: str


@_event(
    "report.drafted",
    ja="報告書 {form} 第{version}版を作成しました（未記入 {gaps}件）",
    en="Report {form} version {version} drafted ({gaps} gaps)",
)
class ReportDrafted(EventFacts):
    report_id: int
    version: int
    form: str
    gaps: int
    digest: str


@_event("report.filed", ja="報告書 {form} 第{version}版を提出しました", en="Report {form} version {version} filed")
class ReportFiled(EventFacts):
    report_id: int
    version: int
    form: str
    digest: str
    receipt_digest: str | None


@_event(
    "approval.requested",
    ja="承認を依頼しました（{subject} {subject_id}）",
    en="Approval requested ({subject} {subject_id})",
)
class ApprovalRequested(EventFacts):
    request_id: int
    subject: str
    subject_id: int
    content_digest: str


@_event("approval.granted", ja="承認しました（{subject} {subject_id}）", en="Approved ({subject} {subject_id})")
class ApprovalGranted(EventFacts):
    request_id: int
    subject: str
    subject_id: int
    content_digest: str


@_event("approval.rejected", ja="差し戻しました（{subject} {subject_id}）", en="Sent back ({subject} {subject_id})")
class ApprovalRejected(EventFacts):
    request_id: int
    subject: str
    subject_id: int
    reason_digest: str


@_event(
    "approval.voided",
    ja="内容が変わったため承認が無効になりました（{subject} {subject_id}）",
    en="Approval no longer holds: the content changed ({subject} {subject_id})",
)
class ApprovalVoided(EventFacts):
    subject: str
    subject_id: int


@_event(
    "dispatch.filled",
    ja="第{wave}波の宛先を確定しました（{people}人、{planned}通）",
    en="Wave {wave} filled ({people} people, {planned} messages)",
)
class DispatchFilled(EventFacts):
    campaign_id: int
    wave: int
    people: int
    planned: int
    unreachable: int
    audience_digest: str


@_event(
    "dispatch.started", ja="第{wave}波の送信を始めました（{planned}通）", en="Wave {wave} started ({planned} messages)"
)
class DispatchStarted(EventFacts):
    campaign_id: int
    wave: int
    planned: int
    approved_digest: str


@_event(
    "dispatch.paused",
    ja="第{wave}波の送信を止めました（受付済 {accepted}、残り {waiting}）",
    en="Wave {wave} paused ({accepted} accepted, {waiting} left)",
)
class DispatchPaused(EventFacts):
    campaign_id: int
    wave: int
    accepted: int
    waiting: int
    reason_digest: str | None
    attempts_digest: str


@_event("dispatch.resumed", ja="第{wave}波の送信を再開しました", en="Wave {wave} resumed")
class DispatchResumed(EventFacts):
    campaign_id: int
    wave: int


@_event(
    "dispatch.cancelled",
    ja="第{wave}波の送信を取りやめました（送らなかったもの {unsent}通）",
    en="Wave {wave} cancelled ({unsent} messages unsent)",
)
class DispatchCancelled(EventFacts):
    campaign_id: int
    wave: int
    unsent: int
    reason_digest: str
    attempts_digest: str


@_event(
    "dispatch.finished",
    ja="第{wave}波が終わりました（受付済 {accepted}、送れず {failed}、見送り {skipped}）",
    en="Wave {wave} finished ({accepted} accepted, {failed} failed, {skipped} withheld)",
)
class DispatchFinished(EventFacts):
    campaign_id: int
    wave: int
    planned: int
    accepted: int
    failed: int
    skipped: int
    attempts_digest: str


@_event(
    "dispatch.doubted",
    ja="第{wave}波で結果の分からないものが {in_doubt}通あります",
    en="Wave {wave}: {in_doubt} messages are in doubt",
)
class DispatchDoubted(EventFacts):
    campaign_id: int
    wave: int
    in_doubt: int


@_event(
    "delivery.resolved",
    ja="結果の分からない送信 {delivery_id} を「{resolution}」としました",
    en="Delivery {delivery_id} in doubt resolved as {resolution}",
)
class DeliveryResolved(EventFacts):
    delivery_id: int
    resolution: str
    reason_digest: str


@_event(
    "people.informed",
    ja="本人への通知を記録しました（{standing} {people}人）",
    en="People informed recorded ({standing}: {people})",
)
class PeopleInformed(EventFacts):
    purpose: str
    standing: str
    people: int
    how: str
    reason_digest: str | None


@_event("note.recorded", ja="出来事を記録しました", en="Entry recorded")
class NoteRecorded(EventFacts):
    text_digest: str


@_event("note.corrected", ja="{corrects}件目の記録を訂正しました", en="Event {corrects} corrected")
class NoteCorrected(EventFacts):
    corrects: int
    text_digest: str


@_event("export.made", ja="{what} を書き出しました（目的を記録）", en="{what} exported (purpose recorded)")
class ExportMade(EventFacts):
    what: str
    rows: int
    digest: str
    purpose_digest: str


@_event(
    "chain.anchored",
    ja="記録の鎖の末尾を控えました（{anchored}件目）",
    en="Head of the chain anchored (event {anchored})",
)
class ChainAnchored(EventFacts):
    anchored: int
    hash: str
    placed_where: str


@_event("incident.closed", ja="事案を閉じました", en="Incident closed")
class IncidentClosed(EventFacts):
    reference: str
