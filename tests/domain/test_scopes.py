"""What a scope may say, what its digest rests on, and what taking something out of it needs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.scope_changes import (
    CategoryElsewhere,
    StoreWithoutItems,
    choose_items,
    with_list,
    with_party,
    with_store,
    without_list,
    without_store,
)
from incident_app.domain.scopes import (
    BackwardsWindow,
    ContradictoryEntries,
    EvidenceNeeded,
    ItemsLeftOut,
    KeyNeedsReason,
    ListAddsNobody,
    ListTwice,
    NamedTwice,
    NarrowingNeedsReason,
    Scope,
    TouchedList,
    TouchedStore,
    check_narrowing,
    check_scope,
    diff_scopes,
    without_people,
)
from incident_app.domain.vocabulary import Cause, Certainty, Harm, ListRelation

MOMENT = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
DAY = timedelta(days=1)
ITEMS = {"member-db": frozenset({"name", "email", "password"}), "billing-db": frozenset({"card-number"})}
ALL = frozenset({"name", "email", "password", "card-number", "phone"})
CONFIRMED = Certainty.CONFIRMED


def entry(**changes: object) -> TouchedStore:
    return TouchedStore(**{"store": "member-db", "certainty": CONFIRMED, **changes})  # type: ignore[arg-type]


def listed(**changes: object) -> TouchedList:
    values = {"list_id": 1, "list_digest": "d", "relation": ListRelation.ADDS, "certainty": CONFIRMED}
    return TouchedList(**{**values, **changes})  # type: ignore[arg-type]


def scope(*parts: TouchedStore | TouchedList) -> Scope:
    return Scope(
        harms=frozenset({Harm.CONFIDENTIALITY}),
        cause=Cause.UNKNOWN,
        stores=tuple(part for part in parts if isinstance(part, TouchedStore)),
        lists=tuple(part for part in parts if isinstance(part, TouchedList)),
    )


def check(*parts: TouchedStore | TouchedList) -> None:
    check_scope(scope(*parts), items_of_store=ITEMS, all_items=ALL)


def test_the_digest_of_a_scope_that_was_stored_long_ago_is_what_it_was() -> None:
    old = Scope(
        harms=frozenset({Harm.CONFIDENTIALITY, Harm.AVAILABILITY}),
        cause=Cause.MALWARE,
        stores=(
            entry(
                items=frozenset({"email", "name"}),
                touched_from=datetime(2026, 11, 1, tzinfo=UTC),
                touched_until=MOMENT,
                reason="r",
            ),
            TouchedStore(store="at-payment-gateway", certainty=Certainty.ASSUMED, via_party="payment-gateway"),
        ),
        lists=(listed(list_id=7, list_digest="d" * 64, evidence_id=3),),
    )
    assert digest_of(old.content()) == "e03966a205fd64140a60ae1e4ebf602bc9b5f07895035225a2ba196431a446ac"


@pytest.mark.parametrize("word", ["acquiring", "key_compromised"])
def test_what_came_later_into_the_model_changes_the_digest_only_where_it_is_set(word: str) -> None:
    plain, marked = scope(entry()), scope(entry(**{word: True}))
    assert digest_of(plain.content()) == digest_of(scope(entry(**{word: False})).content())
    assert digest_of(plain.content()) != digest_of(marked.content())
    assert digest_of(scope(entry(acquiring=True)).content()) != digest_of(scope(entry(key_compromised=True)).content())


def test_a_reason_and_evidence_do_not_change_who_is_affected_but_the_page_of_a_list_does() -> None:
    assert scope(entry(reason="x", evidence_id=3)).content() == scope(entry()).content()
    assert scope(listed(store="member-db")).content() != scope(listed()).content()


@pytest.mark.parametrize(
    ("parts", "refusal", "named"),
    [
        ([entry(store="nowhere")], NotFound, "nowhere"),
        ([entry(items=frozenset({"shoe-size"}))], NotFound, "shoe-size"),
        ([entry(items=frozenset())], BadInput, "at least one item"),
        ([entry(items=frozenset({"name"}))], ItemsLeftOut, "member-db: say why"),
        ([entry(items=frozenset({"name"}), reason="  ")], ItemsLeftOut, "say why"),
        ([entry(touched_from=MOMENT, touched_until=MOMENT - DAY)], BackwardsWindow, "before the beginning"),
        ([entry(touched_from=datetime(2026, 11, 1))], BadInput, "no UTC offset"),  # noqa: DTZ001 - the point
        ([entry(certainty=Certainty.RULED_OUT)], EvidenceNeeded, "member-db"),
        ([entry(key_compromised=True)], KeyNeedsReason, "key"),
        ([entry(), entry()], NamedTwice, "twice"),
        ([entry(), entry(certainty=Certainty.RULED_OUT, evidence_id=1)], ContradictoryEntries, "confirmed"),
        (
            [entry(certainty=Certainty.RULED_OUT, evidence_id=1), entry(certainty=Certainty.ASSUMED)],
            ContradictoryEntries,
            "assumed",
        ),
        ([listed(store="nowhere")], NotFound, "nowhere"),
        ([listed(relation=ListRelation.RULES_OUT)], EvidenceNeeded, "evidence"),
        ([listed(certainty=Certainty.RULED_OUT, evidence_id=1)], ListAddsNobody, "rules_out"),
        ([listed(), listed(relation=ListRelation.RULES_OUT, evidence_id=1)], ListTwice, "adds, rules_out"),
    ],
)
def test_a_scope_that_contradicts_itself_or_names_what_is_not_there_is_refused(
    parts: list[TouchedStore | TouchedList], refusal: type[BadInput], named: str
) -> None:
    with pytest.raises(refusal, match=named) as found:
        check(*parts)
    assert found.value.message("ja")


def test_one_store_may_be_touched_twice_in_other_windows_and_with_other_certainty() -> None:
    early = entry(touched_until=MOMENT, certainty=Certainty.ASSUMED)
    check(early, entry(touched_from=MOMENT - DAY))  # confirmed beats assumed: no contradiction
    check(
        entry(certainty=Certainty.RULED_OUT, evidence_id=1, touched_until=MOMENT - DAY),
        entry(touched_from=MOMENT),
    )
    check(
        entry(certainty=Certainty.RULED_OUT, evidence_id=1, items=frozenset({"password"}), reason="hashes not read"),
        entry(items=frozenset({"name", "email"}), reason="only the address book"),
    )


def narrowing(before: Scope, after: Scope, reason: str | None = None) -> None:
    check_narrowing(before, after, items_of_store=ITEMS, reason=reason)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (scope(entry(), listed()), scope(listed()), "member-db"),
        (scope(entry(), listed()), scope(entry()), "list 1"),
        (scope(entry()), scope(entry(items=frozenset({"name"}))), "member-db"),
        (scope(entry()), scope(entry(touched_from=MOMENT)), "member-db"),
        (scope(entry(touched_until=MOMENT)), scope(entry(touched_until=MOMENT - DAY)), "member-db"),
        (scope(entry()), scope(entry(certainty=Certainty.RULED_OUT, evidence_id=1)), "member-db"),
    ],
)
def test_taking_something_out_of_a_scope_needs_a_reason(before: Scope, after: Scope, named: str) -> None:
    with pytest.raises(NarrowingNeedsReason, match=named):
        narrowing(before, after)
    with pytest.raises(NarrowingNeedsReason):
        narrowing(before, after, "  ")
    narrowing(before, after, "the logs show it")


def test_the_reason_of_an_entry_explains_what_it_takes_out_of_its_own_store_only() -> None:
    narrowing(scope(entry()), scope(entry(items=frozenset({"name"}), reason="only names were shown")))
    other = entry(store="billing-db")
    with pytest.raises(NarrowingNeedsReason, match="billing-db"):
        narrowing(scope(entry(), other), scope(entry(items=frozenset({"name"}), reason="only names were shown")))


def test_being_less_sure_or_naming_all_items_takes_nothing_out() -> None:
    narrowing(scope(entry()), scope(entry(certainty=Certainty.ASSUMED)))
    narrowing(scope(entry(items=frozenset({"name"}), reason="x")), scope(entry()))
    ruled_out = entry(store="billing-db", certainty=Certainty.RULED_OUT, evidence_id=1)
    narrowing(scope(entry(), ruled_out), scope(entry()))


windows = st.tuples(
    st.none() | st.integers(0, 5).map(lambda days: MOMENT - days * DAY),
    st.none() | st.integers(0, 5).map(lambda days: MOMENT + days * DAY),
)
entries = st.builds(
    lambda store, window, certainty: TouchedStore(
        store=store, touched_from=window[0], touched_until=window[1], certainty=certainty
    ),
    st.sampled_from(sorted(ITEMS)),
    windows,
    st.sampled_from([Certainty.CONFIRMED, Certainty.ASSUMED]),
)
scopes = st.lists(entries, max_size=4).map(lambda found: scope(*found))


@given(scopes, st.lists(entries, max_size=3))
def test_widening_a_scope_never_needs_a_reason(before: Scope, more: list[TouchedStore]) -> None:
    narrowing(before, replace(before, stores=(*before.stores, *more)))
    widest = replace(before, stores=tuple(replace(one, touched_from=None, touched_until=None) for one in before.stores))
    narrowing(before, widest)


@given(scopes, scopes)
def test_the_difference_of_two_versions_turns_one_into_the_other(before: Scope, after: Scope) -> None:
    found = diff_scopes(before, after)
    kept = [one for one in before.stores if one not in found.removed_stores]
    assert {*kept, *found.added_stores} == set(after.stores)
    assert diff_scopes(after, before).added_stores == found.removed_stores
    assert diff_scopes(before, before).is_empty


def test_a_difference_in_cause_or_lists_alone_is_not_empty() -> None:
    one = scope(entry())
    assert not diff_scopes(one, replace(one, cause=Cause.MALWARE)).is_empty
    assert diff_scopes(one, scope(entry(), listed())).added_lists == (listed(),)


def test_people_of_an_input_page_are_unknown_until_a_list_names_that_page() -> None:
    page = entry(acquiring=True)
    assert [*without_people(scope(page))] == [page]
    assert [*without_people(scope(page, listed()))] == [page]
    assert [*without_people(scope(page, listed(store="billing-db")))] == [page]
    out = listed(store="member-db", relation=ListRelation.RULES_OUT, evidence_id=1)
    assert [*without_people(scope(page, out))] == [page]
    assert [*without_people(scope(page, listed(store="member-db")))] == []
    assert [*without_people(scope(entry()))] == []


HELD = ITEMS["member-db"]


def test_a_category_selects_what_lies_under_it_in_this_store_and_items_can_be_left_out() -> None:
    login = ("login", frozenset({"password", "admin-account"}))
    assert choose_items(HELD) is None
    assert choose_items(HELD, items=["name"]) == {"name"}
    assert choose_items(HELD, categories=[login]) == {"password"}
    assert choose_items(HELD, items=["name"], categories=[login]) == {"name", "password"}
    assert choose_items(HELD, without=["password"]) == {"name", "email"}
    with pytest.raises(CategoryElsewhere, match="papers"):
        choose_items(HELD, categories=[("papers", frozenset({"passport-copy"}))])
    with pytest.raises(NotFound, match="card-number"):
        choose_items(HELD, without=["card-number"])
    with pytest.raises(BadInput, match="at least one"):
        choose_items(HELD, items=["name"], without=["name"])


def test_changing_a_scope_replaces_what_was_said_unless_it_shall_stand_beside_it() -> None:
    first, second = entry(certainty=Certainty.ASSUMED), entry(touched_from=MOMENT)
    assert with_store(scope(first), second).stores == (second,)
    assert with_store(scope(first), second, beside=True).stores == (first, second)
    assert with_party(scope(first), [entry(store="billing-db")]).cause is Cause.AT_PROCESSOR
    assert without_store(scope(first, entry(store="billing-db")), "member-db").stores == (entry(store="billing-db"),)
    assert with_list(scope(listed()), listed(relation=ListRelation.ONLY)).lists == (listed(relation=ListRelation.ONLY),)
    assert without_list(scope(first, listed()), 1).lists == ()
    with pytest.raises(NotFound, match="billing-db"):
        without_store(scope(first), "billing-db")
    with pytest.raises(NotFound, match="9"):
        without_list(scope(listed()), 9)


def test_a_store_of_which_nobody_wrote_down_what_it_holds_cannot_be_taken_whole() -> None:
    """It would have touched nobody, and looked as if it had been looked into."""
    with pytest.raises(StoreWithoutItems, match="nobody has written down"):
        choose_items(frozenset())
    assert choose_items(frozenset(), items=["name"]) == {"name"}
