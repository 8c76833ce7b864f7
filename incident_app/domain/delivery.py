"""Deliveries, campaigns and standings: every state and every legal move, each in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.errors import IllegalMove


class DeliveryState(StrEnum):
    """What is known about one message."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    BOUNCED = "bounced"
    UNCERTAIN = "uncertain"
    WITHHELD = "withheld"


class DeliveryEvent(StrEnum):
    """What can happen to one message."""

    CLAIMED = "claimed"
    WITHHELD = "withheld"
    NEVER_BEGUN = "never_begun"
    SERVER_ACCEPTED = "server_accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED_FOR_GOOD = "refused_for_good"
    GAVE_UP = "gave_up"
    OUTCOME_UNKNOWN = "outcome_unknown"
    RESOLVED_ACCEPTED = "resolved_accepted"
    RESOLVED_NOT_SENT = "resolved_not_sent"
    REQUEUED = "requeued"
    BOUNCED_FOR_GOOD = "bounced_for_good"


NEXT_STATE: Mapping[tuple[DeliveryState, DeliveryEvent], DeliveryState] = {
    (DeliveryState.QUEUED, DeliveryEvent.CLAIMED): DeliveryState.SENDING,
    (DeliveryState.QUEUED, DeliveryEvent.WITHHELD): DeliveryState.WITHHELD,
    (DeliveryState.SENDING, DeliveryEvent.NEVER_BEGUN): DeliveryState.QUEUED,
    (DeliveryState.SENDING, DeliveryEvent.SERVER_ACCEPTED): DeliveryState.ACCEPTED,
    (DeliveryState.SENDING, DeliveryEvent.REFUSED_FOR_NOW): DeliveryState.QUEUED,
    (DeliveryState.SENDING, DeliveryEvent.REFUSED_FOR_GOOD): DeliveryState.FAILED,
    (DeliveryState.SENDING, DeliveryEvent.GAVE_UP): DeliveryState.FAILED,
    (DeliveryState.SENDING, DeliveryEvent.OUTCOME_UNKNOWN): DeliveryState.UNCERTAIN,
    (DeliveryState.UNCERTAIN, DeliveryEvent.RESOLVED_ACCEPTED): DeliveryState.ACCEPTED,
    (DeliveryState.UNCERTAIN, DeliveryEvent.RESOLVED_NOT_SENT): DeliveryState.QUEUED,
    (DeliveryState.UNCERTAIN, DeliveryEvent.REQUEUED): DeliveryState.QUEUED,
    (DeliveryState.UNCERTAIN, DeliveryEvent.BOUNCED_FOR_GOOD): DeliveryState.BOUNCED,
    (DeliveryState.ACCEPTED, DeliveryEvent.BOUNCED_FOR_GOOD): DeliveryState.BOUNCED,
}

END_STATES = frozenset({DeliveryState.FAILED, DeliveryState.BOUNCED, DeliveryState.WITHHELD})
OPEN_STATES = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNCERTAIN})


def next_state(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """Return the state after `event`, or refuse with IllegalMove."""
    try:
        return NEXT_STATE[state, event]
    except KeyError:
        raise IllegalMove(thing="delivery", state=state, event=event) from None


class CampaignStatus(StrEnum):
    """Where a wave of notices stands."""

    BUILDING = "building"
    FROZEN = "frozen"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class CampaignEvent(StrEnum):
    """What can happen to a wave."""

    SEALED = "sealed"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVED = "approved"
    SENT_BACK = "sent_back"
    APPROVAL_VOIDED = "approval_voided"
    STARTED = "started"
    PAUSED = "paused"
    CANARY_SENT = "canary_sent"
    BRAKED = "braked"
    RESUMED = "resumed"
    WENT_ON = "went_on"
    FINISHED = "finished"
    REOPENED = "reopened"
    CANCELLED = "cancelled"


_C, _E = CampaignStatus, CampaignEvent
NEXT_CAMPAIGN_STATUS: Mapping[tuple[CampaignStatus, CampaignEvent], CampaignStatus] = {
    (_C.BUILDING, _E.SEALED): _C.FROZEN,
    (_C.FROZEN, _E.APPROVAL_REQUESTED): _C.AWAITING_APPROVAL,
    (_C.AWAITING_APPROVAL, _E.APPROVED): _C.APPROVED,
    (_C.AWAITING_APPROVAL, _E.SENT_BACK): _C.FROZEN,
    (_C.AWAITING_APPROVAL, _E.APPROVAL_VOIDED): _C.FROZEN,
    (_C.APPROVED, _E.APPROVAL_VOIDED): _C.FROZEN,
    (_C.APPROVED, _E.STARTED): _C.RUNNING,
    (_C.RUNNING, _E.PAUSED): _C.PAUSED,
    (_C.RUNNING, _E.CANARY_SENT): _C.PAUSED,
    (_C.RUNNING, _E.BRAKED): _C.PAUSED,
    (_C.PAUSED, _E.RESUMED): _C.RUNNING,
    (_C.PAUSED, _E.WENT_ON): _C.RUNNING,
    (_C.RUNNING, _E.FINISHED): _C.FINISHED,
    (_C.PAUSED, _E.FINISHED): _C.FINISHED,
    (_C.FINISHED, _E.REOPENED): _C.RUNNING,
    **{(status, _E.CANCELLED): _C.CANCELLED for status in _C if status not in {_C.FINISHED, _C.CANCELLED}},
}


def next_campaign_status(status: CampaignStatus, event: CampaignEvent) -> CampaignStatus:
    """Return the status after `event`, or refuse with IllegalMove."""
    try:
        return NEXT_CAMPAIGN_STATUS[status, event]
    except KeyError:
        raise IllegalMove(thing="campaign", state=status, event=event) from None


class AudienceRule(StrEnum):
    """Who belongs to a wave."""

    EVERYONE_TO_INFORM = "everyone_to_inform"
    NEWLY_AFFECTED = "newly_affected"
    ITEMS_CHANGED = "items_changed"
    FAILED_ONLY = "failed_only"
    LIST = "list"


class WhenUncertain(StrEnum):
    """What the approver chose beforehand for messages whose outcome a crash has hidden."""

    ASK = "ask"
    RESEND = "resend"


class Standing(StrEnum):
    """Has this person been told? It belongs to person, incident and purpose, never to a campaign."""

    TO_INFORM = "to_inform"
    INFORMED = "informed"
    NOT_REACHED = "not_reached"
    INFORMED_OTHERWISE = "informed_otherwise"
    COVERED_BY_PUBLIC_NOTICE = "covered_by_public_notice"
    EXEMPT = "exempt"


class WithheldBecause(StrEnum):
    """Why a message was withheld on purpose."""

    CONTACT_GONE = "contact_gone"
    CANCELLED = "cancelled"
    TOLD_ALREADY = "told_already"
    NOT_AFFECTED = "not_affected"
    FACTS_CHANGED = "facts_changed"
    ADDRESS_CLOSED = "address_closed"


def reason_to_withhold(
    *, standing: Standing, told: int | None, planned: tuple[int, int, str], known_now: tuple[int, int, str]
) -> WithheldBecause | None:
    """Tell why a person must not get the message that was planned; None when they must.

    `planned` and `known_now` hold the items, those confirmed, and the certainty: in the message, and by the newest
    determination. `told` are the items the person was told of already, by whatever way.
    """
    if standing is Standing.EXEMPT:
        return WithheldBecause.NOT_AFFECTED
    if standing in {Standing.INFORMED, Standing.INFORMED_OTHERWISE} and told == planned[0]:
        return WithheldBecause.TOLD_ALREADY
    return WithheldBecause.FACTS_CHANGED if planned != known_now else None


SETTLED_STANDINGS = frozenset(
    {Standing.INFORMED, Standing.INFORMED_OTHERWISE, Standing.COVERED_BY_PUBLIC_NOTICE, Standing.EXEMPT},
)


@dataclass(frozen=True, kw_only=True)
class DeliveryTotals:
    """Messages of one campaign by what is known of them (F13)."""

    planned: int
    by_state: Mapping[DeliveryState, int]

    @property
    def sent(self) -> int:
        """Messages that the receiving server accepted, including those that bounced later."""
        return self.by_state.get(DeliveryState.ACCEPTED, 0) + self.by_state.get(DeliveryState.BOUNCED, 0)

    @property
    def failed(self) -> int:
        """Messages refused for good or given up."""
        return self.by_state.get(DeliveryState.FAILED, 0)

    @property
    def skipped(self) -> int:
        """Messages withheld on purpose: suppressed, contact changed, cancelled."""
        return self.by_state.get(DeliveryState.WITHHELD, 0)

    @property
    def waiting(self) -> int:
        """Messages still to be sent or being sent."""
        return self.by_state.get(DeliveryState.QUEUED, 0) + self.by_state.get(DeliveryState.SENDING, 0)

    @property
    def in_doubt(self) -> int:
        """Messages of which nobody knows whether they arrived."""
        return self.by_state.get(DeliveryState.UNCERTAIN, 0)

    @property
    def counted(self) -> int:
        """Messages that there are, in whatever state."""
        return self.sent + self.failed + self.skipped + self.in_doubt + self.waiting

    @property
    def agrees(self) -> bool:
        """True when planned = sent + failed + skipped + in doubt + waiting."""
        return self.planned == self.counted

    @property
    def is_settled(self) -> bool:
        """True when nothing waits and nothing is in doubt: "finished" is computed from the rows, never set."""
        return self.waiting == 0 and self.in_doubt == 0


@dataclass(frozen=True, kw_only=True)
class Canary:
    """The first messages of a wave, sent before all others so that somebody can look at what comes of them (F11)."""

    size: int
    untried: int
    accepted: int
    refused: int
    in_doubt: int
    to_retry: int
    withheld: int

    @property
    def is_sent(self) -> bool:
        """True when each was tried once: the wave then holds until somebody lets it go on."""
        return self.untried == 0


def canary_of(size: int, numbers: Mapping[tuple[DeliveryState, bool], int]) -> Canary:
    """Sum up the first messages of a wave, counted by state and by whether an attempt was begun."""
    by_state = {state: numbers.get((state, False), 0) + numbers.get((state, True), 0) for state in DeliveryState}
    return Canary(
        size=size,
        untried=numbers.get((DeliveryState.QUEUED, False), 0) + by_state[DeliveryState.SENDING],
        accepted=by_state[DeliveryState.ACCEPTED] + by_state[DeliveryState.BOUNCED],
        refused=by_state[DeliveryState.FAILED],
        in_doubt=by_state[DeliveryState.UNCERTAIN],
        to_retry=numbers.get((DeliveryState.QUEUED, True), 0),
        withheld=by_state[DeliveryState.WITHHELD],
    )
