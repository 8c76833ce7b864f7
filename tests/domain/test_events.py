"""Events: every kind reads in both languages from its own facts, and no fact names a person."""

from __future__ import annotations

import re
import string
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from incident_app.domain import events
from incident_app.domain.digests import canonical_text
from incident_app.domain.events import KINDS, NoteRecorded, ObligationFulfilled, summary

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
