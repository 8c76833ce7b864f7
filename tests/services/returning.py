"""A wave that was sent to a sink of ours, and mails that come back of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import AudienceRule, DeliveryState, Standing
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.persistence.customers import Customer
from incident_app.persistence.outbox import DeliveryRow, PersonToInform
from incident_app.services import bounces, dispatch
from incident_app.services.bounces import BounceTools
from incident_app.services.transaction import reading
from notifications.bounces.sources import FoundMail
from notifications.bounces.verp import ReturnPath
from notifications.sink import MailSink
from tests import builders
from tests.builders import KEY, NOW, a_worker, author, run_until_idle
from tests.conftest import Clock
from tests.notifications.returned import SERVER, about, report

RETURN_PATH = ReturnPath(mailbox="bounces", domain="mail.example.jp", key=b"r" * 32)
ICHIRO, JUERGEN = "ichiro@example.jp", "juergen@example.com"


def tools(folder: Path, return_path: ReturnPath = RETURN_PATH) -> BounceTools:
    return BounceTools(folder=folder, address_key=KEY, return_path=return_path)


def sent_wave(
    engine: Engine,
    folder: Path,
    clock: Clock,
    *,
    incident: IncidentId | None = None,
    rule: AudienceRule = AudienceRule.EVERYONE_TO_INFORM,
    return_path: ReturnPath | None = RETURN_PATH,
) -> tuple[IncidentId, dict[str, str]]:
    """Send a wave; return its incident and the envelope sender of each recipient's mail."""
    if incident is None:
        builders.with_customers(engine)
        incident = builders.an_incident(engine).id
        builders.determined(engine, incident, builders.a_scope("member-db"))
    wave = builders.a_wave(engine, incident, builders.a_notice(engine, incident), rule=rule)
    start(engine, wave.filled.campaign_id, wave.filled.planned)
    with MailSink() as sink:
        worker = a_worker(engine, sink.port, folder / "journals", clock)
        worker.settings = replace(worker.settings, return_path=return_path)
        run_until_idle(worker)
        return incident, {mail.recipients[0]: mail.sender for mail in sink.received}


def start(engine: Engine, campaign_id: CampaignId, planned: int) -> None:
    dispatch.start_campaign(engine, campaign_id, typed_count=planned, actor=author(engine).actor, now=NOW)


def bounce(
    to: str, address: str = ICHIRO, *, action: str = "failed", status: str = "5.1.1", words: str = "gone"
) -> FoundMail:
    return FoundMail(file="x.eml", raw=report(SERVER, about(address, action, status), to=to, words=words))


def read(engine: Engine, folder: Path, *mails: FoundMail) -> list[bounces.JudgedMail]:
    return bounces.read_mails(engine, mails, tools(folder), actor=author(engine).actor, now=NOW)


def standing_of(engine: Engine, number: str) -> Standing:
    query = (
        sa.select(PersonToInform.standing)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(Customer.customer_number == number)
    )
    with reading(engine) as session:
        return session.scalars(query).one()


def states(engine: Engine) -> dict[DeliveryState, int]:
    query = sa.select(DeliveryRow.state, sa.func.count()).group_by(DeliveryRow.state)
    with reading(engine) as session:
        return {state: number for state, number in session.execute(query)}  # noqa: C416


def count(engine: Engine, table: type) -> int:
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
