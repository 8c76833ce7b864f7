"""The clocks of an incident: every entry that was made, which one counts, and correcting one with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.counting_words import clock_words
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.incidents import AWARENESS, DETECTION, check_moment
from incident_app.domain.vocabulary import ClockSource
from incident_app.domain.words import Words
from incident_app.persistence.incidents import ClockStart
from incident_app.persistence.inventory import ThirdParty
from incident_app.persistence.timeline import TextRow
from incident_app.services.incidents import get_row, newest_clocks, start_clock
from incident_app.services.transaction import reading, transaction

DETECTED = Words(ja="検知した時点", en="from detection")


@dataclass(frozen=True, kw_only=True)
class ClockView:
    """One entry: when a clock began, who knew, why it was entered, and whether it still counts."""

    id: int
    subject: str
    subject_ja: str
    subject_en: str
    at: datetime
    source: ClockSource
    known_by: str
    known_by_ja: str
    known_by_en: str
    """Who knew, in words: a company that told us stands by its name."""
    reason: str | None
    corrects_id: int | None
    counts: bool
    recorded_at: datetime
    recorded_by: str

    @property
    def is_correctable(self) -> bool:
        """Tell whether a later row may correct it here; awareness has a form of its own, detection is the incident."""
        return self.counts and self.subject not in {AWARENESS, DETECTION}


def list_clocks(engine: Engine, incident_id: IncidentId) -> list[ClockView]:
    """Return every entry of every clock, in the order in which they were made."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(ClockStart, TextRow.body)
            .outerjoin(TextRow, TextRow.id == ClockStart.reason_text_id)
            .where(ClockStart.incident_id == incident_id)
            .order_by(ClockStart.id),
        ).all()
        companies = {row.code: row for row in session.scalars(sa.select(ThirdParty))}
        counting = {clock.id for clock in newest_clocks(session, incident_id).values()}
        return [_view(row, reason, companies.get(row.known_by), counts=row.id in counting) for row, reason in rows]


def correct_clock(
    engine: Engine, incident_id: IncidentId, subject: str, *, at: datetime, reason: str, actor: Actor, now: datetime
) -> None:
    """Correct when a clock began, with the reason: the earlier entry stays and is pointed to.

    Awareness is corrected by `record_awareness`; detection is a fact of the incident and no clock of law.
    """
    check_moment(at, field="at", now=now)
    if not reason.strip():
        raise BadInput(field="reason", problem="say why the beginning of this clock is corrected")
    with transaction(engine, actor=actor, now=now) as act:
        row = get_row(act.session, incident_id)
        clocks = newest_clocks(act.session, incident_id)
        if subject in {AWARENESS, DETECTION} or subject not in clocks:
            raise NotFound(what="clock", name=subject)
        aware = clocks.get(AWARENESS)
        earliest = aware.at if aware else row.detected_at
        if at < earliest:
            raise BadInput(field="at", problem="a threshold is not passed before anybody knew of the incident")
        start_clock(act, incident_id, subject, at, clocks[subject].source, reason=reason)


def _view(row: ClockStart, reason: str | None, company: ThirdParty | None, *, counts: bool) -> ClockView:
    words = DETECTED if row.subject == DETECTION else clock_words(row.subject)
    return ClockView(
        id=row.id,
        subject=row.subject,
        subject_ja=words.ja,
        subject_en=words.en,
        at=row.at,
        source=row.source,
        known_by=row.known_by,
        known_by_ja=company.name_ja if company else row.known_by,
        known_by_en=company.name_en if company else row.known_by,
        reason=reason,
        corrects_id=row.corrects_id,
        counts=counts,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
    )
