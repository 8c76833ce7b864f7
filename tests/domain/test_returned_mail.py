"""Returned mail: what it does follows from what it is and from where the message stands, for every pair of both."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.delivery import DeliveryEvent, DeliveryState, next_state
from incident_app.domain.returned_mail import (
    CLOSED_TO,
    LEGAL_NOTICES,
    OPEN_KINDS,
    BounceKind,
    SuppressionReason,
    effect_on_delivery,
    suppression_of,
)
from incident_app.domain.vocabulary import Purpose
from notifications.bounces.classifier import ReturnedKind

statuses = st.none() | st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True)


def test_both_sides_of_the_border_name_the_same_kinds() -> None:
    assert [kind.value for kind in BounceKind] == [kind.value for kind in ReturnedKind]


@given(st.sampled_from(BounceKind), st.sampled_from(DeliveryState))
def test_every_effect_is_a_legal_move(kind: BounceKind, state: DeliveryState) -> None:
    event = effect_on_delivery(kind, state)
    if event is not None:
        assert next_state(state, event) in {DeliveryState.BOUNCED, DeliveryState.ACCEPTED}
        assert (event is DeliveryEvent.BOUNCED_FOR_GOOD) == (kind is BounceKind.BOUNCE)
    settled = {DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED, DeliveryState.WITHHELD}
    assert event is None or state not in settled | {DeliveryState.BOUNCED}


@given(st.sampled_from(BounceKind), st.sampled_from([True, False, None]), statuses)
def test_only_final_failures_and_complaints_close_an_address(
    kind: BounceKind, permanent: bool | None, status: str | None
) -> None:
    reason = suppression_of(kind, permanent=permanent, status=status)
    if kind is BounceKind.COMPLAINT:
        assert reason is SuppressionReason.COMPLAINT
    elif reason is not None:
        assert (kind, permanent, reason) == (BounceKind.BOUNCE, True, SuppressionReason.BOUNCED)


def test_a_dead_address_is_told_from_a_refused_text() -> None:
    def closes(status: str | None) -> bool:
        return suppression_of(BounceKind.BOUNCE, permanent=True, status=status) is not None

    assert [status for status in ("5.0.0", "5.1.1", "5.1.10", "5.2.0", "5.2.1", None) if not closes(status)] == []
    assert [
        status for status in ("5.2.2", "5.2.10", "5.3.4", "5.4.4", "5.6.1", "5.7.1", "5.10.1") if closes(status)
    ] == []


def test_a_complaint_holds_back_no_legal_notice_and_a_dead_address_is_closed_to_all() -> None:
    assert {Purpose.LEAK_NOTICE, Purpose.TENANT_DATA_SHEET} == LEGAL_NOTICES
    assert not CLOSED_TO[SuppressionReason.COMPLAINT] & LEGAL_NOTICES
    assert CLOSED_TO[SuppressionReason.BOUNCED] == set(Purpose)
    assert set(CLOSED_TO) == set(SuppressionReason)


def test_what_may_hide_a_person_not_told_is_an_open_item() -> None:
    assert {BounceKind.BOUNCE, BounceKind.COMPLAINT, BounceKind.OTHER} == OPEN_KINDS
