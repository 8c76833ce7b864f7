"""The numbers of an impact: counts of affected people in every way that duties, notices and papers ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

from incident_app.domain.impact import Answer, Judgement
from incident_app.domain.inventory import Inventory
from incident_app.domain.people import NOBODY, People
from incident_app.domain.vocabulary import Certainty, PersonKind, Relation


@dataclass(frozen=True, kw_only=True, order=True)
class Segment:
    """What duties must know about a customer beyond the data: a person or an organisation, which relation, where."""

    kind: PersonKind
    relation: Relation
    jurisdiction: str


class Summary(TypedDict):
    """Counts of affected customers; ruled out ones appear in `by_certainty` only."""

    by_certainty: dict[str, int]
    by_item: dict[str, int]
    by_category: dict[str, int]
    by_flag: dict[str, int]
    """People with an item of this flag that lay open; protected items are in `mitigated`."""
    confirmed_by_item: dict[str, int]
    """People of whom the leak of this item is confirmed; of the others in `by_item` it cannot be excluded."""
    confirmed_by_flag: dict[str, int]
    by_kind: dict[str, int]
    by_relation: dict[str, int]
    by_jurisdiction: dict[str, int]
    by_store: dict[str, int]
    by_our_role: dict[str, int]
    """Whose data it was: ours, or entrusted to us."""
    mitigated: dict[str, int]


def everybody(answers: Iterable[Answer], *, ruled_out: bool = False) -> People:
    """Return all people of an answer, without those who are ruled out unless they are asked for."""
    wanted = [found.people for found in answers if ruled_out or found.judgement.certainty is not Certainty.RULED_OUT]
    return NOBODY.union(*wanted) if wanted else NOBODY


def summarise(answers: Sequence[Answer], segments: Mapping[Segment, People], inventory: Inventory) -> Summary:
    """Count an answer. `segments` must tell about everybody who is affected; they do not overlap."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in Summary.__annotations__}
    for found in answers:
        counts["by_certainty"][found.judgement.certainty] += len(found.people)
        if found.judgement.certainty is not Certainty.RULED_OUT:
            _count_data(counts, found.judgement, inventory, len(found.people))
    affected = everybody(answers)
    for segment, whom in segments.items():
        number = affected.intersection_cardinality(whom)
        if number:
            counts["by_kind"][segment.kind] += number
            counts["by_relation"][segment.relation] += number
            counts["by_jurisdiction"][segment.jurisdiction] += number
    return cast("Summary", {name: dict(sorted(counter.items())) for name, counter in counts.items()})


def _count_data(counts: Mapping[str, Counter[str]], judgement: Judgement, inventory: Inventory, number: int) -> None:
    items = [inventory.item(code) for code in judgement.items]
    for item in items:
        counts["by_item"][item.code] += number
        if item.code in judgement.mitigated:
            counts["mitigated"][item.code] += number
        if item.code in judgement.confirmed:
            counts["confirmed_by_item"][item.code] += number
    for category in {item.category for item in items}:
        counts["by_category"][category] += number
    bare = [item for item in items if item.code not in judgement.mitigated]
    for flag in {flag for item in bare for flag in item.flags}:
        counts["by_flag"][flag] += number
    for flag in {flag for item in bare if item.code in judgement.confirmed for flag in item.flags}:
        counts["confirmed_by_flag"][flag] += number
    for store in judgement.stores:
        counts["by_store"][store] += number
    for role in {inventory.store(store).our_role for store in judgement.stores}:
        counts["by_our_role"][role] += number
