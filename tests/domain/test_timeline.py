"""The chain of events: whatever is done to a stored event is found at that event, or before it."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_app.domain.timeline import (
    GENESIS,
    Break,
    ChainedEvent,
    Damage,
    event_body,
    event_hash,
    first_break,
)

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
MOMENTS = st.integers(min_value=0, max_value=10**9).map(lambda step: NOW + timedelta(microseconds=step))
WORDS = st.text(string.printable + "日本語", max_size=8)
FACTS = st.dictionaries(WORDS, st.none() | st.booleans() | st.integers() | WORDS, max_size=3)


COLUMNS: dict[str, object] = {
    "incident_id": None,
    "kind": "note.recorded",
    "actor": "user:1",
    "occurred_at": NOW,
    "recorded_at": NOW,
}


@st.composite
def chains(draw: st.DrawFn, *, shortest: int = 1) -> list[ChainedEvent]:
    """Draw a whole chain of a few events."""
    chain: list[ChainedEvent] = []
    for _ in range(draw(st.integers(min_value=shortest, max_value=5))):
        columns = {
            "incident_id": draw(st.none() | st.integers(min_value=1, max_value=9)),
            "kind": draw(st.sampled_from(["note.recorded", "scope.set"])),
            "actor": draw(st.sampled_from(["user:1", "user:2", "system:worker"])),
            "occurred_at": draw(MOMENTS),
            "recorded_at": draw(MOMENTS),
        }
        chain.append(linked(chain, columns, draw(FACTS)))
    return chain


def linked(chain: list[ChainedEvent], columns: dict[str, object], facts: dict[str, object]) -> ChainedEvent:
    """Return the event that follows `chain`."""
    sequence, previous = head_of(chain)
    body = event_body(sequence=sequence + 1, facts=facts, **columns)
    return ChainedEvent(
        sequence=sequence + 1, body=body, previous_hash=previous, hash=event_hash(previous, body), **columns
    )


def head_of(chain: list[ChainedEvent]) -> tuple[int, str]:
    return (chain[-1].sequence, chain[-1].hash) if chain else (0, str(GENESIS))


def rehashed(chain: list[ChainedEvent]) -> list[ChainedEvent]:
    """Return the chain as a forger would leave it: every hash computed anew."""
    result: list[ChainedEvent] = []
    for event in chain:
        previous = result[-1].hash if result else str(GENESIS)
        result.append(replace(event, previous_hash=previous, hash=event_hash(previous, event.body)))
    return result


@given(chains())
@settings(max_examples=50)
def test_a_chain_that_nobody_touched_holds_at_every_length(chain: list[ChainedEvent]) -> None:
    for length in range(len(chain) + 1):
        anchors = [(event.sequence, event.hash) for event in chain[:length]]
        assert first_break(chain[:length], head=head_of(chain[:length]), anchors=anchors) is None


OTHER_VALUE = {
    "sequence": lambda value: value + 1,
    "incident_id": lambda value: 1 if value is None else value + 1,
    "kind": lambda value: value + "x",
    "actor": lambda value: "user:99",
    "occurred_at": lambda value: value + timedelta(microseconds=1),
    "recorded_at": lambda value: value - timedelta(microseconds=1),
    "body": lambda value: value.replace('"facts":{', '"facts":{"added":1,', 1),
    "previous_hash": lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
    "hash": lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
}


def test_the_list_of_fields_to_tamper_with_is_whole() -> None:
    assert set(OTHER_VALUE) == set(ChainedEvent.__dataclass_fields__)


@given(chains(), st.sampled_from(sorted(OTHER_VALUE)), st.data())
@settings(max_examples=200)
def test_any_single_field_of_any_event_that_was_changed_is_found_at_or_before_it(
    chain: list[ChainedEvent], field: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(min_value=0, max_value=len(chain) - 1))
    touched = chain[place]
    forged = replace(touched, **{field: OTHER_VALUE[field](getattr(touched, field))})
    assert forged != touched
    found = first_break([*chain[:place], forged, *chain[place + 1 :]], head=head_of(chain))
    assert found is not None
    assert found.sequence <= touched.sequence


@given(chains(), st.data())
@settings(max_examples=100)
def test_any_single_character_of_a_body_that_was_changed_is_found_there(
    chain: list[ChainedEvent], data: st.DataObject
) -> None:
    place = data.draw(st.integers(min_value=0, max_value=len(chain) - 1))
    body = chain[place].body
    at = data.draw(st.integers(min_value=0, max_value=len(body) - 1))
    character = data.draw(st.sampled_from("x0 {本").filter(lambda drawn: drawn != body[at]))
    forged = replace(chain[place], body=body[:at] + character + body[at + 1 :])
    found = first_break([*chain[:place], forged, *chain[place + 1 :]], head=head_of(chain))
    assert found is not None
    assert (found.sequence, found.damage) == (place + 1, Damage.ALTERED)


@given(chains(), st.data())
@settings(max_examples=50)
def test_an_event_that_was_removed_is_found_at_its_place(chain: list[ChainedEvent], data: st.DataObject) -> None:
    place = data.draw(st.integers(min_value=0, max_value=len(chain) - 1))
    found = first_break([*chain[:place], *chain[place + 1 :]], head=head_of(chain))
    assert found is not None
    last = place == len(chain) - 1
    assert (found.sequence, found.damage) == (place + 1, Damage.CUT_OFF if last else Damage.REMOVED)


@given(chains(shortest=2), st.data())
@settings(max_examples=50)
def test_two_events_that_changed_places_are_found_at_the_first_of_them(
    chain: list[ChainedEvent], data: st.DataObject
) -> None:
    place = data.draw(st.integers(min_value=0, max_value=len(chain) - 2))
    first, second = chain[place], chain[place + 1]
    swapped = [
        *chain[:place],
        replace(second, sequence=first.sequence),
        replace(first, sequence=second.sequence),
        *chain[place + 2 :],
    ]
    found = first_break(swapped, head=head_of(chain))
    assert found is not None
    assert (found.sequence, found.damage) == (place + 1, Damage.REORDERED)


@given(chains(shortest=2), st.data())
@settings(max_examples=100)
def test_a_forger_who_computes_every_hash_anew_is_found_by_the_anchor(
    chain: list[ChainedEvent], data: st.DataObject
) -> None:
    place = data.draw(st.integers(min_value=0, max_value=len(chain) - 1))
    anchored = data.draw(st.integers(min_value=place, max_value=len(chain) - 1))
    rest = [replace(event) for event in chain]
    columns = {name: getattr(chain[place], name) for name in ("incident_id", "kind", "occurred_at", "recorded_at")}
    body = event_body(sequence=place + 1, actor="user:99", facts={}, **columns)
    rest[place] = replace(chain[place], actor="user:99", body=body)
    forged = rehashed(rest)
    assert first_break(forged, head=head_of(forged)) is None  # without an anchor nothing shows
    found = first_break(forged, head=head_of(forged), anchors=[(anchored + 1, chain[anchored].hash)])
    assert found is not None
    assert (found.sequence, found.damage) == (anchored + 1, Damage.ALTERED)


def test_a_forged_anchor_cannot_hide_the_true_one() -> None:
    chain = [linked([], COLUMNS, {"number": 1})]
    true = (1, chain[0].hash)
    forged = rehashed([linked([], COLUMNS, {"number": 2})])
    for anchors in ([true, (1, forged[0].hash)], [(1, forged[0].hash), true]):
        found = first_break(forged, head=head_of(forged), anchors=anchors)
        assert found is not None
        assert (found.sequence, found.damage) == (1, Damage.ALTERED)


@pytest.mark.parametrize(
    "body", ["", "not json", "[]", "null", '"text"', '{"facts":{}}', '{"facts":{"share":0.5}}', '{"facts":NaN}']
)
def test_a_forged_body_that_is_no_event_is_a_finding_and_not_a_crash(body: str) -> None:
    chain = [linked([], COLUMNS, {"a": 1})]
    forged = rehashed([replace(chain[0], body=body)])
    found = first_break(forged, head=head_of(forged))
    assert found is not None
    assert (found.sequence, found.damage) == (1, Damage.COLUMNS_DIFFER)


def test_a_cut_off_end_is_found_by_the_head_and_with_a_forged_head_by_the_anchor() -> None:
    chain: list[ChainedEvent] = []
    for number in range(3):
        chain.append(linked(chain, COLUMNS, {"number": number}))
    by_head = first_break(chain[:2], head=head_of(chain))
    by_anchor = first_break(chain[:2], head=head_of(chain[:2]), anchors=[(3, chain[2].hash)])
    assert by_head is not None
    assert by_head == by_anchor
    assert (by_head.sequence, by_head.damage) == (3, Damage.CUT_OFF)


@pytest.mark.parametrize("forged", ["number and hash", "number", "hash"])
def test_a_head_that_does_not_fit_the_last_event_is_found(forged: str) -> None:
    chain: list[ChainedEvent] = []
    for number in range(3):
        chain.append(linked(chain, COLUMNS, {"number": number}))
    sequence, digest = head_of(chain[:2])
    head = {"number and hash": (sequence, digest), "number": (sequence, chain[2].hash), "hash": (3, digest)}[forged]
    found = first_break(chain, head=head)
    assert found is not None
    assert (found.sequence, found.damage) == (3, Damage.HEAD_DIFFERS)


def test_a_chain_that_was_emptied_is_found() -> None:
    found = first_break([], head=(1, "a" * 64))
    assert found is not None
    assert (found.sequence, found.damage) == (1, Damage.CUT_OFF)


@given(chains(), st.sampled_from(["ja", "en"]))
@settings(max_examples=10)
def test_a_finding_names_the_number_of_the_event_in_both_languages(chain: list[ChainedEvent], language: str) -> None:
    found = first_break([replace(chain[0], body="{}"), *chain[1:]], head=head_of(chain))
    assert isinstance(found, Break)
    assert "1" in getattr(found, language)


def test_the_hash_binds_the_previous_hash_and_the_body_apart() -> None:
    assert event_hash("ab", "c") != event_hash("a", "bc")
