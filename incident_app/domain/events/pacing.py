"""Events of how a wave is sent: limits, hours and ceilings, test mails and rehearsals."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event(
    "limits.set",
    ja="送信全体の上限を定めました（1秒 {per_second}通、1時間 {per_hour}通）",
    en="Limits of all sending set ({per_second} a second, {per_hour} an hour)",
)
class LimitsSet(EventFacts):
    per_second: int | None
    per_hour: int | None


@event(
    "domain.limited",
    ja="宛先ドメイン（番号 {domain_id}）の上限を定めました"
    "（1分 {per_minute}通、同時 {connections}通、停止 {paused_until} まで）",
    en="Limit of mail domain {domain_id} set ({per_minute} a minute, {connections} at once, paused "
    "until {paused_until})",
)
class DomainLimited(EventFacts):
    domain_id: int
    per_minute: int | None
    connections: int | None
    paused_until: str | None


@event(
    "domain.released",
    ja="宛先ドメイン（番号 {domain_id}）の上限をなくしました",
    en="Limit of mail domain {domain_id} lifted",
)
class DomainReleased(EventFacts):
    domain_id: int


@event(
    "dispatch.paced",
    ja="第{wave}波の送信の時間帯（{hours_from}時〜{hours_until}時）と1時間の上限（{per_hour}通）を定めました"
    "（電話の受付 1時間 {calls_per_hour}件、電話をかける人の割合 {percent_who_call}%）",
    en="Sending hours of wave {wave} set ({hours_from} to {hours_until}), at most {per_hour} an hour "
    "(call centre takes {calls_per_hour} calls an hour, {percent_who_call} % call)",
)
class DispatchPaced(EventFacts):
    campaign_id: int
    wave: int
    hours_from: int | None
    hours_until: int | None
    per_hour: int | None
    calls_per_hour: int | None
    percent_who_call: int | None


@event(
    "dispatch.tested",
    ja="第{wave}波の1通を社内へ試験送信しました（{outcome}、応答 {reply_code}）",
    en="One message of wave {wave} sent to ourselves as a test ({outcome}, reply {reply_code})",
)
class DispatchTested(EventFacts):
    campaign_id: int
    wave: int
    delivery_id: int
    outcome: str
    reply_code: int | None
    content_digest: str


@event(
    "dispatch.rehearsed",
    ja="第{wave}波の送信をリハーサルしました（予定 {planned} = 受付済 {sent} + 送れず {failed} + 見送り {skipped} + "
    "不確か {in_doubt} + 待ち {waiting}、行方不明 {lost}、記録にない重複 {duplicates}）",
    en="Wave {wave} rehearsed: planned {planned} = sent {sent} + failed {failed} + withheld {skipped} + in doubt "
    "{in_doubt} + waiting {waiting}; lost {lost}, unlisted duplicates {duplicates}",
)
class DispatchRehearsed(EventFacts):
    campaign_id: int
    wave: int
    rehearsal_id: int
    planned: int
    sent: int
    failed: int
    skipped: int
    in_doubt: int
    waiting: int
    lost: int
    duplicates: int
    content_digest: str
    report_digest: str
