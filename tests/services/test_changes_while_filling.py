"""What changes while a wave is filled or cancelled: the wave is of one moment, and who is under way stays bound."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import DeliveryState, WithheldBecause
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.outbox import DeliveryPerson, DeliveryRow
from incident_app.persistence.sql_outbox import withhold
from incident_app.services import campaigns
from incident_app.services.approved_content import check_audience
from incident_app.services.transaction import reading, recording
from tests import builders
from tests.builders import NOW, a_worker
from tests.conftest import Clock
from tests.services.returning import start


def contact_changed(engine: Engine, *, to_that_of_another: bool) -> None:
    """Give one customer a new address, as an import does that is applied just then."""
    with recording(engine) as session:
        mail = sa.select(CustomerContact).where(
            CustomerContact.channel == "email", CustomerContact.valid_until.is_(None), CustomerContact.name.is_not(None)
        )
        one, other = session.scalars(mail.order_by(CustomerContact.id).limit(2)).all()
        values = {column.key: getattr(one, column.key) for column in sa.inspect(CustomerContact).columns}
        del values["id"]
        one.valid_until = NOW
        session.flush()
        values |= {"valid_from": NOW + timedelta(seconds=1)}
        values |= (
            {"address": other.address, "address_digest": other.address_digest}
            if to_that_of_another
            else {"address": "new@example.jp", "address_digest": "ab" * 32}
        )
        session.add(CustomerContact(**values))


@pytest.mark.parametrize("to_that_of_another", [False, True])
def test_a_contact_that_changes_while_a_wave_is_filled_belies_no_digest(
    instance: Engine, monkeypatch: pytest.MonkeyPatch, *, to_that_of_another: bool
) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    notice = builders.a_notice(instance, incident)
    name_items = campaigns.names_of_items

    def meanwhile(*arguments: object) -> object:
        contact_changed(instance, to_that_of_another=to_that_of_another)
        return name_items(*arguments)

    monkeypatch.setattr(campaigns, "names_of_items", meanwhile)
    filled = builders.a_wave(instance, incident, notice).filled
    check_audience(instance, filled.campaign_id)
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DeliveryRow)) == filled.planned == 4


def test_who_is_in_a_message_under_way_is_not_set_free_when_the_rest_is_withheld(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident)).filled
    start(instance, wave.campaign_id, wave.planned)
    claimed = a_worker(instance, 9, tmp_path, clock)._outbox.claim(limit=1, lease=timedelta(minutes=5))
    with recording(instance) as session:
        ids = session.scalars(sa.select(DeliveryRow.id)).all()
        withhold(session, ids, WithheldBecause.CANCELLED)
    with reading(instance) as session:
        bound = session.scalars(sa.select(DeliveryPerson.delivery_id).where(DeliveryPerson.open)).all()
        assert list(bound) == [delivery.id for delivery in claimed]
        states = session.scalars(sa.select(DeliveryRow.state).order_by(DeliveryRow.state)).all()
    assert states == [DeliveryState.SENDING, *[DeliveryState.WITHHELD] * 3]
