"""The report of a rehearsal, for whoever approves the wave: counts, reconciliation, rate, forecast, the first mails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.brake import AttemptOutcome
from incident_app.domain.delivery import DeliveryTotals
from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.forecast import Forecast
from incident_app.domain.rehearsal import Fault, RehearsedRow, reconcile
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryRow
from incident_app.services.impact_views import mask
from incident_app.services.rehearsal_sink import TallySink
from incident_app.services.waves import CampaignView, totals_in
from notifications.sink import ReceivedMessage

AT_ONCE = 10_000
MAY_HAVE_ARRIVED = (AttemptOutcome.ACCEPTED.value, AttemptOutcome.UNKNOWN.value)


@dataclass(frozen=True, kw_only=True)
class Played:
    """What was done to the workers of a rehearsal, and how long they took."""

    kills: int
    seconds: float
    connections: int


def report_of(
    session: Session,
    wave: CampaignView,
    sink: TallySink,
    played: Played,
    *,
    forecast: Forecast | None,
    content_digest: str,
) -> dict[str, Any]:
    """Reconcile the rows of the copy with the sink and put everything together; nobody is named in it."""
    totals = totals_in(session, session.get_one(Campaign, wave.id))
    found = reconcile(_rows(session), sink.taken)
    faults = {fault.value: sink.played[fault] for fault in Fault}
    most_in_doubt = played.kills * played.connections + sink.played[Fault.DROPPED] + sink.played[Fault.SILENT]
    return {
        **_counts(totals),
        "agrees": totals.agrees,
        "taken_by_sink": sink.total,
        "lost": found.lost,
        "duplicates": found.duplicates,
        "listed_duplicates": found.listed_duplicates,
        "foreign": found.foreign,
        "in_doubt_at_most": most_in_doubt,
        "is_sound": found.is_sound and totals.agrees and totals.waiting == 0 and totals.in_doubt <= most_in_doubt,
        "faults": faults,
        "workers_killed": played.kills,
        "milliseconds": round(1000 * played.seconds),
        "per_minute": round(60 * sink.total / played.seconds),
        "forecast": _forecast(forecast),
        "mails": [_shown(session, mail) for mail in sink.first],
        "content_digest": content_digest,
    }


def _counts(totals: DeliveryTotals) -> dict[str, int]:
    names = ("planned", "sent", "failed", "skipped", "in_doubt", "waiting")
    return {name: getattr(totals, name) for name in names}


def _rows(session: Session) -> Iterator[RehearsedRow]:
    arrived = sa.func.count().filter(DeliveryAttempt.outcome.in_(MAY_HAVE_ARRIVED))
    rows = session.execute(
        sa.select(DeliveryRow.token, DeliveryRow.state, arrived)
        .outerjoin(DeliveryAttempt, DeliveryAttempt.delivery_id == DeliveryRow.id)
        .group_by(DeliveryRow.id)
        .execution_options(yield_per=AT_ONCE)
    )
    for token, state, number in rows:
        yield RehearsedRow(token=token, state=state, may_have_arrived=number)


def _forecast(forecast: Forecast | None) -> dict[str, object] | None:
    if forecast is None:
        return None
    return {
        "ends_at": forecast.ends_at.isoformat() if forecast.ends_at else None,
        "deadline": forecast.deadline.isoformat() if forecast.deadline else None,
        "is_late": forecast.is_late,
        "per_minute": round(forecast.per_minute),
        "bound_by": forecast.bound_by.value,
    }


def _shown(session: Session, mail: ReceivedMessage) -> dict[str, str]:
    """Return a mail as it was sent, with its person masked: the report is kept for ever and names nobody."""
    parsed = message_from_bytes(mail.content, policy=policy.default)
    body = parsed.get_body(("plain",))
    text = str(body.get_content()) if body is not None else ""
    recipient = mail.recipients[0]
    for name in _names_at(session, str(parsed["Message-ID"])):
        text = text.replace(name, mask(name))
    return {
        "from": str(parsed["From"]),
        "to": f"{recipient[:1]}●●●@{recipient.rpartition('@')[2]}",
        "subject": str(parsed["Subject"]),
        "date": str(parsed["Date"]),
        "language": str(parsed["Content-Language"]),
        "text": text.replace(recipient, "●●●").replace("\r\n", "\n"),
        "digest": digest_of_bytes(mail.content),
    }


def _names_at(session: Session, message_id: str) -> list[str]:
    token = message_id.strip("<>").partition("@")[0]
    names = session.scalars(
        sa.select(CustomerContact.name)
        .join(DeliveryRow, DeliveryRow.contact_id == CustomerContact.id)
        .where(DeliveryRow.token == token)
    )
    return sorted((name for name in names if name), key=len, reverse=True)
