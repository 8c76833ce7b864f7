"""The rule that judges patterns."""

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.impact import Judgement, Listing, Pattern, TouchedPair, judge, pattern_key
from incident_app.domain.inventories import read_inventory
from incident_app.domain.inventory import Inventory, StoreItem
from incident_app.domain.policies import stores_of_parties
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm, ListRelation, Protection
from tests.domain.test_policies import INVENTORY as INVENTORY_TEXT
from tests.domain.test_policies import POLICY

INVENTORY = Inventory(
    categories=POLICY.categories,
    items=POLICY.items,
    parties=POLICY.parties,
    stores=(*read_inventory(INVENTORY_TEXT, file="inventory", policy=POLICY), *stores_of_parties(POLICY)),
)


def a_scope(*entries: TouchedStore | TouchedList) -> Scope:
    return Scope(
        harms=frozenset({Harm.CONFIDENTIALITY}),
        cause=Cause.UNKNOWN,
        stores=tuple(entry for entry in entries if isinstance(entry, TouchedStore)),
        lists=tuple(entry for entry in entries if isinstance(entry, TouchedList)),
    )


def a_list(relation: ListRelation, certainty: Certainty = Certainty.CONFIRMED) -> TouchedList:
    return TouchedList(list_id=1, list_digest="d", relation=relation, certainty=certainty, evidence_id=1)


def judged(scope: Scope, *parts: TouchedPair | Listing) -> Judgement | None:
    pattern = Pattern(
        pairs=frozenset(part for part in parts if isinstance(part, TouchedPair)),
        listings=frozenset(part for part in parts if isinstance(part, Listing)),
    )
    return judge(pattern, scope, INVENTORY)


MEMBER = TouchedStore(store="member-db", certainty=Certainty.ASSUMED)
HELD = TouchedPair(entry=0, items=("email", "name", "password"))


def test_only_the_items_that_the_scope_names_are_affected() -> None:
    narrow = TouchedStore(store="member-db", certainty=Certainty.CONFIRMED, items=frozenset({"name"}))
    found = judged(a_scope(narrow), HELD)
    assert found is not None
    assert (found.items, found.certainty) == ({"name"}, Certainty.CONFIRMED)


def test_a_protected_item_is_carried_as_mitigated_until_it_lies_open_somewhere() -> None:
    found = judged(a_scope(MEMBER), HELD)
    assert found is not None
    assert found.mitigated == {"password": Protection.HASHED}
    listed = judged(a_scope(MEMBER, a_list(ListRelation.ADDS)), HELD, Listing(entry=0, items=("password",)))
    assert listed is not None
    assert listed.mitigated == {}


def test_being_on_a_confirmed_list_makes_an_assumed_person_confirmed() -> None:
    found = judged(a_scope(MEMBER, a_list(ListRelation.ADDS)), HELD, Listing(entry=0, items=None))
    assert found is not None
    assert found.certainty is Certainty.CONFIRMED


def test_who_is_ruled_out_is_a_ring_of_its_own_unless_something_confirms() -> None:
    out = judged(a_scope(MEMBER, a_list(ListRelation.RULES_OUT)), HELD, Listing(entry=0, items=None))
    assert out is not None
    assert out.certainty is Certainty.RULED_OUT
    sure = TouchedStore(store="member-db", certainty=Certainty.CONFIRMED)
    both = judged(a_scope(sure, a_list(ListRelation.RULES_OUT)), HELD, Listing(entry=0, items=None))
    assert both is not None
    assert both.certainty is Certainty.CONFIRMED
    assert any("contradicts" in reason for reason in both.because_en)


def test_a_list_of_only_these_people_leaves_the_others_out() -> None:
    scope = a_scope(MEMBER, a_list(ListRelation.ONLY))
    assert judged(scope, HELD) is None
    inside = judged(scope, HELD, Listing(entry=0, items=None))
    assert inside is not None
    assert inside.items == {"email", "name", "password"}


def test_a_list_of_only_these_people_with_items_leaves_the_other_items_of_their_stores_out() -> None:
    scope = a_scope(MEMBER, a_list(ListRelation.ONLY), a_list(ListRelation.ONLY), a_list(ListRelation.ADDS))
    named, more = Listing(entry=0, items=("email", "phone")), Listing(entry=1, items=("name",))
    found = judged(scope, HELD, named)
    assert found is not None
    assert found.items == {"email", "phone"}
    held = next(reason for reason in found.because_ja if "保管" in reason)
    assert "パスワード" not in held
    both = judged(scope, HELD, named, more)
    assert both is not None
    assert both.items == {"email", "phone", "name"}
    open_list = judged(scope, HELD, named, Listing(entry=1, items=None))
    assert open_list is not None
    assert open_list.items == {"email", "name", "password", "phone"}
    added = judged(scope, HELD, named, Listing(entry=2, items=("password",)))
    assert added is not None
    assert added.items == {"email", "phone", "password"}


def test_a_store_holding_nothing_that_a_list_of_only_names_is_no_source() -> None:
    found = judged(a_scope(MEMBER, a_list(ListRelation.ONLY)), HELD, Listing(entry=0, items=("phone",)))
    assert found is not None
    assert (found.items, found.stores) == ({"phone"}, frozenset())


def test_a_store_that_was_ruled_out_touches_nobody() -> None:
    assert judged(a_scope(TouchedStore(store="member-db", certainty=Certainty.RULED_OUT)), HELD) is None


def test_an_upper_bound_is_never_more_than_assumed_and_says_so() -> None:
    sure = TouchedStore(store="at-mailing-house", certainty=Certainty.CONFIRMED)
    found = judged(a_scope(sure), TouchedPair(entry=0, items=("name",), upper_bound=True))
    assert found is not None
    assert found.certainty is Certainty.ASSUMED
    assert any("upper bound" in reason for reason in found.because_en)


codes = st.lists(st.sampled_from(["email", "name", "password", "phone"]), min_size=1, unique=True).map(
    lambda chosen: tuple(sorted(chosen))
)


@given(items=codes, more=codes)
def test_touching_more_never_affects_less(items: tuple[str, ...], more: tuple[str, ...]) -> None:
    scope = a_scope(MEMBER, TouchedStore(store="support-mailbox", certainty=Certainty.ASSUMED))
    one, two = TouchedPair(entry=0, items=items), TouchedPair(entry=1, items=more)
    less, together = judged(scope, one), judged(scope, one, two)
    assert less is not None
    assert together is not None
    assert less.items <= together.items
    assert together.items == set(items) | set(more)


@given(items=codes, more=codes)
def test_the_key_of_a_pattern_does_not_depend_on_order(items: tuple[str, ...], more: tuple[str, ...]) -> None:
    pairs = [TouchedPair(entry=0, items=items), TouchedPair(entry=1, items=more)]
    assert pattern_key(Pattern(pairs=frozenset(pairs))) == pattern_key(Pattern(pairs=frozenset(reversed(pairs))))


def test_certainty_belongs_to_each_item() -> None:
    named = judged(a_scope(MEMBER, a_list(ListRelation.ADDS)), HELD, Listing(entry=0, items=("name",)))
    assert named is not None
    assert (named.confirmed, named.items) == ({"name"}, {"email", "name", "password"})
    unnamed = judged(a_scope(MEMBER, a_list(ListRelation.ADDS)), HELD, Listing(entry=0, items=None))
    assert unnamed is not None
    assert unnamed.confirmed == unnamed.items
    party = TouchedStore(store="at-mailing-house", certainty=Certainty.ASSUMED)
    bound = TouchedPair(entry=0, items=("card-number",), upper_bound=True)
    maximum = judged(a_scope(party, a_list(ListRelation.ONLY)), bound, Listing(entry=0, items=None))
    assert maximum is not None
    assert (maximum.certainty, maximum.confirmed) == (Certainty.CONFIRMED, frozenset())


def test_encryption_protects_nobody_once_the_key_was_touched() -> None:
    backup = TouchedStore(store="member-backup", certainty=Certainty.CONFIRMED)
    pair = TouchedPair(entry=0, items=("email", "name"))
    safe = judged(a_scope(backup), pair)
    assert safe is not None
    assert set(safe.mitigated.values()) == {Protection.ENCRYPTED_KEY_ELSEWHERE}
    open_to_all = judged(a_scope(replace(backup, key_compromised=True)), pair)
    assert open_to_all is not None
    assert open_to_all.mitigated == {}
    hashed = judged(a_scope(replace(MEMBER, key_compromised=True)), HELD)
    assert hashed is not None
    assert hashed.mitigated == {"password": Protection.HASHED}  # a key opens no hash


def test_people_who_typed_into_a_tampered_page_are_affected_with_what_they_typed() -> None:
    page = TouchedStore(
        store="billing-db",
        certainty=Certainty.CONFIRMED,
        acquiring=True,
        items=frozenset({"card-number", "card-holder"}),
    )
    used = replace(a_list(ListRelation.ADDS), store="billing-db")
    typed = judged(a_scope(page, used), Listing(entry=0, items=None))
    assert typed is not None
    assert typed.items == typed.confirmed == {"card-number", "card-holder"}
    assert typed.mitigated == {}
    assert typed.stores == {"billing-db"}
    only_holder = judged(a_scope(page, used), Listing(entry=0, items=("card-holder",)))
    assert only_holder is not None
    assert only_holder.items == {"card-holder"}
    elsewhere = judged(a_scope(page, a_list(ListRelation.ADDS)), Listing(entry=0, items=None))
    assert elsewhere is not None
    assert elsewhere.items == frozenset()


def test_the_weakest_protection_within_the_window_counts() -> None:
    periods = (
        StoreItem(item="email", protection=Protection.NONE, held_until=date(2026, 3, 31)),
        StoreItem(item="email", protection=Protection.HASHED, held_from=date(2026, 4, 1)),
    )
    stores = tuple(replace(store, items=periods) if store.code == "member-db" else store for store in INVENTORY.stores)
    changed = replace(INVENTORY, stores=stores)
    pattern = Pattern(pairs=frozenset({TouchedPair(entry=0, items=("email",))}))

    def mitigated(**window: datetime) -> object:
        found = judge(pattern, a_scope(replace(MEMBER, **window)), changed)
        assert found is not None
        return found.mitigated

    april = datetime(2026, 4, 1, 9, tzinfo=UTC)
    assert mitigated() == {}
    assert mitigated(touched_from=april) == {"email": Protection.HASHED}
    assert mitigated(touched_until=april) == {}
    eve = datetime(2026, 3, 31, 15, 30, tzinfo=UTC)  # already 1 April in Japan
    assert mitigated(touched_from=eve) == {"email": Protection.HASHED}
