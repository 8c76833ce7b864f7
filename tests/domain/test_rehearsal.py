"""Rehearsals: faults that even a small wave meets, and a reconciliation that hides nothing."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.delivery import DeliveryState
from incident_app.domain.rehearsal import Fault, RehearsedRow, fault_of, reconcile

ROWS = st.lists(
    st.builds(
        RehearsedRow,
        token=st.text("abcdef", min_size=1, max_size=4),
        state=st.sampled_from(DeliveryState),
        may_have_arrived=st.integers(0, 3),
    ),
    unique_by=lambda row: row.token,
    max_size=20,
)
TAKEN = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.integers(1, 4), max_size=20)


def test_a_wave_of_ten_meets_every_fault_and_a_large_one_few_that_hide_the_outcome() -> None:
    assert {fault_of(number) for number in range(1, 11)} >= set(Fault)
    played = Counter(fault_of(number) for number in range(1, 1_000_001))
    assert played[Fault.DROPPED] + played[Fault.SILENT] == 4
    assert played[Fault.REFUSED_FOR_GOOD] == 10_000
    assert fault_of(1) is None


@given(ROWS, TAKEN)
def test_the_reconciliation_is_sound_exactly_when_every_row_explains_what_was_taken(
    rows: list[RehearsedRow], taken: dict[str, int]
) -> None:
    found = reconcile(rows, taken)
    by_token = {row.token: row for row in rows}
    explained = all(token in by_token and number <= by_token[token].may_have_arrived for token, number in taken.items())
    arrived = all(row.token in taken for row in rows if row.state is DeliveryState.ACCEPTED)
    assert found.is_sound is (explained and arrived)


def row(state: DeliveryState, may_have_arrived: int) -> RehearsedRow:
    return RehearsedRow(token="a", state=state, may_have_arrived=may_have_arrived)


def test_each_kind_of_disagreement_has_its_own_number() -> None:
    assert reconcile([row(DeliveryState.ACCEPTED, 1)], {}).lost == 1
    assert reconcile([row(DeliveryState.ACCEPTED, 1)], {"a": 2}).duplicates == 1
    assert reconcile([row(DeliveryState.FAILED, 0)], {"a": 1}).duplicates == 1
    assert reconcile([row(DeliveryState.ACCEPTED, 2)], {"a": 2}).listed_duplicates == 1
    assert reconcile([], {"a": 1}).foreign == 1
    assert reconcile([row(DeliveryState.UNCERTAIN, 1)], {}).is_sound
