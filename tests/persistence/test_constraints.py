"""Rules that hold in the database even when a use case forgets them: four eyes, one live duty, one open message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.delivery import AudienceRule, CampaignStatus, DeliveryState
from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import DutyStatus, Subject, Verdict
from incident_app.persistence.approvals import ApprovalAuthor, ApprovalDecision, ApprovalRequest
from incident_app.persistence.database import Base
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow
from incident_app.services import campaigns
from tests import builders

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)


def a_request(engine: Engine, incident: IncidentId, *, requested_by: int) -> int:
    with Session(engine) as session, session.begin():
        request = ApprovalRequest(
            incident_id=incident,
            subject=Subject.REPORT,
            subject_id=1,
            content_digest="c" * 64,
            requested_by=requested_by,
            requested_at=NOW,
        )
        session.add(request)
        session.flush()
        return request.id


def a_decision(request: int, *, requested_by: int, decided_by: int) -> ApprovalDecision:
    return ApprovalDecision(
        request_id=request,
        requested_by=requested_by,
        decided_by=decided_by,
        verdict=Verdict.GRANTED,
        content_digest="c" * 64,
        decided_at=NOW,
    )


def save(engine: Engine, *rows: Base) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(rows)


def change(engine: Engine, table: type[Base], **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(table).values(**values))


def copy_of(row: Base, **changes: object) -> Base:
    """Return the same row once more, under a new key."""
    columns = sa.inspect(type(row)).columns.keys()
    return type(row)(**{name: getattr(row, name) for name in columns if name != "id"} | changes)


@pytest.fixture
def judged(instance: Engine) -> Engine:
    """An instance with one incident, its impact and its duties."""
    builders.with_customers(instance)
    incident = builders.an_incident(instance)
    builders.determined(instance, incident.id, builders.a_scope("member-db"))
    return instance


@pytest.fixture
def filled(judged: Engine) -> Engine:
    """An instance with one filled wave that nobody has approved."""
    incident = IncidentId(1)
    builders.a_wave(judged, incident, builders.a_notice(judged, incident), approved=False)
    return judged


@pytest.fixture
def half_filled(judged: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An instance with one wave that is still being filled: its rows may come and go."""
    incident = IncidentId(1)
    monkeypatch.setattr(campaigns, "_freeze", lambda *_, **__: None)
    campaigns.fill_campaign(
        judged,
        incident,
        builders.a_notice(judged, incident),
        rule=AudienceRule.EVERYONE_TO_INFORM,
        sender=campaigns.Sender(address="notice@example.jp", names={}),
        actor=builders.author(judged).actor,
        now=NOW,
    )
    return judged


def test_the_author_of_a_request_cannot_decide_it(judged: Engine) -> None:
    author = builders.author(judged).id
    request = a_request(judged, IncidentId(1), requested_by=author)
    with pytest.raises(IntegrityError, match="four_eyes"):
        save(judged, a_decision(request, requested_by=author, decided_by=author))


def test_a_decision_cannot_claim_another_author_of_the_request(judged: Engine) -> None:
    author, other = builders.author(judged).id, builders.approver(judged).id
    request = a_request(judged, IncidentId(1), requested_by=author)
    with pytest.raises(IntegrityError, match=r"decision_copies_its_author|FOREIGN KEY"):
        save(judged, a_decision(request, requested_by=other, decided_by=author))


def test_a_request_is_decided_once(judged: Engine) -> None:
    author, other = builders.author(judged).id, builders.approver(judged).id
    request = a_request(judged, IncidentId(1), requested_by=author)
    save(judged, a_decision(request, requested_by=author, decided_by=other))
    with pytest.raises(IntegrityError, match="request_id"):
        save(judged, a_decision(request, requested_by=author, decided_by=other))


def test_a_duty_is_not_waived_without_the_decision_of_a_second_person(judged: Engine) -> None:
    with pytest.raises(IntegrityError, match="waiver_needs_second_person"):
        change(judged, Obligation, status=DutyStatus.WAIVED)


def test_a_duty_is_not_waived_by_a_decision_that_does_not_exist(judged: Engine) -> None:
    with pytest.raises(IntegrityError, match=r"waiver_decision_id|FOREIGN KEY"):
        change(judged, Obligation, status=DutyStatus.WAIVED, waiver_decision_id=999)


def test_the_first_filing_and_its_lateness_come_together(judged: Engine) -> None:
    with pytest.raises(IntegrityError, match="lateness_is_judged_with_the_first_filing"):
        change(judged, Obligation, first_filed_at=NOW)


def test_one_duty_lives_at_a_time_for_one_rule_and_addressee(judged: Engine) -> None:
    with Session(judged) as session:
        duty = session.scalars(sa.select(Obligation).where(Obligation.status == DutyStatus.OPEN).limit(1)).one()
    with pytest.raises(IntegrityError, match=r"uq_obligations_live|obligations\.rule_code"):
        save(judged, copy_of(duty))
    save(judged, copy_of(duty, status=DutyStatus.SUPERSEDED), copy_of(duty, status=DutyStatus.SUPERSEDED))
    save(judged, copy_of(duty, addressee_ref="somebody-else"))


def test_a_person_is_in_one_open_message_of_a_purpose_at_a_time(half_filled: Engine) -> None:
    filled = half_filled
    with Session(filled, expire_on_commit=False) as session, session.begin():
        first = session.scalars(sa.select(DeliveryPerson).limit(1)).one()
        delivery = session.get_one(DeliveryRow, first.delivery_id)
        second = copy_of(delivery, token="another", address_digest="e" * 64)
        session.add(second)
        session.flush()
        number = second.id
    again = copy_of(first, delivery_id=number)
    with pytest.raises(IntegrityError, match=r"uq_delivery_people_open|delivery_people\.person_id"):
        save(filled, again)
    with filled.begin() as connection:
        connection.execute(
            sa.update(DeliveryPerson).where(DeliveryPerson.delivery_id == first.delivery_id).values(open=False)
        )
    save(filled, copy_of(first, delivery_id=number))


def test_one_address_gets_one_message_of_a_wave(half_filled: Engine) -> None:
    filled = half_filled
    with Session(filled) as session:
        delivery = session.scalars(sa.select(DeliveryRow).limit(1)).one()
    with pytest.raises(IntegrityError, match=r"one_message_per_address|deliveries\.address_digest"):
        save(filled, copy_of(delivery, token="another"))


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": DeliveryState.SENDING, "lease_owner": "worker"}, "lease_while_sending"),
        ({"state": DeliveryState.SENDING, "lease_until": 1}, "owner_while_sending"),
        ({"lease_until": 1}, "lease_while_sending"),
        ({"lease_owner": "worker"}, "owner_while_sending"),
    ],
)
def test_a_lease_is_held_exactly_while_a_message_is_being_sent(
    filled: Engine, values: dict[str, object], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        change(filled, DeliveryRow, **values)
    change(filled, DeliveryRow, state=DeliveryState.SENDING, lease_owner="worker", lease_until=1)


@pytest.mark.parametrize("status", [CampaignStatus.APPROVED, CampaignStatus.RUNNING])
def test_a_wave_does_not_run_without_the_digest_that_was_approved(filled: Engine, status: CampaignStatus) -> None:
    with pytest.raises(IntegrityError, match="sending_needs_approval"):
        change(filled, Campaign, status=status)


def test_whoever_made_a_thing_cannot_decide_it_whoever_asks(judged: Engine) -> None:
    author, other = builders.author(judged).id, builders.approver(judged).id
    request = a_request(judged, IncidentId(1), requested_by=other)
    save(judged, ApprovalAuthor(request_id=request, user_id=author))
    with pytest.raises(IntegrityError, match="the author cannot decide"):
        save(judged, a_decision(request, requested_by=other, decided_by=author))


def test_a_decision_is_on_exactly_what_was_asked_for(judged: Engine) -> None:
    author, other = builders.author(judged).id, builders.approver(judged).id
    request = a_request(judged, IncidentId(1), requested_by=author)
    decision = a_decision(request, requested_by=author, decided_by=other)
    decision.content_digest = "e" * 64
    with pytest.raises(IntegrityError, match="exactly what was asked for"):
        save(judged, decision)


@pytest.mark.parametrize("status", ["approved", "running"])
def test_a_wave_is_not_set_going_with_a_digest_nobody_approved(filled: Engine, status: str) -> None:
    with pytest.raises(IntegrityError, match="nobody approved this digest"):
        change(filled, Campaign, status=status, approved_digest="f" * 64)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE deliveries SET contact_id = (SELECT max(id) FROM customer_contacts)",
        "UPDATE deliveries SET token = 'another' WHERE id = 1",
        "DELETE FROM delivery_people",
        "UPDATE delivery_people SET item_set_id = (SELECT max(id) FROM item_sets)",
        "UPDATE delivery_people SET certainty = 'assumed'",
        "UPDATE campaigns SET audience_digest = 'f'",
        "UPDATE campaigns SET item_names = '[]'",
        "UPDATE campaigns SET sender_address = 'other@example.jp'",
        "UPDATE campaigns SET status = 'building'",
        "DELETE FROM campaigns",
        (
            "INSERT INTO delivery_people (delivery_id, person_id, item_set_id, confirmed_item_set_id, certainty, open) "
            "SELECT delivery_id, person_id + 100, item_set_id, confirmed_item_set_id, "
            "certainty, open FROM delivery_people"
        ),
    ],
)
def test_a_frozen_wave_keeps_its_audience(filled: Engine, statement: str) -> None:
    with pytest.raises(IntegrityError, match=r"frozen|never changes"), filled.begin() as connection:
        connection.exec_driver_sql(statement)
