"""Passing a threshold: the first moment a number that stood at or below it was found to be higher."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.person_counts import Count, CountOrigin
from incident_app.domain.regimes import read_regime
from incident_app.domain.thresholds import find_crossing, thresholds_of
from incident_app.domain.vocabulary import CountKind
from tests.builders import playbook_files

START = datetime(2026, 11, 20, tzinfo=UTC)


def history(*values: int, kind: CountKind = CountKind.EXACT, origin: CountOrigin = CountOrigin.PERSON) -> list[Count]:
    return [
        Count(
            id=number,
            subject="all",
            kind=kind,
            value=value,
            basis_ja="",
            basis_en="",
            at=START + timedelta(hours=number),
            by="user:1",
            origin=origin,
        )
        for number, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("values", "passed_by"),
    [
        ((), None),
        ((1000,), None),
        ((1001,), None),
        ((1000, 1001), 2),
        ((999, 1000, 1001, 5000), 3),
        ((0, 1001), None),
        ((0, 10, 1001), 3),
        ((5000, 10, 5000), None),
        ((10, 5000, 10, 6000), 2),
    ],
    ids=str,
)
def test_a_number_passes_a_threshold_only_from_at_or_below_it(values: tuple[int, ...], passed_by: int | None) -> None:
    found = find_crossing(history(*values), 1000)
    assert (found.id if found else None) == passed_by


def test_an_estimate_beside_a_higher_maximum_hides_no_crossing() -> None:
    counted = [
        *history(800, origin=CountOrigin.DETERMINATION, kind=CountKind.MAXIMUM),
        *[count for count in history(1, 1200, kind=CountKind.MAXIMUM) if count.id == 2],
    ]
    found = find_crossing(counted, 1000)
    assert found is not None
    assert found.value == 1200


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_the_crossing_is_a_count_above_the_threshold_and_one_before_it_stood_below(values: list[int]) -> None:
    found = find_crossing(history(*values), 1000)
    if found is not None:
        before = [value for value in values[: found.id - 1] if value]
        assert found.value > 1000
        assert before
        assert max(before) <= 1000


def test_the_thresholds_of_the_shipped_regimes_are_found_once_each() -> None:
    regimes = [read_regime(path.read_text(encoding="utf-8"), file=path.name) for path in playbook_files("regimes")]
    found = {(entry.clock, entry.subject, entry.number) for entry in thresholds_of(regimes)}
    assert found == {
        ("passed:people:1000", "all", 1000),
        ("passed:my_number_people:100", "my-number", 100),
    }
    assert len(thresholds_of(regimes)) == 2
