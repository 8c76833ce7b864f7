"""Letters: prepared from an approved text, handed over, returned, taken back; on both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from incident_app.domain.code_lists import Line, LineFault, ListRefused
from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.letters import BatchStatus, LetterState, PrintDoubtful, check_character
from incident_app.domain.vocabulary import Language, Subject
from incident_app.persistence.incidents import Evidence
from incident_app.persistence.letters import Letter, LetterBatch
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.timeline import EventRow
from incident_app.services import (
    approvals,
    letters,
    letters_posting,
    letters_shown,
    people,
    unreached,
    unreached_contacts,
)
from incident_app.services.approvals import NotApproved, OwnWork
from incident_app.services.letter_addressees import LetterPlan, NobodyToWriteTo
from incident_app.services.letters import Prepared, Printing
from incident_app.services.letters_posting import LettersCameBack, Receipt, Returned
from incident_app.services.sending_checks import ExerciseNotSent
from incident_app.services.transaction import reading, recording
from incident_app.services.unreached_contacts import as_lines
from tests import builders
from tests.builders import NOW, ROOT, approver, author
from tests.conftest import Clock
from tests.services.reaching import a_bounced_wave, a_call, listed, to_inform
from tests.services.returning import count, standing_of

TODAY = date(2026, 11, 20)
SENDER = {Language.JA: "試験株式会社\n〒100-0001 東京都千代田区試験1-1", Language.EN: "Test Inc.\nTokyo"}
LATER = NOW + timedelta(days=2)
ADDED = (
    "INSERT INTO letters SELECT id + 100, batch_id, number + 100, code || 'x', 'y' || number, person_id, contact_id, "
    "language, item_set_id, confirmed_item_set_id, certainty, 'discarded', at FROM letters"
)


def printing(folder: Path) -> Printing:
    return Printing(folder=folder / "evidence", template=ROOT / "templates" / "letters" / "letter.typ")


def prepare(engine: Engine, incident: IncidentId, folder: Path, **changes: object) -> list[Prepared]:
    plan = LetterPlan(**{"sender": SENDER, "printed_on": TODAY, **changes})
    return letters.prepare_letters(
        engine, incident, plan, printing(folder), actor=author(engine).actor, now=NOW + timedelta(hours=1)
    )


def hand_over(engine: Engine, code: str, *, on: date = TODAY, receipt: Receipt | None = None) -> int:
    return letters_posting.hand_over(engine, code, on=on, receipt=receipt, actor=author(engine).actor, now=LATER)


def bring_back(engine: Engine, incident: IncidentId, *codes: str) -> Returned:
    return letters_posting.record_returned(
        engine, as_lines(codes), incidents={incident}, actor=author(engine).actor, now=LATER + timedelta(days=3)
    )


def codes(engine: Engine, batch: str) -> Sequence[str]:
    return [letter.code for letter in letters_shown.list_letters(engine, batch)]


def events(engine: Engine, kind: str) -> list[dict[str, object]]:
    with reading(engine) as session:
        bodies = session.scalars(sa.select(EventRow.body).where(EventRow.kind == kind).order_by(EventRow.sequence))
        return [json.loads(body)["facts"] for body in bodies]


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


def test_handing_over_tells_people_by_post_and_a_return_brings_them_back(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    first, second = codes(instance, batch.batch)
    assert hand_over(instance, batch.batch) == 2
    assert standing_of(instance, "C1") is standing_of(instance, "C5") is Standing.INFORMED_OTHERWISE
    done = unreached.completion(instance, incident)
    assert (done.done, done.open, done.in_letters) == (2, 0, 0)
    with reading(instance) as session:
        rows = session.execute(
            sa.select(PersonToInform.how, PersonToInform.told_item_set_id == PersonToInform.item_set_id).where(
                PersonToInform.standing == Standing.INFORMED_OTHERWISE
            )
        ).all()
    assert [tuple(row) for row in rows] == [("post", True)] * 2
    (fact,) = events(instance, "letters.posted")
    assert (fact["letters"], fact["people"], fact["day"]) == (2, 2, "2026-11-20")
    with pytest.raises(IllegalMove):
        hand_over(instance, batch.batch)
    assert bring_back(instance, incident, first) == Returned(letters=1, unchanged=0, people=1)
    assert listed(instance, incident) == {"C1": ("letter_returned", "phone")}
    before = count(instance, EventRow)
    assert bring_back(instance, incident, first.replace("-", "")) == Returned(letters=0, unchanged=1, people=0)
    assert count(instance, EventRow) == before
    assert bring_back(instance, incident, first, second) == Returned(letters=1, unchanged=1, people=1)
    assert listed(instance, incident)["C5"] == ("letter_returned", "portal")
    view = letters_shown.batch_of(instance, incident, batch.batch)
    assert view.by_state == {LetterState.RETURNED: 2}


def test_a_list_with_misread_or_unknown_codes_is_refused_line_by_line(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    first, second = prepare(instance, incident, tmp_path, batch_size=1)
    hand_over(instance, first.batch)
    (good,), (unposted,) = codes(instance, first.batch), codes(instance, second.batch)
    misread = good[:-1] + ("0" if good[-1] != "0" else "1")
    body = "2026-0001-001-0009"
    lines = [
        Line(number=2, text=good),
        Line(number=3, text=misread),
        Line(number=4, text="氏名"),
        Line(number=6, text=f"{body}-{check_character(body)}"),
        Line(number=7, text=unposted),
    ]
    with pytest.raises(ListRefused) as refused:
        letters_posting.record_returned(instance, lines, incidents={incident}, actor=author(instance).actor, now=LATER)
    assert [(one.line, one.fault) for one in refused.value.faulty] == [
        (3, LineFault.CHECK),
        (4, LineFault.FORM),
        (6, LineFault.UNKNOWN),
        (7, LineFault.NOT_POSTED),
    ]
    assert standing_of(instance, "C1") is Standing.INFORMED_OTHERWISE
    with pytest.raises(ListRefused):  # another incident's letters do not exist for who belongs to this one only
        letters_posting.record_returned(instance, lines[:1], incidents=set(), actor=author(instance).actor, now=LATER)


def test_a_return_and_a_hand_over_recorded_by_mistake_are_taken_back(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    first, second = codes(instance, batch.batch)
    hand_over(instance, batch.batch)
    bring_back(instance, incident, first)
    actor = author(instance).actor
    with pytest.raises(LettersCameBack):
        letters_posting.take_back(instance, batch.batch, reason="別の束だった", actor=actor, now=LATER)
    with pytest.raises(ListRefused):
        letters_posting.take_back_return(
            instance, as_lines([second]), reason="読み違い", incidents={incident}, actor=actor, now=LATER
        )
    letters_posting.take_back_return(
        instance, as_lines([first]), reason="読み違い", incidents={incident}, actor=actor, now=LATER
    )
    assert standing_of(instance, "C1") is Standing.INFORMED_OTHERWISE
    with pytest.raises(BadInput):
        letters_posting.take_back(instance, batch.batch, reason=" ", actor=actor, now=LATER)
    assert letters_posting.take_back(instance, batch.batch, reason="別の束だった", actor=actor, now=LATER) == 2
    assert listed(instance, incident) == {"C1": ("bounced", "post"), "C5": ("no_address", "post")}
    assert letters_shown.batch_of(instance, incident, batch.batch).status is BatchStatus.PREPARED
    assert [fact["correction"] for fact in events(instance, "letters.corrected")] == ["not_returned", "taken_back"]
    assert letters_posting.discard(instance, batch.batch, reason="刷り直す", actor=actor, now=LATER) == 2
    assert [one.batch for one in prepare(instance, incident, tmp_path)] == ["2026-0001-002"]


def test_a_returned_letter_leaves_who_was_told_otherwise_told(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    first, _ = codes(instance, batch.batch)
    hand_over(instance, batch.batch)
    unreached_contacts.record_contacts(
        instance, incident, as_lines(["C1"]), a_call(), actor=author(instance).actor, now=LATER
    )
    assert bring_back(instance, incident, first) == Returned(letters=1, unchanged=0, people=0)
    assert standing_of(instance, "C1") is Standing.INFORMED_OTHERWISE


def test_who_is_covered_by_a_public_notice_stays_so_when_a_letter_goes_out(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    people.record_told(
        instance,
        incident,
        ["C5"],
        standing=Standing.COVERED_BY_PUBLIC_NOTICE,
        how="公表",
        reason="連絡先がない",
        actor=author(instance).actor,
        now=NOW,
    )
    assert hand_over(instance, batch.batch) == 1
    assert standing_of(instance, "C5") is Standing.COVERED_BY_PUBLIC_NOTICE


def test_the_receipt_is_kept_as_evidence(instance: Engine, incident: IncidentId, tmp_path: Path) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    receipt = Receipt(source=b"receipt", folder=tmp_path / "evidence", file_name="山田さんの控え.pdf")
    hand_over(instance, batch.batch, receipt=receipt)
    with reading(instance) as session:
        row = session.scalars(sa.select(Evidence)).one()
    assert row.file_name == "evidence.pdf"
    assert letters_shown.show_batch(instance, batch.batch).receipt_id == row.id
    assert events(instance, "letters.posted")[0]["receipt_digest"] == row.sha256


@pytest.mark.parametrize("on", [date(2026, 11, 19), date(2026, 11, 24)])
def test_letters_are_handed_over_neither_before_they_were_printed_nor_in_the_future(
    instance: Engine, incident: IncidentId, tmp_path: Path, on: date
) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    with pytest.raises(BadInput):
        hand_over(instance, batch.batch, on=on)


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


def test_a_letter_is_found_by_its_code_as_it_was_typed(instance: Engine, incident: IncidentId, tmp_path: Path) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    first, _ = codes(instance, batch.batch)
    found = letters_shown.find_letter(instance, f" {first.replace('-', '')} ", {incident})
    assert (found.customer_number, found.state) == ("C1", LetterState.PREPARED)
    for typed, others in ((first, set()), ("2026-0001-001-0009-" + check_character("202600010010009"), {incident})):
        with pytest.raises(NotFound):
            letters_shown.find_letter(instance, typed, others)
    with pytest.raises(BadInput, match="check character"):
        letters_shown.find_letter(instance, first[:-1] + ("0" if first[-1] != "0" else "1"), {incident})


def test_addresses_and_pdf_are_handed_out_with_their_purpose_and_nothing_personal_on_the_timeline(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    (batch,) = prepare(instance, incident, tmp_path)
    actor, folder = author(instance).actor, tmp_path / "evidence"
    for encoding, codec in (("utf-8", "utf-8-sig"), ("shift_jis", "cp932")):
        content = letters_shown.export_addresses(
            instance, batch.batch, encoding=encoding, purpose="印刷会社へ", actor=actor, now=LATER
        )
        text = content.decode(codec)
        assert "髙橋 一郎 様" in text
        assert codes(instance, batch.batch)[0] in text
    assert content.startswith(b"code,")
    with pytest.raises(BadInput):
        letters_shown.export_pdf(instance, batch.batch, folder=folder, purpose="", actor=actor, now=LATER)
    pdf = letters_shown.export_pdf(instance, batch.batch, folder=folder, purpose="刷る", actor=actor, now=LATER)
    assert pdf.startswith(b"%PDF")
    path = folder / batch.pdf_digest[:2] / batch.pdf_digest
    path.unlink()
    with pytest.raises(letters_shown.LettersErased):
        letters_shown.export_pdf(instance, batch.batch, folder=folder, purpose="刷る", actor=actor, now=LATER)
    with reading(instance) as session:
        bodies = " ".join(session.scalars(sa.select(EventRow.body)))
    assert "髙橋" not in bodies
    assert "試験町" not in bodies
