"""Passing a threshold: the first moment at which a number that stood at or below it was found to be higher."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from incident_app.domain.person_counts import Count, standing
from incident_app.domain.regimes import Regime

SUBJECTS: Mapping[str, str] = {"people": "all", "my_number_people": "my-number", "california_people": "california"}
"""The facts that are numbers of people, each with the subject under which those are counted."""
_PASSED = re.compile(r"passed:([a-z_]+):([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A number of people from which on something else is due, and the clock that its passing begins."""

    clock: str
    subject: str
    number: int


def thresholds_of(regimes: Iterable[Regime]) -> tuple[Threshold, ...]:
    """Return the thresholds whose passing begins a clock, each once, in the order of the regimes."""
    clocks: dict[str, None] = {}
    for regime in regimes:
        clocks |= dict.fromkeys(entry.clock for entry in regime.situations if entry.clock)
        clocks |= dict.fromkeys(entry.clock for entry in regime.reports)
    found = [(clock, _PASSED.fullmatch(clock)) for clock in clocks]
    return tuple(
        Threshold(clock=clock, subject=SUBJECTS[match[1]], number=int(match[2]))
        for clock, match in found
        if match is not None and match[1] in SUBJECTS
    )


def find_crossing(history: Sequence[Count], number: int) -> Count | None:
    """Return the count with which the number that drives the law first passed a threshold.

    Only a number that had stood at or below it can pass it: one that was higher from the start, or while nobody was
    known to be affected, counts from awareness like everything else, which is the earlier date.
    """
    stood_below = False
    for position, count in enumerate(history, start=1):
        found = standing(history[:position]).for_law
        if found is None or found.value == 0:
            continue
        if found.value > number:
            return count if stood_below else None
        stood_below = True
    return None
