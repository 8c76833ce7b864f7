"""Letters prepared from an approved text: who, what, which characters; on both databases."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from incident_app.domain.ids import IncidentId
from incident_app.domain.letters import PrintDoubtful, check_character
from incident_app.domain.vocabulary import Subject
from incident_app.persistence.letters import Letter, LetterBatch
from incident_app.services import (
    approvals,
    letters,
    letters_shown,
    unreached,
)
from incident_app.services.approvals import NotApproved, OwnWork
from incident_app.services.letter_addressees import LetterPlan, NobodyToWriteTo
from incident_app.services.letters import Printing
from incident_app.services.sending_checks import ExerciseNotSent
from incident_app.services.transaction import recording
from tests import builders
from tests.builders import NOW, approver, author
from tests.conftest import Clock
from tests.services.posting import ADDED, SENDER, TODAY, codes, events, prepare
from tests.services.reaching import a_bounced_wave, listed, to_inform
from tests.services.returning import count


@pytest.fixture
def incident(instance: Engine, clock: Clock, tmp_path: Path) -> IncidentId:
    """C1 bounced, C5 has no mail address; both have a postal one. The text was approved with its wave."""
    return a_bounced_wave(instance, tmp_path, clock)


def test_letters_are_prepared_in_batches_with_codes_and_one_pdf_each(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    made = prepare(instance, incident, tmp_path, batch_size=1)
    assert [(one.batch, one.letters, one.missing) for one in made] == [
        ("2026-0001-001", 1, ()),
        ("2026-0001-002", 1, ()),
    ]
    (code,) = codes(instance, "2026-0001-002")
    assert re.fullmatch(r"2026-0001-002-0001-[0-9X]", code)
    assert code[-1] == check_character(code[:-2])
    found = unreached.completion(instance, incident)
    assert (found.open, found.in_letters) == (2, 2)
    assert {one.letter for one in unreached.list_unreached(instance, incident)} == {
        *codes(instance, "2026-0001-001"),
        code,
    }
    facts = events(instance, "letters.prepared")
    assert [fact["letters"] for fact in facts] == [1, 1]
    for one, fact in zip(made, facts, strict=True):
        content = (tmp_path / "evidence" / one.pdf_digest[:2] / one.pdf_digest).read_bytes()
        assert content.startswith(b"%PDF")
        assert fact["pdf_digest"] == one.pdf_digest
    with pytest.raises(NobodyToWriteTo):
        prepare(instance, incident, tmp_path)


def test_a_text_that_nobody_approved_is_not_printed(instance: Engine, tmp_path: Path) -> None:
    incident = to_inform(instance)
    notice = builders.a_notice(instance, incident)
    with pytest.raises(NotApproved):
        prepare(instance, incident, tmp_path)
    request = approvals.request_approval(
        instance, incident, Subject.NOTICE, notice, actor=author(instance).actor, now=NOW
    )
    with pytest.raises(NotApproved):
        prepare(instance, incident, tmp_path)
    with pytest.raises(OwnWork):
        approvals.grant(instance, request, actor=author(instance).actor, now=NOW)
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    assert [one.letters for one in prepare(instance, incident, tmp_path, notice_id=notice)] == [1]


def test_a_text_edited_after_its_approval_is_not_printed(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    builders.a_notice(instance, incident, notice_id=1, cause="別の原因")
    with pytest.raises(NotApproved):
        prepare(instance, incident, tmp_path)


def test_who_has_no_contact_at_all_is_for_the_portal_and_keeps_no_letter_from_others(
    instance: Engine, tmp_path: Path
) -> None:
    """Their name stands with an empty address: no letter goes there, and everybody else gets theirs."""
    head, *_ = builders.CUSTOMERS.splitlines()
    builders.import_text(instance, f"{head}\nC7,person,customer,ja,JP,何も 無し,,,\n")
    builders.import_text(instance, "customer_number,store,items\nC7,member-db,name email\n")
    incident = to_inform(instance)
    assert listed(instance, incident) == {"C5": ("no_address", "post"), "C7": ("no_address", "portal")}
    notice = builders.a_notice(instance, incident)
    request = approvals.request_approval(
        instance, incident, Subject.NOTICE, notice, actor=author(instance).actor, now=NOW
    )
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    assert [one.letters for one in prepare(instance, incident, tmp_path)] == [1]


def test_a_follow_up_is_printed_only_when_it_is_named(instance: Engine, incident: IncidentId, tmp_path: Path) -> None:
    """It speaks of an earlier notice, which those whom mail did not reach never got."""
    follow_up = builders.a_notice(instance, incident, kind="update")
    request = approvals.request_approval(
        instance, incident, Subject.NOTICE, follow_up, actor=author(instance).actor, now=NOW
    )
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    prepare(instance, incident, tmp_path, batch_size=1, most_batches=1)
    prepare(instance, incident, tmp_path, notice_id=follow_up)
    printed = [fact["notice_id"] for fact in events(instance, "letters.prepared")]
    assert printed == [1, follow_up]


def test_an_open_request_for_a_text_ends_when_the_text_is_edited(instance: Engine) -> None:
    incident = to_inform(instance)
    notice = builders.a_notice(instance, incident)
    actor = author(instance).actor
    request = approvals.request_approval(instance, incident, Subject.NOTICE, notice, actor=actor, now=NOW)
    builders.a_notice(instance, incident, notice_id=notice, cause="別の原因")
    assert approvals.pending_approvals(instance, incident) == []
    with pytest.raises(approvals.AlreadyDecided):
        approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)


def test_the_database_takes_no_batch_of_a_text_that_nobody_approved(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    prepare(instance, incident, tmp_path)
    for version, approval in (("notice_version + 1", "approval_id"), ("notice_version", "approval_id + 99")):
        copied = (
            "INSERT INTO letter_batches SELECT id + 1, incident_id, purpose, number + 1, code || 'x', notice_id, "
            f"{version}, determination_id, {approval}, text_digest, item_names, sender, printed_on, 'building', "
            "letters, content_digest, pdf_digest, missing_signs, created_at, created_by, NULL, NULL FROM letter_batches"
        )
        with pytest.raises(DatabaseError, match="nobody approved this text"), recording(instance) as session:
            session.execute(sa.text(copied))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE letter_batches SET notice_version = 7",
        "UPDATE letter_batches SET content_digest = 'x'",
        "UPDATE letter_batches SET status = 'building'",
        "DELETE FROM letters",
        "UPDATE letters SET person_id = person_id + 1",
        "UPDATE letters SET code = 'x'",
        ADDED,
    ],
)
def test_what_a_prepared_batch_says_and_to_whom_is_changed_by_nobody(
    instance: Engine, incident: IncidentId, tmp_path: Path, statement: str
) -> None:
    prepare(instance, incident, tmp_path)
    with pytest.raises(DatabaseError), recording(instance) as session:
        session.execute(sa.text(statement))


def renamed(engine: Engine, number: str, name: str) -> None:
    head, *rows = builders.CUSTOMERS.splitlines()
    row = next(row for row in rows if row.startswith(number))
    old = row.split(",")[5]
    builders.import_text(engine, f"{head}\n{row.replace(old, name)}\n", now=NOW + timedelta(minutes=5))


def test_characters_that_the_font_lacks_are_named_before_anything_is_printed(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    renamed(instance, "C5", "\U0002a6d6 太郎")
    with pytest.raises(PrintDoubtful) as refused:
        prepare(instance, incident, tmp_path, batch_size=1)
    assert "U+2A6D6" in str(refused.value)
    assert "C5" in str(refused.value)
    assert count(instance, LetterBatch) == 0
    made = prepare(instance, incident, tmp_path, go_on=True, batch_size=1)
    assert [one.missing for one in made] == [(), ("\U0002a6d6",)]
    assert letters_shown.show_batch(instance, made[1].batch).missing_signs == ("\U0002a6d6",)


def test_a_preparation_that_dies_leaves_nobody_in_a_letter(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    broken = tmp_path / "letter.typ"
    plan = LetterPlan(sender=SENDER, printed_on=TODAY)
    wrong = Printing(folder=tmp_path, template=broken)
    broken.write_text("#panic(", encoding="utf-8")
    with pytest.raises(Exception, match=r"letter\.typ"):
        letters.prepare_letters(instance, incident, plan, wrong, actor=author(instance).actor, now=NOW)
    assert count(instance, Letter) == count(instance, LetterBatch) == 0
    assert [one.letters for one in prepare(instance, incident, tmp_path)] == [2]


def test_no_letter_of_an_exercise_is_printed(instance: Engine, tmp_path: Path) -> None:
    builders.with_customers(instance)
    exercise = builders.an_incident(instance, exercise=True).id
    with pytest.raises(ExerciseNotSent):
        prepare(instance, exercise, tmp_path)
