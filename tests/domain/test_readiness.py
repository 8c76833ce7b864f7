"""The readiness score: 100 when nothing lacks, less for everything that does, and never more for getting worse."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.gaps import PeopleCounts
from incident_app.domain.policy_inventory import NOTHING
from incident_app.domain.readiness import (
    HEIGHT,
    MARGIN,
    MEASURES,
    WIDTH,
    Fact,
    facts_of,
    line_points,
    score,
)
from tests.domain.test_inventory_files import INVENTORY

TODAY = date(2026, 11, 20)
PEOPLE = PeopleCounts(customers=10_000_000, without_email=1, organisations=10, organisations_unreachable=0)


def perfect(**lacking: int) -> list[Fact]:
    return [Fact(code=measure.code, lacking=lacking.get(measure.code, 0), total=10) for measure in MEASURES]


facts = st.lists(
    st.tuples(st.sampled_from([measure.code for measure in MEASURES]), st.integers(0, 50), st.integers(0, 50)),
    unique_by=lambda entry: entry[0],
).map(lambda rows: [Fact(code=code, lacking=min(lack, total), total=total) for code, lack, total in rows])


def test_the_points_add_up_to_a_hundred_and_each_measure_stands_once() -> None:
    assert sum(measure.points for measure in MEASURES) == 100
    assert len({measure.code for measure in MEASURES}) == len(MEASURES)


def test_nothing_lacking_is_a_hundred_and_everything_lacking_is_nought() -> None:
    assert score(perfect()).value == 100
    assert score(perfect()).findings == ()
    assert score(perfect(**{measure.code: 10 for measure in MEASURES})).value == 0


def test_one_customer_in_ten_million_keeps_the_score_from_a_hundred() -> None:
    found = score([Fact(code="customers_without_email", lacking=1, total=10_000_000)])
    assert found.value == 99
    assert found.findings[0].lost == "0.01"
    assert found.findings[0].said.en == "Customers without a usable e-mail address: 1 of 10,000,000"


def test_the_heaviest_finding_comes_first_with_its_points() -> None:
    found = score(perfect(stores_without_items=5, roles_unassigned=10, stores_without_owner=2))
    assert [(entry.code, entry.lost) for entry in found.findings] == [
        ("stores_without_items", "7.50"),
        ("roles_unassigned", "5.00"),
        ("stores_without_owner", "2.00"),
    ]
    assert found.value == 85


def test_an_empty_register_is_not_ready_but_nobody_misses_what_is_not_needed() -> None:
    nobody = PeopleCounts(customers=0, without_email=0, organisations=0, organisations_unreachable=0)
    found = score(facts_of(NOTHING, nobody, roles_needed=frozenset(), roles_held=frozenset(), today=TODAY))
    assert found.value == 40
    assert {entry.code for entry in found.findings} == {
        measure.code for measure in MEASURES if not measure.nothing_is_ready
    }


def test_a_measure_of_which_nothing_is_known_is_left_out_and_not_faked() -> None:
    known = [fact for fact in perfect(stores_without_owner=10) if fact.code != "customers_without_email"]
    assert score(known).value == 75 * 100 // 85
    assert score([]).value == 0


@given(facts)
def test_a_score_lies_between_0_and_100_and_is_100_only_without_findings(known: list[Fact]) -> None:
    found = score(known)
    assert 0 <= found.value <= 100
    if found.value == 100:
        assert found.findings == ()
    assert score(list(reversed(known))) == found


@given(facts.filter(bool), st.data())
def test_mending_something_never_lowers_the_score(known: list[Fact], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(known) - 1))
    better = [*known]
    better[place] = replace(known[place], lacking=data.draw(st.integers(0, known[place].lacking)))
    assert score(better).value >= score(known).value


def test_the_facts_of_the_example_are_counted() -> None:
    found = facts_of(
        INVENTORY,
        PEOPLE,
        roles_needed=frozenset({"responder", "approver"}),
        roles_held=frozenset({"approver", "admin"}),
        today=TODAY,
    )
    counts = {fact.code: (fact.lacking, fact.total) for fact in found}
    assert counts == {
        "customers_without_email": (1, 10_000_000),
        "organisations_without_contact": (0, 10),
        "stores_without_items": (0, 16),
        "stores_without_owner": (0, 16),
        "stores_not_reviewed": (4, 16),
        "roles_undecided": (4, 16),
        "parties_without_contact": (4, 4),
        "parties_without_contract": (4, 4),
        "parties_not_audited": (4, 4),
        "parties_without_transfer_list": (4, 4),
        "roles_unassigned": (1, 2),
    }
    assert set(counts) == {measure.code for measure in MEASURES}


@pytest.mark.parametrize(
    ("scores", "points"),
    [
        ([], ()),
        ([(date(2026, 11, 1), 100)], ((WIDTH // 2, MARGIN),)),
        (
            [(date(2026, 11, 1), 0), (date(2026, 11, 8), 50), (date(2026, 11, 15), 100)],
            ((MARGIN, HEIGHT - MARGIN), (WIDTH // 2, HEIGHT // 2), (WIDTH - MARGIN, MARGIN)),
        ),
        ([(date(2026, 11, 1), 0), (date(2026, 11, 1), 100)], ((WIDTH // 2, HEIGHT - MARGIN), (WIDTH // 2, MARGIN))),
    ],
)
def test_the_line_of_scores_is_drawn_by_its_numbers(
    scores: list[tuple[date, int]], points: tuple[tuple[int, int], ...]
) -> None:
    assert line_points(scores) == points
