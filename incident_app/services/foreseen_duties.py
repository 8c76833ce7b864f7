"""Which duties would be new, gone or different if the facts were others; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.ids import IncidentId
from incident_app.domain.obligations import LIVE, IncidentFacts
from incident_app.domain.vocabulary import DutyStatus
from incident_app.domain.words import Words
from incident_app.persistence.obligations import Obligation
from incident_app.services.obligations import derived_from


@dataclass(frozen=True, kw_only=True)
class ForeseenDuties:
    """What would be due to whom, against the duties as they stand."""

    added: tuple[Words, ...]
    removed: tuple[Words, ...]
    changed: tuple[Words, ...]
    """Still due, but by another time, or with another question open."""


def foresee_duties(session: Session, incident_id: IncidentId, facts: IncidentFacts) -> ForeseenDuties:
    """Derive the duties of other facts and compare them with those that stand; what was settled stays settled."""
    derived, _ = derived_from(session, incident_id, facts=facts)
    rows = session.scalars(
        sa.select(Obligation).where(Obligation.incident_id == incident_id, Obligation.status != DutyStatus.SUPERSEDED),
    )
    now = {(row.rule_code, row.stage, str(row.addressee_kind), row.addressee_ref): row for row in rows}
    then = {(rule, stage, str(kind), ref): duty for duty in derived for rule, stage, kind, ref in [duty.key]}
    return ForeseenDuties(
        added=tuple(_named(duty.title, duty.addressee_name) for key, duty in then.items() if key not in now),
        removed=tuple(_stored(row) for key, row in now.items() if key not in then and row.status in LIVE),
        changed=tuple(
            _stored(now[key])
            for key, duty in then.items()
            if key in now
            and now[key].status in LIVE
            and (now[key].status, now[key].due_at) != (duty.status, duty.due.due_at)
        ),
    )


def _stored(row: Obligation) -> Words:
    return _named(_words(row.title), _words(row.addressee))


def _words(stored: object) -> Words:
    words: Mapping[str, str] = stored if isinstance(stored, dict) else {}
    return Words(ja=words.get("ja", ""), en=words.get("en", ""))


def _named(title: Words, addressee: Words) -> Words:
    return Words(ja=f"{title.ja} → {addressee.ja}", en=f"{title.en} → {addressee.en}")
