"""Events: every kind reads in both languages from its own facts, and no fact names a person."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from incident_app.domain import events
from incident_app.domain.access import Role
from incident_app.domain.conditions import DECIDABLE
from incident_app.domain.delivery import Standing
from incident_app.domain.digests import canonical_text
from incident_app.domain.events import KINDS, NoteRecorded, ObligationFulfilled, summary
from incident_app.domain.events.words import word_for
from incident_app.domain.vocabulary import ClockSource, CountKind, Subject
from incident_app.services.dispatch import Resolution

PERSONAL = {"name", "names", "address", "email", "mail", "phone", "postal", "title", "text", "body", "person", "reason"}
"""Words that would hold personal data or free text; an event holds their digest instead."""


def placeholders(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_event_reads_in_both_languages_from_its_own_facts(kind: str) -> None:
    cls = KINDS[kind]
    names = {field.name for field in fields(cls)}
    assert placeholders(cls.ja) <= names
    assert placeholders(cls.en) <= names
    assert placeholders(cls.ja) == placeholders(cls.en), "both languages tell the same facts"
    assert re.search("[\u3040-\u30ff\u4e00-\u9fff]", cls.ja)
    assert not re.search("[\u3040-\u30ff\u4e00-\u9fff]", cls.en)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_name_of_an_event_says_what_was_done(kind: str) -> None:
    assert re.fullmatch(r"[a-z]+\.([a-z]+ed|set|made|begun|told)", kind)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_fact_of_an_event_suggests_a_person_or_free_text(kind: str) -> None:
    for field in fields(KINDS[kind]):
        words = field.name.split("_")
        assert words[-1] in {"digest", "id", "sha256"} or not PERSONAL & set(words), field.name


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_event_can_be_read_without_any_of_its_facts(kind: str) -> None:
    for language in ("ja", "en"):
        assert "{" not in summary(kind, {}, language)


def test_every_kind_that_is_exported_is_registered_once() -> None:
    assert {cls.__name__ for cls in KINDS.values()} <= set(events.__all__)
    assert all(cls.kind == kind for kind, cls in KINDS.items())


@pytest.mark.parametrize(
    ("fact", "codes"),
    [
        ("source", ClockSource),
        ("count_kind", CountKind),
        ("standing", Standing),
        ("subject", Subject),
        ("subject", ("detection", "awareness", "all", "card")),
        ("role", Role),
        ("resolution", Resolution),
        ("fact", DECIDABLE),
        ("what", ("timeline", "commitment", "outcomes")),
    ],
)
def test_a_code_reads_as_a_word_in_both_languages(fact: str, codes: Iterable[str]) -> None:
    told = {name for cls in KINDS.values() for name in placeholders(cls.ja)}
    assert fact in told, "some event tells this fact"
    for code in codes:
        assert re.search("[\u3040-\u30ff\u4e00-\u9fff]", word_for(fact, code, "ja")), code
        assert "_" not in word_for(fact, code, "ja") + word_for(fact, code, "en"), code


def test_the_timeline_tells_clocks_counts_and_decisions_in_japanese_words() -> None:
    clock = {"subject": "detection", "source": "detected"}
    assert summary("clock.started", clock, "ja") == "時計を記録しました：検知（検知の時点）"
    count = {"subject": "all", "count_kind": "exact", "value": 1322}
    assert summary("people.counted", count, "ja") == "人数を記録しました：全体 1,322人（確定）"
    asked = {"subject": "campaign", "subject_id": 1}
    assert summary("approval.requested", asked, "ja") == "承認を依頼しました（送信の波 1）"
    decided = {"fact": "communications_secrecy", "value": False}
    assert summary("fact.decided", decided, "ja") == "事実を判断しました：通信の秘密に当たる（いいえ）"
    assert word_for("role", "our-own-word", "ja") == "our-own-word"


def test_an_event_of_a_newer_version_reads_as_its_kind() -> None:
    assert summary("future.happened", {}, "en") == "future.happened"


def test_facts_are_shown_as_people_read_them() -> None:
    facts = {"obligation_id": 12345, "was_late": True}
    assert summary(ObligationFulfilled.kind, facts, "en") == "Obligation 12,345 fulfilled (late: yes)"
    assert "はい" in summary(ObligationFulfilled.kind, facts, "ja")


def test_the_facts_of_an_event_have_a_canonical_form() -> None:
    facts = NoteRecorded(text_digest="d" * 64).as_mapping()
    at = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
    assert canonical_text({"facts": facts, "at": at}).startswith('{"at":"2026-11-20T08:20:00.000000Z"')
