"""People whom mail does not reach: why, by which channel next, and what was recorded of telling them by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from incident_app.domain.delivery import Standing, WithheldBecause


class UnreachedBecause(StrEnum):
    """Why mail does not reach a person, or did not."""

    BOUNCED = "bounced"
    FAILED = "failed"
    NO_ADDRESS = "no_address"
    ADDRESS_CLOSED = "address_closed"
    WITHHELD = "withheld"
    LETTER_RETURNED = "letter_returned"
    OTHERWISE = "otherwise"


class NextChannel(StrEnum):
    """How to tell a person next, in this order."""

    POST = "post"
    PHONE = "phone"
    PORTAL = "portal"
    PUBLIC_NOTICE = "public_notice"


class ContactWay(StrEnum):
    """How somebody told a person by hand."""

    PHONE = "phone"
    PORTAL = "portal"
    IN_PERSON = "in_person"


class ContactOutcome(StrEnum):
    """What came of it."""

    TOLD = "told"
    NOT_REACHED = "not_reached"


BY_MAIL, BY_POST = "mail", "post"
"""How a person was told, or was not reached, as it stands on their row."""

NO_MATTER = frozenset(
    {
        WithheldBecause.CONTACT_GONE,
        WithheldBecause.CANCELLED,
        WithheldBecause.TOLD_ALREADY,
        WithheldBecause.NOT_AFFECTED,
        WithheldBecause.FACTS_CHANGED,
    }
)
"""Reasons to withhold a message that do not keep the next one from the same address (or there is none any more)."""


def next_channel(*, post: bool, phone: bool, portal: bool) -> NextChannel:
    """Return the first channel that is open to a person; public notice is open to all."""
    if post:
        return NextChannel.POST
    if phone:
        return NextChannel.PHONE
    return NextChannel.PORTAL if portal else NextChannel.PUBLIC_NOTICE


@dataclass(frozen=True, kw_only=True)
class Completion:
    """How far the list of unreached people is worked off: of those whom mail does not reach, who was told otherwise."""

    told_otherwise: int
    covered: int
    by_channel: Mapping[NextChannel, int]
    """People still to be told, by their next channel."""
    by_reason: Mapping[UnreachedBecause, int]
    in_letters: int
    """Those of them for whom a letter is prepared and not yet handed over."""

    @property
    def done(self) -> int:
        """Return how many were told by other means than mail, or are covered by a public notice."""
        return self.told_otherwise + self.covered

    @property
    def open(self) -> int:
        """Return how many are still to be told."""
        return sum(self.by_channel.values())

    @property
    def total(self) -> int:
        """Return how many mail does not reach, done or not."""
        return self.done + self.open


class Told(NamedTuple):
    """One piece of evidence that a person was told, or was not reached."""

    at: datetime
    standing: Standing
    how: str
    item_set_id: int | None


def standing_from(by_hand: list[Told], by_mail: list[Told], failures: list[Told]) -> Told | None:
    """Return what stands of a person once something was taken back: the newest of what is left.

    Who was told by hand or by a letter goes before who was told by mail, as it was when it was recorded; failures
    count where nothing else does. None: nothing is left, the person is to be informed.
    """
    for evidence in (by_hand, by_mail, failures):
        if evidence:
            return max(evidence, key=lambda one: one.at)
    return None
