"""Contact safety: an attacker's address gets no notice, nor does one that a leaking company reads."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.contact_safety import ContactChoice, LeftOutBecause
from incident_app.domain.delivery import AudienceRule, DeliveryState, Standing
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.returned_mail import BounceKind, SuppressionReason
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.bounces import Bounce, Suppression
from incident_app.persistence.contact_safety import PersonLeftOut
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.persistence.timeline import EventRow
from incident_app.services import campaigns, contact_safety, dispatch, people, waves
from incident_app.services.transaction import building, reading, recording
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW, SYSTEM, a_worker, author, run_until_idle
from tests.conftest import Clock

ATTACK = NOW - timedelta(days=3)
SENDER = campaigns.Sender(address="notice@example.jp", names={"ja": "試験株式会社", "en": "Test Inc."})


def taken_over(engine: Engine, *, scope: str = "member-db", **changes: object) -> tuple[IncidentId, int]:
    """Customers known for long; during the attack the addresses of C1 and C3 were changed; C4 came later."""
    before = builders.CUSTOMERS.replace("C4,", "X4,")
    builders.import_text(engine, before, now=NOW - timedelta(days=90))
    builders.import_text(engine, builders.HOLDINGS.replace("C4,", "X4,"), now=NOW - timedelta(days=90))
    changed = builders.CUSTOMERS.replace("ichiro@example.jp", "thief@evil.example")
    changed = changed.replace("juergen@example.com", "thief@evil.example")
    builders.import_text(engine, changed, now=NOW - timedelta(days=1))
    builders.import_text(engine, builders.HOLDINGS, now=NOW - timedelta(days=1))
    view = builders.an_incident(engine, occurred_from=ATTACK, detected_at=NOW - timedelta(hours=1), **changes)
    builders.determined(engine, view.id, builders.a_scope(scope))
    return view.id, builders.a_notice(engine, view.id)


def fill(engine: Engine, incident: IncidentId, notice: int, choice: ContactChoice | None = None) -> campaigns.Filled:
    return campaigns.fill_campaign(
        engine,
        incident,
        notice,
        rule=AudienceRule.EVERYONE_TO_INFORM,
        sender=SENDER,
        contacts=choice,
        actor=author(engine).actor,
        now=NOW,
    )


def left_out(engine: Engine, campaign: int) -> dict[str, LeftOutBecause]:
    with reading(engine) as session:
        rows = session.execute(
            sa.select(Customer.customer_number, PersonLeftOut.because)
            .join(PersonToInform, PersonToInform.customer_id == Customer.id)
            .join(PersonLeftOut, PersonLeftOut.person_id == PersonToInform.id)
            .where(PersonLeftOut.campaign_id == campaign)
        )
        return dict(rows.all())


def addresses(engine: Engine, campaign: int) -> set[str]:
    with reading(engine) as session:
        return set(
            session.scalars(
                sa.select(CustomerContact.address)
                .join(DeliveryRow, DeliveryRow.contact_id == CustomerContact.id)
                .where(DeliveryRow.campaign_id == campaign)
            )
        )


def test_after_a_take_over_nobody_is_written_to_at_an_address_the_attacker_set(instance: Engine) -> None:
    incident, notice = taken_over(instance)
    filled = fill(instance, incident, notice)
    assert not any("evil" in address for address in addresses(instance, filled.campaign_id))
    assert left_out(instance, filled.campaign_id) == {
        "C1": LeftOutBecause.CONTACT_CHANGED,
        "C3": LeftOutBecause.CONTACT_CHANGED,
        "C5": LeftOutBecause.NO_ADDRESS,
    }
    safety = contact_safety.safety_of(instance, filled.campaign_id)
    assert safety.contacts_as_of == ATTACK - timedelta(days=1)
    assert safety.is_earlier
    assert dict(safety.left_out) == {LeftOutBecause.CONTACT_CHANGED: 2, LeftOutBecause.NO_ADDRESS: 1}
    assert filled.unreachable == 3
    assert people.standings(instance, incident)[Standing.TO_INFORM] == filled.people + filled.unreachable


def test_who_was_first_known_after_the_attack_is_written_to(instance: Engine) -> None:
    """Contacts are often loaded only when an incident calls for them: nothing is known to have changed then."""
    incident, notice = taken_over(instance)
    filled = fill(instance, incident, notice)
    assert "info@works.example" in addresses(instance, filled.campaign_id)


def test_an_address_that_was_changed_and_changed_back_is_used(instance: Engine) -> None:
    incident, notice = taken_over(instance)
    builders.import_text(instance, builders.CUSTOMERS, now=NOW - timedelta(hours=2))
    filled = fill(instance, incident, notice)
    assert {"ichiro@example.jp", "juergen@example.com"} <= addresses(instance, filled.campaign_id)


def test_an_address_that_a_person_of_ours_set_is_no_attackers(instance: Engine) -> None:
    incident, notice = taken_over(instance)
    with recording(instance) as session:
        wrong = session.scalars(
            sa.select(CustomerContact).where(CustomerContact.address == "thief@evil.example")
        ).first()
        customer, name = wrong.customer_id, wrong.name
        wrong.valid_until = NOW
        session.add(
            CustomerContact(
                customer_id=customer,
                channel=Channel.EMAIL,
                name=name,
                address="asked-by-phone@example.jp",
                address_digest="7" * 64,
                valid_from=NOW,
            )
        )
    assert "asked-by-phone@example.jp" in addresses(instance, fill(instance, incident, notice).campaign_id)


def test_without_leaked_credentials_every_valid_address_is_used(instance: Engine) -> None:
    incident, notice = taken_over(instance, scope="billing-db")
    filled = fill(instance, incident, notice)
    assert addresses(instance, filled.campaign_id) == {"thief@evil.example"}
    assert not contact_safety.safety_of(instance, filled.campaign_id).is_earlier


def test_the_moment_can_be_stated(instance: Engine) -> None:
    incident, notice = taken_over(instance)
    filled = fill(instance, incident, notice, ContactChoice(as_of=NOW))
    assert "thief@evil.example" in addresses(instance, filled.campaign_id)
    with pytest.raises(BadInput, match="contacts_as_of"):
        fill(instance, incident, notice, ContactChoice(as_of=NOW + timedelta(days=1)))


def test_a_beginning_that_nobody_stated_is_the_detection_at_the_latest(instance: Engine) -> None:
    incident, notice = taken_over(instance)
    with recording(instance) as session:
        session.execute(sa.text("UPDATE incidents SET occurred_from = NULL"))
    filled = fill(instance, incident, notice)
    assert contact_safety.safety_of(instance, filled.campaign_id).contacts_as_of == NOW - timedelta(days=1, hours=1)


def close_address(engine: Engine, address: str, reason: SuppressionReason = SuppressionReason.BOUNCED) -> None:
    with recording(engine) as session:
        digest = session.scalars(
            sa.select(CustomerContact.address_digest).where(CustomerContact.address == address)
        ).first()
        mail = Bounce(
            raw_digest="a" * 64,
            size=1,
            read_at=NOW,
            read_by=SYSTEM,
            kind=BounceKind.BOUNCE,
            permanent=True,
            recipient_digests=[],
        )
        session.add(mail)
        session.flush()
        session.add(
            Suppression(address_digest=digest, channel=Channel.EMAIL, reason=reason, bounce_id=mail.id, since=NOW)
        )


@pytest.fixture
def ready(instance: Engine) -> tuple[IncidentId, int]:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view.id, builders.a_notice(instance, view.id)


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_an_address_closed_after_the_wave_was_filled_gets_nothing_but_what_the_law_demands(
    instance: Engine, ready: tuple[IncidentId, int], clock: Clock, tmp_path: Path, reason: SuppressionReason
) -> None:
    wave = builders.a_wave(instance, *ready)
    close_address(instance, "ichiro@example.jp", reason)
    dispatch.start_campaign(
        instance, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(instance).actor, now=NOW
    )
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        got_it = any("ichiro@example.jp" in mail.recipients for mail in sink.received)
    closed = reason is SuppressionReason.BOUNCED  # a complaint never holds back a legal notice (F9)
    assert got_it is not closed
    assert waves.withheld_by_reason(instance, wave.filled.campaign_id) == ({"address_closed": 1} if closed else {})
    totals = waves.get_campaign(instance, wave.filled.campaign_id).totals
    assert totals.agrees
    assert totals.by_state.get(DeliveryState.WITHHELD, 0) == int(closed)
    if closed:  # the person is free for another channel
        with reading(instance) as session:
            assert session.scalar(sa.select(sa.func.count()).where(DeliveryPerson.open)) == 0


def test_an_address_closed_before_is_left_out_with_that_reason(instance: Engine, ready: tuple[IncidentId, int]) -> None:
    close_address(instance, "ichiro@example.jp")
    filled = fill(instance, *ready)
    assert left_out(instance, filled.campaign_id) == {
        "C1": LeftOutBecause.ADDRESS_CLOSED,
        "C5": LeftOutBecause.NO_ADDRESS,
    }


def leaking_party(engine: Engine) -> tuple[IncidentId, int, str]:
    """Data leaked at a company that operates a store; return its code."""
    builders.with_customers(engine)
    view = builders.an_incident(engine)
    with reading(engine) as session:
        store, party = session.execute(
            sa.text(
                "SELECT s.code, p.code FROM data_stores s JOIN third_parties p ON p.id = s.operator_id "
                "WHERE NOT p.is_ourselves ORDER BY s.code LIMIT 1"
            )
        ).one()
    builders.import_text(engine, f"customer_number,store,items\nC1,{store},name email\nC3,{store},name\n")
    builders.determined(engine, view.id, builders.a_scope(store))
    return view.id, builders.a_notice(engine, view.id), party


def record(engine: Engine, party: str, domain: str = "", channel: Channel = Channel.EMAIL) -> None:
    contact_safety.record_channel(engine, party, channel, mail_domain=domain, actor=SYSTEM, now=NOW)


def test_mail_that_the_leaking_company_runs_is_not_used_without_a_reason(instance: Engine) -> None:
    incident, notice, party = leaking_party(instance)
    record(instance, party, "Example.JP")
    filled = fill(instance, incident, notice)
    assert left_out(instance, filled.campaign_id) == {"C1": LeftOutBecause.CHANNEL_LEAKING}
    with building(instance) as session:
        session.execute(sa.text("UPDATE delivery_people SET open = false"))
    filled = fill(instance, incident, notice, ContactChoice(channel_reason="その会社のメールは別の網にある"))
    assert left_out(instance, filled.campaign_id) == {}
    ((channel, reason),) = contact_safety.safety_of(instance, filled.campaign_id).allowed
    assert (channel.party, channel.mail_domain, reason) == (party, "example.jp", "その会社のメールは別の網にある")
    with reading(instance) as session:
        body = session.scalars(sa.select(EventRow.body).where(EventRow.kind == "channel.allowed")).one()
    assert "別の網" not in body


def test_all_mail_through_the_leaking_company_is_refused_without_a_reason(instance: Engine) -> None:
    incident, notice, party = leaking_party(instance)
    record(instance, party)
    with pytest.raises(contact_safety.ChannelLeaking) as refusal:
        fill(instance, incident, notice)
    assert refusal.value.facts == {"parties": party}
    assert waves.list_campaigns(instance, incident) == []
    assert waves.being_filled(instance, incident) == []
    assert fill(instance, incident, notice, ContactChoice(channel_reason="中継は別会社に切り替えた")).people == 2


def test_a_channel_of_a_company_at_which_nothing_leaked_is_used(
    instance: Engine, ready: tuple[IncidentId, int]
) -> None:
    with reading(instance) as session:
        party = session.scalars(sa.text("SELECT code FROM third_parties WHERE NOT is_ourselves")).first()
    record(instance, party)
    record(instance, party, channel=Channel.POST)
    assert fill(instance, *ready).people == 4


def test_a_channel_no_longer_run_is_no_obstacle_and_unknown_ones_are_refused(instance: Engine) -> None:
    incident, notice, party = leaking_party(instance)
    record(instance, party)
    record(instance, party)  # twice changes nothing
    assert len(contact_safety.run_channels(instance)) == 1
    contact_safety.drop_channel(instance, party, Channel.EMAIL, actor=SYSTEM, now=NOW)
    assert fill(instance, incident, notice).people == 2
    with pytest.raises(NotFound):
        contact_safety.drop_channel(instance, party, Channel.EMAIL, actor=SYSTEM, now=NOW)
    with pytest.raises(NotFound):
        record(instance, "nobody")
    with pytest.raises(BadInput, match="mail domain"):
        record(instance, party, "no domain")
    with pytest.raises(BadInput, match="only mail"):
        record(instance, party, "example.jp", Channel.PHONE)


def test_who_was_left_out_is_never_changed_once_the_wave_is_frozen(
    instance: Engine, ready: tuple[IncidentId, int]
) -> None:
    fill(instance, *ready)
    for statement in ("UPDATE people_left_out SET because = 'no_address'", "DELETE FROM people_left_out"):
        with pytest.raises(sa.exc.DBAPIError), recording(instance) as session:
            session.execute(sa.text(statement))


def test_the_time_of_its_contacts_is_frozen_with_a_wave(instance: Engine, ready: tuple[IncidentId, int]) -> None:
    filled = fill(instance, *ready)
    with pytest.raises(sa.exc.DBAPIError, match="frozen"), recording(instance) as session:
        session.execute(
            sa.update(Campaign).where(Campaign.id == filled.campaign_id).values(contacts_as_of=NOW - timedelta(days=1))
        )
