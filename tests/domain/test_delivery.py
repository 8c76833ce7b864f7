"""Deliveries and waves: every state can be reached, ends stay ends, and the totals always agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.delivery import (
    END_STATES,
    NEXT_CAMPAIGN_STATUS,
    NEXT_STATE,
    OPEN_STATES,
    CampaignEvent,
    CampaignStatus,
    DeliveryEvent,
    DeliveryState,
    DeliveryTotals,
    next_campaign_status,
    next_state,
)
from incident_app.domain.errors import IllegalMove

BY_STATE = st.dictionaries(st.sampled_from(list(DeliveryState)), st.integers(min_value=0, max_value=10**6))


def reached_from(start: object, moves: dict[tuple[object, object], object]) -> set[object]:
    reached, queue = {start}, [start]
    while queue:
        state = queue.pop()
        for (origin, _), target in moves.items():
            if origin is state and target not in reached:
                reached.add(target)
                queue.append(target)
    return reached


def test_every_state_of_a_delivery_can_be_reached_from_the_queue() -> None:
    assert reached_from(DeliveryState.QUEUED, dict(NEXT_STATE)) == set(DeliveryState)


def test_every_status_of_a_wave_can_be_reached_from_building() -> None:
    assert reached_from(CampaignStatus.BUILDING, dict(NEXT_CAMPAIGN_STATUS)) == set(CampaignStatus)


@pytest.mark.parametrize("state", list(DeliveryState))
@pytest.mark.parametrize("event", list(DeliveryEvent))
def test_a_delivery_moves_as_the_table_says_or_not_at_all(state: DeliveryState, event: DeliveryEvent) -> None:
    if (state, event) in NEXT_STATE:
        assert next_state(state, event) is NEXT_STATE[state, event]
    else:
        with pytest.raises(IllegalMove) as refusal:
            next_state(state, event)
        assert refusal.value.facts == {"thing": "delivery", "state": state, "event": event}


@pytest.mark.parametrize("status", list(CampaignStatus))
@pytest.mark.parametrize("event", list(CampaignEvent))
def test_a_wave_moves_as_the_table_says_or_not_at_all(status: CampaignStatus, event: CampaignEvent) -> None:
    if (status, event) in NEXT_CAMPAIGN_STATUS:
        assert next_campaign_status(status, event) is NEXT_CAMPAIGN_STATUS[status, event]
    else:
        with pytest.raises(IllegalMove):
            next_campaign_status(status, event)


def test_an_end_has_no_way_out_and_every_other_state_has_one() -> None:
    with_a_way_out = {state for state, _ in NEXT_STATE}
    assert with_a_way_out.isdisjoint(END_STATES)
    assert with_a_way_out | END_STATES == set(DeliveryState)
    assert END_STATES.isdisjoint(OPEN_STATES)
    assert set(DeliveryState) - END_STATES - OPEN_STATES == {DeliveryState.ACCEPTED}


def test_a_message_that_a_server_accepted_is_never_sent_again() -> None:
    moves = {key: target for key, target in NEXT_STATE.items() if key[0] is DeliveryState.ACCEPTED}
    assert set(moves.values()) == {DeliveryState.BOUNCED}
    assert reached_from(DeliveryState.ACCEPTED, dict(NEXT_STATE)) == {DeliveryState.ACCEPTED, DeliveryState.BOUNCED}


def test_doubt_ends_only_by_a_person_or_by_a_bounce() -> None:
    ways = {event for state, event in NEXT_STATE if state is DeliveryState.UNCERTAIN}
    assert ways == {
        DeliveryEvent.RESOLVED_ACCEPTED,
        DeliveryEvent.RESOLVED_NOT_SENT,
        DeliveryEvent.REQUEUED,
        DeliveryEvent.BOUNCED_FOR_GOOD,
    }


def test_nothing_is_sent_without_an_approval_on_the_way() -> None:
    unapproved = {key: target for key, target in NEXT_CAMPAIGN_STATUS.items() if key[1] is not CampaignEvent.APPROVED}
    assert CampaignStatus.RUNNING not in reached_from(CampaignStatus.BUILDING, unapproved)


def test_a_finished_or_cancelled_wave_cannot_be_cancelled() -> None:
    cancellable = {status for status, event in NEXT_CAMPAIGN_STATUS if event is CampaignEvent.CANCELLED}
    assert cancellable == set(CampaignStatus) - {CampaignStatus.FINISHED, CampaignStatus.CANCELLED}
    assert not [event for status, event in NEXT_CAMPAIGN_STATUS if status is CampaignStatus.CANCELLED]


@given(BY_STATE)
def test_the_totals_always_agree_with_what_was_planned(by_state: dict[DeliveryState, int]) -> None:
    totals = DeliveryTotals(planned=sum(by_state.values()), by_state=by_state)
    assert totals.agrees
    assert not DeliveryTotals(planned=totals.planned + 1, by_state=by_state).agrees


@given(BY_STATE)
def test_a_wave_is_settled_exactly_when_no_delivery_is_open(by_state: dict[DeliveryState, int]) -> None:
    totals = DeliveryTotals(planned=sum(by_state.values()), by_state=by_state)
    assert totals.is_settled is (sum(by_state.get(state, 0) for state in OPEN_STATES) == 0)


def test_a_bounced_message_counts_as_sent_and_never_as_failed() -> None:
    totals = DeliveryTotals(planned=1, by_state={DeliveryState.BOUNCED: 1})
    assert (totals.sent, totals.failed) == (1, 0)
