"""Rows of a text file by the thousand are the rows that a reader of one line after the other finds."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.services import row_batches
from incident_app.services.row_batches import batches_of, first_row

LINES = st.sampled_from(
    ["a,b\n", '"a",b\n', "\n", " \n", "x\n", '"a\n', 'c",d\n', '"a"b,c\n', 'a,"b\n', "c\r\n", "a,b,c\n", "終,端"]
)


def plain(lines: list[str]) -> Iterator[tuple[int, object]]:
    """Read with one reader from the first line to the last: values, or that there is a fault."""
    reader = csv.reader(lines, strict=True)
    next(reader)
    start = reader.line_num + 1
    while True:
        try:
            for values in reader:
                if len(values) > 1 or (values and values[0].strip()):
                    yield start, values
                start = reader.line_num + 1
        except csv.Error:
            yield start, "fault"
            start = reader.line_num + 1
        else:
            return


@given(st.lists(LINES, max_size=12), st.lists(st.integers(0, 12), max_size=3), st.integers(1, 4))
def test_the_rows_are_those_of_a_plain_reader(lines: list[str], cuts: list[int], at_once: int) -> None:
    lines = ["head,er\n", *lines]
    places = [0, *sorted(cuts), len(lines)]
    lists = [lines[start:end] for start, end in itertools.pairwise(places)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_batches, "LINES_AT_ONCE", at_once)
        found = [
            (line, row if isinstance(row, list) else "fault")
            for batch in batches_of(lists, ",")
            for line, row in zip(batch.lines, batch.rows, strict=True)
        ]
    assert found == list(plain(lines))


def test_plain_rows_come_together_and_others_one_by_one() -> None:
    first, second = batches_of([["h,i\n"], ["a,b\n", "c,d\n"], ["e,f\n", "\n", "g,h\n"]], ",")
    assert (list(first.lines), first.plain) == ([2, 3], [["a", "b"], ["c", "d"]])
    assert (list(second.lines), second.rows, second.plain) == ([4, 6], [["e", "f"], ["g", "h"]], None)


def test_a_value_that_is_too_long_is_called_so() -> None:
    (batch,) = batches_of([["h,i\n", "a," + "b" * 100_001 + "\n", "c,d\n"]], ",")
    assert list(batch.rows) == ["a value has more than 100000 characters", ["c", "d"]]


def test_a_header_may_go_over_lines() -> None:
    lists = [['"h\n'], ['e",i\n', "a,b\n"]]
    assert first_row(lists, ",") == ["h\ne", "i"]
    assert [list(batch.lines) for batch in batches_of(lists, ",")] == [[3]]
