"""The text an incident is judged by: a newer version is offered, and taken only by an explicit act (C2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.events import PlaybookMoved
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.vocabulary import Phase
from incident_app.persistence.playbooks import IncidentPlaybook
from incident_app.services.incidents import get_row
from incident_app.services.obligations import derive_if_determined
from incident_app.services.playbooks import Playbook, PlaybookKind, add_pin, newest, pinned
from incident_app.services.transaction import Transaction, reading, transaction

KINDS = (PlaybookKind.POLICY, PlaybookKind.REGIME, PlaybookKind.CLOSURE)
"""What duties follow from. Steps and the method of severity are planned and assessed once, by the text of then."""


@dataclass(frozen=True, kw_only=True)
class OfferedText:
    """A newer text than the one an incident is judged by."""

    kind: PlaybookKind
    code: str
    version: str | None
    """The version that the incident keeps; None for a text that came after it was opened."""
    newest: str


def offered_texts(engine: Engine, incident_id: IncidentId) -> list[OfferedText]:
    """Return the newer texts that an incident could be moved to; nothing moves by itself."""
    with reading(engine) as session:
        get_row(session, incident_id)
        kept = _kept(session, incident_id)
        return [
            OfferedText(
                kind=text.kind,
                code=text.code,
                version=kept[text.kind, text.code].version if (text.kind, text.code) in kept else None,
                newest=text.version,
            )
            for text in _newer(session, incident_id)
        ]


def move_to_newest(
    engine: Engine,
    incident_id: IncidentId,
    code: str,
    *,
    reason: str,
    designated_operator: bool = False,
    actor: Actor,
    now: datetime,
) -> OfferedText:
    """Judge an incident by the newest text of one playbook from now on, with the reason; duties are derived anew.

    What was settled stays settled; open duties that the new text sees differently are superseded visibly.
    """
    if not reason.strip():
        raise BadInput(field="reason", problem="say why this incident is judged by the newer text")
    with transaction(engine, actor=actor, now=now) as act:
        incident = get_row(act.session, incident_id)
        if incident.phase is Phase.CLOSED:
            raise IllegalMove(thing="incident", state=incident.phase, event="move_text")
        text = next((entry for entry in _newer(act.session, incident_id) if entry.code == code), None)
        if text is None:
            raise NotFound(what="newer text", name=code)
        before = _kept(act.session, incident_id).get((text.kind, text.code))
        _move(act, incident_id, before, text, reason.strip())
    derive_if_determined(engine, incident_id, designated_operator=designated_operator, actor=actor, now=now)
    held = before.version if before else None
    return OfferedText(kind=text.kind, code=text.code, version=held, newest=text.version)


def _move(act: Transaction, incident_id: IncidentId, before: Playbook | None, text: Playbook, reason: str) -> None:
    if before is not None:
        _unpin(act.session, incident_id, before, act.now)
    add_pin(act, incident_id, text)
    act.record(
        PlaybookMoved(
            code=text.code,
            from_version=before.version if before else None,
            version=text.version,
            digest=text.digest,
            reason_digest=act.keep_text(reason).digest,
        ),
        incident=incident_id,
    )


def _kept(session: Session, incident_id: IncidentId) -> dict[tuple[PlaybookKind, str], Playbook]:
    return {(text.kind, text.code): text for text in pinned(session, incident_id, KINDS)}


def _newer(session: Session, incident_id: IncidentId) -> list[Playbook]:
    """Return the newest texts that an incident does not keep; of policies only newer ones of its own."""
    kept = _kept(session, incident_id)
    found = [text for kind in KINDS for text in newest(session, kind)]
    return [
        text
        for text in found
        if (text.kind, text.code) not in kept or kept[text.kind, text.code].id != text.id
        if text.kind is not PlaybookKind.POLICY or (text.kind, text.code) in kept
    ]


def _unpin(session: Session, incident_id: IncidentId, text: Playbook, now: datetime) -> None:
    pins = session.scalars(
        sa.select(IncidentPlaybook).where(
            IncidentPlaybook.incident_id == incident_id,
            IncidentPlaybook.playbook_version_id == text.id,
            IncidentPlaybook.unpinned_at.is_(None),
        ),
    )
    for pin in pins:
        pin.unpinned_at = now
    session.flush()
