"""Records of one person: what is proposed, and what groups the links make."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.merging import (
    AddressRecord,
    Link,
    agree,
    link_of,
    links_at_one_address,
    masked,
    name_digest,
    person_keys,
    surplus,
)
from incident_app.domain.vocabulary import PersonKind

RECORD = st.integers(min_value=1, max_value=12)
LINKS = st.lists(
    st.tuples(RECORD, RECORD).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: link_of(*pair)), max_size=15
)


def partition(links: list[Link]) -> set[frozenset[int]]:
    keys = person_keys(links)
    return {frozenset(record for record, key in keys.items() if key == person) for person in set(keys.values())}


def plain_partition(links: list[Link]) -> set[frozenset[int]]:
    """The slow way, for comparison: join sets until nothing changes."""
    groups: set[frozenset[int]] = set()
    for link in links:
        touched = {group for group in groups if group & {link.first, link.second}}
        groups = (groups - touched) | {frozenset({link.first, link.second}.union(*touched))}
    return groups


@given(LINKS)
def test_links_are_transitive(links: list[Link]) -> None:
    assert partition(links) == plain_partition(links)


@given(LINKS, st.randoms())
def test_the_order_of_confirming_does_not_matter(links: list[Link], chance: random.Random) -> None:
    shuffled = list(links)
    chance.shuffle(shuffled)
    assert person_keys(shuffled) == person_keys(links)


@given(LINKS, st.data())
def test_undoing_a_link_restores_the_partition_without_it(links: list[Link], data: st.DataObject) -> None:
    earlier = partition(links)
    new = data.draw(st.tuples(RECORD, RECORD).filter(lambda pair: pair[0] != pair[1]).map(lambda p: link_of(*p)))
    confirmed = [*links, new]
    partition(confirmed)
    confirmed.pop()
    assert partition(confirmed) == earlier


@given(LINKS)
def test_a_person_is_known_by_the_lowest_record(links: list[Link]) -> None:
    for group in partition(links):
        assert {person_keys(links)[record] for record in group} == {min(group)}


@given(LINKS, st.sets(RECORD))
def test_the_surplus_is_records_less_persons(links: list[Link], records: set[int]) -> None:
    keys = person_keys(links)
    assert surplus(records, keys) == len(records) - len({keys.get(record, record) for record in records})


def record(customer_id: int, name: str, kind: PersonKind = PersonKind.PERSON) -> AddressRecord:
    return AddressRecord(customer_id=customer_id, kind=kind, name_digest=name_digest(name))


def test_a_family_that_shares_an_address_is_not_proposed() -> None:
    assert list(links_at_one_address([record(1, "髙橋 一郎"), record(2, "髙橋 花子")])) == []


def test_spelling_aside_the_same_name_is_proposed() -> None:
    records = [record(3, "ﾀｶﾊｼ　ｲﾁﾛｳ"), record(1, "タカハシイチロウ"), record(2, "Other")]
    assert list(links_at_one_address(records)) == [Link(first=1, second=3)]


def test_a_person_is_never_proposed_with_an_organisation() -> None:
    assert list(links_at_one_address([record(1, "みなと"), record(2, "みなと", PersonKind.ORGANISATION)])) == []


def test_one_record_twice_at_an_address_is_no_proposal() -> None:
    assert list(links_at_one_address([record(1, "A"), record(1, "A")])) == []


def test_many_records_at_one_address_give_one_link_less_than_records() -> None:
    links = list(links_at_one_address(record(number, "A") for number in range(1, 101)))
    assert len(links) == 99
    assert surplus(range(1, 101), person_keys(links)) == 99


def test_different_letters_are_different_names() -> None:
    assert name_digest("髙橋") != name_digest("高橋")
    assert name_digest("Ａnn  Lee") == name_digest("ANNLEE")


def test_a_mask_shows_neither_name_nor_number() -> None:
    assert masked("髙橋 一郎") == "髙…"
    assert masked("ichiro@example.jp") == "i…@example.jp"
    assert masked("050-0000-0001") == "…01"
    assert masked(None) == masked("") == ""


def test_values_agree_only_when_both_are_there() -> None:
    assert agree(["A b", "ab"])
    assert not agree(["A", None])
    assert not agree([None, None])
    assert not agree(["A", "B"])
