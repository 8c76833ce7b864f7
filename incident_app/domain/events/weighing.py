"""Events of merging records of one person, and of assessing severity."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event(
    "merges.proposed",
    ja="同じ人と思われる記録の組を提案しました（新規 {proposals}組、全 {pairs}組）",
    en="Records of one person proposed for merging ({proposals} new of {pairs} pairs)",
)
class MergesProposed(EventFacts):
    proposals: int
    pairs: int


@event(
    "merge.confirmed",
    ja="顧客 {first_customer_id} と {second_customer_id} の記録を同じ人として統合しました（統合 {merge_id}）",
    en="Records {first_customer_id} and {second_customer_id} merged as one person (merge {merge_id})",
)
class MergeConfirmed(EventFacts):
    merge_id: int
    proposal_id: int
    first_customer_id: int
    second_customer_id: int


@event("merge.reversed", ja="統合 {merge_id} を取り消しました", en="Merge {merge_id} undone")
class MergeReversed(EventFacts):
    merge_id: int
    reason_digest: str


@event(
    "merge.dismissed",
    ja="統合の提案 {proposal_id} を退けました（別の人です）",
    en="Merge proposal {proposal_id} dismissed (different people)",
)
class MergeDismissed(EventFacts):
    proposal_id: int
    reason_digest: str


@event(
    "severity.assessed",
    ja="重大さ 第{version}版を評価しました（{lowest}～{highest}、未決 {undecided}件）",
    en="Severity version {version} assessed ({lowest} to {highest}, {undecided} inputs to decide)",
)
class SeverityAssessed(EventFacts):
    version: int
    lowest: str
    highest: str
    undecided: int
    digest: str
