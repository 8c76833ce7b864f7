"""Reading impact: a version with its patterns, pages of people, one person's why, and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import NotFound, NothingYet
from incident_app.domain.ids import IncidentId
from incident_app.domain.impact_difference import difference
from incident_app.domain.impact_summary import Summary
from incident_app.domain.people import NOBODY, People
from incident_app.domain.vocabulary import BuildStatus, Certainty, Channel, Purpose
from incident_app.persistence import affected
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.incidents import CustomerList
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.affected_parties import AffectedPartyView, parties_of
from incident_app.services.people_outside import left_to_tell_in, not_counted_in
from incident_app.services.transaction import reading


@dataclass(frozen=True, kw_only=True)
class PatternView:
    """One pattern: how many people share it, what is affected, and why."""

    people: int
    certainty: Certainty
    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
    confirmed_ja: tuple[str, ...]
    confirmed_en: tuple[str, ...]
    mitigated: Mapping[str, str]
    because_ja: tuple[str, ...]
    because_en: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ImpactView:
    """One version of the impact."""

    version: int
    versions: tuple[int, ...]
    at: datetime
    by: str
    scope_id: int
    summary: Summary
    result_digest: str
    patterns: tuple[PatternView, ...]
    parties: tuple[AffectedPartyView, ...]
    outside_not_counted: int
    """Affected people outside the inventory who were added since: the next determination counts them."""
    outside_left_to_tell: int
    """Those among the people to inform who were not told yet: no wave carries them."""


@dataclass(frozen=True, kw_only=True)
class AffectedView:
    """One affected customer in a list, masked."""

    customer_number: str
    certainty: Certainty
    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
    confirmed_ja: tuple[str, ...]
    confirmed_en: tuple[str, ...]
    """Those of the items whose leak is confirmed; of the others it cannot be excluded."""
    masked_name: str
    standing: Standing | None


@dataclass(frozen=True, kw_only=True)
class NamingList:
    """A list of the investigation that names a person: its number, and where it comes from."""

    number: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why one customer is affected, or that they are not (B4)."""

    customer_number: str
    version: int
    certainty: Certainty | None
    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
    confirmed_ja: tuple[str, ...]
    confirmed_en: tuple[str, ...]
    mitigated: Mapping[str, str]
    because_ja: tuple[str, ...]
    because_en: tuple[str, ...]
    sources: tuple[Mapping[str, object], ...]
    protected_ja: Mapping[str, str]
    protected_en: Mapping[str, str]
    """Items that lay protected, by name, and how (B10)."""
    lists: tuple[NamingList, ...]
    standing: Standing | None
    told_items_ja: tuple[str, ...]
    told_items_en: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VersionDifference:
    """What changed between two versions, in customers who are not ruled out (B7)."""

    older: int
    newer: int
    added: int
    removed: int
    changed: int


Names = Mapping[str, tuple[str, str]]


def get_impact(engine: Engine, incident_id: IncidentId, version: int | None = None) -> ImpactView | None:
    """Return the newest or the named version of the impact; None while there is none."""
    with reading(engine) as session:
        versions = _versions(session, incident_id)
        wanted = version if version is not None else max(versions, default=None)
        if wanted not in versions:
            return None
        row = versions[wanted]
        return ImpactView(
            version=row.version,
            versions=tuple(sorted(versions)),
            at=row.at,
            by=row.by,
            scope_id=row.scope_id,
            summary=row.summary,  # type: ignore[arg-type] # written by counts.summarise in exactly this shape
            result_digest=row.result_digest or "",
            patterns=tuple(_patterns(session, row.id)),
            parties=parties_of(session, row.id, _item_names(session)),
            outside_not_counted=not_counted_in(session, incident_id),
            outside_left_to_tell=left_to_tell_in(session, incident_id),
        )


def _versions(session: Session, incident_id: IncidentId) -> dict[int, ImpactDetermination]:
    rows = session.scalars(
        sa.select(ImpactDetermination).where(
            ImpactDetermination.incident_id == incident_id, ImpactDetermination.status == BuildStatus.SEALED
        ),
    )
    return {row.version: row for row in rows}


def _determination(session: Session, incident_id: IncidentId, version: int | None) -> ImpactDetermination:
    versions = _versions(session, incident_id)
    wanted = version if version is not None else max(versions, default=None)
    if wanted is None:
        raise NothingYet(what="determination of impact")
    if wanted not in versions:
        raise NotFound(what="version of the impact", name=wanted)
    return versions[wanted]


def _patterns(session: Session, determination_id: int) -> list[PatternView]:
    names = _item_names(session)
    found = list(
        session.scalars(
            sa.select(ImpactPattern)
            .where(ImpactPattern.determination_id == determination_id)
            .order_by(ImpactPattern.people.desc(), ImpactPattern.id),
        ),
    )
    sets = item_codes(session, {key for row in found for key in (row.item_set_id, row.confirmed_item_set_id)})
    return [
        PatternView(
            people=pattern.people,
            certainty=pattern.certainty,
            items_ja=_ja(names, sets[pattern.item_set_id]),
            items_en=_en(names, sets[pattern.item_set_id]),
            confirmed_ja=_ja(names, sets[pattern.confirmed_item_set_id]),
            confirmed_en=_en(names, sets[pattern.confirmed_item_set_id]),
            mitigated=dict(pattern.mitigated) if isinstance(pattern.mitigated, dict) else {},
            because_ja=_because(pattern, "ja"),
            because_en=_because(pattern, "en"),
        )
        for pattern in found
    ]


def affected_page(
    engine: Engine,
    incident_id: IncidentId,
    *,
    version: int | None = None,
    after: str | None = None,
    certainty: Certainty | None = None,
    item: str | None = None,
    limit: int = 50,
) -> list[AffectedView]:
    """Return a page of affected customers in the order they became known to us, masked, at any depth alike.

    `after` is the last number seen; `certainty` and `item` keep only that ring, or the people with that item.
    """
    with reading(engine) as session:
        row = _determination(session, incident_id, version)
        patterns = {pattern.id: pattern for pattern in _matching(session, row.id, certainty, item)}
        people = affected.after(session, row.id, _key_of(session, after), limit, list(patterns))
        ids = [customer_id for customer_id, _ in people]
        numbers = dict(
            session.execute(sa.select(Customer.id, Customer.customer_number).where(Customer.id.in_(ids))).all()
        )
        masked, standings = _masked_names(session, ids), _standings(session, incident_id, ids)
        names = _item_names(session)
        sets = item_codes(
            session, {key for row in patterns.values() for key in (row.item_set_id, row.confirmed_item_set_id)}
        )
        return [
            AffectedView(
                customer_number=numbers[customer_id],
                certainty=patterns[pattern_id].certainty,
                items_ja=_ja(names, sets[patterns[pattern_id].item_set_id]),
                items_en=_en(names, sets[patterns[pattern_id].item_set_id]),
                confirmed_ja=_ja(names, sets[patterns[pattern_id].confirmed_item_set_id]),
                confirmed_en=_en(names, sets[patterns[pattern_id].confirmed_item_set_id]),
                masked_name=masked.get(customer_id, ""),
                standing=standings.get(customer_id),
            )
            for customer_id, pattern_id in people
        ]


def _matching(
    session: Session, determination_id: int, certainty: Certainty | None, item: str | None
) -> list[ImpactPattern]:
    query = sa.select(ImpactPattern).where(ImpactPattern.determination_id == determination_id)
    if certainty is not None:
        query = query.where(ImpactPattern.certainty == certainty)
    patterns = list(session.scalars(query))
    sets = item_codes(session, {pattern.item_set_id for pattern in patterns})
    return [pattern for pattern in patterns if item is None or item in sets[pattern.item_set_id]]


def _key_of(session: Session, customer_number: str | None) -> int:
    """Return the key of the last customer seen; 0 to begin with the first."""
    if customer_number is None:
        return 0
    key = session.scalar(sa.select(Customer.id).where(Customer.customer_number == customer_number))
    if key is None:
        raise NotFound(what="customer", name=customer_number)
    return key


def explain_customer(
    engine: Engine, incident_id: IncidentId, customer_number: str, *, version: int | None = None
) -> Explanation:
    """List exactly which items of a customer are affected, from which stores, and why (B4)."""
    with reading(engine) as session:
        row = _determination(session, incident_id, version)
        customer_id = session.scalar(sa.select(Customer.id).where(Customer.customer_number == customer_number))
        if customer_id is None:
            raise NotFound(what="customer", name=customer_number)
        pattern_id = affected.pattern_of(session, row.id, customer_id)
        pattern = session.get_one(ImpactPattern, pattern_id) if pattern_id is not None else None
        person = _person(session, incident_id, customer_id)
        return _explanation(session, customer_number, row.version, pattern, person)


def _explanation(
    session: Session, number: str, version: int, pattern: ImpactPattern | None, person: PersonToInform | None
) -> Explanation:
    names = _item_names(session)
    set_ids = {pattern.item_set_id, pattern.confirmed_item_set_id} if pattern else set()
    sets = item_codes(session, set_ids | ({person.told_item_set_id or 0} if person else set()))
    items = sets[pattern.item_set_id] if pattern else ()
    confirmed = sets[pattern.confirmed_item_set_id] if pattern else ()
    told = sets[person.told_item_set_id] if person and person.told_item_set_id else ()
    sources = tuple(pattern.pairs) if pattern and isinstance(pattern.pairs, list) else ()
    mitigated = dict(pattern.mitigated) if pattern and isinstance(pattern.mitigated, dict) else {}
    return Explanation(
        customer_number=number,
        version=version,
        certainty=pattern.certainty if pattern else None,
        items_ja=_ja(names, items),
        items_en=_en(names, items),
        confirmed_ja=_ja(names, confirmed),
        confirmed_en=_en(names, confirmed),
        mitigated=mitigated,
        because_ja=_because(pattern, "ja") if pattern else (),
        because_en=_because(pattern, "en") if pattern else (),
        sources=sources,
        protected_ja={names[code][0]: word for code, word in mitigated.items()},
        protected_en={names[code][1]: word for code, word in mitigated.items()},
        lists=_lists(session, sources),
        standing=person.standing if person else None,
        told_items_ja=_ja(names, told),
        told_items_en=_en(names, told),
    )


def _lists(session: Session, sources: Sequence[Mapping[str, object]]) -> tuple[NamingList, ...]:
    numbers = [number for source in sources if isinstance(number := source.get("list"), int)]
    rows = sa.select(CustomerList.id, CustomerList.source).where(CustomerList.id.in_(numbers)).order_by(CustomerList.id)
    return tuple(NamingList(number=number, source=source) for number, source in session.execute(rows))


def diff_versions(engine: Engine, incident_id: IncidentId, older: int, newer: int) -> VersionDifference:
    """Count the customers that a newer version added, removed, or gave other items or another certainty of them."""
    with reading(engine) as session:
        before, after = (_determination(session, incident_id, version) for version in (older, newer))
        found = difference(said_of_people(session, before.id), said_of_people(session, after.id))
    return VersionDifference(
        older=older,
        newer=newer,
        added=len(found.added),
        removed=len(found.removed),
        changed=len(found.changed),
    )


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of people: their items, and those of them that are confirmed."""

    items: frozenset[str]
    confirmed: frozenset[str]


def said_of_people(session: Session, determination_id: int) -> dict[Said, People]:
    """Return what a determination says of whom, without those who are ruled out."""
    patterns = [
        pattern
        for pattern in _matching(session, determination_id, None, None)
        if pattern.certainty is not Certainty.RULED_OUT
    ]
    sets = item_codes(session, {key for row in patterns for key in (row.item_set_id, row.confirmed_item_set_id)})
    whom = affected.people_by_pattern(session, determination_id, [pattern.id for pattern in patterns])
    said: dict[Said, People] = {}
    for pattern in patterns:
        items, confirmed = frozenset(sets[pattern.item_set_id]), frozenset(sets[pattern.confirmed_item_set_id])
        key = Said(items=items, confirmed=confirmed)
        said[key] = said.get(key, NOBODY) | whom.get(pattern.id, NOBODY)
    return said


def _item_names(session: Session) -> Names:
    rows = session.execute(sa.select(DataItem.code, DataItem.name_ja, DataItem.name_en).order_by(DataItem.position))
    return {code: (ja, en) for code, ja, en in rows}


def _ja(names: Names, codes: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[code][0] for code in names if code in set(codes))


def _en(names: Names, codes: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[code][1] for code in names if code in set(codes))


def _because(pattern: ImpactPattern, language: str) -> tuple[str, ...]:
    return tuple(pattern.because[language]) if isinstance(pattern.because, dict) else ()


def mask(name: str) -> str:
    """Return the first character and a fixed number of dots, so that length tells nothing."""
    return f"{name[:1]}●●●" if name else ""


def _masked_names(session: Session, customer_ids: Sequence[int]) -> dict[int, str]:
    rows = session.execute(
        sa.select(CustomerContact.customer_id, CustomerContact.name)
        .where(CustomerContact.customer_id.in_(customer_ids), CustomerContact.valid_until.is_(None))
        .order_by(CustomerContact.channel == Channel.EMAIL),
    )
    return {customer_id: mask(name or "") for customer_id, name in rows}


def _standings(session: Session, incident_id: IncidentId, customer_ids: Sequence[int]) -> dict[int, Standing]:
    rows = session.execute(
        sa.select(PersonToInform.customer_id, PersonToInform.standing).where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == Purpose.LEAK_NOTICE,
            PersonToInform.customer_id.in_(customer_ids),
        ),
    )
    return {customer_id: standing for customer_id, standing in rows if customer_id is not None}


def _person(session: Session, incident_id: IncidentId, customer_id: int) -> PersonToInform | None:
    return session.scalars(
        sa.select(PersonToInform).where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == Purpose.LEAK_NOTICE,
            PersonToInform.customer_id == customer_id,
        ),
    ).one_or_none()
