"""Canonical text: one way to write a value, so that equal content always has the same fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_app.domain.digests import canonical_text, digest_of, digest_of_bytes, keyed_digest, utc_text

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Point:
    y: int
    x: int


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans()))
def test_the_canonical_text_does_not_depend_on_order(value: dict[str, object]) -> None:
    assert canonical_text(value) == canonical_text(dict(reversed(value.items())))
    assert digest_of(value) == digest_of(dict(value))


@given(PLAIN)
@settings(max_examples=50)
def test_what_is_read_back_has_the_digest_that_was_written(value: object) -> None:
    assert digest_of(json.loads(canonical_text(value))) == digest_of(value)


@given(PLAIN, PLAIN)
@settings(max_examples=100)
def test_different_values_have_different_texts(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical_text(one) == canonical_text(other)) is same


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
        (("漏えい", True), '["漏えい",true]'),
        (frozenset({"b", "a"}), '["a","b"]'),
        (Colour.RED, '"red"'),
        ({Colour.RED: 1}, '{"red":1}'),
        (Point(y=2, x=1), '{"x":1,"y":2}'),
        (date(2026, 11, 20), '"2026-11-20"'),
        (timedelta(days=1, microseconds=1), '{"microseconds":86400000001}'),
    ],
)
def test_each_kind_of_value_has_one_form(value: object, text: str) -> None:
    assert canonical_text(value) == text
    assert digest_of(value) == hashlib.sha256(text.encode()).hexdigest()


def test_one_moment_has_one_text_in_every_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert utc_text(datetime(2026, 11, 20, 17, 20, tzinfo=tokyo)) == "2026-11-20T08:20:00.000000Z"
    assert canonical_text(datetime(2026, 11, 20, 8, 20, 0, 1, tzinfo=UTC)) == '"2026-11-20T08:20:00.000001Z"'


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        canonical_text({"at": datetime(2026, 11, 20, 8, 20)})  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize("value", [{"share": 0.5}, {1: "x"}, b"bytes", {"deep": [{"raw": bytearray(1)}]}, object()])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_text(value)


def test_a_keyed_digest_cannot_be_tried_out_without_the_key() -> None:
    assert keyed_digest(b"k" * 32, "a@example.jp") == keyed_digest(b"k" * 32, "a@example.jp")
    assert keyed_digest(b"k" * 32, "a@example.jp") != keyed_digest(b"l" * 32, "a@example.jp")
    assert keyed_digest(b"k" * 32, "a@example.jp") != digest_of_bytes(b"a@example.jp")
