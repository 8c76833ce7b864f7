"""Rehearsals: which faults the sink plays, and what the rows and the sink must agree on afterwards (K8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.delivery import DeliveryState


class Fault(StrEnum):
    """What the sink does to a message instead of taking it."""

    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED_FOR_GOOD = "refused_for_good"
    CLOSED = "closed"
    """The server says that it closes, before the message."""
    DROPPED = "dropped"
    """The line is cut after the whole message has come."""
    SILENT = "silent"
    """No answer comes after the whole message, until the sender gives up waiting."""


def fault_of(number: int) -> Fault | None:
    """Return what is played on the recipient who came as the `number`-th, counted from 1; None for most.

    The first few are among them, so that a small wave meets faults as well. What hides the outcome is rare: each of
    these stays in doubt, and a time-out takes as long as it takes.
    """
    if number % 50 == 2:  # noqa: PLR2004 - every fiftieth, from the second on
        return Fault.REFUSED_FOR_NOW
    if number % 100 == 3:  # noqa: PLR2004 - every hundredth, from the third on
        return Fault.REFUSED_FOR_GOOD
    if number % 500 == 9:  # noqa: PLR2004 - every five hundredth, from the ninth on
        return Fault.CLOSED
    return {5: Fault.DROPPED, 7: Fault.SILENT, 505: Fault.DROPPED, 1007: Fault.SILENT}.get(number)


@dataclass(frozen=True, kw_only=True)
class RehearsedRow:
    """One message as the rows of the rehearsal tell of it."""

    token: str
    state: DeliveryState
    may_have_arrived: int
    """How many of its attempts were accepted, or have an outcome that nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What the sink took, held against the rows."""

    lost: int
    """Accepted by the rows, and the sink has none."""
    duplicates: int
    """Taken by the sink more often than the rows admit: these nobody would know of."""
    listed_duplicates: int
    """Taken more than once, and the rows say so."""
    foreign: int
    """Taken by the sink, and no row of the wave tells of it."""

    @property
    def is_sound(self) -> bool:
        """True when nothing is missing and nothing is hidden."""
        return self.lost == self.duplicates == self.foreign == 0


def reconcile(rows: Iterable[RehearsedRow], taken: Mapping[str, int]) -> Reconciliation:
    """Hold what the sink took, by the token of each message, against the rows."""
    lost = duplicates = listed = 0
    known = set()
    for row in rows:
        number = taken.get(row.token, 0)
        known.add(row.token)
        lost += row.state is DeliveryState.ACCEPTED and number == 0
        duplicates += number > row.may_have_arrived
        listed += 1 < number <= row.may_have_arrived
    foreign = sum(token not in known for token in taken)
    return Reconciliation(lost=lost, duplicates=duplicates, listed_duplicates=listed, foreign=foreign)
