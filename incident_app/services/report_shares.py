"""The part of a determination that one recipient is told of: the people, what of theirs, and how many they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.impact import Judgement
from incident_app.domain.impact_summary import Summary, everybody, summarise
from incident_app.domain.inventory import Inventory
from incident_app.domain.merging import person_keys, surplus
from incident_app.domain.people import NOBODY, People
from incident_app.domain.person_counts import Composition, Count, CountOrigin
from incident_app.domain.policies import read_policy
from incident_app.domain.regimes import Regime, Report, read_regime
from incident_app.domain.report_shares import Share, Touched, part_of, share_of
from incident_app.domain.vocabulary import BusinessLine, Certainty, CountKind, ItemFlag, Protection, Relation
from incident_app.persistence.affected import people_by_pattern
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.merging import confirmed_links
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.playbooks import PlaybookVersion
from incident_app.persistence.segments import segments_of
from incident_app.services.counts import ALL, CARD, determined_basis
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.involved import count_affected
from incident_app.services.person_counts import numbers_for_law, organisations_among
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.scopes import read_scope
from incident_app.services.touched_pairs import pairs_that_count

UNCOUNTED = 0
"""The id of a number that stands in no history: it was worked out for a paper."""


@dataclass(frozen=True, kw_only=True)
class PartOfImpact:
    """What one recipient is told of, and nothing else."""

    share: Share
    summary: Summary
    people: People
    stores: frozenset[str]
    counts: Mapping[str, Count]
    """The numbers of people by subject; one that nobody can know from the records is not there."""
    outside: bool
    """True when the affected people who stand in no inventory are among them."""

    @property
    def numbers(self) -> set[int]:
        """Return every number of people that papers for this recipient may quote."""
        groups = cast("Mapping[str, Mapping[str, int]]", self.summary).values()
        return {number for group in groups for number in group.values()} | {one.value for one in self.counts.values()}


def part_for(session: Session, duty: Obligation | None, determination: ImpactDetermination) -> PartOfImpact | None:
    """Return the part that the recipient of a duty is told of; None where that is the whole incident."""
    share = share_of_duty(session, duty) if duty is not None else None
    if share is None or share.is_everything:
        return None
    incident_id = IncidentId(determination.incident_id)
    inventory, main = read_inventory_snapshot(session, determination.inventory_digest), _main(session, incident_id)
    touched = _touched(session, determination)
    whole = NOBODY.union(*(entry.people for entry in touched))
    segments = segments_of(session, whole, determination.known_at)
    answers = part_of(touched, segments, share, inventory, main=main)
    people, outside = everybody(answers), bool(main & share.lines_of(Relation.CUSTOMER))
    stores = frozenset().union(*(found.judgement.stores for found in answers))
    left_out = {code for entry in touched for code, _ in entry.by_store if code} - stores
    if people == whole and outside and not left_out:
        return None
    summary = summarise(answers, {segment: whom & people for segment, whom in segments.items()}, inventory)
    cards = NOBODY.union(*(found.people for found in answers if _open_cards(found.judgement, inventory)))
    beyond = count_affected(session, incident_id) if outside else 0
    return PartOfImpact(
        share=share,
        summary=summary,
        people=people,
        stores=stores,
        counts=_counts(session, determination, share, summary, {ALL: (people, beyond), CARD: (cards, 0)}),
        outside=outside,
    )


def share_of_duty(session: Session, duty: Obligation) -> Share | None:
    """Return which part of an incident the recipient of a duty is told of; None where no regime says it."""
    regime, report = _rule_of(session, duty)
    return share_of(regime, report, duty.addressee_ref) if regime and report else None


def country_of_duty(session: Session, duty: Obligation) -> str | None:
    """Return the country whose authority the duty is owed to; None where a regime names none."""
    _, report = _rule_of(session, duty)
    found = (entry.country_of(duty.addressee_ref) for entry in report.addressees) if report else ()
    return next((country for country in found if country), None)


def _rule_of(session: Session, duty: Obligation) -> tuple[Regime | None, Report | None]:
    version = session.get_one(PlaybookVersion, duty.playbook_version_id)
    if version.kind != PlaybookKind.REGIME:
        return None, None
    regime = read_regime(version.content, file=version.code)
    return regime, next((entry for entry in regime.reports if entry.code == duty.stage), None)


def _main(session: Session, incident_id: IncidentId) -> frozenset[BusinessLine]:
    """Return the company's main line of business."""
    policies = pinned(session, incident_id, [PlaybookKind.POLICY])
    if not policies:
        return frozenset(BusinessLine)
    return frozenset({read_policy(policies[-1].content, file=policies[-1].code).business_line})


def _touched(session: Session, determination: ImpactDetermination) -> list[Touched]:
    scope = read_scope(session, ScopeId(determination.scope_id))
    rows = session.scalars(
        sa.select(ImpactPattern)
        .where(ImpactPattern.determination_id == determination.id, ImpactPattern.certainty != Certainty.RULED_OUT)
        .order_by(ImpactPattern.id)
    ).all()
    sets = item_codes(session, {key for row in rows for key in (row.item_set_id, row.confirmed_item_set_id)})
    whom = people_by_pattern(session, determination.id, [row.id for row in rows])
    return [
        Touched(
            items=frozenset(sets[row.item_set_id]),
            confirmed=frozenset(sets[row.confirmed_item_set_id]),
            certainty=row.certainty,
            mitigated={code: Protection(held) for code, held in _mapping(row.mitigated).items()},
            by_store=tuple(
                (pair.get("store"), frozenset(pair.get("items", ()))) for pair in pairs_that_count(scope, row.pairs)
            ),
            people=whom.get(row.id, NOBODY),
        )
        for row in rows
    ]


def _mapping(value: object) -> dict[str, str]:
    return value if isinstance(value, dict) else {}


def _open_cards(judgement: Judgement, inventory: Inventory) -> bool:
    open_items = judgement.items - set(judgement.mitigated)
    return any(ItemFlag.CARD_NUMBER in inventory.item(code).flags for code in open_items)


def _counts(
    session: Session,
    determination: ImpactDetermination,
    share: Share,
    summary: Summary,
    people: Mapping[str, tuple[People, int]],
) -> dict[str, Count]:
    """Count the people of a part. Where a person knows the whole number better, only a person knows the part."""
    whole = numbers_for_law(session, IncidentId(determination.incident_id))
    own = {ALL: share.subject, CARD: f"{share.subject}:{CARD}"}
    sure = {
        ALL: summary["by_certainty"].get(Certainty.CONFIRMED, 0),
        CARD: summary["confirmed_by_flag"].get(ItemFlag.CARD_NUMBER, 0),
    }
    found = {}
    for subject, (whom, outside) in people.items():
        if own[subject] in whole:
            found[subject] = whole[own[subject]]
        elif subject not in whole or whole[subject].origin is not CountOrigin.PERSON:
            composition = _composition(session, whom, outside)
            found[subject] = _worked_out(determination, own[subject], composition, sure[subject])
    return found


def _composition(session: Session, whom: People, outside: int) -> Composition:
    keys = person_keys(confirmed_links(session))
    organisations, contact_persons = organisations_among(session, whom)
    return Composition(
        rows=len(whom),
        organisations=organisations,
        contact_persons=contact_persons,
        merged=surplus((key for key in keys if key in whom), keys),
        outside=outside,
    )


def _worked_out(determination: ImpactDetermination, subject: str, composition: Composition, sure: int) -> Count:
    possible = composition.rows - sure
    basis = determined_basis(sure, possible, composition)
    return Count(
        id=UNCOUNTED,
        subject=subject,
        kind=CountKind.MAXIMUM if possible else CountKind.EXACT,
        value=composition.natural_persons,
        basis_ja=basis.ja,
        basis_en=basis.en,
        at=determination.at,
        by=determination.by,
    )
