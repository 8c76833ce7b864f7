"""Batches of letters as people see them, their PDF and their addresses, each handed out with its purpose on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import ExportMade
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.letters import BatchStatus, CodeFaulty, LetterState, read_code
from incident_app.domain.vocabulary import Language
from incident_app.persistence.customers import Customer
from incident_app.persistence.incidents import Incident
from incident_app.persistence.letters import Letter, LetterBatch
from incident_app.persistence.outbox import PersonToInform
from incident_app.rendering.letters import ENCODINGS, addresses_csv
from incident_app.services.evidence import EvidenceAltered, measure, path_of
from incident_app.services.letter_texts import contents_of
from incident_app.services.letters_posting import get_batch
from incident_app.services.policies import any_policy
from incident_app.services.transaction import reading, transaction

SHOWN_AT_ONCE = 50
HandOverBytes = Callable[[bytes], object]


class LettersErased(IncidentAppError):
    """The PDF of batch {batch} is no longer among the evidence: its file was deleted."""

    ja = "束 {batch} の PDF は、保管場所から削除されています。"


@dataclass(frozen=True, kw_only=True)
class BatchView:
    """A batch of letters with the counts of its letters by state."""

    code: str
    incident_id: IncidentId
    reference: str
    status: BatchStatus
    notice_id: int
    notice_version: int
    printed_on: date
    handed_over_on: date | None
    created_at: datetime
    created_by: int
    letters: int
    by_state: Mapping[LetterState, int]
    missing_signs: tuple[str, ...]
    receipt_id: int | None
    pdf_digest: str
    content_digest: str


@dataclass(frozen=True, kw_only=True, repr=False)
class LetterView:
    """One letter, without name and address."""

    code: str
    batch: str
    number: int
    customer_number: str
    language: Language
    state: LetterState
    at: datetime


def list_batches(engine: Engine, incident_id: IncidentId) -> list[BatchView]:
    """Return the batches of an incident that are prepared, newest first."""
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(LetterBatch)
            .where(LetterBatch.incident_id == incident_id, LetterBatch.status != BatchStatus.BUILDING)
            .order_by(LetterBatch.number.desc())
        ).all()
        return _views(session, rows)


def show_batch(engine: Engine, code: str) -> BatchView:
    """Return one batch; NotFound when there is none, or when it is not prepared yet."""
    with reading(engine) as session:
        batch = get_batch(session, code)
        if batch.status is BatchStatus.BUILDING:
            raise NotFound(what="batch", name=code)
        return _views(session, [batch])[0]


def batch_of(engine: Engine, incident_id: IncidentId, code: str) -> BatchView:
    """Return one batch of this incident; one of another incident does not exist here (need to know)."""
    found = show_batch(engine, code)
    if found.incident_id != incident_id:
        raise NotFound(what="batch", name=code)
    return found


def _views(session: Session, batches: Sequence[LetterBatch]) -> list[BatchView]:
    counts: dict[int, dict[LetterState, int]] = defaultdict(dict)
    for batch_id, state, number in session.execute(
        sa.select(Letter.batch_id, Letter.state, sa.func.count())
        .where(Letter.batch_id.in_([batch.id for batch in batches]))
        .group_by(Letter.batch_id, Letter.state),
    ):
        counts[batch_id][state] = number
    return [
        BatchView(
            code=batch.code,
            incident_id=IncidentId(batch.incident_id),
            reference=session.get_one(Incident, batch.incident_id).reference,
            status=batch.status,
            notice_id=batch.notice_id,
            notice_version=batch.notice_version,
            printed_on=batch.printed_on,
            handed_over_on=batch.handed_over_on,
            created_at=batch.created_at,
            created_by=batch.created_by,
            letters=batch.letters,
            by_state={state: counts[batch.id][state] for state in LetterState if state in counts[batch.id]},
            missing_signs=tuple(map(str, batch.missing_signs)),
            receipt_id=batch.receipt_id,
            pdf_digest=batch.pdf_digest or "",
            content_digest=batch.content_digest or "",
        )
        for batch in batches
    ]


def list_letters(
    engine: Engine, code: str, *, state: LetterState | None = None, after: int = 0, limit: int = SHOWN_AT_ONCE
) -> list[LetterView]:
    """Return the letters of a batch in their order, behind number `after`."""
    with reading(engine) as session:
        batch = get_batch(session, code)
        query = _letters().where(Letter.batch_id == batch.id, Letter.number > after)
        if state is not None:
            query = query.where(Letter.state == state)
        return [_letter_view(row) for row in session.execute(query.order_by(Letter.number).limit(limit))]


def find_letter(engine: Engine, typed: str, incidents: set[IncidentId]) -> LetterView:
    """Return the letter with this code, as it was typed or scanned; NotFound when it is of none of these incidents."""
    try:
        code = read_code(typed)
    except CodeFaulty as fault:
        if str(fault) == "form":
            raise BadInput(field="code", problem="this is not the code of a letter") from None
        raise BadInput(field="code", problem="the check character is wrong; read the code again") from None
    with reading(engine) as session:
        query = _letters().where(Letter.code == code, LetterBatch.incident_id.in_(incidents))
        row = session.execute(query).one_or_none()
        if row is None:
            raise NotFound(what="letter", name=typed)
        return _letter_view(row)


def _letters() -> sa.Select[str, str, int, str, Language, LetterState, datetime]:
    return (
        sa.select(
            Letter.code,
            LetterBatch.code.label("batch"),
            Letter.number,
            Customer.customer_number,
            Letter.language,
            Letter.state,
            Letter.at,
        )
        .join(LetterBatch, LetterBatch.id == Letter.batch_id)
        .join(PersonToInform, PersonToInform.id == Letter.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
    )


def _letter_view(row: sa.Row[str, str, int, str, Language, LetterState, datetime]) -> LetterView:
    code, batch, number, customer_number, language, state, at = row
    return LetterView(
        code=code,
        batch=batch,
        number=number,
        customer_number=customer_number,
        language=language,
        state=state,
        at=at,
    )


def export_pdf(
    engine: Engine,
    code: str,
    *,
    folder: Path,
    purpose: str,
    hand_over: HandOverBytes | None = None,
    actor: Actor,
    now: datetime,
) -> bytes:
    """Return the PDF of a batch as it was printed first; who took it and what for stands on the timeline."""
    batch = show_batch(engine, code)
    path = path_of(folder, batch.pdf_digest)
    if not path.is_file():
        raise LettersErased(batch=batch.code)
    if measure(path)[0] != batch.pdf_digest:
        raise EvidenceAltered(digest=batch.pdf_digest[:12])
    content = path.read_bytes()
    _export(engine, batch, "letters", content, purpose, hand_over, actor=actor, now=now)
    return content


def export_addresses(
    engine: Engine,
    code: str,
    *,
    encoding: str,
    purpose: str,
    hand_over: HandOverBytes | None = None,
    actor: Actor,
    now: datetime,
) -> bytes:
    """Return the addresses of a batch for a mailing house; a character that the encoding lacks is named and refused."""
    if encoding not in ENCODINGS:
        raise BadInput(field="encoding", problem="choose utf-8 or shift_jis")
    batch = show_batch(engine, code)
    with reading(engine) as session:
        contents = contents_of(session, get_batch(session, code))
    content = addresses_csv(contents, batch=batch.code, encoding=encoding)
    _export(engine, batch, "letter_addresses", content, purpose, hand_over, actor=actor, now=now)
    return content


def _export(
    engine: Engine,
    batch: BatchView,
    what: str,
    content: bytes,
    purpose: str,
    hand_over: HandOverBytes | None,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Hand an export over, then record it. The digest covers the code of the batch where the content names people."""
    if not purpose.strip():
        raise BadInput(field="purpose", problem="say what the export is for; it is kept on the timeline")
    if hand_over is not None:
        hand_over(content)
    digest = digest_of_bytes(content) if what == "letters" else digest_of_bytes(batch.code.encode())
    with transaction(engine, actor=actor, now=now) as act:
        kept = act.keep_text(purpose)
        act.record(
            ExportMade(what=what, rows=batch.letters, digest=digest, purpose_digest=kept.digest),
            incident=batch.incident_id,
        )


def usual_sender(engine: Engine) -> Mapping[Language, str]:
    """Return name and postal address of the company as its policy states them; the name alone where it states none."""
    with reading(engine) as session:
        policy = any_policy(session)
    company = policy.ourselves
    stated = next((one.send_to for one in policy.procedures if one.send_to is not None), None)
    return {
        Language.JA: _with_address(company.name_ja, stated.ja if stated else ""),
        Language.EN: _with_address(company.name_en, stated.en if stated else ""),
    }


def _with_address(company: str, address: str) -> str:
    """Return the lines of a sender: an address that names the company already does not name it twice."""
    return address if company in address else f"{company}\n{address}".strip()
