"""Preparing letters: those whom post reaches next, in batches, printed from the approved text."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest, digest_of_bytes
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.events import LettersPrepared
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.letters import (
    MOST_BATCHES,
    BatchEvent,
    BatchStatus,
    LetterState,
    PlannedLetter,
    batch_code,
    batch_digest,
    letter_code,
    next_batch_status,
)
from incident_app.persistence.incidents import Incident
from incident_app.persistence.letters import Letter, LetterBatch
from incident_app.rendering.letters import lacking_in, letters_pdf
from incident_app.services.accounts import user_of
from incident_app.services.approvals import NotApproved
from incident_app.services.approved_content import names_of_items
from incident_app.services.approved_texts import ApprovedText, find_approved_text
from incident_app.services.evidence import keep_file
from incident_app.services.letter_addressees import (
    MOST_IN_A_BATCH,
    Addressee,
    LetterPlan,
    addressees,
    look_before_printing,
)
from incident_app.services.letter_texts import contents_of
from incident_app.services.people import newest_determination
from incident_app.services.sending_checks import ExerciseNotSent
from incident_app.services.transaction import building, reading, transaction

LETTER = "letters/letter.typ"
"""The template of letters; a company's own goes before the shipped one."""


class PreparedElsewhere(IncidentAppError):
    """Somebody else prepared letters of this incident at the same time. Look at their batches, then go on."""

    ja = "同じ事案の書状が同時に用意されました。先に用意された束を確かめてから、続けてください。"


@dataclass(frozen=True, kw_only=True)
class Printing:
    """What printing needs besides the database."""

    folder: Path
    """Where the PDFs are kept, by their digest."""
    template: Path


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A batch that is ready to be handed over."""

    batch: str
    letters: int
    pdf_digest: str
    missing: tuple[str, ...]
    """Characters that were printed as a visible sign."""


def prepare_letters(
    engine: Engine, incident_id: IncidentId, plan: LetterPlan, printing: Printing, *, actor: Actor, now: datetime
) -> list[Prepared]:
    """Prepare letters to everybody whom post reaches next, batch by batch; each batch is whole or not there.

    Before the first is printed, everything is looked at: approval, languages, items, characters that the font lacks.
    """
    _check_plan(plan)
    with reading(engine) as session:
        if session.get_one(Incident, incident_id).exercise:
            raise ExerciseNotSent
        approved = find_approved_text(session, incident_id, plan.purpose, plan.notice_id)
        if approved is None:
            raise NotApproved
        look_before_printing(session, incident_id, plan, approved)
    made: list[Prepared] = []
    while plan.most_batches is None or len(made) < plan.most_batches:
        one = _prepare_one(engine, incident_id, plan, printing, approved, actor=actor, now=now)
        if one is None:
            break
        made.append(one)
    return made


def _check_plan(plan: LetterPlan) -> None:
    if not 0 < plan.batch_size <= MOST_IN_A_BATCH:
        raise BadInput(field="batch_size", problem=f"a batch holds 1 to {MOST_IN_A_BATCH} letters")
    if any(not text.strip() for text in plan.sender.values()):
        raise BadInput(field="sender", problem="write name and return address of the sender")


def _prepare_one(
    engine: Engine,
    incident_id: IncidentId,
    plan: LetterPlan,
    printing: Printing,
    approved: ApprovedText,
    *,
    actor: Actor,
    now: datetime,
) -> Prepared | None:
    with ExitStack() as undo:
        begun = _begin(engine, incident_id, plan, approved, actor=actor, now=now)
        if begun is None:
            return None
        undo.callback(_give_up, engine, begun)
        prepared, content = _print(engine, begun, printing, now)
        _seal(engine, begun, prepared, content, actor=actor, now=now)
        undo.pop_all()
    return prepared


def _begin(
    engine: Engine, incident_id: IncidentId, plan: LetterPlan, approved: ApprovedText, *, actor: Actor, now: datetime
) -> int | None:
    """Store a batch that is being built, with its letters; None when nobody is left."""
    try:
        with building(engine) as session:
            incident = session.get_one(Incident, incident_id, with_for_update={"key_share": True})
            _drop_unfinished(session, incident_id)
            chosen = addressees(session, incident_id, plan.purpose, limit=plan.batch_size)
            if not chosen:
                return None
            batch = _new_batch(session, incident, plan, approved, {one.item_set_id for one in chosen})
            batch.created_at, batch.created_by, batch.letters = now, user_of(actor), len(chosen)
            session.add(batch)
            session.flush()
            session.add_all(_letter(batch, place, one, now) for place, one in enumerate(chosen, start=1))
            return batch.id
    except IntegrityError:  # somebody else prepared letters for the same people in the same moment
        raise PreparedElsewhere from None


def _drop_unfinished(session: Session, incident_id: IncidentId) -> None:
    """Drop what a preparation that died has left behind, or one that is under way: the later one takes its place."""
    for batch in session.scalars(
        sa.select(LetterBatch).where(LetterBatch.incident_id == incident_id, LetterBatch.status == BatchStatus.BUILDING)
    ).all():
        _drop(session, batch)


def _drop(session: Session, batch: LetterBatch) -> None:
    session.execute(sa.delete(Letter).where(Letter.batch_id == batch.id))
    session.delete(batch)
    session.flush()


def _give_up(engine: Engine, batch_id: int) -> None:
    """Leave nothing half-made behind, or its people would be in no other letter."""
    with building(engine) as session:
        batch = session.get(LetterBatch, batch_id)
        if batch is not None and batch.status is BatchStatus.BUILDING:
            _drop(session, batch)


def _new_batch(
    session: Session, incident: Incident, plan: LetterPlan, approved: ApprovedText, sets: set[int]
) -> LetterBatch:
    newest = sa.select(sa.func.max(LetterBatch.number)).where(LetterBatch.incident_id == incident.id)
    number = 1 + (session.scalar(newest) or 0)
    if number > MOST_BATCHES:
        raise BadInput(field="batch_size", problem=f"an incident has at most {MOST_BATCHES} batches; make larger ones")
    return LetterBatch(
        incident_id=incident.id,
        purpose=plan.purpose,
        number=number,
        code=batch_code(incident.reference, number),
        notice_id=approved.notice_id,
        notice_version=approved.version,
        determination_id=newest_determination(session, IncidentId(incident.id)).id,
        approval_id=approved.approval_id,
        text_digest=approved.digest,
        item_names=[dict(name) for name in names_of_items(session, sets)],
        sender={language.value: text for language, text in plan.sender.items()},
        printed_on=plan.printed_on,
        status=BatchStatus.BUILDING,
        missing_signs=[],
    )


def _letter(batch: LetterBatch, place: int, one: Addressee, now: datetime) -> Letter:
    return Letter(
        batch_id=batch.id,
        number=place,
        code=letter_code(batch.code, place),
        token=secrets.token_hex(12),
        person_id=one.person_id,
        contact_id=one.contact_id,
        language=one.language,
        item_set_id=one.item_set_id,
        confirmed_item_set_id=one.confirmed_item_set_id,
        certainty=one.certainty,
        state=LetterState.PREPARED,
        at=now,
    )


def _print(engine: Engine, batch_id: int, printing: Printing, now: datetime) -> tuple[Prepared, ContentDigest]:
    """Typeset a batch and keep the PDF, with no transaction open."""
    with reading(engine) as session:
        batch = session.get(LetterBatch, batch_id)
        if batch is None:
            raise PreparedElsewhere
        contents = contents_of(session, batch)
        digest = _content_digest(session, batch)
        missing = lacking_in(text for letter in contents for text in letter.texts)
        printed_on, code = batch.printed_on, batch.code
    contents = [letter.without(missing) for letter in contents]
    pdf = letters_pdf(contents, batch=code, printed_on=printed_on, written_at=now, template=printing.template)
    pdf_digest = digest_of_bytes(pdf)
    keep_file(printing.folder, pdf, digest=pdf_digest)
    return Prepared(batch=code, letters=len(contents), pdf_digest=pdf_digest, missing=missing), digest


def _content_digest(session: Session, batch: LetterBatch) -> ContentDigest:
    rows = session.scalars(sa.select(Letter).where(Letter.batch_id == batch.id).order_by(Letter.number))
    return batch_digest(
        text=ContentDigest(batch.text_digest),
        letters=(
            PlannedLetter(
                number=row.number,
                person_id=row.person_id,
                contact_id=row.contact_id,
                item_set_id=row.item_set_id,
                confirmed_item_set_id=row.confirmed_item_set_id,
            )
            for row in rows
        ),
        sender=batch.sender,
        item_names=batch.item_names,
        printed_on=batch.printed_on.isoformat(),
    )


def _seal(
    engine: Engine, batch_id: int, prepared: Prepared, content: ContentDigest, *, actor: Actor, now: datetime
) -> None:
    with transaction(engine, actor=actor, now=now) as act:
        batch = act.session.get(LetterBatch, batch_id, with_for_update=True)
        if batch is None or batch.code != prepared.batch:
            raise PreparedElsewhere
        batch.status = next_batch_status(batch.status, BatchEvent.SEALED)
        batch.content_digest, batch.pdf_digest = content, prepared.pdf_digest
        batch.missing_signs = list(prepared.missing)
        act.record(
            LettersPrepared(
                batch=batch.code,
                letters=prepared.letters,
                notice_id=batch.notice_id,
                notice_version=batch.notice_version,
                approval_id=batch.approval_id,
                content_digest=content,
                pdf_digest=prepared.pdf_digest,
            ),
            incident=IncidentId(batch.incident_id),
        )
