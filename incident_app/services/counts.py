"""Numbers of people: the summary of a determination, and counts that papers quote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput
from incident_app.domain.events import PeopleCounted
from incident_app.domain.ids import Actor, DeterminationId, IncidentId
from incident_app.domain.impact_summary import Summary
from incident_app.domain.vocabulary import Certainty, CountKind, ItemFlag
from incident_app.persistence.impact import PersonCount
from incident_app.services.transaction import Transaction, reading, transaction

ALL = "all"
CARD = "card"


@dataclass(frozen=True, kw_only=True)
class Count:
    """A number of people, how sure it is, and on what basis."""

    id: int
    subject: str
    kind: CountKind
    value: int
    basis_ja: str
    basis_en: str
    at: datetime


def record_counts(
    act: Transaction, incident_id: IncidentId, determination_id: DeterminationId, summary: Summary
) -> None:
    """Put the numbers of a determination on record: an exact one when all are confirmed, else a maximum."""
    assumed = summary["by_certainty"].get(Certainty.ASSUMED, 0)
    confirmed = summary["by_certainty"].get(Certainty.CONFIRMED, 0)
    cards = summary["by_flag"].get(ItemFlag.CARD_NUMBER, 0)
    sure_cards = summary["confirmed_by_flag"].get(ItemFlag.CARD_NUMBER, 0)
    for subject, sure, possible in ((ALL, confirmed, assumed), (CARD, sure_cards, cards - sure_cards)):
        _record(
            act,
            incident_id,
            PersonCount(
                incident_id=incident_id,
                determination_id=determination_id,
                subject=subject,
                kind=CountKind.MAXIMUM if possible else CountKind.EXACT,
                value=sure + possible,
                basis_ja=f"影響の判定による顧客の数（確定 {sure:,}、推定 {possible:,}）",
                basis_en=f"customers by the determination of impact ({sure:,} confirmed, {possible:,} assumed)",
                at=act.now,
                by=act.actor,
            ),
        )


def count_people(
    engine: Engine,
    incident_id: IncidentId,
    *,
    kind: CountKind,
    value: int,
    basis: str,
    subject: str = ALL,
    actor: Actor,
    now: datetime,
) -> None:
    """Record a number of natural persons that somebody knows better than the customer rows say (B8)."""
    if value < 0:
        raise BadInput(field="value", problem="a number of people cannot be negative")
    if not basis.strip():
        raise BadInput(field="basis", problem="say what the number rests on")
    with transaction(engine, actor=actor, now=now) as act:
        _record(
            act,
            incident_id,
            PersonCount(
                incident_id=incident_id,
                subject=subject,
                kind=kind,
                value=value,
                basis_ja=basis,
                basis_en=basis,
                at=now,
                by=actor,
            ),
        )


def _record(act: Transaction, incident_id: IncidentId, row: PersonCount) -> None:
    act.session.add(row)
    act.session.flush()
    act.record(
        PeopleCounted(count_id=row.id, subject=row.subject, count_kind=row.kind, value=row.value),
        incident=incident_id,
    )


def newest_counts(engine: Engine, incident_id: IncidentId) -> dict[str, Count]:
    """Return the newest count of each subject."""
    with reading(engine) as session:
        return newest_counts_in(session, incident_id)


def newest_counts_in(session: Session, incident_id: IncidentId) -> dict[str, Count]:
    """Return the newest count of each subject, within an open session."""
    rows = session.scalars(
        sa.select(PersonCount).where(PersonCount.incident_id == incident_id).order_by(PersonCount.id),
    )
    return {
        row.subject: Count(
            id=row.id,
            subject=row.subject,
            kind=row.kind,
            value=row.value,
            basis_ja=row.basis_ja,
            basis_en=row.basis_en,
            at=row.at,
        )
        for row in rows
    }
