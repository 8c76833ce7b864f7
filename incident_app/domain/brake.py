"""The automatic brake: when too many of the last attempts of a wave ended badly, it stops by itself (F10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice


class AttemptOutcome(StrEnum):
    """What came of one attempt, as it is stored."""

    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED_FOR_GOOD = "refused_for_good"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class BrakeRule:
    """How many attempts are looked at, and what share of them may end badly."""

    attempts: int = 200
    within: timedelta = timedelta(minutes=10)
    percent: int = 10
    at_least: int = 20
    """With fewer attempts in the window nothing is judged."""


@dataclass(frozen=True, kw_only=True)
class FinishedAttempt:
    """One attempt of a wave, with the reply of the server as far as there was one."""

    finished_at: datetime
    outcome: AttemptOutcome
    reply: str | None


@dataclass(frozen=True, kw_only=True)
class TooManyFailures:
    """Why a wave is stopped: the numbers of the window and the reply that was heard most often."""

    attempts: int
    refused: int
    in_doubt: int
    reply: str | None


def judge(newest_first: Iterable[FinishedAttempt], rule: BrakeRule, *, now: datetime) -> TooManyFailures | None:
    """Tell why a wave must stop, judged by its last attempts; None when it may go on.

    An attempt ended badly when it was refused for good or nobody knows what came of it. One that was refused for now
    counts among those that did not: it is tried again, and servers that defer at first are common.
    """
    recent = (attempt for attempt in newest_first if attempt.finished_at > now - rule.within)
    window = list(islice(recent, rule.attempts))
    refused = [attempt for attempt in window if attempt.outcome is AttemptOutcome.REFUSED_FOR_GOOD]
    doubts = [attempt for attempt in window if attempt.outcome is AttemptOutcome.UNKNOWN]
    bad = len(refused) + len(doubts)
    if len(window) < rule.at_least or 100 * bad <= rule.percent * len(window):
        return None
    return TooManyFailures(
        attempts=len(window),
        refused=len(refused),
        in_doubt=len(doubts),
        reply=_most_frequent([*refused, *doubts]),
    )


def _most_frequent(attempts: Sequence[FinishedAttempt]) -> str | None:
    heard = Counter(attempt.reply for attempt in attempts if attempt.reply is not None)
    return min(heard, key=lambda reply: (-heard[reply], reply), default=None)
