"""What changed between two answers: who was added, who removed, and whose items or certainty changed (B7)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from incident_app.domain.people import NOBODY, People

Said = TypeVar("Said", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """People, not numbers, so that differences of versions can be put together."""

    added: People
    removed: People
    changed: People


def difference(before: Mapping[Said, People], after: Mapping[Said, People]) -> Difference:
    """Compare two answers; each says of groups of people that do not overlap what is affected, and how surely.

    People who are ruled out are not affected: leave them out of both.
    """
    earlier, later = _all(before), _all(after)
    same = _all({said: whom & after[said] for said, whom in before.items() if said in after})
    return Difference(added=later - earlier, removed=earlier - later, changed=(earlier & later) - same)


def _all(groups: Mapping[Said, People]) -> People:
    return NOBODY.union(*groups.values()) if groups else NOBODY
