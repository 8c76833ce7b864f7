"""Events of telling: notices, reports, approvals, dispatch, people informed."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event("notice.drafted", ja="通知文 第{version}版を作成しました", en="Notice version {version} drafted")
class NoticeDrafted(EventFacts):
    notice_id: int
    version: int
    notice_kind: str
    digest: str


@event(
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


@event("report.filed", ja="報告書 {form} 第{version}版を提出しました", en="Report {form} version {version} filed")
class ReportFiled(EventFacts):
    report_id: int
    version: int
    form: str
    digest: str
    receipt_digest: str | None


@event(
    "change.accepted",
    ja="報告書 {report_id} 第{version}版は、承認後に事実が変わった項目（{fields}）があるまま、理由を付けて提出しました",
    en="Report {report_id} version {version} was filed with a reason though facts had changed ({fields})",
)
class ChangeAccepted(EventFacts):
    report_id: int
    version: int
    fields: str
    reason_digest: str


@event(
    "papers.explained",
    ja="書類の食い違い（{question}）に理由を記録しました",
    en="Why papers differ was recorded ({question})",
)
class PapersExplained(EventFacts):
    question: str
    mismatch_digest: str
    reason_digest: str


@event(
    "approval.requested",
    ja="承認を依頼しました（{subject} {subject_id}）",
    en="Approval requested ({subject} {subject_id})",
)
class ApprovalRequested(EventFacts):
    request_id: int
    subject: str
    subject_id: int
    content_digest: str


@event("approval.granted", ja="承認しました（{subject} {subject_id}）", en="Approved ({subject} {subject_id})")
class ApprovalGranted(EventFacts):
    request_id: int
    subject: str
    subject_id: int
    content_digest: str


@event("approval.rejected", ja="差し戻しました（{subject} {subject_id}）", en="Sent back ({subject} {subject_id})")
class ApprovalRejected(EventFacts):
    request_id: int
    subject: str
    subject_id: int
    reason_digest: str


@event(
    "approval.voided",
    ja="内容が変わったため承認が無効になりました（{subject} {subject_id}）",
    en="Approval no longer holds: the content changed ({subject} {subject_id})",
)
class ApprovalVoided(EventFacts):
    subject: str
    subject_id: int


@event(
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
    contacts_as_of: str | None = None


@event(
    "dispatch.started", ja="第{wave}波の送信を始めました（{planned}通）", en="Wave {wave} started ({planned} messages)"
)
class DispatchStarted(EventFacts):
    campaign_id: int
    wave: int
    planned: int
    approved_digest: str
    canary: int | None


@event(
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
    attempts_through: int
    attempts_digest: str


@event(
    "dispatch.halted",
    ja="第{wave}波の先行分を送り、止めました"
    "（受付済 {accepted}、送れず {refused}、不確か {in_doubt}、再試行待ち {to_retry}、見送り {withheld}）。"
    "結果を確かめてから、残りを送ってください",
    en="Canary of wave {wave} sent: {accepted} accepted, {refused} refused, {in_doubt} in doubt, {to_retry} to be "
    "tried again, {withheld} withheld; look, then go on",
)
class DispatchHalted(EventFacts):
    campaign_id: int
    wave: int
    canary: int
    accepted: int
    refused: int
    in_doubt: int
    to_retry: int
    withheld: int
    waiting: int
    attempts_through: int
    attempts_digest: str


@event(
    "dispatch.released",
    ja="第{wave}波の先行分を確かめ、残り {waiting}通を送ることにしました",
    en="Wave {wave} goes on after its canary ({waiting} messages left)",
)
class DispatchReleased(EventFacts):
    campaign_id: int
    wave: int
    waiting: int


@event(
    "dispatch.braked",
    ja="第{wave}波を自動で止めました。直近の {attempts}回の送信のうち、拒否 {refused}、結果不明 {in_doubt}"
    "（上限 {limit}%）。最も多い応答 {reply}。原因を確かめてから再開してください",
    en="Wave {wave} stopped by itself: of the last {attempts} attempts {refused} were refused for good and {in_doubt} "
    "are in doubt (limit {limit} %), most frequent reply {reply}. Find the cause, then resume",
)
class DispatchBraked(EventFacts):
    campaign_id: int
    wave: int
    attempts: int
    refused: int
    in_doubt: int
    limit: int
    reply: str | None
    accepted: int
    waiting: int
    attempts_through: int
    attempts_digest: str


@event("dispatch.resumed", ja="第{wave}波の送信を再開しました", en="Wave {wave} resumed")
class DispatchResumed(EventFacts):
    campaign_id: int
    wave: int


@event(
    "dispatch.cancelled",
    ja="第{wave}波の送信を取りやめました（送らなかったもの {unsent}通）",
    en="Wave {wave} cancelled ({unsent} messages unsent)",
)
class DispatchCancelled(EventFacts):
    campaign_id: int
    wave: int
    unsent: int
    reason_digest: str
    attempts_through: int
    attempts_digest: str


@event(
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
    attempts_through: int
    attempts_digest: str


@event(
    "dispatch.doubted",
    ja="第{wave}波で結果の分からないものが {in_doubt}通あります",
    en="Wave {wave}: {in_doubt} messages are in doubt",
)
class DispatchDoubted(EventFacts):
    campaign_id: int
    wave: int
    in_doubt: int


@event(
    "delivery.resolved",
    ja="結果の分からない送信 {delivery_id} を「{resolution}」としました",
    en="Delivery {delivery_id} in doubt resolved as {resolution}",
)
class DeliveryResolved(EventFacts):
    delivery_id: int
    resolution: str
    reason_digest: str


@event(
    "people.informed",
    ja="本人への通知を記録しました（{standing} {people}人）",
    en="People informed recorded ({standing}: {people})",
)
class PeopleInformed(EventFacts):
    purpose: str
    standing: str
    people: int
    how_digest: str
    reason_digest: str | None


@event(
    "people.listed",
    ja="通知する人の一覧を更新しました（新規 {added}、項目の変更 {changed}、対象外 {exempted}）",
    en="People to inform updated ({added} new, {changed} with other items, {exempted} no longer affected)",
)
class PeopleListed(EventFacts):
    purpose: str
    determination_version: int
    added: int
    changed: int
    exempted: int


@event(
    "finding.waived",
    ja="通知文 第{version}版の指摘（{rule}、{language}）を、理由を付けて受け入れました",
    en="A finding on notice version {version} ({rule}, {language}) was accepted with a reason",
)
class FindingWaived(EventFacts):
    notice_id: int
    version: int
    language: str
    rule: str
    reason_digest: str
