"""The inventory: what lies where, how it is looked up, and how a faulty file is told so."""

import re
from dataclasses import replace

import pytest

from incident_app.domain.errors import FaultyFile, NotFound
from incident_app.domain.inventories import read_inventory
from incident_app.domain.inventory import DataCategory, Inventory
from incident_app.domain.policies import read_policy, stores_of_parties
from incident_app.domain.vocabulary import BusinessLine, Medium, OurRole, Protection
from tests.builders import ROOT

POLICY = read_policy(
    (ROOT / "playbooks/policies/gpu-cloud-bygmo.toml").read_text(encoding="utf-8"),
    file="policy",
)
TEXT = (ROOT / "playbooks/inventories/gpu-cloud-example.toml").read_text(encoding="utf-8")
STORES = read_inventory(TEXT, file="inventory", policy=POLICY)
INVENTORY = Inventory(
    categories=POLICY.categories,
    items=POLICY.items,
    parties=POLICY.parties,
    stores=(*STORES, *stores_of_parties(POLICY)),
    disclosures=POLICY.disclosures,
)


def protections(store: str) -> dict[str, Protection]:
    return {item.item: item.protection for item in INVENTORY.store(store).items}


def test_the_example_has_the_stores_of_a_gpu_cloud() -> None:
    assert [store.code for store in STORES] == [
        "member-db",
        "billing-db",
        "usage-db",
        "web-logs",
        "id-papers",
        "request-folder",
        "member-backup",
        "support-mailbox",
        "control-panel",
        "tenant-storage",
        "shareholder-register",
        "staff-register",
    ]
    assert all(store.operator == "ourselves" and store.owner and store.reviewed_on for store in STORES)
    assert INVENTORY.store("request-folder").medium is Medium.PAPER


def test_the_example_shows_every_kind_of_protection() -> None:
    assert protections("member-db")["password"] is Protection.HASHED
    assert protections("member-db")["name"] is Protection.NONE
    assert protections("web-logs")["cookie-id"] is Protection.PSEUDONYMISED
    assert set(protections("member-backup").values()) == {Protection.ENCRYPTED_KEY_ELSEWHERE}


def test_purposes_of_the_example_are_purposes_of_the_policy() -> None:
    known = {purpose.code for purpose in POLICY.purposes}
    used = {item.purpose for store in STORES for item in store.items}
    assert used - known == {""}
    without = {store.code for store in STORES if any(item.purpose == "" for item in store.items)}
    assert without == {"shareholder-register", "staff-register"}


def test_papers_sent_with_requests_lie_in_the_folder_of_requests() -> None:
    papers = {item.code for item in POLICY.items if item.category in {"request-papers", "identity"}}
    assert papers <= set(protections("request-folder"))


def test_data_of_the_service_goes_to_the_bureau_and_registers_of_the_company_do_not() -> None:
    other = {store.code for store in STORES if store.business_line is BusinessLine.OTHER}
    assert other == {"shareholder-register", "staff-register"}


def test_stores_are_found_by_their_operator() -> None:
    assert [store.code for store in INVENTORY.stores_operated_by("mailing-house")] == ["at-mailing-house"]
    assert INVENTORY.stores_operated_by("ourselves") == STORES
    assert INVENTORY.stores_operated_by("authorities") == ()


def test_what_is_not_there_is_refused_by_name() -> None:
    for look_up in (INVENTORY.store, INVENTORY.item, INVENTORY.party, INVENTORY.items_under):
        with pytest.raises(NotFound, match="no-such-thing"):
            look_up("no-such-thing")
    with pytest.raises(NotFound, match="no-such-thing"):
        INVENTORY.stores_operated_by("no-such-thing")


def test_a_category_holds_the_items_of_every_category_below_it() -> None:
    family = tuple(
        replace(category, parent={"identity": "contract", "request-papers": "identity"}.get(category.code))
        for category in POLICY.categories
    )
    found = replace(INVENTORY, categories=family).items_under("contract")
    assert {"password", "passport-copy", "power-of-attorney"} <= found
    assert "email" not in found
    assert INVENTORY.items_under("transactions") >= {"card-number"}


def test_a_category_without_items_holds_none() -> None:
    empty = DataCategory(code="empty", name_ja="空", name_en="empty")
    assert replace(INVENTORY, categories=(*POLICY.categories, empty)).items_under("empty") == frozenset()


def test_the_digest_changes_with_a_protection_and_with_nothing_else() -> None:
    again = replace(INVENTORY, stores=(*read_inventory(TEXT, file="x", policy=POLICY), *stores_of_parties(POLICY)))
    assert again.digest == INVENTORY.digest
    first = STORES[0]
    hashed = replace(first, items=(replace(first.items[0], protection=Protection.HASHED), *first.items[1:]))
    assert replace(INVENTORY, stores=(hashed, *INVENTORY.stores[1:])).digest != INVENTORY.digest


def test_a_store_says_the_least_when_the_file_says_the_least() -> None:
    text = '[[stores]]\ncode = "a"\nname_ja = "あ"\nname_en = "a"\n[[stores.items]]\nitem = "name"\n'
    (store,) = read_inventory(text, file="least", policy=POLICY)
    assert (store.operator, store.our_role, store.country) == ("ourselves", OurRole.UNDECIDED, "JP")
    assert store.items[0].protection is Protection.NONE


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('item = "name"', 'item = "nickname"', "item 'nickname' is not defined in the policy"),
        ('item = "name"', 'item = "organisation"', "'organisation' stands twice"),
        ('code = "billing-db"', 'code = "member-db"', "'member-db' stands twice"),
        ('medium = "log"', 'medium = "tape"', "'tape' is not one of system, dataset, backup, log, paper"),
        ('our_role = "own_controller"', 'our_role = "owner"', "stores[0].our_role"),
        ('protection = "hashed"', 'protection = "rot13"', "'rot13' is not one of none, hashed"),
        ('country = "JP"', 'country = "JP"\noperator = "nobody"', "party 'nobody' is not defined"),
        ("reviewed_on = 2026-06-30", 'reviewed_on = "June"', "stores[0].reviewed_on"),
        ('name_ja = "会員データベース"', "", "stores[0].name_ja"),
        ("keep_for_days = 365", "keep_for_days = true", "must be a whole number"),
        ('owner = "member systems team"', 'ownr = "member systems team"', "stores[0].ownr"),
        ("[[stores]]", "[[stores]", "not readable as TOML"),
    ],
)
def test_each_fault_of_an_inventory_is_named(old: str, new: str, fault: str) -> None:
    assert old in TEXT
    with pytest.raises(FaultyFile) as refusal:
        read_inventory(TEXT.replace(old, new, 1), file="mine.toml", policy=POLICY)
    assert fault in str(refusal.value)
    assert "mine.toml" in str(refusal.value)


def test_every_fault_of_an_inventory_is_listed_at_once() -> None:
    broken = TEXT.replace('protection = "hashed"', 'protection = "rot13"').replace('medium = "log"', "medium = 3")
    with pytest.raises(FaultyFile) as refusal:
        read_inventory(broken, file="mine.toml", policy=POLICY)
    assert len(refusal.value.fault_list) == 3


@pytest.mark.parametrize("header", ["", "[[stores]]", "  [[stores.items]]"])
def test_every_key_that_the_inventory_reader_accepts_is_documented(header: str) -> None:
    broken = TEXT.replace(header, f"{header}\nzzz = 1\n", 1)
    with pytest.raises(FaultyFile) as refusal:
        read_inventory(broken, file="mine.toml", policy=POLICY)
    accepted = re.search(r"zzz.*: unknown key; known here: ([^|]*)", str(refusal.value))
    assert accepted is not None
    documented = (ROOT / "playbooks/README.md").read_text(encoding="utf-8").split("## Inventories")[1].split("\n## ")[0]
    keys = accepted[1].strip().split(", ")
    assert [key for key in keys if f"`{key}`" not in documented and f"[{key}]" not in documented] == []
