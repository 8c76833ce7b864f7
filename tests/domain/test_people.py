"""Sets of people: partition, shards, digests, and differences that can be put together."""

import hashlib
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.impact_difference import difference
from incident_app.domain.people import digest_of_people, pack, partition, people, shards, unpack

KEYS = st.one_of(st.integers(1, 300), st.integers(65_000, 66_100), st.integers(2**32 - 70_000, 2**32 - 1))
SETS = st.sets(KEYS, max_size=40)


@given(touched=st.dictionaries(st.sampled_from("abcdef"), SETS))
def test_people_are_grouped_by_exactly_what_touches_them(touched: dict[str, set[int]]) -> None:
    expected: dict[int, set[str]] = defaultdict(set)
    for part, whom in touched.items():
        for key in whom:
            expected[key].add(part)
    groups = partition({part: people(whom) for part, whom in touched.items()})
    found = {key: parts for parts, whom in groups.items() for key in whom}
    assert found == expected
    assert sum(len(whom) for whom in groups.values()) == len(expected)  # nobody stands in two groups
    assert all(groups.values())


@given(whom=SETS)
def test_shards_hold_everybody_once_and_each_fits_its_number(whom: set[int]) -> None:
    cut = list(shards(people(whom)))
    assert sorted(key for _, part in cut for key in part) == sorted(whom)
    assert [number for number, _ in cut] == sorted({key >> 16 for key in whom})
    assert all(key >> 16 == number for number, part in cut for key in part)
    assert all(unpack(pack(part)) == part for _, part in cut)


@given(whom=SETS)
def test_the_digest_is_that_of_the_keys_in_order_and_needs_no_library(whom: set[int]) -> None:
    plain = b"".join(key.to_bytes(4, "little") for key in sorted(whom))
    assert digest_of_people(people(whom)) == hashlib.sha256(plain).hexdigest()


def test_a_key_beyond_four_bytes_is_refused_rather_than_cut() -> None:
    with pytest.raises(OverflowError):
        people([2**32])


def test_what_is_no_set_is_refused() -> None:
    with pytest.raises(ValueError, match="deserialize"):
        unpack(b"not a set")


ANSWERS = st.dictionaries(st.integers(1, 30), st.sampled_from(["name", "card", "both"]))


def grouped(answer: dict[int, str]) -> dict[str, object]:
    return {said: people(key for key, other in answer.items() if other == said) for said in set(answer.values())}


@given(first=ANSWERS, second=ANSWERS, third=ANSWERS)
def test_a_difference_is_exact_and_differences_compose(
    first: dict[int, str], second: dict[int, str], third: dict[int, str]
) -> None:
    step = difference(grouped(first), grouped(second))
    assert set(step.added) == set(second) - set(first)
    assert set(step.removed) == set(first) - set(second)
    assert set(step.changed) == {key for key in set(first) & set(second) if first[key] != second[key]}
    onward, whole = difference(grouped(second), grouped(third)), difference(grouped(first), grouped(third))
    assert (people(first) - step.removed | step.added) - onward.removed | onward.added == people(third)
    assert whole.added == (step.added - onward.removed) | (onward.added - people(first))
    assert whole.changed <= step.changed | onward.changed | (step.removed & onward.added)
