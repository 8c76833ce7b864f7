"""Which part of an incident a recipient is told of, where one leak concerns several: by relation and business line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from incident_app.domain.conditions import Answer, Condition, all_of, any_of
from incident_app.domain.digests import digest_of
from incident_app.domain.impact import Answer as Affected
from incident_app.domain.impact import Judgement, Pattern
from incident_app.domain.impact_summary import Segment
from incident_app.domain.inventory import Inventory
from incident_app.domain.people import NOBODY, People
from incident_app.domain.regimes import Regime, Report
from incident_app.domain.vocabulary import BusinessLine, Certainty, Protection, Relation

RELATIONS, LINES = "relations", "business_lines"
DECIDING = frozenset({RELATIONS, LINES})
"""The facts by which the register of duties chooses among several recipients."""
EVERY_PAIR = frozenset(product(Relation, BusinessLine))


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one recipient is told of: people of these relations, as far as their data is of these lines."""

    ref: str
    pairs: frozenset[tuple[Relation, BusinessLine]]

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing is left out."""
        return self.pairs == EVERY_PAIR

    @property
    def subject(self) -> str:
        """Return the subject under which a person records the number of people of this share."""
        return share_subject(self.ref)

    def lines_of(self, relation: Relation) -> frozenset[BusinessLine]:
        """Return the lines of business whose data about people of a relation belongs here."""
        return frozenset(line for found, line in self.pairs if found is relation)


def share_subject(ref: str) -> str:
    """Return the subject of the number of people whom one recipient is told of."""
    return f"share:{ref}"


def ref_of_subject(subject: str) -> str | None:
    """Return the recipient whose part is counted under a subject; None for any other subject."""
    kind, _, ref = subject.partition(":")
    return ref if kind == "share" and ref else None


def share_of(regime: Regime, report: Report, ref: str) -> Share:
    """Return what a recipient of a report is told of: read out of the very conditions that make them its recipient."""
    return Share(ref=ref, pairs=frozenset(pair for pair in EVERY_PAIR if _belongs(regime, report, ref, *pair)))


def _belongs(regime: Regime, report: Report, ref: str, relation: Relation, line: BusinessLine) -> bool:
    facts = {RELATIONS: frozenset({relation}), LINES: frozenset({line})}
    addressed = any_of(_answer(entry.conditions, facts) for entry in report.addressees if entry.goes_by(ref))
    due = any_of(_answer(regime.situation(code).conditions, facts) for code in report.situations)
    return all_of((addressed, due, _answer(report.applies_when, facts))) is Answer.YES


def _answer(conditions: Sequence[Condition], facts: Mapping[str, object]) -> Answer:
    return all_of(condition.answer(facts) for condition in conditions if condition.fact in DECIDING)


@dataclass(frozen=True, kw_only=True)
class Touched:
    """One pattern of a determination: whose data, which of it lay where, and how sure that is."""

    items: frozenset[str]
    confirmed: frozenset[str]
    certainty: Certainty
    mitigated: Mapping[str, Protection]
    by_store: tuple[tuple[str | None, frozenset[str]], ...]
    """Which items each source names; a list of people names no store."""
    people: People


def people_of(segments: Mapping[Segment, People], relation: Relation) -> People:
    """Return the people of one relation."""
    return NOBODY.union(*(whom for segment, whom in segments.items() if segment.relation is relation))


def part_of(
    touched: Iterable[Touched],
    segments: Mapping[Segment, People],
    share: Share,
    inventory: Inventory,
    *,
    main: frozenset[BusinessLine],
) -> tuple[Affected, ...]:
    """Cut a determination to a share: of each person in it what belongs there, and nobody else.

    `main` is the company's main line of business: what counts for people whom lists name and no store.
    """
    found: list[Affected] = []
    for relation in Relation:
        whom, lines = people_of(segments, relation), share.lines_of(relation)
        for number, entry in enumerate(touched):
            own = entry.people & whom
            cut = _cut(entry, lines, inventory, main) if own and lines else None
            if cut is not None:
                key = digest_of([str(relation), number])
                found.append(Affected(key=key, pattern=Pattern(), judgement=cut, people=own))
    return tuple(found)


def _cut(
    entry: Touched, lines: frozenset[BusinessLine], inventory: Inventory, main: frozenset[BusinessLine]
) -> Judgement | None:
    """Return what of a pattern lay in stores of these lines; None when nothing did."""
    stores = frozenset(store for store, _ in entry.by_store if store is not None)
    listed = frozenset(inventory.store(store).business_line for store in stores) or main
    within = frozenset(store for store in stores if inventory.store(store).business_line in lines)
    if not within and not (lines & listed):
        return None
    named = [items for store, items in entry.by_store if (store in within if store else lines & listed)]
    items = entry.items if within == stores else entry.items & frozenset().union(*named)
    return Judgement(
        items=items,
        confirmed=entry.confirmed & items,
        certainty=entry.certainty,
        mitigated={code: held for code, held in entry.mitigated.items() if code in items},
        stores=within,
        because_ja=(),
        because_en=(),
    )
