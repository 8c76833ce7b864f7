"""What the inventory does not say, or says and should not: each gap with its subject, its sentence and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from incident_app.domain.inventory import Inventory, Party, Store
from incident_app.domain.policy_stores import actual_items, published_items, received_items
from incident_app.domain.vocabulary import ItemFlag, OurRole
from incident_app.domain.words import Words

MONTHS = 12
"""A store, a contract partner and a list are looked at again after so many months."""


class GapCode(StrEnum):
    """Everything that can be missing."""

    STORE_WITHOUT_OWNER = "store_without_owner"
    STORE_WITHOUT_ITEMS = "store_without_items"
    STORE_NOT_REVIEWED = "store_not_reviewed"
    ROLE_UNDECIDED = "role_undecided"
    NO_TRANSFER_LIST = "no_transfer_list"
    UNLISTED_ITEMS = "unlisted_items"
    PAST_RETENTION = "past_retention"
    PARTY_WITHOUT_CONTACT = "party_without_contact"
    PARTY_WITHOUT_CONTRACT = "party_without_contract"
    PARTY_NOT_AUDITED = "party_not_audited"
    PUBLISHED_NOT_ACTUAL = "published_not_actual"
    ACTUAL_NOT_PUBLISHED = "actual_not_published"
    PUBLISHED_CREDENTIALS = "published_credentials"
    STORE_DIFFERS_FROM_DISCLOSURES = "store_differs_from_disclosures"
    ORGANISATIONS_WITHOUT_CONTACT = "organisations_without_contact"
    CUSTOMERS_WITHOUT_EMAIL = "customers_without_email"


@dataclass(frozen=True, kw_only=True)
class PeopleCounts:
    """How many people are known, and how many of them nobody can reach."""

    customers: int
    without_email: int
    organisations: int
    organisations_unreachable: int


@dataclass(frozen=True, kw_only=True)
class StoreFacts:
    """What the holdings of a store show."""

    holdings: int
    unknown_items: frozenset[str] = field(default_factory=frozenset)
    past_retention: int = 0


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One thing that is missing, and what to do about it."""

    code: GapCode
    subject: str
    """The code of a store or party; for people, `customers`."""
    said: Words
    to_do: Words


_WORDS: Mapping[GapCode, tuple[str, str, str, str]] = {
    GapCode.STORE_WITHOUT_OWNER: (
        "「{ja}」には担当がありません。",
        "{en} has no owner.",
        "この保管先の担当部署を決めて、台帳に書いてください。",
        "Decide who looks after this store and write it into the register.",
    ),
    GapCode.STORE_WITHOUT_ITEMS: (
        "「{ja}」に何が入っているか分かりません。",
        "Nobody has written down what lies in {en}.",
        "保管している項目を調べて登録してください。何もなければ保管先を取り下げてください。",
        "Find out which items it holds and enter them, or retire the store if it holds none.",
    ),
    GapCode.STORE_NOT_REVIEWED: (
        "「{ja}」は{months}か月以上見直していません（最後の見直し：{since_ja}）。",
        "{en} was not reviewed for {months} months (last review: {since_en}).",
        "内容を確かめ、見直した日を書いてください。",
        "Check what is written about it and enter the day of the review.",
    ),
    GapCode.ROLE_UNDECIDED: (
        "「{ja}」についての当社の立場が未判断です。",
        "Our role for {en} is undecided.",
        "管理者・受託者・取り扱わない、のどれかを法務と決めてください。未判断の間は厳しい方の義務が出ます。",
        "Decide with counsel: controller, processor or not handling. Until then the stricter duty shows.",
    ),
    GapCode.NO_TRANSFER_LIST: (
        "「{ja}」に誰のデータがあるかの一覧がありません。",
        "There is no list of whose data lies in {en}.",
        "相手先から受け渡しの一覧をもらい、保有データとして取り込んでください。ない間は上限で数えます。",
        "Get the transfer list from the company and import it as holdings. Until then an upper bound is counted.",
    ),
    GapCode.UNLISTED_ITEMS: (
        "「{ja}」の保有データに、台帳にない項目があります：{items_ja}。",
        "Holdings of {en} name items that the register does not list there: {items_en}.",
        "実際にあるなら台帳に加え、ないなら保有データを取り込み直してください。",
        "Add them to the register if they are there; import the holdings again if they are not.",
    ),
    GapCode.PAST_RETENTION: (
        "「{ja}」に、保存期間を過ぎたデータが {count:,}人分あります。",
        "{en} holds data of {count:,} people past its retention period.",
        "消去するか、残す根拠を書いてください。残っているものは漏えいの対象になります。",
        "Erase it or write down why it is kept: what is kept can leak.",
    ),
    GapCode.PARTY_WITHOUT_CONTACT: (
        "「{ja}」の事故時の連絡先がありません。",
        "{en} has no contact for incidents.",
        "夜間でもつながる連絡先を聞いて登録してください。",
        "Ask for a contact that answers at night and enter it.",
    ),
    GapCode.PARTY_WITHOUT_CONTRACT: (
        "「{ja}」との契約書の番号がありません。",
        "No contract with {en} is on record.",
        "契約書の番号と、事故を知らせてもらう時間を登録してください。",
        "Enter the contract and within how many hours it must tell us of an incident.",
    ),
    GapCode.PARTY_NOT_AUDITED: (
        "「{ja}」の監査を{months}か月以上していません（最後の監査：{since_ja}）。",
        "{en} was not audited for {months} months (last audit: {since_en}).",
        "安全管理の状況を確かめ、監査した日を書いてください。",
        "Check how the company protects the data and enter the day of the audit.",
    ),
    GapCode.PUBLISHED_NOT_ACTUAL: (
        "公表では「{ja}」に渡すとしている項目が、実際の一覧にはありません：{items_ja}。",
        "The published policy says that {en} receives items which the actual list does not name: {items_en}.",
        "公表の表を実態に合わせて見直してください。",
        "Review the published table so that it says what is true.",
    ),
    GapCode.ACTUAL_NOT_PUBLISHED: (
        "公表していない項目を「{ja}」に渡しています：{items_ja}。",
        "{en} receives items that the published policy does not name: {items_en}.",
        "渡すのをやめるか、公表の表を改めてください。根拠も確かめてください。",
        "Stop passing them on or publish them, and check the legal basis.",
    ),
    GapCode.PUBLISHED_CREDENTIALS: (
        "公表の表では「{ja}」がパスワードなどを受け取ることになっています：{items_ja}。本当でしょうか。",
        "The published table gives {en} credentials: {items_en}. Really?",
        "契約書か受け渡しの一覧で確かめ、incident-app inventory disclose で実際の項目を記録してください。",
        "Check the contract or the transfer list and record the actual items with incident-app inventory disclose.",
    ),
    GapCode.STORE_DIFFERS_FROM_DISCLOSURES: (
        "「{ja}」の項目が、提供の記録と違います：{items_ja}。",
        "The items of {en} differ from what the disclosures say: {items_en}.",
        "どちらが正しいか確かめて、もう一方を直してください。",
        "Find out which is right and correct the other.",
    ),
    GapCode.ORGANISATIONS_WITHOUT_CONTACT: (
        "連絡先が一つもない法人のお客様が {count:,}件（全 {total:,}件）あります。",
        "{count:,} of {total:,} organisations have no contact at all.",
        "事故時の連絡先を聞いて取り込んでください。番号の一覧は incident-app inventory gaps --numbers で書き出せます。",
        "Ask for a security contact and import it. Their numbers: incident-app inventory gaps --numbers.",
    ),
    GapCode.CUSTOMERS_WITHOUT_EMAIL: (
        "使えるメールアドレスのないお客様が {count:,}人（全 {total:,}人）います。",
        "{count:,} of {total:,} customers have no e-mail address that can be used.",
        "アドレスを聞くか、郵送に備えてください。番号の一覧は incident-app inventory gaps --numbers で書き出せます。",
        "Ask for an address or be ready to send letters. Their numbers: incident-app inventory gaps --numbers.",
    ),
}


def gap(code: GapCode, subject: str, **facts: object) -> Gap:
    """Say one gap in both languages."""
    ja, en, to_do_ja, to_do_en = _WORDS[code]
    return Gap(
        code=code,
        subject=subject,
        said=Words(ja=ja.format(**facts), en=en.format(**facts)),
        to_do=Words(ja=to_do_ja, en=to_do_en),
    )


def months_before(day: date, months: int) -> date:
    """Return the same day so many months earlier, or the last day of that month."""
    count = day.year * 12 + day.month - 1 - months
    year, month = max(count // 12, 1), count % 12 + 1
    for last in range(day.day, 27, -1):
        try:
            return date(year, month, last)
        except ValueError:
            continue
    return date(year, month, day.day)


def register_gaps(inventory: Inventory, *, today: date, months: int = MONTHS) -> tuple[Gap, ...]:
    """List what the register itself shows, without a look at the people."""
    found: list[Gap] = []
    limit = months_before(today, months)
    for store in inventory.stores:
        found += _of_store(store, inventory, limit, months)
    operators = {store.operator for store in inventory.stores}
    for party in inventory.parties:
        if party.code in operators and not party.is_ourselves:
            found += _of_party(party, limit, months)
        found += _of_disclosures(party, inventory)
    return _sorted(found)


def all_gaps(
    inventory: Inventory,
    people: PeopleCounts,
    stores: Mapping[str, StoreFacts],
    *,
    today: date,
    months: int = MONTHS,
) -> tuple[Gap, ...]:
    """List every gap: of the register, of what the holdings show, and of the people."""
    found = list(register_gaps(inventory, today=today, months=months))
    for store in inventory.stores:
        found += _of_holdings(store, inventory, stores.get(store.code, StoreFacts(holdings=0)))
    if people.organisations_unreachable:
        counts = {"count": people.organisations_unreachable, "total": people.organisations}
        found.append(gap(GapCode.ORGANISATIONS_WITHOUT_CONTACT, "customers", **counts))
    if people.without_email:
        counts = {"count": people.without_email, "total": people.customers}
        found.append(gap(GapCode.CUSTOMERS_WITHOUT_EMAIL, "customers", **counts))
    return _sorted(found)


def _sorted(found: Iterable[Gap]) -> tuple[Gap, ...]:
    order = list(GapCode)
    return tuple(sorted(found, key=lambda entry: (order.index(entry.code), entry.subject)))


def is_overdue(last: date | None, limit: date) -> bool:
    """Tell whether something was last done before the limit, or never."""
    return last is None or last < limit


def _since(last: date | None) -> dict[str, object]:
    return {"since_ja": last or "なし", "since_en": last or "never"}


def _of_store(store: Store, inventory: Inventory, limit: date, months: int) -> Iterator[Gap]:
    named = {"ja": store.name_ja, "en": store.name_en}
    if not store.owner.strip():
        yield gap(GapCode.STORE_WITHOUT_OWNER, store.code, **named)
    if not store.items:
        yield gap(GapCode.STORE_WITHOUT_ITEMS, store.code, **named)
    if is_overdue(store.reviewed_on, limit):
        yield gap(GapCode.STORE_NOT_REVIEWED, store.code, months=months, **named, **_since(store.reviewed_on))
    if store.our_role is OurRole.UNDECIDED:
        yield gap(GapCode.ROLE_UNDECIDED, store.code, **named)
    received = received_items(inventory.disclosures, store.operator)
    if store.code == f"at-{store.operator}" and (differing := received ^ {item.item for item in store.items}):
        yield gap(GapCode.STORE_DIFFERS_FROM_DISCLOSURES, store.code, **named, **_items(inventory, differing))


def _of_party(party: Party, limit: date, months: int) -> Iterator[Gap]:
    named = {"ja": party.name_ja, "en": party.name_en}
    if not (party.incident_contact or "").strip():
        yield gap(GapCode.PARTY_WITHOUT_CONTACT, party.code, **named)
    if not (party.contract_reference or "").strip():
        yield gap(GapCode.PARTY_WITHOUT_CONTRACT, party.code, **named)
    if is_overdue(party.audited_on, limit):
        yield gap(GapCode.PARTY_NOT_AUDITED, party.code, months=months, **named, **_since(party.audited_on))


def _of_disclosures(party: Party, inventory: Inventory) -> Iterator[Gap]:
    named = {"ja": party.name_ja, "en": party.name_en}
    published = published_items(inventory.disclosures, party.code)
    actual = actual_items(inventory.disclosures, party.code)
    if actual:
        for code, items in (
            (GapCode.PUBLISHED_NOT_ACTUAL, published - actual),
            (GapCode.ACTUAL_NOT_PUBLISHED, actual - published),
        ):
            if items:
                yield gap(code, party.code, **named, **_items(inventory, items))
        return
    credentials = {item for item in published if ItemFlag.CREDENTIAL in inventory.item(item).flags}
    if credentials:
        yield gap(GapCode.PUBLISHED_CREDENTIALS, party.code, **named, **_items(inventory, credentials))


def _of_holdings(store: Store, inventory: Inventory, facts: StoreFacts) -> Iterator[Gap]:
    named = {"ja": store.name_ja, "en": store.name_en}
    if not facts.holdings and not inventory.party(store.operator).is_ourselves:
        yield gap(GapCode.NO_TRANSFER_LIST, store.code, **named)
    if facts.unknown_items:
        yield gap(GapCode.UNLISTED_ITEMS, store.code, **named, **_items(inventory, facts.unknown_items))
    if facts.past_retention:
        yield gap(GapCode.PAST_RETENTION, store.code, count=facts.past_retention, **named)


def _items(inventory: Inventory, codes: Iterable[str]) -> dict[str, object]:
    wanted = set(codes)
    named = [item for item in inventory.items if item.code in wanted]
    nameless = sorted(wanted - {item.code for item in named})
    return {
        "items_ja": "、".join([*(item.name_ja for item in named), *nameless]),
        "items_en": ", ".join([*(item.name_en for item in named), *nameless]),
    }
