"""Synthetic customers from a fixed seed. Names are put together from common parts, domains are reserved."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

SEED = 20_261_120

SURNAMES = [
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "伊藤",
    "渡辺",
    "山本",
    "中村",
    "小林",
    "加藤",
    "吉田",
    "山田",
    "佐々木",
    "山口",
    "松本",
    "井上",
    "木村",
    "林",
    "斎藤",
    "清水",
    "髙田",
    "﨑山",
    "濵口",
    "渡邉",
    "齋藤",
    "澤",
    "長谷川",
    "五十嵐",
    "東海林",
    "小鳥遊",
    "一ノ瀬",
    "勅使河原",
]
GIVEN_NAMES = [
    "翔太",
    "美咲",
    "大輔",
    "陽子",
    "健一",
    "由美子",
    "直樹",
    "恵",
    "拓海",
    "さくら",
    "蓮",
    "葵",
    "悠真",
    "結衣",
    "和也",
    "千尋",
    "誠",
    "真由美",
    "亮",
    "彩香",
    "隆",
    "久美子",
    "学",
    "智子",
    "勇気",
    "奈々",
    "弘",
    "みどり",
    "ケン",
    "ソフィア",
]
FOREIGN_PEOPLE = {
    "US": ("Avery", "Jordan", "Riley", "Morgan", "Casey"),
    "DE": ("Jürgen", "Anke", "Björn", "Lena", "Matthias"),
    "FR": ("Zoé", "François", "Inès", "Jérôme", "Margaux"),
    "GB": ("Imogen", "Rhys", "Siobhan", "Alistair", "Freya"),
    "KR": ("Minjun", "Seoyeon", "Jiho", "Haeun", "Doyun"),
    "SG": ("Wei Ling", "Arjun", "Siti", "Kai", "Priya"),
}
FOREIGN_SURNAMES = ("Meyer", "O'Neill", "Dubois", "García", "Kowalski", "Tan", "Lindqvist", "Park", "Hughes", "Schäfer")
COMPANIES = (
    "北浜計算",
    "みなと映像",
    "白樺物流",
    "青葉解析",
    "東雲ロボティクス",
    "瀬戸内データ",
    "朝霧創薬",
    "つばめ設計",
)
PREFECTURES = (
    "東京都渋谷区",
    "大阪府大阪市北区",
    "愛知県名古屋市中区",
    "福岡県福岡市博多区",
    "宮城県仙台市青葉区",
    "北海道札幌市中央区",
)
DOMAINS = ("example.jp", "example.com", "example.org", "mail.example", "keitai.example", "works.example")


@dataclass(frozen=True, kw_only=True)
class DemoPerson:
    """One made-up person."""

    number: str
    kind: str
    relation: str
    language: str
    jurisdiction: str
    name: str
    email: str
    postal_address: str
    phone: str
    pays_by_card: bool
    has_papers: bool


def make_people(count: int, *, seed: int = SEED) -> list[DemoPerson]:
    """Return `count` people, the same ones for the same seed: mostly customers, some staff, shareholders, partners."""
    dice = random.Random(seed)  # noqa: S311 - synthetic data must be repeatable, not secret
    return [_person(dice, position) for position in range(1, count + 1)]


def _person(dice: random.Random, position: int) -> DemoPerson:
    relation = _relation(dice)
    foreign = relation == "customer" and dice.random() < 0.08  # noqa: PLR2004 - share of foreign customers
    country = dice.choice(sorted(FOREIGN_PEOPLE)) if foreign else "JP"
    company = not foreign and relation in {"customer", "business_partner"} and dice.random() < 0.06  # noqa: PLR2004
    name = _name(dice, country, company=company)
    return DemoPerson(
        number=f"C{position:07d}",
        kind="organisation" if company else "person",
        relation=relation,
        language="ja" if country == "JP" else "en",
        jurisdiction=country,
        name=name,
        email=_email(dice, position),
        postal_address=f"{dice.choice(PREFECTURES)}試験町{position % 40 + 1}-{position % 9 + 1}"
        if country == "JP"
        else "",
        phone=f"050-0000-{position % 10_000:04d}",
        pays_by_card=dice.random() < 0.6,  # noqa: PLR2004
        has_papers=dice.random() < 0.15,  # noqa: PLR2004
    )


def _relation(dice: random.Random) -> str:
    return dice.choices(("customer", "staff", "shareholder", "business_partner"), weights=(964, 12, 14, 10))[0]


def _name(dice: random.Random, country: str, *, company: bool) -> str:
    if company:
        return f"株式会社{dice.choice(COMPANIES)}"
    if country == "JP":
        return f"{dice.choice(SURNAMES)} {dice.choice(GIVEN_NAMES)}"
    return f"{dice.choice(FOREIGN_PEOPLE[country])} {dice.choice(FOREIGN_SURNAMES)}"


def _email(dice: random.Random, position: int) -> str:
    roll = dice.random()
    if roll < 0.02:  # noqa: PLR2004 - people without an address
        return ""
    if roll < 0.03:  # noqa: PLR2004 - addresses that Japanese carriers really issued
        return f"hana..{position}@keitai.example"
    if roll < 0.035:  # noqa: PLR2004 - two people behind one address
        return f"family{position // 50}@example.jp"
    return f"person{position}@{dice.choice(DOMAINS)}"


def customers_csv(people: list[DemoPerson], *, with_faults: bool = True) -> bytes:
    """Write the customers file; with a few faulty rows, as real exports have them."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ("customer_number", "kind", "relation", "language", "jurisdiction", "name", "email", "postal_address", "phone"),
    )
    for person in people:
        writer.writerow(
            (
                person.number,
                person.kind,
                person.relation,
                person.language,
                person.jurisdiction,
                person.name,
                person.email,
                person.postal_address,
                person.phone,
            ),
        )
    if with_faults and people:
        writer.writerow((people[0].number, "person", "customer", "ja", "JP", "重複 行", "twice@example.jp", "", ""))
        writer.writerow(("C9999998", "person", "customer", "ja", "Japan", "国名 違い", "country@example.jp", "", ""))
        writer.writerow(("C9999999", "person", "customer", "ja", "JP", "宛先 不正", "no-at-sign.example.jp", "", ""))
    return out.getvalue().encode()


def holdings_csv(
    people: list[DemoPerson], stores: Mapping[str, AbstractSet[str]], flags: Mapping[str, AbstractSet[str]]
) -> bytes:
    """Write the holdings file: which store holds which items of whom."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("customer_number", "store", "items"))
    for person in people:
        for store, items in _held(person, stores, flags):
            writer.writerow((person.number, store, " ".join(sorted(items))))
    return out.getvalue().encode()


def _held(
    person: DemoPerson, stores: Mapping[str, AbstractSet[str]], flags: Mapping[str, AbstractSet[str]]
) -> Iterator[tuple[str, AbstractSet[str]]]:
    if person.relation == "staff":
        yield from ((store, stores[store]) for store in ("staff-register",) if store in stores)
        return
    if person.relation == "shareholder":
        yield from ((store, stores[store]) for store in ("shareholder-register",) if store in stores)
        return
    cards = {item for item in stores.get("billing-db", ()) if "card_number" in flags[item] or item.startswith("card")}
    banks = {item for item in stores.get("billing-db", ()) if "bank_account" in flags[item] or item.startswith("bank")}
    for store in ("member-db", "member-backup", "web-logs"):
        if store in stores:
            yield store, stores[store]
    if "billing-db" in stores:
        yield "billing-db", stores["billing-db"] - (banks if person.pays_by_card else cards)
    if "tenant-storage" in stores and person.kind == "organisation":
        yield "tenant-storage", stores["tenant-storage"]
    if "id-papers" in stores and person.has_papers:
        yield "id-papers", stores["id-papers"]
