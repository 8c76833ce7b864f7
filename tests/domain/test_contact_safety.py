"""As of when contacts are trusted, and why an address is not used."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.contact_safety import (
    AttackTimes,
    LeftOutBecause,
    contacts_as_of,
    reason_left_out,
    takeover_possible,
)
from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import Harm, ItemFlag
from tests.builders import NOW

HOURS = st.integers(min_value=0, max_value=10_000).map(lambda hours: NOW - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("flags", "harms", "possible"),
    [
        ({ItemFlag.CREDENTIAL}, {Harm.CONFIDENTIALITY}, True),
        ({ItemFlag.CREDENTIAL}, {Harm.AVAILABILITY}, False),
        ({ItemFlag.CONTACT}, {Harm.CONFIDENTIALITY}, False),
        ({ItemFlag.CONTACT}, {Harm.INTEGRITY}, True),
        (set(), set(Harm), False),
    ],
)
def test_contacts_are_doubted_when_the_attacker_could_change_them(flags: set, harms: set, *, possible: bool) -> None:
    assert takeover_possible(flags, harms) is possible


@given(occurred=st.none() | HOURS, touched=st.none() | HOURS, detected=HOURS)
def test_contacts_are_taken_as_of_the_day_before_the_surest_beginning(occurred, touched, detected) -> None:
    times = AttackTimes(occurred_from=occurred, touched_from=touched, detected_at=detected)
    found = contacts_as_of(stated=None, takeover=True, times=times, now=NOW)
    assert found == (occurred or touched or detected) - timedelta(days=1)
    assert contacts_as_of(stated=None, takeover=False, times=times, now=NOW) == NOW


def test_what_a_person_states_counts_and_the_future_is_refused() -> None:
    times = AttackTimes(occurred_from=NOW - timedelta(days=9), touched_from=None, detected_at=NOW)
    stated = NOW - timedelta(days=30)
    assert contacts_as_of(stated=stated, takeover=True, times=times, now=NOW) == stated
    with pytest.raises(BadInput, match="to come"):
        contacts_as_of(stated=NOW + timedelta(seconds=1), takeover=True, times=times, now=NOW)


@given(closed=st.booleans(), leaking=st.booleans(), changed=st.booleans())
def test_an_address_is_used_exactly_when_nothing_speaks_against_it(closed: bool, leaking: bool, changed: bool) -> None:
    reason = reason_left_out(closed=closed, leaking=leaking, changed=changed)
    assert (reason is None) is not (closed or leaking or changed)
    if closed:
        assert reason is LeftOutBecause.ADDRESS_CLOSED
