"""Letters for tests: prepared, handed over, brought back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import Language
from incident_app.persistence.timeline import EventRow
from incident_app.services import letters, letters_posting, letters_shown
from incident_app.services.letter_addressees import LetterPlan
from incident_app.services.letters import Prepared, Printing
from incident_app.services.letters_posting import Receipt, Returned
from incident_app.services.transaction import reading
from incident_app.services.unreached_contacts import as_lines
from tests.builders import NOW, ROOT, author

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
