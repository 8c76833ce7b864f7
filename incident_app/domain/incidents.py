"""Opening an incident: its times, kept apart, and what must be true of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from incident_app.domain.errors import BadInput, IncidentAppError, NaiveTime
from incident_app.domain.lengths import REFERENCE, check_length
from incident_app.domain.vocabulary import ClockSource

AWARENESS = "awareness"
DETECTION = "detection"
"""Subjects of clocks that every incident knows; regimes may name further ones."""


class ReasonNeeded(IncidentAppError):
    """Awareness at {aware} is later than detection at {detected}. Say why it was only then that we knew."""

    ja = "認識（{aware}）は検知（{detected}）より後の時刻です。そう判断した理由を書いてください。"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What is known when an incident is recorded (A1): occurred, detected and became aware are three facts."""

    kind: str
    title: str
    detected_at: datetime
    occurred_from: datetime | None = None
    occurred_until: datetime | None = None
    aware_at: datetime | None = None
    aware_reason: str | None = None
    aware_source: ClockSource = ClockSource.DEPARTMENT
    known_by: str = ""
    exercise: bool = False
    external_reference: str | None = None


def check_opening(opening: Opening, *, now: datetime) -> None:
    """Refuse an opening whose times cannot be or lack their reason (A1)."""
    times = {
        "detected_at": opening.detected_at,
        "occurred_from": opening.occurred_from,
        "occurred_until": opening.occurred_until,
        "aware_at": opening.aware_at,
    }
    for field, moment in times.items():
        check_moment(moment, field=field, now=now)
    if not opening.title.strip():
        raise BadInput(field="title", problem="say in a few words what happened")
    check_length(opening.title.strip(), field="title")
    check_length(opening.known_by, field="known_by")
    check_length(opening.external_reference, field="external_reference", longest=REFERENCE)
    if opening.occurred_from and opening.occurred_until and opening.occurred_until < opening.occurred_from:
        raise BadInput(field="occurred_until", problem="the end lies before the beginning")
    check_not_before(opening.detected_at, opening.occurred_from, field="detected_at")
    check_not_before(opening.aware_at, opening.occurred_from, field="aware_at")
    check_awareness(opening.detected_at, opening.aware_at, opening.aware_reason)


def check_moment(moment: datetime | None, *, field: str, now: datetime) -> None:
    """Refuse a time without offset or in the future."""
    if moment is None:
        return
    if moment.tzinfo is None:
        raise NaiveTime(value=moment.isoformat(), field=field)
    if moment > now:
        raise BadInput(field=field, problem=f"{moment.isoformat()} lies in the future")


def check_not_before(moment: datetime | None, began_at: datetime | None, *, field: str) -> None:
    """Refuse a time before the incident: nobody notices or knows what has not begun."""
    if moment is not None and began_at is not None and moment < began_at:
        raise BadInput(
            field=field, problem=f"{moment.isoformat()} lies before the incident, which began {began_at.isoformat()}"
        )


def check_awareness(detected_at: datetime, aware_at: datetime | None, reason: str | None) -> None:
    """Demand a reason when awareness is later than detection (A1)."""
    if aware_at is not None and aware_at > detected_at and not (reason or "").strip():
        raise ReasonNeeded(aware=aware_at.isoformat(), detected=detected_at.isoformat())
