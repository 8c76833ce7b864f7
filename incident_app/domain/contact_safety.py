"""Contact safety: as of when addresses are trusted, and why somebody is told by another channel."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import Channel, Harm, ItemFlag

BEFORE_THE_ATTACK = timedelta(days=1)


class LeftOutBecause(StrEnum):
    """Why a wave leaves out a person whom its rule chooses: they are told by another channel."""

    NO_ADDRESS = "no_address"
    ADDRESS_CLOSED = "address_closed"
    CONTACT_CHANGED = "contact_changed"
    CHANNEL_LEAKING = "channel_leaking"


@dataclass(frozen=True, kw_only=True)
class ContactChoice:
    """What whoever fills a wave says of contacts; without a word the facts of the incident decide."""

    as_of: datetime | None = None
    channel_reason: str = ""
    """Why a channel may be used that a company runs at which the data leaked."""


@dataclass(frozen=True, kw_only=True)
class AttackTimes:
    """When the attack may have begun, from the surest to the latest possible."""

    occurred_from: datetime | None
    touched_from: datetime | None
    detected_at: datetime

    @property
    def began_at(self) -> datetime:
        """Return the beginning that was stated, or the time at which it had begun at the latest."""
        return self.occurred_from or self.touched_from or self.detected_at


@dataclass(frozen=True, kw_only=True)
class RunChannel:
    """A channel that a company runs for us or for our customers: all of it, or the mail of one domain."""

    id: int
    party: str
    channel: Channel
    mail_domain: str

    @property
    def spelled(self) -> str:
        """Return the channel as one word."""
        return f"{self.party}:{self.channel}" + (f":{self.mail_domain}" if self.mail_domain else "")


@dataclass(frozen=True, kw_only=True)
class ContactTerms:
    """By what a wave judges contacts."""

    as_of: datetime | None = None
    """Addresses that were changed since are not used; None when every valid address is."""
    leaking_domains: tuple[str, ...] = ()
    """Mail domains run by companies at which the data leaked."""


def takeover_possible(flags: Collection[ItemFlag], harms: AbstractSet[Harm]) -> bool:
    """Tell whether the attacker may have changed contacts: by signing in, or because contacts were altered."""
    by_signing_in = ItemFlag.CREDENTIAL in flags and Harm.CONFIDENTIALITY in harms
    return by_signing_in or (ItemFlag.CONTACT in flags and Harm.INTEGRITY in harms)


def contacts_as_of(*, stated: datetime | None, takeover: bool, times: AttackTimes, now: datetime) -> datetime:
    """Return as of when contacts are taken: as stated, or as of the day before an attack that may have changed them."""
    if stated is not None:
        if stated > now:
            raise BadInput(field="contacts_as_of", problem="contacts of a time to come are not known")
        return stated
    return min(times.began_at, now) - BEFORE_THE_ATTACK if takeover else now


def reason_left_out(*, closed: bool, leaking: bool, changed: bool) -> LeftOutBecause | None:
    """Tell why a valid address is not used; None when it is."""
    if closed:
        return LeftOutBecause.ADDRESS_CLOSED
    if leaking:
        return LeftOutBecause.CHANNEL_LEAKING
    return LeftOutBecause.CONTACT_CHANGED if changed else None
