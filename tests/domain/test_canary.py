"""The canary of a wave: what came of the first messages adds up, and it is sent when each was tried."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.delivery import DeliveryState, canary_of

NUMBERS = st.dictionaries(
    st.tuples(st.sampled_from(list(DeliveryState)), st.booleans()), st.integers(min_value=0, max_value=1000)
)


@given(NUMBERS)
def test_every_message_of_a_canary_is_counted_once(numbers: dict[tuple[DeliveryState, bool], int]) -> None:
    found = canary_of(7, numbers)
    counted = found.untried + found.accepted + found.refused + found.in_doubt + found.to_retry + found.withheld
    assert counted == sum(numbers.values())


@given(NUMBERS)
def test_a_canary_is_sent_when_nothing_of_it_is_under_way_or_untried(
    numbers: dict[tuple[DeliveryState, bool], int],
) -> None:
    under_way = numbers.get((DeliveryState.SENDING, True), 0) + numbers.get((DeliveryState.SENDING, False), 0)
    assert canary_of(7, numbers).is_sent is (under_way + numbers.get((DeliveryState.QUEUED, False), 0) == 0)


def test_what_was_refused_for_now_is_tried_and_does_not_keep_the_wave_from_holding() -> None:
    found = canary_of(3, {(DeliveryState.ACCEPTED, True): 1, (DeliveryState.QUEUED, True): 2})
    assert (found.is_sent, found.to_retry) == (True, 2)
