"""Letters handed over, returned, taken back, found and taken out again; on both databases."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.code_lists import Line, LineFault, ListRefused
from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.letters import BatchStatus, LetterState, check_character
from incident_app.persistence.incidents import Evidence
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.timeline import EventRow
from incident_app.services import (
    letters_posting,
    letters_shown,
    people,
    unreached,
    unreached_contacts,
)
from incident_app.services.letters_posting import LettersCameBack, Receipt, Returned
from incident_app.services.transaction import reading
from incident_app.services.unreached_contacts import as_lines
from tests.builders import NOW, author
from tests.conftest import Clock
from tests.services.posting import LATER, bring_back, codes, events, hand_over, prepare
from tests.services.reaching import a_bounced_wave, a_call, listed
from tests.services.returning import count, standing_of


@pytest.fixture
def incident(instance: Engine, clock: Clock, tmp_path: Path) -> IncidentId:
    """C1 bounced, C5 has no mail address; both have a postal one. The text was approved with its wave."""
    return a_bounced_wave(instance, tmp_path, clock)


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
