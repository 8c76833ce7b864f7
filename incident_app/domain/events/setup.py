"""Events of setting up: policy, playbooks, inventory, customers, accounts."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event("policy.loaded", ja="ポリシー {code} 第{version}版を読み込みました", en="Policy {code} version {version} loaded")
class PolicyLoaded(EventFacts):
    code: str
    version: str
    digest: str


@event("playbook.loaded", ja="手順書 {code}（{version}）を読み込みました", en="Playbook {code} ({version}) loaded")
class PlaybookLoaded(EventFacts):
    playbook_kind: str
    code: str
    version: str
    digest: str


@event(
    "inventory.loaded",
    ja="データ台帳を更新しました（保管先 {stores}件、追加 {added}、変更 {changed}、取り下げ {retracted}）",
    en="Inventory updated ({stores} stores; {added} added, {changed} changed, {retracted} retracted)",
)
class InventoryLoaded(EventFacts):
    stores: int
    added: int
    changed: int
    retracted: int
    digest: str


@event(
    "disclosure.recorded",
    ja="提供の実際を記録しました（提供先 {party}、{items}項目）",
    en="Actual disclosure recorded ({party}, {items} items)",
)
class DisclosureRecorded(EventFacts):
    party: str
    items: int
    role: str
    digest: str


@event(
    "readiness.recorded",
    ja="備えの点数を記録しました（{value}点）",
    en="Readiness recorded: {value} of 100",
)
class ReadinessRecorded(EventFacts):
    value: int
    rules_version: int
    digest: str


@event(
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


@event(
    "import.abandoned",
    ja="取り込み {import_id} を破棄しました（取り消した保有データ {holdings_taken_back}件）",
    en="Import {import_id} abandoned ({holdings_taken_back} holdings taken back)",
)
class ImportAbandoned(EventFacts):
    import_id: int
    file_digest: str
    holdings_taken_back: int


@event("user.added", ja="利用者 {user_id} を追加しました", en="Account {user_id} added")
class UserAdded(EventFacts):
    user_id: int


@event("role.granted", ja="利用者 {user_id} に役割 {role} を付けました", en="Role {role} granted to account {user_id}")
class RoleGranted(EventFacts):
    user_id: int
    role: str


@event(
    "role.revoked", ja="利用者 {user_id} の役割 {role} を外しました", en="Role {role} revoked from account {user_id}"
)
class RoleRevoked(EventFacts):
    user_id: int
    role: str
