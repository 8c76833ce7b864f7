"""The register in the database: out and in without loss, its history kept, and what third parties hold."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.digests import canonical_text, digest_of
from incident_app.domain.errors import BadInput, FaultyFile, NotFound
from incident_app.domain.inventory import Inventory, StoreItem
from incident_app.domain.inventory_content import inventory_of_content
from incident_app.domain.inventory_files import json_text
from incident_app.domain.vocabulary import Certainty, DisclosureBasis, Medium, OurRole, PartyRole, Protection
from incident_app.persistence import inventory as tables
from incident_app.persistence.database import make_engine
from incident_app.persistence.timeline import EventRow
from incident_app.services import inventory_files, policies, scopes, setup
from incident_app.services.inventory import (
    current_inventory,
    json_of,
    keep_snapshot,
    list_stores,
    read_inventory_snapshot,
)
from incident_app.services.inventory_files import RegisterMoved, apply_import, plan_import
from incident_app.services.transaction import reading
from tests.builders import ROOT, SYSTEM, author, playbook_files
from tests.conftest import NOW

LATER = NOW + timedelta(days=1)
TOML = (ROOT / "playbooks/inventories/gpu-cloud-example.toml").read_text(encoding="utf-8")
RECEIVED = {
    "payment-gateway": {"transactions"},
    "receivables-firm": {"attributes", "transactions"},
    "debt-collector": {"attributes", "contract", "transactions", "usage"},
    "mailing-house": {"attributes", "contract", "transactions", "usage", "identity"},
}


def now_in(engine: Engine) -> Inventory:
    with reading(engine) as session:
        return current_inventory(session)


def events(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(sa.select(EventRow.kind).order_by(EventRow.sequence)))


def load(engine: Engine, inventory: Inventory, *, at: object = LATER) -> inventory_files.ImportPlan:
    return load_files(engine, {"all.json": json_text(inventory).encode()}, name="all.json", at=at)


def load_files(engine: Engine, files: dict[str, bytes], *, name: str, at: object = LATER) -> inventory_files.ImportPlan:
    plan = plan_import(engine, files, name=name)
    apply_import(engine, plan, actor=author(engine).actor, now=at)
    return plan


def changed(inventory: Inventory, store: str, **parts: object) -> Inventory:
    stores = tuple(replace(entry, **parts) if entry.code == store else entry for entry in inventory.stores)
    return replace(inventory, stores=stores)


@pytest.mark.parametrize("party", sorted(RECEIVED))
def test_naming_a_recipient_gives_exactly_what_the_policy_says_it_received(instance: Engine, party: str) -> None:
    inventory = now_in(instance)
    touched = scopes.stores_at_party(instance, party, certainty=Certainty.ASSUMED)
    items = {item.item for entry in touched for item in inventory.store(entry.store).items}
    wanted = {item.code for item in inventory.items if item.category in RECEIVED[party]}
    assert items == wanted
    assert {inventory.item(item).category for item in items} == RECEIVED[party]
    assert all(entry.items is None and entry.via_party == party for entry in touched)


def test_a_transfer_list_beats_the_published_table_and_both_stay_apart(instance: Engine) -> None:
    before = now_in(instance)
    plan = inventory_files.record_disclosure(
        instance,
        "debt-collector",
        items=frozenset({"name", "balance"}),
        role=PartyRole.PROCESSOR,
        legal_basis="contract 7",
        actor=author(instance).actor,
        now=LATER,
    )
    after = now_in(instance)
    assert {item.item for item in after.store("at-debt-collector").items} == {"name", "balance"}
    assert after.store("at-debt-collector").our_role is OurRole.OWN_CONTROLLER
    assert set(before.disclosures) < set(after.disclosures)
    assert plan.target.digest == after.digest
    assert events(instance)[-1] == "disclosure.recorded"
    touched = scopes.stores_at_party(instance, "debt-collector", certainty=Certainty.CONFIRMED)
    assert [entry.store for entry in touched] == ["at-debt-collector"]


def test_a_later_transfer_list_replaces_the_earlier_and_the_same_one_leaves_no_event(instance: Engine) -> None:
    def record(*categories: str) -> inventory_files.ImportPlan:
        return inventory_files.record_disclosure(
            instance,
            "mailing-house",
            categories=frozenset(categories),
            role=PartyRole.PROCESSOR,
            actor=author(instance).actor,
            now=LATER,
        )

    record("attributes")
    record("usage")
    told = len(events(instance))
    assert record("usage").changes == ()
    assert len(events(instance)) == told
    held = {now_in(instance).item(item.item).category for item in now_in(instance).store("at-mailing-house").items}
    assert held == {"usage"}


@pytest.mark.parametrize(
    ("party", "words", "refusal"),
    [
        ("nobody", {"items": frozenset({"name"})}, NotFound),
        ("debt-collector", {"items": frozenset({"nickname"})}, NotFound),
        ("debt-collector", {"categories": frozenset({"secrets"})}, NotFound),
        ("debt-collector", {}, BadInput),
        ("ourselves", {"items": frozenset({"name"})}, BadInput),
        ("debt-collector", {"items": frozenset({"name"}), "legal_basis": "x" * 301}, BadInput),
    ],
)
def test_what_no_party_can_have_received_is_refused_and_nothing_is_stored(
    instance: Engine, party: str, words: dict[str, object], refusal: type[Exception]
) -> None:
    before, told = now_in(instance).digest, len(events(instance))
    with pytest.raises(refusal):
        inventory_files.record_disclosure(
            instance, party, role=PartyRole.PROCESSOR, actor=author(instance).actor, now=LATER, **words
        )
    assert (now_in(instance).digest, len(events(instance))) == (before, told)


def test_a_recorded_transfer_list_and_contract_survive_the_next_policy(instance: Engine) -> None:
    inventory_files.record_disclosure(
        instance,
        "debt-collector",
        items=frozenset({"name"}),
        role=PartyRole.PROCESSOR,
        actor=author(instance).actor,
        now=LATER,
    )
    held = now_in(instance)
    parties = tuple(
        replace(party, incident_contact="24h", audited_on=date(2026, 5, 1)) if party.code == "debt-collector" else party
        for party in held.parties
    )
    store = replace(held.store("at-debt-collector"), reviewed_on=date(2026, 9, 9), owner="collections")
    load(instance, replace(changed(held, store.code, **vars(store)), parties=parties))
    before = now_in(instance)
    (path,) = playbook_files("policies")
    text = path.read_text(encoding="utf-8").replace('version = "2"', 'version = "3"', 1)
    policies.load_policy(instance, text, file=path.name, actor=author(instance).actor, now=LATER)
    assert now_in(instance) == before
    assert before.party("debt-collector").incident_contact == "24h"


def test_a_recipient_that_the_policy_no_longer_names_keeps_no_store(instance: Engine) -> None:
    (path,) = playbook_files("policies")
    text = path.read_text(encoding="utf-8").replace('version = "2"', 'version = "3"', 1)
    head, tail = text.split('[[disclosures]]\nparty = "mailing-house"')
    without = head + "[[joint_use]]" + tail.split("[[joint_use]]", 1)[1]
    policies.load_policy(instance, without, file=path.name, actor=author(instance).actor, now=LATER)
    codes = {store.code for store in now_in(instance).stores}
    assert "at-mailing-house" not in codes
    assert {"at-debt-collector", "member-db"} <= codes
    with reading(instance) as session:
        row = session.scalars(sa.select(tables.DataStore).where(tables.DataStore.code == "at-mailing-house")).one()
        assert row.retired_at == LATER


def test_what_is_exported_is_imported_elsewhere_as_the_same_register(
    instance: Engine, sqlite_template: Path, tmp_path: Path
) -> None:
    exported = inventory_files.export_json(instance)
    zipped = inventory_files.zipped(inventory_files.export_csv(instance))
    assert inventory_files.export_json(instance) == exported
    shutil.copy(sqlite_template, tmp_path / "elsewhere.db")
    elsewhere = make_engine(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    apply_import(elsewhere, plan_import(elsewhere, {"r.zip": zipped}, name="r.zip"), actor=SYSTEM, now=NOW)
    assert now_in(elsewhere).digest == now_in(instance).digest
    assert inventory_files.export_json(elsewhere) == exported
    assert inventory_files.zipped(inventory_files.export_csv(elsewhere)) == zipped
    elsewhere.dispose()


def test_the_same_file_twice_changes_nothing_and_leaves_no_event(instance: Engine) -> None:
    before = events(instance)
    assert setup.load_inventory(instance, TOML, file="x.toml", actor=author(instance).actor, now=LATER) == 0
    assert load(instance, now_in(instance)).changes == ()
    assert events(instance) == before


def test_what_a_file_no_longer_names_is_retracted_and_kept(instance: Engine) -> None:
    held = now_in(instance)
    less = changed(held, "billing-db", items=held.store("billing-db").items[1:])
    less = replace(less, stores=tuple(store for store in less.stores if store.code != "usage-db"))
    plan = load(instance, less)
    gone = held.store("billing-db").items[0].item
    assert plan.counts["retracted"] == 1 + 1 + len(held.store("usage-db").items)
    assert now_in(instance) == less
    with reading(instance) as session:
        rows = session.execute(
            sa.select(tables.StoreItem.retracted_at)
            .join(tables.DataStore)
            .where(tables.DataStore.code == "billing-db", tables.StoreItem.item_code == gone),
        ).all()
        assert rows == [(LATER,)]
        assert (
            session.scalar(sa.select(tables.DataStore.retired_at).where(tables.DataStore.code == "usage-db")) == LATER
        )
    load(instance, held, at=LATER)
    assert now_in(instance).digest == held.digest


def test_everything_that_can_be_removed_comes_back_as_it_was(instance: Engine) -> None:
    """A register emptied of parties' roles, joint use, items and categories, and filled again at the same moment."""
    held = now_in(instance)
    ourselves = replace(held.party("ourselves"), is_ourselves=True)
    bare = Inventory(categories=held.categories[:1], items=held.items[:2], parties=(ourselves,), stores=())
    load(instance, bare)
    assert now_in(instance) == bare
    load(instance, held)
    assert now_in(instance) == held


def test_another_party_can_become_ourselves(instance: Engine) -> None:
    held = now_in(instance)
    parties = tuple(replace(party, is_ourselves=party.code == "group") for party in held.parties)
    load(instance, replace(held, parties=parties))
    assert now_in(instance).parties == parties


def test_a_store_file_retires_only_what_it_named_before(instance: Engine) -> None:
    own = '[[stores]]\ncode = "fax"\nname_ja = "FAX"\nname_en = "fax"\nmedium = "input_page"\n'
    setup.load_inventory(instance, own, file="second.toml", actor=author(instance).actor, now=LATER)
    head, tail = TOML.split('[[stores]]\ncode = "staff-register"')
    assert tail
    setup.load_inventory(instance, head, file="first.toml", actor=author(instance).actor, now=LATER)
    codes = {store.code for store in now_in(instance).stores}
    assert "staff-register" not in codes
    assert {"fax", "member-db", "at-mailing-house"} <= codes
    assert now_in(instance).store("fax").medium is Medium.INPUT_PAGE
    assert now_in(instance).store("fax").items == ()


def test_one_item_may_lie_in_one_store_in_two_periods(instance: Engine) -> None:
    held = now_in(instance)
    others = tuple(item for item in held.store("member-db").items if item.item != "password")
    periods = (
        StoreItem(item="password", protection=Protection.NONE, held_until=date(2022, 3, 31)),
        StoreItem(item="password", protection=Protection.HASHED, held_from=date(2022, 4, 1)),
    )
    items = tuple(sorted((*others, *periods), key=lambda item: (item.item, item.held_from or date.min)))
    load(instance, changed(held, "member-db", items=items))
    assert now_in(instance).store("member-db").items == items


def test_a_faulty_file_changes_nothing_and_lists_every_fault(instance: Engine) -> None:
    before, told = now_in(instance).digest, len(events(instance))
    files = {
        "stores.csv": inventory_files.export_csv(instance)["stores.csv"].replace(b",log,", b",tape,"),
        "store_items.csv": inventory_files.export_csv(instance)["store_items.csv"].replace(b",ip-address,", b",ip,"),
    }
    with pytest.raises(FaultyFile) as refusal:
        load_files(instance, files, name="folder/")
    assert len(refusal.value.fault_list) == 3
    assert (now_in(instance).digest, len(events(instance))) == (before, told)


def test_a_register_that_moved_meanwhile_is_not_overwritten(instance: Engine) -> None:
    held = now_in(instance)
    plan = plan_import(instance, {"a.json": json_text(changed(held, "member-db", owner="a")).encode()}, name="a.json")
    load(instance, changed(held, "member-db", owner="b"))
    with pytest.raises(RegisterMoved):
        apply_import(instance, plan, actor=author(instance).actor, now=LATER)
    assert now_in(instance).store("member-db").owner == "b"


def test_a_changed_disclosure_without_stores_in_the_file_moves_the_store_of_the_recipient(instance: Engine) -> None:
    files = {"disclosures.csv": inventory_files.export_csv(instance)["disclosures.csv"]}
    text = files["disclosures.csv"].decode("utf-8-sig").splitlines()
    row = next(line for line in text if line.startswith("payment-gateway"))
    files["disclosures.csv"] = "\r\n".join(
        [*text, "payment-gateway,actual,processor,card-number,,,contract 1,"]
    ).encode()
    assert row
    load_files(instance, files, name="folder/")
    held = now_in(instance)
    assert [item.item for item in held.store("at-payment-gateway").items] == ["card-number"]
    assert {entry.basis for entry in held.disclosures if entry.party == "payment-gateway"} == set(DisclosureBasis)


def test_a_snapshot_is_read_back_with_the_same_digest(instance: Engine) -> None:
    digest = keep_snapshot(instance, now=NOW)
    with reading(instance) as session:
        read = read_inventory_snapshot(session, digest)
        assert read == current_inventory(session)
        assert read.digest == digest
        assert digest_of(session.get_one(tables.InventorySnapshot, digest).content) == digest
        assert read.joint_use


def test_a_snapshot_from_before_contracts_and_joint_use_keeps_its_digest(instance: Engine) -> None:
    content = json.loads(canonical_text(json_of(now_in(instance))))
    del content["joint_use"]
    assert all("audited_on" not in party for party in content["parties"])
    assert inventory_of_content(content).digest == digest_of(content)


def test_stores_are_listed_with_ours_first_and_retired_ones_left_out(instance: Engine) -> None:
    held = now_in(instance)
    load(instance, replace(held, stores=tuple(store for store in held.stores if store.code != "web-logs")))
    views = list_stores(instance)
    assert [view.is_ours for view in views] == [True] * 11 + [False] * 4
    assert "web-logs" not in {view.code for view in views}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.zip", b"PK", "not readable as a zip archive"),
        ("a.json", b"\xff", "not text in UTF-8"),
        ("a.toml", b"x = ", "not readable as TOML"),
        ("a.txt", b"x", "a.txt: unknown file"),
        ("a.zip", inventory_files.zipped({"a/stores.csv": b"", "b/stores.csv": b""}), "same name twice"),
    ],
)
def test_a_file_that_is_no_inventory_is_refused(instance: Engine, name: str, content: bytes, fault: str) -> None:
    with pytest.raises(FaultyFile) as refusal:
        plan_import(instance, {name: content}, name=name)
    assert fault in str(refusal.value)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_files, "LARGEST_BYTES", 100)
    for name, content in (("a.json", b" " * 101), ("a.zip", inventory_files.zipped({"stores.csv": b" " * 101}))):
        with pytest.raises(FaultyFile, match="100 bytes"):
            plan_import(instance, {name: content}, name=name)


def test_an_archive_made_by_another_system_is_read(instance: Engine) -> None:
    files = inventory_files.export_csv(instance)
    packed = {f"register/{name}": content for name, content in files.items()}
    packed |= {"__MACOSX/register/._stores.csv": b"x", "register/.DS_Store": b"x"}
    assert plan_import(instance, {"r.zip": inventory_files.zipped(packed)}, name="r.zip").changes == ()


def test_only_one_live_entry_per_item_and_period_can_stand_in_the_database(instance: Engine) -> None:
    with reading(instance) as session:
        store = session.scalars(sa.select(tables.DataStore).where(tables.DataStore.code == "member-db")).one().id
    row = {"store_id": store, "item_code": "name", "purpose": "", "protection": Protection.NONE, "recorded_at": LATER}
    engine = make_engine(instance.url.render_as_string(hide_password=False))
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.insert(tables.StoreItem).values(row))
    engine.dispose()
