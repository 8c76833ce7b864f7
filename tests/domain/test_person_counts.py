"""Numbers of natural persons: what they are made of, which drives the law, what contradicts what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.person_counts import (
    Composition,
    Count,
    CountOrigin,
    Standing,
    findings,
    objections,
    sentence,
    standing,
)
from incident_app.domain.vocabulary import CountKind

AT = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
EXACT, ESTIMATE, MAXIMUM = CountKind.EXACT, CountKind.ESTIMATE, CountKind.MAXIMUM
PERSON, DETERMINATION, MERGING = CountOrigin.PERSON, CountOrigin.DETERMINATION, CountOrigin.MERGING


def history(*entries: tuple[CountOrigin, CountKind, int]) -> list[Count]:
    return [
        Count(
            id=number, subject="all", kind=kind, value=value, basis_ja="-", basis_en="-", at=AT, by="-", origin=origin
        )
        for number, (origin, kind, value) in enumerate(entries, start=1)
    ]


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([], None),
        ([(DETERMINATION, EXACT, 900)], 900),
        ([(DETERMINATION, MAXIMUM, 1_204)], 1_204),
        ([(DETERMINATION, EXACT, 900), (MERGING, EXACT, 899)], 899),
        ([(DETERMINATION, MAXIMUM, 1_204), (PERSON, EXACT, 1_000)], 1_000),
        ([(PERSON, EXACT, 1_000), (DETERMINATION, MAXIMUM, 1_204)], 1_000),
        ([(DETERMINATION, EXACT, 900), (PERSON, MAXIMUM, 1_001)], 1_001),
        ([(DETERMINATION, MAXIMUM, 1_204), (PERSON, MAXIMUM, 1_000)], 1_000),
        ([(PERSON, MAXIMUM, 1_000), (DETERMINATION, EXACT, 1_204)], 1_204),
        ([(PERSON, MAXIMUM, 1_500), (DETERMINATION, EXACT, 1_204)], 1_500),
        ([(DETERMINATION, MAXIMUM, 1_204), (PERSON, ESTIMATE, 900)], 1_204),
        ([(DETERMINATION, MAXIMUM, 900), (PERSON, ESTIMATE, 1_100)], 1_100),
        ([(DETERMINATION, EXACT, 900), (PERSON, MAXIMUM, 1_001), (PERSON, ESTIMATE, 950)], 1_001),
        ([(PERSON, EXACT, 5), (PERSON, EXACT, 7)], 7),
        ([(DETERMINATION, EXACT, 900), (PERSON, EXACT, 5), (PERSON, ESTIMATE, 7)], 900),
        ([(PERSON, EXACT, 5), (PERSON, MAXIMUM, 7)], 7),
        ([(PERSON, MAXIMUM, 7), (PERSON, EXACT, 5)], 5),
    ],
)
def test_which_number_drives_the_law(entries: list[tuple[CountOrigin, CountKind, int]], wanted: int | None) -> None:
    found = standing(history(*entries)).for_law
    assert (found.value if found else None) == wanted


ENTRIES = st.lists(
    st.tuples(st.sampled_from(CountOrigin), st.sampled_from(CountKind), st.integers(0, 3_000)), max_size=8
)


@given(ENTRIES, st.integers(0, 3_000))
def test_an_estimate_never_lowers_an_open_number(entries: list[tuple[CountOrigin, CountKind, int]], value: int) -> None:
    before = standing(history(*entries))
    if before.exact is not None or before.for_law is None:
        return
    if before.estimate is not None and before.estimate.value > value:
        return  # one estimate replaces another
    after = standing(history(*entries, (PERSON, ESTIMATE, value))).for_law
    assert after is not None
    assert after.value >= before.for_law.value


@given(ENTRIES, st.integers(0, 3_000))
def test_no_determination_overrides_an_exact_number_of_a_person(
    entries: list[tuple[CountOrigin, CountKind, int]], value: int
) -> None:
    exact = standing(history(*entries, (PERSON, EXACT, value), (DETERMINATION, MAXIMUM, 3_001), (MERGING, EXACT, 0)))
    assert exact.for_law is not None
    assert exact.for_law.value == value
    assert findings(exact, told=0) or value == 0


def test_a_later_determination_is_a_finding_and_an_earlier_one_is_not() -> None:
    later = findings(standing(history((PERSON, EXACT, 1_204), (DETERMINATION, EXACT, 1_250))), told=0)
    assert len(later) == 1
    assert "1,250 (count 2)" in later[0].en
    assert "1,204人（記録 1）" in later[0].ja
    assert findings(standing(history((DETERMINATION, EXACT, 1_250), (PERSON, EXACT, 1_204))), told=0) == ()
    assert findings(standing(history((PERSON, EXACT, 1_204), (DETERMINATION, EXACT, 1_204))), told=0) == ()


def test_a_determination_above_a_maximum_is_a_finding() -> None:
    assert findings(standing(history((PERSON, MAXIMUM, 1_000), (DETERMINATION, MAXIMUM, 1_001))), told=0)
    assert not findings(standing(history((PERSON, MAXIMUM, 1_000), (DETERMINATION, MAXIMUM, 1_000))), told=0)


def test_more_people_told_than_there_are_is_a_finding() -> None:
    stands = standing(history((PERSON, EXACT, 10)))
    assert findings(stands, told=11)
    assert not findings(stands, told=10)


@pytest.mark.parametrize(
    ("kind", "value", "told", "entries", "doubted"),
    [
        (EXACT, 10, 11, [], True),
        (EXACT, 11, 11, [], False),
        (MAXIMUM, 10, 11, [], True),
        (ESTIMATE, 10, 11, [], False),
        (MAXIMUM, 99, 0, [(PERSON, EXACT, 100)], True),
        (MAXIMUM, 101, 0, [(PERSON, EXACT, 100)], True),
        (ESTIMATE, 100, 0, [(PERSON, EXACT, 100)], True),
        (EXACT, 99, 0, [(PERSON, EXACT, 100)], False),
        (EXACT, 101, 0, [(PERSON, MAXIMUM, 100)], True),
        (EXACT, 100, 0, [(PERSON, MAXIMUM, 100)], False),
        (ESTIMATE, 101, 0, [(PERSON, MAXIMUM, 100)], True),
        (MAXIMUM, 90, 0, [(PERSON, MAXIMUM, 100)], False),
        (EXACT, 5, 0, [(DETERMINATION, EXACT, 100)], False),
    ],
)
def test_what_needs_a_reason(
    kind: CountKind, value: int, told: int, entries: list[tuple[CountOrigin, CountKind, int]], doubted: bool
) -> None:
    found = objections(kind, value, now=standing(history(*entries)), told=told)
    assert bool(found) is doubted
    assert bool(sentence(found, "ja")) is bool(sentence(found, "en")) is doubted


def test_nothing_stands_when_nothing_was_said() -> None:
    assert standing([]) == Standing()
    assert findings(Standing(), told=5) == ()


def test_organisations_count_by_their_contact_persons_and_merged_records_once() -> None:
    composition = Composition(rows=1_204, organisations=12, contact_persons=15, merged=7, outside=3)
    assert composition.natural_persons == 1_204 - 12 + 15 - 7 + 3
    words = composition.words()
    assert words.en == (
        "1,204 records, of which 12 organisations with 15 contact persons; 7 records merged; "
        "3 people outside the inventory added"
    )
    assert words.ja == (
        "台帳の記録 1,204件（うち法人 12件、その担当者 15人）、同じ人と分かって統合した 7件を除く、"
        "台帳にない人 3人を加える"
    )


def test_a_plain_number_is_said_plainly() -> None:
    assert Composition(rows=5).words().en == "5 records"
    assert Composition(rows=5).with_merged(2) == Composition(rows=5, merged=2)
