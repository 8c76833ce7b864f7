"""A returned mail takes back only what its own message told: never what an earlier or a later one did."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import AudienceRule, DeliveryState, Standing
from incident_app.persistence.customers import Customer
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.transaction import reading, recording
from tests.conftest import Clock
from tests.services.returning import ICHIRO, bounce, read, sent_wave, standing_of, states


def told_of(engine: Engine, number: str) -> int | None:
    with reading(engine) as session:
        return session.scalars(_of(number)).one().told_item_set_id


def with_items_of(engine: Engine, number: str, other: str) -> tuple[int, int]:
    """Let one person be affected in the items of another; return their items before and now."""
    with recording(engine) as session:
        person, model = session.scalars(_of(number)).one(), session.scalars(_of(other)).one()
        before, person.item_set_id = person.item_set_id, model.item_set_id
        person.confirmed_item_set_id = model.confirmed_item_set_id
        assert before != person.item_set_id
        return before, person.item_set_id


def _of(number: str) -> sa.Select[PersonToInform]:
    return (
        sa.select(PersonToInform)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(Customer.customer_number == number)
    )


def test_who_was_told_of_fewer_items_was_not_told_of_those_in_the_mail_that_came_back(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, _ = sent_wave(instance, tmp_path, clock)
    before, now = with_items_of(instance, "C1", "C3")
    _, senders = sent_wave(instance, tmp_path, clock, incident=incident, rule=AudienceRule.ITEMS_CHANGED)
    assert list(senders) == [ICHIRO]
    assert told_of(instance, "C1") == now
    read(instance, tmp_path, bounce(senders[ICHIRO], status="5.7.1"))
    assert told_of(instance, "C1") == before
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    _, again = sent_wave(instance, tmp_path, clock, incident=incident, rule=AudienceRule.FAILED_ONLY)
    assert list(again) == [ICHIRO]
    assert (told_of(instance, "C1"), standing_of(instance, "C1")) == (now, Standing.INFORMED)


def test_a_late_return_of_the_earlier_message_leaves_what_the_later_one_told(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, first = sent_wave(instance, tmp_path, clock)
    _, now = with_items_of(instance, "C1", "C3")
    sent_wave(instance, tmp_path, clock, incident=incident, rule=AudienceRule.ITEMS_CHANGED)
    read(instance, tmp_path, bounce(first[ICHIRO], status="5.7.1"))
    assert states(instance)[DeliveryState.BOUNCED] == 1
    assert (told_of(instance, "C1"), standing_of(instance, "C1")) == (now, Standing.INFORMED)


def test_whose_messages_all_came_back_was_told_of_nothing(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    incident, first = sent_wave(instance, tmp_path, clock)
    with_items_of(instance, "C1", "C3")
    _, later = sent_wave(instance, tmp_path, clock, incident=incident, rule=AudienceRule.ITEMS_CHANGED)
    mails = [bounce(later[ICHIRO], status="5.7.1"), bounce(first[ICHIRO], status="5.7.1")]
    assert all(mail.matched for mail in read(instance, tmp_path, *mails))
    assert (told_of(instance, "C1"), standing_of(instance, "C1")) == (None, Standing.NOT_REACHED)
