"""The pace of a wave: its sending hours and its ceiling an hour, changed by a named person also while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import CampaignStatus
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.events import DispatchPaced
from incident_app.domain.ids import Actor, CampaignId, IncidentId
from incident_app.domain.sending_hours import Pace, SendingHours, ceiling_for_calls
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.outbox import DeliveryRow
from incident_app.persistence.pacing import bucket_of_wave, forget_bucket
from incident_app.services.transaction import reading, transaction
from incident_app.services.waves import get_campaign_row

OVER = frozenset({CampaignStatus.FINISHED, CampaignStatus.CANCELLED, CampaignStatus.BUILDING})


class NothingLeftToPace(IncidentAppError):
    """This wave is not ready yet, or it is over: it has no pace that could be set."""

    ja = "この波はまだ確定していないか、すでに終わっているため、送信の時間帯と上限を定められません。"


@dataclass(frozen=True, kw_only=True)
class CallCentre:
    """What a ceiling follows: how many calls are taken an hour, and how many of a hundred people told will call."""

    calls_per_hour: int
    percent_who_call: int

    @property
    def per_hour(self) -> int:
        """Return how many people may be written to in an hour."""
        return ceiling_for_calls(calls_per_hour=self.calls_per_hour, percent_who_call=self.percent_who_call)


def pace_of(*, hours: tuple[int, int] | None, per_hour: int | None, calls: CallCentre | None) -> Pace:
    """Return the pace that somebody asked for: a ceiling is given as such or follows the call centre, not both."""
    if per_hour is not None and calls is not None:
        raise BadInput(field="per_hour", problem="give the ceiling itself or what the call centre takes, not both")
    return Pace(
        hours=None if hours is None else SendingHours(begin=hours[0], end=hours[1]),
        per_hour=calls.per_hour if calls else per_hour,
    )


def set_pace(
    engine: Engine, campaign_id: CampaignId, pace: Pace, *, calls: CallCentre | None = None, actor: Actor, now: datetime
) -> None:
    """Set hours and ceiling of a wave in the place of what was set before; workers obey within two seconds."""
    countries = _countries(engine, campaign_id) if pace.hours else None
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id, lock=True)
        if campaign.status in OVER:
            raise NothingLeftToPace
        campaign.hours_from = pace.hours.begin if pace.hours else None
        campaign.hours_until = pace.hours.end if pace.hours else None
        campaign.per_hour_ceiling, campaign.countries = pace.per_hour, countries
        forget_bucket(act.session, bucket_of_wave(campaign_id))
        act.record(
            DispatchPaced(
                campaign_id=campaign_id,
                wave=campaign.wave_number,
                hours_from=campaign.hours_from,
                hours_until=campaign.hours_until,
                per_hour=pace.per_hour,
                calls_per_hour=calls.calls_per_hour if calls else None,
                percent_who_call=calls.percent_who_call if calls else None,
            ),
            incident=IncidentId(campaign.incident_id),
        )


def _countries(engine: Engine, campaign_id: CampaignId) -> list[str]:
    """Return the countries of the people in a wave. It looks at every message: never with the chain head held."""
    with reading(engine) as session:
        found = session.scalars(
            sa.select(Customer.jurisdiction)
            .join(CustomerContact, CustomerContact.customer_id == Customer.id)
            .join(DeliveryRow, DeliveryRow.contact_id == CustomerContact.id)
            .where(DeliveryRow.campaign_id == campaign_id)
            .distinct()
        )
        return sorted(found)
