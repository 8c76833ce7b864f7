"""Rows of files judged by the thousand: never another answer than judging them one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.column_profiles import ColumnProfile, layout_of
from incident_app.domain.customers import RowFault
from incident_app.domain.import_rows import CustomerChecker, HoldingChecker

PEOPLE = ("customer_number", "kind", "language", "jurisdiction", "name", "email", "postal_address", "phone")
HELD = ("customer_number", "store", "items", "held_from", "held_until")
STORES = {"member-db": {"name", "email"}, "web-logs": {"address"}}
NUMBERS = st.sampled_from(
    ["C1", "C-2", "e3", "1E5", "12e3", "1.00E+05", " C4 ", "顧客5", "", "A\nB", "x" * 61, "C\u200b6"]
)
NAMES = st.sampled_from(
    ["髙橋 一郎", "=1+1", "", " 名 ", "a\u200bb", "a\x07b", "n\nm", "\ufffd", "名" * 300, "名" * 301]
)
PERSON = st.tuples(
    NUMBERS | st.integers(0, 10**6).map("C{}".format),
    st.sampled_from(["person", "organisation", "", "robot"]),
    st.sampled_from(["ja", "en", "", "fr"]),
    st.sampled_from(["JP", "US", "", "jp"]),
    NAMES | st.just("佐藤"),
    st.sampled_from(["", "a@example.jp", " a@example.jp ", "a" * 301]),
    st.sampled_from(["", "東京都\n千代田区", "東京都"]),
    st.sampled_from(["", "03-1234-5678", "0" * 61]),
)
TIMES = st.sampled_from(
    [
        "",
        " ",
        "2020-01-01T00:00+09:00",
        "2021-01-01T00:00+09:00",
        "2020-01-01",
        "1970-01-01T00:00Z",
        "1969-01-01T00:00Z",
        "0001-01-01T00:00+09:00",
        "9999-12-31T23:59-09:00",
        "nonsense",
    ]
)
HOLDING = st.tuples(
    NUMBERS | st.just("C7"),
    st.sampled_from(["member-db", "web-logs", " member-db ", "none"]),
    st.sampled_from(["name", "name email", "email;name", "*", "", "address", "none"]),
    TIMES,
    TIMES,
)


def one_by_one(checker: Any, rows: list[list[str]]) -> list[object]:
    """What each row becomes, or the fault that it has."""
    found: list[object] = []
    for line, row in enumerate(rows, start=2):
        try:
            found.append(checker.check(line, row))
        except RowFault as fault:
            found.append(str(fault))
    return found


def people(columns: tuple[str, ...] = PEOPLE) -> CustomerChecker:
    return CustomerChecker(layout_of(columns, ColumnProfile()))


def holdings() -> HoldingChecker:
    return HoldingChecker(layout_of(HELD, ColumnProfile()), ColumnProfile(), STORES)


@given(st.lists(PERSON.map(list), max_size=4))
def test_people_judged_together_are_what_each_is_alone(rows: list[list[str]]) -> None:
    together = people().check_many(range(2, 2 + len(rows)), rows)
    assert together is None or together == one_by_one(people(), rows)


@given(st.lists(HOLDING.map(list), max_size=4))
def test_holdings_judged_together_are_what_each_is_alone(rows: list[list[str]]) -> None:
    together = holdings().check_many(range(2, 2 + len(rows)), rows)
    assert together is None or together == one_by_one(holdings(), rows)


def test_ordinary_rows_are_judged_together() -> None:
    rows = [
        ["C1", "person", "ja", "JP", "髙橋 一郎", "a@example.jp", "東京都", "03-1234-5678"],
        ["C2", *[""] * 3, "佐藤", *[""] * 3],
    ]
    assert people().check_many(range(2, 4), rows) == one_by_one(people(), rows)
    held = [["C1", "member-db", "email name", "2020-01-01T00:00+09:00", ""], ["C1", "web-logs", "*", "", ""]]
    found = holdings().check_many(range(2, 4), held)
    assert found == one_by_one(holdings(), held)
    assert found is not None
    assert found[0][2] == "email name"


def test_rows_of_another_width_are_judged_one_by_one() -> None:
    assert people().check_many(range(2, 3), [["C1"]]) is None
    assert holdings().check_many(range(2, 3), [["C1"] * 6]) is None


def test_a_column_that_is_not_there_is_empty() -> None:
    (row,) = people(("customer_number", "name")).check_many([2], [["C1", "佐藤"]]) or []
    assert row == ("C1", 2, "person", "customer", "ja", "JP", "佐藤", "", "", "", "")


@pytest.mark.parametrize("column", [3, 4])
def test_what_systems_write_for_no_time_is_refused(column: int) -> None:
    row = ["C1", "member-db", "name", "", ""]
    row[column] = "1970-01-01T00:00Z"
    (fault,) = one_by_one(holdings(), [row])
    assert "1970-01-01T00:00Z, which systems write for no time" in str(fault)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+09:00", "9999-12-31T23:59-09:00"])
def test_a_time_outside_the_calendar_is_no_time(text: str) -> None:
    (fault,) = one_by_one(holdings(), [["C1", "member-db", "name", text, ""]])
    assert fault == "held_from is not a time like 2026-11-24T17:20+09:00"
