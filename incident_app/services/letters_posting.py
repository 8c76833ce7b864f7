"""What becomes of letters: handed over, returned, and both taken back when they were recorded by mistake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.code_lists import FaultyLine, Line, LineFault, ListRefused
from incident_app.domain.delivery import Standing
from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import LettersCorrected, LettersDiscarded, LettersPosted, LettersReturned
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.letters import BatchEvent, CodeFaulty, LetterState, next_batch_status, read_code
from incident_app.domain.unreached import BY_POST
from incident_app.domain.zones import JST
from incident_app.persistence.bulk import chunks
from incident_app.persistence.letters import Letter, LetterBatch
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.evidence import Source, keep_file, measure, record_evidence
from incident_app.services.transaction import Transaction, reading, transaction
from incident_app.services.unreached_standing import stand_anew

AT_ONCE = 500
"""Letters moved in one act: others who write wait no longer than for these."""


class LettersCameBack(IncidentAppError):
    """{returned} letters of this batch came back. Take their return back first, then the hand-over."""

    ja = "この束の {returned}通が戻っています。先に返戻の記録を取り消してから、差し出しを取り消してください。"


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The receipt of the post office or of the mailing house, to be kept as evidence."""

    source: Source
    folder: Path
    file_name: str


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What a list of returned letters changed."""

    letters: int
    unchanged: int
    people: int
    """Those who are back on the worklist."""


def hand_over(
    engine: Engine, code: str, *, on: date, receipt: Receipt | None = None, actor: Actor, now: datetime
) -> int:
    """Record that a batch was handed over on a day; return how many people are told by it.

    Who was told by mail meanwhile stays told by mail; who is covered by a public notice or exempt stays so.
    """
    if on > now.astimezone(JST).date():
        raise BadInput(field="date", problem=f"{on.isoformat()} lies in the future")
    kept = None
    if receipt is not None:
        kept = measure(receipt.source)
        if not kept[1]:
            raise BadInput(field="file", problem="the file is empty")
        keep_file(receipt.folder, receipt.source, digest=kept[0])
    with transaction(engine, actor=actor, now=now) as act:
        batch = get_batch(act.session, code, lock=True)
        if on < batch.printed_on:
            raise BadInput(field="date", problem="letters are handed over after they were printed")
        batch.status = next_batch_status(batch.status, BatchEvent.HANDED_OVER)
        batch.handed_over_on = on
        incident = IncidentId(batch.incident_id)
        if kept is not None and receipt is not None:
            suffix = Path(receipt.file_name).suffix.lower()
            name = f"evidence{suffix}" if suffix[1:].isalnum() and suffix.isascii() else "evidence"
            batch.receipt_id = record_evidence(act, incident, *kept, file_name=name)
        act.session.flush()
        letters = _move_all(act, batch, LetterState.PREPARED, LetterState.HANDED_OVER)
        people = _tell(act, batch)
        act.record(
            LettersPosted(
                batch=batch.code,
                day=on.isoformat(),
                letters=letters,
                people=people,
                receipt_digest=kept[0] if kept else None,
            ),
            incident=incident,
        )
        return people


def _move_all(act: Transaction, batch: LetterBatch, old: LetterState, new: LetterState) -> int:
    moved = act.session.execute(
        sa.update(Letter)
        .where(Letter.batch_id == batch.id, Letter.state == old)
        .values(state=new, at=act.now)
        .returning(Letter.id)
        .execution_options(synchronize_session=False),
    ).all()
    return len(moved)


def _tell(act: Transaction, batch: LetterBatch) -> int:
    mine = sa.select(Letter.person_id).where(Letter.batch_id == batch.id, Letter.state == LetterState.HANDED_OVER)
    items = (
        sa.select(Letter.item_set_id)
        .where(Letter.batch_id == batch.id, Letter.person_id == PersonToInform.id)
        .scalar_subquery()
    )
    told = act.session.execute(
        sa.update(PersonToInform)
        .where(
            PersonToInform.id.in_(mine),
            PersonToInform.standing.in_([Standing.TO_INFORM, Standing.NOT_REACHED, Standing.INFORMED_OTHERWISE]),
        )
        .values(
            standing=Standing.INFORMED_OTHERWISE,
            standing_since=act.now,
            how=BY_POST,
            told_item_set_id=items,
            reason_text_id=None,
        )
        .returning(PersonToInform.id)
        .execution_options(synchronize_session=False),
    ).all()
    return len(told)


def take_back(engine: Engine, code: str, *, reason: str, actor: Actor, now: datetime) -> int:
    """Take back that a batch was handed over: it is prepared again, its people are as they were."""
    _check_reason(reason)
    with transaction(engine, actor=actor, now=now) as act:
        batch = get_batch(act.session, code, lock=True)
        status = next_batch_status(batch.status, BatchEvent.TAKEN_BACK)
        rows = act.session.execute(
            sa.select(Letter.person_id, Letter.state).where(Letter.batch_id == batch.id).order_by(Letter.number)
        ).all()
        if returned := sum(row.state is LetterState.RETURNED for row in rows):
            raise LettersCameBack(returned=returned)
        batch.status, batch.handed_over_on = status, None
        act.session.flush()
        letters = _move_all(act, batch, LetterState.HANDED_OVER, LetterState.PREPARED)
        stand_anew(act.session, [row.person_id for row in rows], at=now)
        text = act.keep_text(reason)
        act.record(
            LettersCorrected(
                correction="taken_back", letters=letters, digest=digest_of([batch.code]), reason_digest=text.digest
            ),
            incident=IncidentId(batch.incident_id),
        )
        return letters


def discard(engine: Engine, code: str, *, reason: str, actor: Actor, now: datetime) -> int:
    """Discard a batch that was never handed over: its people may be put into another."""
    _check_reason(reason)
    with transaction(engine, actor=actor, now=now) as act:
        batch = get_batch(act.session, code, lock=True)
        batch.status = next_batch_status(batch.status, BatchEvent.DISCARDED)
        act.session.flush()
        letters = _move_all(act, batch, LetterState.PREPARED, LetterState.DISCARDED)
        text = act.keep_text(reason)
        act.record(
            LettersDiscarded(batch=batch.code, letters=letters, reason_digest=text.digest),
            incident=IncidentId(batch.incident_id),
        )
        return letters


def record_returned(
    engine: Engine, lines: Sequence[Line], *, incidents: Collection[IncidentId], actor: Actor, now: datetime
) -> Returned:
    """Record that letters came back, by the codes printed on them; the same list twice changes nothing.

    A misread or unknown code refuses the whole list by its line. Letters of incidents that are not named are unknown.
    """
    letters = _letters_of(engine, lines, incidents, allowed={LetterState.HANDED_OVER, LetterState.RETURNED})
    new = sorted(key for key, (_, state) in letters.items() if state is LetterState.HANDED_OVER)
    moved = people = 0
    for part in chunks(new, AT_ONCE):
        with transaction(engine, actor=actor, now=now) as act:
            for incident, rows in _still(act.session, part, LetterState.HANDED_OVER).items():
                untold = _turn(act, rows, LetterState.RETURNED)
                facts = LettersReturned(letters=len(rows), people=untold, digest=digest_of([row.code for row in rows]))
                act.record(facts, incident=incident)
                moved, people = moved + len(rows), people + untold
    return Returned(letters=moved, unchanged=len(letters) - moved, people=people)


def take_back_return(
    engine: Engine,
    lines: Sequence[Line],
    *,
    reason: str,
    incidents: Collection[IncidentId],
    actor: Actor,
    now: datetime,
) -> int:
    """Take back that letters came back: they are handed over as before."""
    _check_reason(reason)
    letters = _letters_of(engine, lines, incidents, allowed={LetterState.RETURNED})
    for part in chunks(sorted(letters), AT_ONCE):
        with transaction(engine, actor=actor, now=now) as act:
            text = act.keep_text(reason)
            for incident, rows in _still(act.session, part, LetterState.RETURNED).items():
                _turn(act, rows, LetterState.HANDED_OVER)
                act.record(
                    LettersCorrected(
                        correction="not_returned",
                        letters=len(rows),
                        digest=digest_of([row.code for row in rows]),
                        reason_digest=text.digest,
                    ),
                    incident=incident,
                )
    return len(letters)


def _letters_of(
    engine: Engine, lines: Sequence[Line], incidents: Collection[IncidentId], *, allowed: Collection[LetterState]
) -> dict[int, tuple[str, LetterState]]:
    """Return the letters that a list names, by key; ListRefused names every line that cannot be taken."""
    if not lines:
        raise BadInput(field="codes", problem="name at least one letter")
    codes, faulty = _codes_of(lines)
    with reading(engine) as session:
        found = _find(session, set(codes.values()), incidents)
    wrong = LineFault.NOT_POSTED if LetterState.HANDED_OVER in allowed else LineFault.NOT_RETURNED
    for line, code in codes.items():
        if code not in found:
            faulty.append(FaultyLine(line=line, fault=LineFault.UNKNOWN))
        elif found[code][1] not in allowed:
            faulty.append(FaultyLine(line=line, fault=wrong))
    if faulty:
        raise ListRefused(faulty=sorted(faulty, key=lambda one: one.line))
    return {key: (code, state) for code, (key, state) in found.items()}


def _codes_of(lines: Sequence[Line]) -> tuple[dict[int, str], list[FaultyLine]]:
    codes, faulty = {}, []
    for line in lines:
        try:
            codes[line.number] = read_code(line.text)
        except CodeFaulty as fault:
            faulty.append(FaultyLine(line=line.number, fault=LineFault(str(fault))))
    return codes, faulty


def _find(
    session: Session, codes: Collection[str], incidents: Collection[IncidentId]
) -> Mapping[str, tuple[int, LetterState]]:
    found: dict[str, tuple[int, LetterState]] = {}
    for part in chunks(sorted(codes), AT_ONCE):
        rows = session.execute(
            sa.select(Letter.code, Letter.id, Letter.state)
            .join(LetterBatch, LetterBatch.id == Letter.batch_id)
            .where(Letter.code.in_(part), LetterBatch.incident_id.in_(incidents)),
        )
        found |= {code: (key, state) for code, key, state in rows}
    return found


def _still(session: Session, ids: Collection[int], state: LetterState) -> Mapping[IncidentId, list[Letter]]:
    """Return those of the letters that are still in this state, by incident."""
    rows = session.execute(
        sa.select(LetterBatch.incident_id, Letter)
        .join(LetterBatch, LetterBatch.id == Letter.batch_id)
        .where(Letter.id.in_(ids), Letter.state == state)
        .order_by(Letter.id)
    )
    by_incident: dict[IncidentId, list[Letter]] = defaultdict(list)
    for incident_id, letter in rows:
        by_incident[IncidentId(incident_id)].append(letter)
    return by_incident


def _turn(act: Transaction, letters: Sequence[Letter], state: LetterState) -> int:
    for letter in letters:
        letter.state, letter.at = state, act.now
    act.session.flush()
    return stand_anew(act.session, {letter.person_id for letter in letters}, at=act.now)


def get_batch(session: Session, code: str, *, lock: bool = False) -> LetterBatch:
    """Return a batch by the code that is printed on its letters; NotFound otherwise."""
    query = sa.select(LetterBatch).where(LetterBatch.code == code.strip().removeprefix("INC-"))
    batch = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if batch is None:
        raise NotFound(what="batch", name=code)
    return batch


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput(field="reason", problem="say what was wrong with the record")
