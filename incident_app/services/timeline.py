"""The timeline: reading it, adding to it by hand, verifying its chain, writing down its head."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import ChainAnchored, NoteCorrected, NoteRecorded, summary
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.incidents import check_moment
from incident_app.domain.lengths import check_length
from incident_app.domain.timeline import Break, ChainedEvent, first_break
from incident_app.persistence.incidents import Incident
from incident_app.persistence.timeline import ChainAnchor, ChainHead, EventRow, TextRow
from incident_app.rendering.timeline import TimelineEntry
from incident_app.services.accounts import names_by_actor
from incident_app.services.transaction import reading, transaction

FETCH = 1_000
BEYOND = 2**63
TEXTS = ("text_digest", "how_digest", "place_digest", "reason_digest", "result_digest")
"""Facts that refer to texts kept apart, in the order in which an entry shows them."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What walking the chain found."""

    events: int
    head_hash: str
    broken: Break | None


def verify_timeline(engine: Engine) -> Verification:
    """Walk the whole chain and name the first altered, removed or reordered event, if any."""
    with reading(engine) as session:
        found = session.execute(sa.select(ChainHead.sequence, ChainHead.hash)).one_or_none()
        head = None if found is None else (_place(found.sequence), found.hash)
        anchors = session.execute(sa.select(ChainAnchor.sequence, ChainAnchor.hash))
        written_down = [(_place(sequence), hash_then) for sequence, hash_then in anchors]
        with closing(_stored_events(session)) as stored:
            broken = first_break(stored, head=head, anchors=written_down)
        return Verification(events=head[0] if head else 0, head_hash=head[1] if head else "", broken=broken)


def _stored_events(session: Session) -> Generator[ChainedEvent, None, None]:
    """Yield the events as they are stored, whatever stands in their columns: a forged one is to be named."""
    query = (
        sa.select(
            EventRow.sequence,
            EventRow.incident_id,
            EventRow.kind,
            EventRow.actor,
            sa.type_coerce(EventRow.occurred_at, sa.String),
            sa.type_coerce(EventRow.recorded_at, sa.String),
            EventRow.body,
            EventRow.previous_hash,
            EventRow.hash,
        )
        .order_by(EventRow.sequence)
        .execution_options(yield_per=FETCH)
    )
    with closing(session.execute(query)) as rows:  # a walk that stops at the first break leaves no cursor open
        for sequence, incident_id, kind, actor, occurred_at, recorded_at, body, previous_hash, event_hash in rows:
            yield ChainedEvent(
                sequence=sequence,
                incident_id=incident_id,
                kind=kind,
                actor=actor,
                occurred_at=_moment(occurred_at),
                recorded_at=_moment(recorded_at),
                body=body,
                previous_hash=previous_hash,
                hash=event_hash,
            )


def _moment(stored: object) -> datetime | None:
    """Read a stored time without trusting it: SQLite keeps whatever was written."""
    try:
        found = stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _place(stored: object) -> int:
    """Read a stored place in the chain; what is no number lies beyond every event, so that it is found."""
    return stored if isinstance(stored, int) else BEYOND


def chain_head(engine: Engine) -> tuple[int, str]:
    """Return number and hash of the newest event."""
    with reading(engine) as session:
        return session.execute(sa.select(ChainHead.sequence, ChainHead.hash)).one()


def entries(engine: Engine, incident_id: IncidentId | None) -> list[TimelineEntry]:
    """Return the timeline of an incident (or of everything) in order of recording, ready to be shown or exported."""
    names = names_by_actor(engine)
    with reading(engine) as session:
        query = (
            sa.select(EventRow, Incident.reference)
            .outerjoin(Incident, Incident.id == EventRow.incident_id)
            .order_by(EventRow.sequence)
        )
        if incident_id is not None:
            query = query.where(EventRow.incident_id == incident_id)
        rows = session.execute(query).all()
        texts = _texts(session, [row for row, _ in rows])
        return [_entry(row, reference, names, texts) for row, reference in rows]


def _texts(session: Session, rows: list[EventRow]) -> dict[str, str]:
    digests = {fact for row in rows for fact in _text_digests(row)}
    found: dict[str, str] = {}
    wanted = sorted(digests)
    for start in range(0, len(wanted), 500):
        query = sa.select(TextRow.digest, TextRow.body).where(TextRow.digest.in_(wanted[start : start + 500]))
        found.update({digest: body or "" for digest, body in session.execute(query)})
    return found


def _text_digests(row: EventRow) -> list[str]:
    facts = json.loads(row.body)["facts"]
    return [facts[name] for name in TEXTS if facts.get(name)]


def _entry(row: EventRow, reference: str | None, names: dict[str, str], texts: dict[str, str]) -> TimelineEntry:
    facts = json.loads(row.body)["facts"]
    said = " ".join(texts[digest] for digest in _text_digests(row) if texts.get(digest))
    return TimelineEntry(
        sequence=row.sequence,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        incident_reference=reference,
        kind=row.kind,
        actor_name=names.get(row.actor, row.actor),
        summary_ja=summary(row.kind, facts, "ja") + (f"：{said}" if said else ""),
        summary_en=summary(row.kind, facts, "en") + (f": {said}" if said else ""),
        corrects=facts.get("corrects"),
        hash=row.hash,
    )


def record_note(
    engine: Engine, incident_id: IncidentId, text: str, *, occurred_at: datetime, actor: Actor, now: datetime
) -> int:
    """Add an entry by hand: when it happened and when it was written are kept apart (G2)."""
    check_moment(occurred_at, field="occurred_at", now=now)
    if not text.strip():
        raise BadInput(field="text", problem="say what happened")
    with transaction(engine, actor=actor, now=now) as act:
        kept = act.keep_text(text)
        return act.record(NoteRecorded(text_digest=kept.digest), incident=incident_id, occurred_at=occurred_at)


def correct_note(
    engine: Engine, incident_id: IncidentId, sequence: int, text: str, *, actor: Actor, now: datetime
) -> int:
    """Correct an entry by a further one that points to it; the first stays as it was (G3)."""
    if not text.strip():
        raise BadInput(field="text", problem="say what is right")
    with transaction(engine, actor=actor, now=now) as act:
        row = act.session.get(EventRow, sequence)
        if row is None or row.incident_id != incident_id:
            raise NotFound(what="event", name=sequence)
        kept = act.keep_text(text)
        return act.record(
            NoteCorrected(corrects=sequence, text_digest=kept.digest), incident=incident_id, occurred_at=row.occurred_at
        )


def anchor_chain(engine: Engine, *, placed_where: str, actor: Actor, now: datetime) -> tuple[int, str]:
    """Write the head of the chain down, so that a cut-off end is found later; return what to keep elsewhere."""
    if not placed_where.strip():
        raise BadInput(field="placed_where", problem="say where it is written down")
    check_length(placed_where, field="placed_where")
    with transaction(engine, actor=actor, now=now) as act:
        sequence, head_hash = act.sequence, act.head_hash
        place = act.keep_text(placed_where.strip())
        act.session.add(ChainAnchor(sequence=sequence, hash=head_hash, placed_where=place.digest, at=now))
        act.record(ChainAnchored(anchored=sequence, hash=head_hash, place_digest=place.digest))
        return sequence, head_hash
