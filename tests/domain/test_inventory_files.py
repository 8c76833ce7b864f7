"""Inventory files: whatever is written as JSON or CSV is read back as the same inventory, and faults are named."""

import csv
import io
import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_app.domain.errors import FaultyFile
from incident_app.domain.inventory import (
    DataCategory,
    DataItem,
    Disclosure,
    Inventory,
    JointUseGroup,
    JointUseMember,
    Party,
    Store,
    StoreItem,
)
from incident_app.domain.inventory_changes import ChangeKind, changes_between, counts_of
from incident_app.domain.inventory_files import csv_files, json_text, read_csv, read_json
from incident_app.domain.inventory_rows import TABLES, canonical
from incident_app.domain.vocabulary import (
    BusinessLine,
    DisclosureBasis,
    ItemFlag,
    Medium,
    OurRole,
    PartyRole,
    Protection,
)
from tests.domain.test_inventory import INVENTORY as STORES_OF_THE_POLICY

EMPTY = Inventory(categories=(), items=(), parties=(), stores=())
INVENTORY = replace(
    STORES_OF_THE_POLICY,
    joint_use=(
        JointUseGroup(
            code="group",
            name_ja="共同利用",
            name_en="joint use",
            purpose_ja="目的",
            purpose_en="purpose",
            responsible="ourselves",
            members=(
                JointUseMember(party="ourselves", since=date(2026, 1, 1)),
                JointUseMember(party="group", since=date(2026, 1, 1)),
            ),
            items=frozenset({"name"}),
            uncertain=frozenset({"card-number"}),
        ),
    ),
)

AWKWARD = [
    "=1+1",
    "'=1",
    "''",
    "'",
    "-2",
    "@x",
    "\t",
    "+81",
    "＝和",
    "a,b",
    'a"b',
    "行\r\n改行",
    "a\rb",
    "髙﨑①",
    "𠮷",
    " ",
]
characters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\t\r\n")
texts = st.text(characters, max_size=12) | st.sampled_from(AWKWARD)
names = texts.filter(lambda text: text.strip() != "")
codes = st.text(st.sampled_from("abc-=+@'漢_1"), min_size=1, max_size=5)
optional_texts = st.none() | texts
days = st.none() | st.dates(date(1990, 1, 1), date(2030, 12, 31))
distinct_codes = st.lists(codes, min_size=1, max_size=4, unique=True)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Any inventory that is valid: a tree of categories, items, parties, stores, disclosures, joint use."""
    category_codes, item_codes, party_codes = draw(distinct_codes), draw(distinct_codes), draw(distinct_codes)
    named = {"name_ja": names, "name_en": names}

    def entry(kind: type, **parts: object) -> object:
        return draw(st.builds(kind, **{key: part if isinstance(part, st.SearchStrategy) else st.just(part)
                                       for key, part in parts.items()}))  # fmt: skip

    categories = [
        entry(
            DataCategory,
            code=code,
            parent=st.none() | st.sampled_from(category_codes[:position]) if position else None,
            section=texts,
            **named,
        )
        for position, code in enumerate(category_codes)
    ]
    flags = st.frozensets(st.sampled_from(ItemFlag))
    items = [
        entry(DataItem, code=code, category=st.sampled_from(category_codes), flags=flags, section=texts, **named)
        for code in item_codes
    ]
    parties = [
        entry(
            Party,
            code=code,
            country=st.sampled_from(["JP", "DE"]),
            is_ourselves=position == 0,
            incident_contact=optional_texts,
            section=texts,
            contract_reference=optional_texts,
            contract_notice_hours=st.none() | st.integers(0, 999),
            audited_on=days,
            **named,
        )
        for position, code in enumerate(party_codes)
    ]
    held = st.builds(
        StoreItem,
        item=st.sampled_from(item_codes),
        purpose=texts,
        protection=st.sampled_from(Protection),
        keep_for_days=st.none() | st.integers(1, 9999),
        held_from=st.none() | st.just(date(2020, 1, 1)),
        held_until=st.none() | st.just(date(2021, 1, 1)),
    )
    stores = [
        entry(
            Store,
            code=code,
            medium=st.sampled_from(Medium),
            country="JP",
            our_role=st.sampled_from(OurRole),
            operator=st.sampled_from(party_codes),
            business_line=st.sampled_from(BusinessLine),
            owner=texts,
            reviewed_on=days,
            items=st.lists(held, max_size=3, unique_by=lambda item: item.item).map(tuple),
            **named,
        )
        for code in draw(st.lists(codes, max_size=3, unique=True))
    ]
    disclosure = st.builds(
        Disclosure,
        party=st.sampled_from(party_codes),
        items=st.frozensets(st.sampled_from(item_codes), min_size=1),
        role=st.sampled_from(PartyRole),
        basis=st.sampled_from(DisclosureBasis),
        purpose_ja=texts,
        purpose_en=texts,
        legal_basis=texts,
        section=texts,
    )
    disclosures = draw(st.lists(disclosure, max_size=3, unique_by=lambda entry: (entry.party, entry.basis)))
    since = st.dates(date(1990, 1, 1), date(2030, 12, 31))
    members = [entry(JointUseMember, party=code, since=since) for code in party_codes]
    groups = [
        entry(
            JointUseGroup,
            code=code,
            purpose_ja=texts,
            purpose_en=texts,
            responsible=st.sampled_from(party_codes),
            members=tuple(members),
            items=frozenset(item_codes[:1]),
            uncertain=st.frozensets(st.sampled_from(item_codes[1:])) if item_codes[1:] else frozenset(),
            published_url=optional_texts,
            **named,
        )
        for code in draw(st.lists(codes, max_size=2, unique=True))
    ]
    return canonical(
        Inventory(
            categories=tuple(categories),
            items=tuple(items),
            parties=tuple(parties),
            stores=tuple(stores),
            disclosures=tuple(disclosures),
            joint_use=tuple(groups),
        ),
    )


@settings(max_examples=60, deadline=None)
@given(inventories())
def test_any_inventory_is_read_back_from_csv_and_json_exactly(inventory: Inventory) -> None:
    files, text = csv_files(inventory), json_text(inventory)
    from_csv = read_csv(files, file="folder", current=EMPTY)
    from_json = read_json(text, file="one.json", current=EMPTY)
    assert from_csv == from_json == inventory
    assert from_csv.digest == from_json.digest == inventory.digest
    assert csv_files(from_json) == files
    assert json_text(from_csv) == text
    assert changes_between(inventory, from_csv) == ()


@settings(max_examples=30, deadline=None)
@given(inventories())
def test_no_cell_starts_with_what_a_spreadsheet_runs(inventory: Inventory) -> None:
    for content in csv_files(inventory).values():
        for cells in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in cells)


@settings(max_examples=30, deadline=None)
@given(inventories(), inventories())
def test_two_inventories_differ_in_digest_exactly_when_changes_are_told(one: Inventory, other: Inventory) -> None:
    assert bool(changes_between(one, other)) == (one.digest != other.digest)


def test_the_shipped_policy_and_inventory_survive_both_formats() -> None:
    whole = canonical(INVENTORY)
    assert read_json(json_text(INVENTORY), file="x", current=EMPTY).digest == whole.digest
    assert read_csv(csv_files(INVENTORY), file="x", current=EMPTY).digest == whole.digest


def test_a_table_that_a_file_lacks_stays_as_it_is_and_one_that_it_holds_is_replaced() -> None:
    files = {name: content for name, content in csv_files(INVENTORY).items() if name.startswith("disclosures")}
    lines = files["disclosures.csv"].split(b"\r\n")
    shorter = {"disclosures.csv": b"\r\n".join([lines[0], *lines[2:]])}
    assert read_csv(files, file="x", current=INVENTORY) == canonical(INVENTORY)
    changes = changes_between(INVENTORY, read_csv(shorter, file="x", current=INVENTORY))
    assert [(change.kind, change.table) for change in changes] == [(ChangeKind.RETRACTED, "disclosures")]


def test_a_moved_item_and_a_changed_column_are_told_by_name() -> None:
    first, second, *rest = INVENTORY.items
    moved = replace(INVENTORY, items=(second, first, *rest))
    assert changes_between(INVENTORY, moved)[0].columns == ("order",)
    renamed = replace(INVENTORY, items=(replace(first, name_en="firm", flags=frozenset(ItemFlag)), second, *rest))
    (change,) = changes_between(INVENTORY, renamed)
    assert (change.kind, change.entry, change.columns) == (ChangeKind.CHANGED, "organisation", ("name_en", "flags"))
    assert counts_of((change,)) == {"added": 0, "changed": 1, "retracted": 0}


def broken_csv(name: str, old: str, new: str) -> list[str]:
    files = csv_files(INVENTORY)
    text = files[name].decode("utf-8-sig")
    assert old in text
    files[name] = text.replace(old, new, 1).encode()
    with pytest.raises(FaultyFile) as refusal:
        read_csv(files, file="register", current=EMPTY)
    return refusal.value.fault_list


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("store_items.csv", "member-db,name,", "member-db,nickname,", "item: item 'nickname' is not defined"),
        ("store_items.csv", "member-db,name,", "elsewhere,name,", "store: store 'elsewhere' is not defined"),
        ("store_items.csv", ",90,", ",1.00E+05,", "keep_for_days: must be a whole number"),
        ("store_items.csv", ",90,,", ",90,2026/04/01,", "held_from: must be a date like 2026-04-01"),
        ("store_items.csv", ",90,,", ",90,2026-04-31,", "held_from: must be a date like 2026-04-01"),
        ("stores.csv", "member-db,", ",", "code: is empty"),
        ("stores.csv", ",log,", ",tape,", "medium: 'tape' is not one of"),
        ("parties.csv", ",true,", ",yes,", "is_ourselves: must be true or false"),
        ("parties.csv", ",true,", ",false,", "exactly one party must have is_ourselves = true"),
        ("categories.csv", "attributes,,", "attributes,,,", "cells, the header"),
        ("categories.csv", "code,parent", "code,mother", "unknown: mother; missing: parent"),
        ("categories.csv", "code,parent", "code,code", "missing: parent"),
        ("disclosures.csv", "debt-collector,", "stranger,", "party: party 'stranger' is not defined"),
        ("disclosures.csv", ",published,", ",rumoured,", "basis: 'rumoured' is not one of published, actual"),
        ("items.csv", "online_identifier", "offline", "flags: 'offline' is not one of"),
        ("items.csv", "組織名", "組織\x07名", "name_ja: holds a control character"),
        ("items.csv", "organisation", "or ganisation", "code: must be at most 80 characters without blanks"),
        ("items.csv", "組織名", "名" * 301, "name_ja: has 301 characters; at most 300 are kept"),
        ("joint_use.csv", "ourselves", "authorities", "responsible: the responsible party must be a member"),
        ("joint_use_members.csv", "2026-01-01", "", "since: is missing"),
    ],
)
def test_each_fault_of_a_csv_file_is_named_with_file_line_and_column(file: str, old: str, new: str, fault: str) -> None:
    found = broken_csv(file, old, new)
    assert any(fault in entry for entry in found), found
    if "is_ourselves = true" not in fault:
        assert any(entry.startswith(f"{file} line ") for entry in found), found


def test_the_line_of_a_fault_counts_line_breaks_inside_cells() -> None:
    files = csv_files(INVENTORY)
    text = files["parties.csv"].decode("utf-8-sig").split("\r\n")
    broken = [text[0], 'a,"two\r\nlines",n,JP,,,,,,', "b,n,n,Japan,,,,,,", *text[1:]]
    files["parties.csv"] = "\r\n".join(broken).encode()
    with pytest.raises(FaultyFile, match=r"parties\.csv line 4, country: must be a country code"):
        read_csv(files, file="x", current=EMPTY)


def test_overlapping_periods_of_one_item_are_refused_and_both_are_named() -> None:
    row = "member-db,name,service-operation,none,,,\r\n"
    (fault,) = broken_csv(
        "store_items.csv",
        row,
        "member-db,name,,none,,2020-01-01,2022-03-31\r\nmember-db,name,,hashed,,2022-03-31,\r\n",
    )
    assert "'name' stands twice in store 'member-db'" in fault
    assert "from 2020-01-01 until 2022-03-31" in fault
    assert "from 2022-03-31 until today" in fault
    files = csv_files(INVENTORY)
    files["store_items.csv"] = (
        files["store_items.csv"]
        .decode("utf-8-sig")
        .replace(row, "member-db,name,,none,,,2022-03-31\r\nmember-db,name,,hashed,,2022-04-01,\r\n")
        .encode()
    )
    store = read_csv(files, file="x", current=EMPTY).store("member-db")
    assert [item.protection for item in store.items if item.item == "name"] == [Protection.NONE, Protection.HASHED]


def test_a_circle_of_categories_is_refused_with_the_way_around() -> None:
    text = json_text(INVENTORY).replace(
        '"code": "attributes", "parent": null', '"code": "attributes", "parent": "usage"'
    )
    text = text.replace('"code": "usage", "parent": null', '"code": "usage", "parent": "attributes"')
    with pytest.raises(FaultyFile) as refusal:
        read_json(text, file="x.json", current=EMPTY)
    assert "lies below itself (attributes > usage > attributes)" in str(refusal.value)
    assert "line 5, parent" in str(refusal.value)


def test_every_fault_of_every_file_is_listed_at_once() -> None:
    files = csv_files(INVENTORY)
    files["stores.csv"] = files["stores.csv"].replace(b",log,", b",tape,")
    files["items.csv"] = files["items.csv"].replace(b"online_identifier", b"offline")
    with pytest.raises(FaultyFile) as refusal:
        read_csv(files, file="x", current=EMPTY)
    assert {fault.split()[0] for fault in refusal.value.fault_list} == {"stores.csv", "items.csv"}
    assert len(refusal.value.fault_list) >= 3


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text[: len(text) // 2], "not readable as JSON"),
        (lambda text: text + "x", "something follows the end"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "line 3: version must be 1"),
        (lambda text: text.replace("incident-app inventory", "a menu"), "line 2: format must be"),
        (lambda text: text.replace('"categories"', '"categories", "x"', 1), "':' expected"),
        (lambda text: text.replace('"stores": [', '"shops": ['), "unknown key 'shops'"),
        (lambda text: text.replace('"owner"', '"holder"', 1), "holder: unknown key"),
        (lambda text: text.replace('"keep_for_days": 90', '"keep_for_days": 90.5', 1), "must be a whole number"),
        (lambda text: text.replace('"keep_for_days": 90', '"keep_for_days": NaN', 1), "NaN is no value"),
        (lambda text: text.replace('"section": "3"', '"section": "3", "section": "4"', 1), "stands twice in one row"),
        (lambda text: text.replace('"name_ja": "組織名"', '"name_ja": null', 1), "name_ja: is missing"),
        (lambda text: text.replace('"name_ja": "組織名"', '"name_ja": "\\ud800"', 1), "holds a control character"),
        (lambda _text: "{}", "holds none of the tables"),
        (lambda _text: '{"stores": {}}', "stores must be a list of rows"),
        (lambda _text: '{"stores": [1]}', "stores must hold one object per row"),
        (lambda _text: "[]", "'{' expected"),
    ],
)
def test_each_fault_of_a_json_file_is_named(change: object, fault: str) -> None:
    with pytest.raises(FaultyFile) as refusal:
        read_json(change(json_text(INVENTORY)), file="one.json", current=EMPTY)
    assert fault in str(refusal.value)


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"shops.csv": b"code\r\n"}, "shops.csv: unknown file"),
        ({"stores": b"code\r\n"}, "stores: unknown file"),
        ({"stores.csv": "名".encode("cp932")}, "is not UTF-8 (byte 1)"),
        ({"stores.csv": b""}, "missing: code"),
        ({"categories.csv": b'code,parent,name_ja,name_en,section\r\na,,"b'}, "cut off"),
        ({}, "holds none of the tables"),
    ],
)
def test_files_that_cannot_be_read_are_refused(files: dict[str, bytes], fault: str) -> None:
    with pytest.raises(FaultyFile) as refusal:
        read_csv(files, file="folder", current=EMPTY)
    assert fault in str(refusal.value)


def test_a_date_and_nothing_and_an_empty_text_are_three_different_things() -> None:
    party = replace(INVENTORY.party("mailing-house"), incident_contact="", audited_on=date(2026, 4, 1))
    others = tuple(entry for entry in INVENTORY.parties if entry.code != party.code)
    files = csv_files(replace(INVENTORY, parties=(*others, party)))
    assert b"mailing-house" in files["parties.csv"]
    read = read_csv(files, file="x", current=EMPTY)
    assert read.party("mailing-house").incident_contact == ""
    assert read.party("debt-collector").incident_contact is None
    assert json.loads(json_text(read))["parties"][-1]["audited_on"] in {"2026-04-01", None}


def test_every_table_and_column_of_the_files_is_documented() -> None:
    from tests.builders import ROOT

    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8").split("## Inventory")[1].split("\n## ")[0]
    for table, columns in TABLES.items():
        assert f"`{table}`" in text
        assert [column for column in columns if f"`{column}`" not in text] == []
