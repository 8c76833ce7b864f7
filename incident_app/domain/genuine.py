"""Is this notice genuine? What the public is told of the notices that were sent, and how their codes are laid out.

A code is what a person quotes at the desk. Its last group is therefore kept back: who copies the page can neither quote
a whole code nor speak for anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

SHOWN = 8
"""Characters of a code that stand on a page: one chance in four thousand million for a made-up one."""
CODES_ON_A_PAGE = 4_000
DEEPEST = 2


@dataclass(frozen=True, kw_only=True)
class SentNotice:
    """One notice in one language as it was sent."""

    number: int
    subject: str
    language: str
    company: str
    domain: str
    """Of the sender's address."""
    first_on: date
    last_on: date
    messages: int
    withdrawn_on: date | None


@dataclass(frozen=True, kw_only=True)
class CodeGroup:
    """The codes of one notice that were sent on one day."""

    notice: SentNotice
    sent_on: date
    codes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Whom people ask when they doubt."""

    name: str
    phone: str
    hours: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every page says."""

    company: str
    desk: Desk
    notices: tuple[SentNotice, ...]
    prefixes: tuple[str, ...]
    made_at: datetime


def depth_for(codes: int) -> int:
    """Return how many characters of a code lead to its page, so that a page stays small."""
    return next((depth for depth in range(DEEPEST) if codes <= CODES_ON_A_PAGE * 16**depth), DEEPEST)


def prefix_of(token: str, depth: int) -> str:
    """Return the characters by which the page of a message is found."""
    return token[:depth].upper()


def shown_code(token: str) -> str:
    """Return the part of a code that a page shows, in the form in which the notice prints it."""
    half = SHOWN // 2
    return f"{token[:half]}-{token[half:SHOWN]}".upper()
