"""Scopes as they are kept: every entry comes back as it was said, and what is not known is said to be so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.scope_changes import with_store
from incident_app.domain.scopes import NarrowingNeedsReason, Scope, TouchedList, TouchedStore
from incident_app.domain.vocabulary import Certainty, DisclosureBasis, ListRelation, PartyRole, Protection
from incident_app.persistence.incidents import IncidentScope, ScopeStore
from incident_app.persistence.inventory import DataStore, Disclosure, StoreItem, ThirdParty
from incident_app.persistence.timeline import EventRow, TextRow
from incident_app.services import scope_edits, scope_findings, scope_views, scopes
from incident_app.services.evidence import record_evidence
from incident_app.services.impact import determine_impact
from incident_app.services.scopes import ChangedMeanwhile, OurOwnStores
from incident_app.services.transaction import building, reading, recording, transaction
from tests import builders
from tests.builders import NOW, author

LATER = NOW + timedelta(hours=2)
DAY = timedelta(days=1)
CONFIRMED, ASSUMED = Certainty.CONFIRMED, Certainty.ASSUMED
NO_LIST = TouchedList(list_id=404, list_digest="d" * 64, relation=ListRelation.ADDS, certainty=CONFIRMED)


def set_scope(engine: Engine, incident: IncidentId, scope: Scope, note: str | None = None) -> int:
    return scopes.set_scope(engine, incident, scope, note=note, actor=author(engine).actor, now=LATER)


def some_evidence(engine: Engine, incident: IncidentId, digest: str = "e" * 64) -> int:
    with transaction(engine, actor=author(engine).actor, now=NOW) as act:
        return record_evidence(act, incident, digest, 3, file_name="evidence.txt")


def a_scope_of(*entries: TouchedStore) -> Scope:
    return replace(builders.a_scope(), stores=entries)


def kinds(engine: Engine, incident: IncidentId) -> list[str]:
    with reading(engine) as session:
        found = sa.select(EventRow.kind).where(EventRow.incident_id == incident).order_by(EventRow.sequence)
        return list(session.scalars(found))


def test_a_scope_is_read_back_entry_by_entry_in_its_order_with_evidence_reason_and_marks(instance: Engine) -> None:
    view = builders.an_incident(instance)
    evidence = some_evidence(instance, view.id)
    few = frozenset({"email", "name"})
    said = (
        TouchedStore(store="usage-db", certainty=ASSUMED),
        TouchedStore(store="member-db", certainty=CONFIRMED, items=few, reason="the export", touched_until=NOW),
        TouchedStore(
            store="member-db", certainty=CONFIRMED, items=frozenset({"password"}), reason="the dump", touched_until=NOW
        ),
        TouchedStore(store="billing-db", certainty=Certainty.RULED_OUT, evidence_id=evidence, touched_from=NOW - DAY),
        TouchedStore(
            store="billing-db",
            certainty=CONFIRMED,
            items=frozenset({"card-number"}),
            reason="typed in",
            acquiring=True,
            touched_until=NOW - 2 * DAY,
        ),
        TouchedStore(store="member-backup", certainty=ASSUMED, key_compromised=True, evidence_id=evidence),
    )
    scope = a_scope_of(*said)
    set_scope(instance, view.id, scope)
    found = scopes.find_newest_scope(instance, view.id)
    assert found is not None
    assert found[1] == scope
    assert digest_of(found[1].content()) == digest_of(scope.content())


def test_rows_from_before_entries_were_numbered_are_read_as_they_always_were(instance: Engine) -> None:
    view = builders.an_incident(instance)
    with recording(instance) as session:
        row = IncidentScope(
            incident_id=view.id, version=1, harms=["confidentiality"], cause="unknown", set_at=NOW, set_by="x"
        )
        session.add(row)
        session.flush()
        store = session.scalars(sa.select(DataStore.id).where(DataStore.code == "member-db")).one()
        for item in ("email", "name"):
            session.add(ScopeStore(scope_id=row.id, store_id=store, item_code=item, certainty=CONFIRMED))
        session.add(ScopeStore(scope_id=row.id, store_id=store, item_code=None, certainty=ASSUMED))
        session.flush()
    found = scopes.find_newest_scope(instance, view.id)
    assert found is not None
    assert found[1].content()["stores"] == [
        ["member-db", frozenset({"email", "name"}), None, None, CONFIRMED],
        ["member-db", None, None, None, ASSUMED],
    ]


def test_what_a_version_leaves_out_and_why_stays_visible_in_every_version(instance: Engine) -> None:
    view = builders.an_incident(instance)
    backup = TouchedStore(store="support-mailbox", certainty=ASSUMED)
    first = a_scope_of(
        TouchedStore(
            store="control-panel", certainty=CONFIRMED, items=frozenset({"email"}), reason="only the list was open"
        ),
        backup,
    )
    set_scope(instance, view.id, first)
    with pytest.raises(NarrowingNeedsReason, match="support-mailbox"):
        set_scope(instance, view.id, a_scope_of(*first.stores[:1]))
    assert set_scope(instance, view.id, a_scope_of(*first.stores[:1]), note="the mailbox was offline") == 2
    old, new = (scope_views.show_scope(instance, view.id, version=version) for version in (1, 2))
    assert [entry.entry.store for entry in old.entries] == ["control-panel", "support-mailbox"]
    (panel,) = new.entries
    assert [item.code for item in panel.items] == ["email"]
    assert {item.code for item in panel.left_out} == {"admin-account", "password", "cookie-id", "ip-address"}
    assert panel.entry.reason == "only the list was open"
    assert new.note == "the mailbox was offline"
    assert scope_views.compare_versions(instance, view.id, 1, 2).removed_stores == (backup,)
    assert scope_views.show_scope(instance, view.id).version == 2
    assert [version for version, _ in scope_views.list_versions(instance, view.id)] == [2, 1]
    with pytest.raises(NotFound, match="3"):
        scope_views.show_scope(instance, view.id, version=3)


def test_an_erased_reason_does_not_keep_the_next_version_from_being_set(instance: Engine) -> None:
    view = builders.an_incident(instance)
    part = TouchedStore(store="member-db", certainty=CONFIRMED, items=frozenset({"name"}), reason="seen by A. N. Other")
    set_scope(instance, view.id, a_scope_of(part))
    with recording(instance) as session:
        session.execute(sa.update(TextRow).values(body=None, salt=None))
    found = scopes.find_newest_scope(instance, view.id)
    assert found is not None
    assert found[1].stores[0].reason == scopes.ERASED
    assert set_scope(instance, view.id, replace(found[1], stores=(*found[1].stores, _whole("usage-db")))) == 2


def _whole(store: str, **changes: object) -> TouchedStore:
    return TouchedStore(**{"store": store, "certainty": CONFIRMED, **changes})  # type: ignore[arg-type]


def test_evidence_of_another_incident_does_not_exist_here(instance: Engine) -> None:
    mine, other = builders.an_incident(instance), builders.an_incident(instance)
    evidence = some_evidence(instance, other.id)
    with pytest.raises(NotFound, match="evidence"):
        set_scope(instance, mine.id, a_scope_of(_whole("member-db", evidence_id=evidence)))
    with pytest.raises(NotFound, match="list"):
        set_scope(instance, mine.id, replace(builders.a_scope("member-db"), lists=(NO_LIST,)))
    with pytest.raises(NotFound, match="third party"):
        set_scope(instance, mine.id, a_scope_of(_whole("member-db", via_party="nobody")))
    assert "scope.set" not in kinds(instance, mine.id)


def test_a_category_of_the_policy_chooses_the_items_under_it(instance: Engine) -> None:
    chosen = scopes.chosen_items(instance, "billing-db", categories=["transactions"])
    assert chosen is not None
    assert {"card-number", "bank-account-number"} <= chosen
    assert "name" not in chosen
    with pytest.raises(NotFound, match="category"):
        scopes.chosen_items(instance, "billing-db", categories=["shoes"])
    with pytest.raises(BadInput, match="identity"):
        scopes.chosen_items(instance, "billing-db", categories=["identity"])


def test_the_upper_bound_of_a_party_vanishes_when_its_transfer_list_is_loaded(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, kind="leak-at-processor")
    entries = scopes.stores_at_party(instance, "payment-gateway", certainty=CONFIRMED)
    set_scope(instance, view.id, a_scope_of(*entries))
    (bound,) = scope_views.show_scope(instance, view.id).entries
    assert bound.list_missing
    assert bound.at_most == 1  # only C1 has data of transactions
    assert builders.obligations.determine_and_derive(
        instance, view.id, actor=author(instance).actor, now=LATER
    ).by_certainty == {ASSUMED: bound.at_most}
    text = "customer_number,store,items\nC1,at-payment-gateway,card-number\nC4,at-payment-gateway,card-number\n"
    builders.import_text(instance, text, now=NOW + timedelta(hours=1))
    (listed,) = scope_views.show_scope(instance, view.id).entries
    assert not listed.list_missing
    assert listed.at_most is None
    found = builders.determined(instance, view.id, a_scope_of(*entries), now=LATER)
    assert found.by_certainty == {CONFIRMED: 2}


def test_what_was_really_handed_over_beats_the_published_policy_and_both_are_shown(instance: Engine) -> None:
    view = builders.an_incident(instance, kind="leak-at-processor")
    published = scope_views.show_party(instance, "payment-gateway")
    assert (published.actual, published.used) == ((), DisclosureBasis.PUBLISHED)
    (whole,) = scopes.stores_at_party(instance, "payment-gateway", certainty=ASSUMED)
    assert whole.items is None
    with building(instance) as session:
        party = session.scalars(sa.select(ThirdParty.id).where(ThirdParty.code == "payment-gateway")).one()
        for item in ("card-number", "card-holder", "email"):
            session.add(
                Disclosure(
                    party_id=party,
                    item_code=item,
                    role=PartyRole.PROCESSOR,
                    basis=DisclosureBasis.ACTUAL,
                    purpose_ja="実績",
                    purpose_en="contract",
                    legal_basis="contract",
                    recorded_at=NOW,
                ),
            )
    entries = scopes.stores_at_party(instance, "payment-gateway", certainty=ASSUMED)
    assert [entry.items for entry in entries] == [{"card-number", "card-holder"}]
    set_scope(instance, view.id, a_scope_of(*entries))
    (shown,) = scope_views.show_scope(instance, view.id).entries
    assert shown.party is not None
    assert shown.party.published == published.published
    assert shown.party.actual == ("card-holder", "card-number", "email")
    assert shown.party.used is DisclosureBasis.ACTUAL
    assert "bank-account-number" in {item.code for item in shown.left_out}


def test_people_who_typed_into_a_tampered_page_are_unknown_until_a_list_names_them(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    page = _whole("billing-db", items=frozenset({"card-number"}), reason="the form", acquiring=True)
    set_scope(instance, view.id, a_scope_of(page))
    (shown,) = scope_views.show_scope(instance, view.id).entries
    assert shown.people_unknown
    listed = builders.a_list(instance, view.id, "customer_number\nC1\nC3\n")
    set_scope(instance, view.id, replace(a_scope_of(page), lists=(replace(listed, store="billing-db"),)))
    version = scope_views.show_scope(instance, view.id)
    assert not version.entries[0].people_unknown
    assert version.lists[0].listed.store == "billing-db"
    assert (version.lists[0].people, version.lists[0].rows_read) == (2, 2)


def _web_logs(engine: Engine) -> None:
    builders.with_customers(engine)
    lines = [
        ("C1", "2025-01-01T00:00+00:00", ""),  # a year was over long before
        ("C2", "2026-06-01T00:00+00:00", ""),  # not over yet
        ("C3", "2024-01-01T00:00+00:00", "2024-06-01T00:00+00:00"),  # gone in time
        ("C4", "2023-01-01T00:00+00:00", "2026-11-19T00:00+00:00"),  # kept too long, gone the day before
        ("C5", "", ""),  # since when is not known
    ]
    text = "customer_number,store,items,held_from,held_until\n" + "".join(
        f"{number},web-logs,cookie-id ip-address,{begin},{end}\n" for number, begin, end in lines
    )
    builders.import_text(engine, text, now=NOW + timedelta(minutes=1))


def test_records_held_past_their_retention_are_a_finding_and_on_the_timeline(instance: Engine) -> None:
    _web_logs(instance)
    view = builders.an_incident(instance)
    set_scope(instance, view.id, a_scope_of(_whole("web-logs"), _whole("member-db")))
    found = scope_views.show_scope(instance, view.id).findings
    assert {(one.store, one.item): one.number for one in found} == {
        ("web-logs", "cookie-id"): 2,
        ("web-logs", "ip-address"): 2,
    }
    assert kinds(instance, view.id)[-2:] == ["scope.set", "retention.exceeded"]


@pytest.mark.parametrize(
    ("entry", "number"),
    [
        ({"touched_from": NOW - timedelta(hours=1)}, 1),  # C4's record was gone by then
        ({"touched_until": NOW - timedelta(days=400)}, 1),  # C4's was too old even then, C1's was not
        ({"touched_until": NOW - timedelta(days=1200)}, 0),
        ({"items": frozenset({"cookie-id"}), "reason": "only these"}, 2),
        ({"acquiring": True}, 0),
    ],
)
def test_retention_is_judged_by_what_was_held_in_the_window(
    instance: Engine, entry: dict[str, object], number: int
) -> None:
    _web_logs(instance)
    view = builders.an_incident(instance)
    set_scope(instance, view.id, a_scope_of(_whole("web-logs", **entry)))
    found = {one.item: one.number for one in scope_views.show_scope(instance, view.id).findings}
    assert found.get("cookie-id", 0) == number
    assert ("ip-address" in found) == (number > 0 and "items" not in entry)
    assert ("retention.exceeded" in kinds(instance, view.id)) == (number > 0)


def test_each_item_is_counted_by_its_own_period(instance: Engine) -> None:
    _web_logs(instance)
    with recording(instance) as session:
        store = session.scalars(sa.select(DataStore.id).where(DataStore.code == "web-logs")).one()
        mine = (StoreItem.item_code == "ip-address", StoreItem.store_id == store)
        session.execute(sa.update(StoreItem).where(*mine).values(retracted_at=NOW))
        longer = {"purpose": "", "protection": Protection.NONE, "keep_for_days": 1000, "recorded_at": NOW}
        session.add(StoreItem(store_id=store, item_code="ip-address", **longer))
    view = builders.an_incident(instance)
    set_scope(instance, view.id, a_scope_of(_whole("web-logs")))
    found = {one.item: one.number for one in scope_views.show_scope(instance, view.id).findings}
    assert found == {"cookie-id": 2, "ip-address": 1}


def test_what_is_too_much_to_count_at_once_is_counted_by_the_determination_and_only_once(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _web_logs(instance)
    scope = a_scope_of(_whole("web-logs"), _whole("at-payment-gateway"))
    at_once, later = builders.an_incident(instance), builders.an_incident(instance)
    set_scope(instance, at_once.id, scope)
    wanted = scope_views.show_scope(instance, at_once.id)
    monkeypatch.setattr(scope_findings, "MOST_AT_ONCE", 0)
    set_scope(instance, later.id, scope)
    waiting = scope_views.show_scope(instance, later.id)
    assert (waiting.findings, waiting.entries[1].at_most, waiting.counts_outstanding) == ((), None, True)
    assert waiting.entries[1].list_missing
    assert not wanted.counts_outstanding
    for _ in range(2):
        determine_impact(instance, later.id, actor=author(instance).actor, now=LATER)
    counted = scope_views.show_scope(instance, later.id)
    assert (counted.findings, counted.entries[1].at_most) == (wanted.findings, wanted.entries[1].at_most)
    assert not counted.counts_outstanding
    assert kinds(instance, later.id).count("scope.counted") == 1
    assert kinds(instance, later.id).count("retention.exceeded") == 1


def test_a_version_without_anything_to_count_waits_for_nothing_once_it_was_determined(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.with_customers(instance)
    monkeypatch.setattr(scope_findings, "MOST_AT_ONCE", 0)
    view = builders.an_incident(instance)
    set_scope(instance, view.id, a_scope_of(_whole("member-db")))
    determine_impact(instance, view.id, actor=author(instance).actor, now=LATER)
    assert not scope_views.show_scope(instance, view.id).counts_outstanding
    assert "scope.counted" not in kinds(instance, view.id)


def test_protection_is_shown_and_a_touched_key_voids_it(instance: Engine) -> None:
    view = builders.an_incident(instance)
    set_scope(instance, view.id, a_scope_of(_whole("member-backup")))
    kept = scope_views.show_scope(instance, view.id).entries[0].items
    assert {item.protection for item in kept} == {Protection.ENCRYPTED_KEY_ELSEWHERE}
    assert all(item.mitigated for item in kept)
    set_scope(instance, view.id, a_scope_of(_whole("member-backup", key_compromised=True, reason="key in the image")))
    lost = scope_views.show_scope(instance, view.id).entries[0]
    assert lost.entry.key_compromised
    assert not any(item.mitigated for item in lost.items)


def test_items_are_shown_as_the_inventory_had_them_when_the_version_was_set(instance: Engine) -> None:
    view = builders.an_incident(instance)
    set_scope(instance, view.id, a_scope_of(_whole("control-panel")))
    before = scope_views.show_scope(instance, view.id).entries[0].items
    with recording(instance) as session:
        store = session.scalars(sa.select(DataStore.id).where(DataStore.code == "control-panel")).one()
        held = sa.update(StoreItem).where(StoreItem.item_code == "password", StoreItem.store_id == store)
        session.execute(held.values(retracted_at=LATER + DAY))
    assert scope_views.show_scope(instance, view.id).entries[0].items == before


def test_two_people_who_add_something_at_once_both_find_it_in_the_scope(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a reason, which would otherwise pass for the reason to take out what the other one had added."""
    view = builders.an_incident(instance)
    counted = scopes.count_findings
    others = [lambda current: with_store(current, _whole("billing-db"))]

    def add(change: Callable[[Scope], Scope]) -> int:
        return scope_edits.change_scope(instance, view.id, change, note="a wave", actor=author(instance).actor, now=NOW)

    def interrupted(*args: object, **named: object) -> object:
        if others:
            add(others.pop())
        return counted(*args, **named)  # type: ignore[arg-type] # passed on as they are

    monkeypatch.setattr(scopes, "count_findings", interrupted)
    assert add(lambda current: with_store(current, _whole("member-db"))) == 2
    version, scope = scopes.find_newest_scope(instance, view.id) or (0, None)
    assert version == 2
    assert scope is not None
    assert [entry.store for entry in scope.stores] == ["billing-db", "member-db"]


def test_a_version_that_was_made_from_another_is_not_set_unseen(instance: Engine) -> None:
    view = builders.an_incident(instance)
    set_scope(instance, view.id, a_scope_of(_whole("member-db")))
    with pytest.raises(ChangedMeanwhile, match="version 1"):
        scopes.set_scope(
            instance,
            view.id,
            a_scope_of(_whole("billing-db")),
            note="looks small",
            based_on=0,
            actor=author(instance).actor,
            now=NOW,
        )


def test_naming_ourselves_as_a_recipient_does_not_put_everything_in_scope(instance: Engine) -> None:
    with pytest.raises(OurOwnStores):
        scopes.stores_at_party(instance, "ourselves", certainty=Certainty.ASSUMED)
