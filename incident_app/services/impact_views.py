"""Reading impact: a version with its patterns, pages of people, one person's why, and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, aliased

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import BuildStatus, Certainty, Channel, Purpose
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.impact import AffectedCustomer, ImpactDetermination, ImpactPattern
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.counts import Summary
from incident_app.services.transaction import reading


@dataclass(frozen=True, kw_only=True)
class PatternView:
    """One pattern: how many people share it, what is affected, and why."""

    people: int
    certainty: Certainty
    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
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


@dataclass(frozen=True, kw_only=True)
class AffectedView:
    """One affected customer in a list, masked."""

    customer_number: str
    certainty: Certainty
    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
    masked_name: str
    standing: Standing | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why one customer is affected, or that they are not (B4)."""

    customer_number: str
    version: int
    certainty: Certainty | None
    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
    mitigated: Mapping[str, str]
    because_ja: tuple[str, ...]
    because_en: tuple[str, ...]
    sources: tuple[Mapping[str, object], ...]
    standing: Standing | None
    told_items_ja: tuple[str, ...]
    told_items_en: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What changed between two versions, in customers (B7)."""

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
    wanted = version if version is not None else max(versions, default=0)
    if wanted not in versions:
        raise NotFound(what="version of the impact", name=wanted)
    return versions[wanted]


def _patterns(session: Session, determination_id: int) -> list[PatternView]:
    names = _item_names(session)
    rows = session.execute(
        sa.select(ImpactPattern, sa.func.count(AffectedCustomer.customer_id))
        .outerjoin(AffectedCustomer, AffectedCustomer.pattern_id == ImpactPattern.id)
        .where(ImpactPattern.determination_id == determination_id)
        .group_by(ImpactPattern.id)
        .order_by(sa.func.count(AffectedCustomer.customer_id).desc(), ImpactPattern.id),
    )
    found = list(rows)
    sets = item_codes(session, {pattern.item_set_id for pattern, _ in found})
    return [
        PatternView(
            people=number,
            certainty=pattern.certainty,
            items_ja=_ja(names, sets[pattern.item_set_id]),
            items_en=_en(names, sets[pattern.item_set_id]),
            mitigated=dict(pattern.mitigated) if isinstance(pattern.mitigated, dict) else {},
            because_ja=_because(pattern, "ja"),
            because_en=_because(pattern, "en"),
        )
        for pattern, number in found
    ]


def affected_page(
    engine: Engine, incident_id: IncidentId, *, version: int | None = None, after: str | None = None, limit: int = 50
) -> list[AffectedView]:
    """Return a page of affected customers in order of their number, masked; `after` is the last number seen."""
    with reading(engine) as session:
        row = _determination(session, incident_id, version)
        query = (
            sa.select(Customer.id, Customer.customer_number, ImpactPattern.certainty, ImpactPattern.item_set_id)
            .join(AffectedCustomer, AffectedCustomer.customer_id == Customer.id)
            .join(ImpactPattern, ImpactPattern.id == AffectedCustomer.pattern_id)
            .where(AffectedCustomer.determination_id == row.id)
            .order_by(Customer.customer_number)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Customer.customer_number > after)
        people = session.execute(query).all()
        ids = [customer_id for customer_id, *_ in people]
        masked, standings = _masked_names(session, ids), _standings(session, incident_id, ids)
        names, sets = _item_names(session), item_codes(session, {set_id for *_, set_id in people})
        return [
            AffectedView(
                customer_number=number,
                certainty=certainty,
                items_ja=_ja(names, sets[set_id]),
                items_en=_en(names, sets[set_id]),
                masked_name=masked.get(customer_id, ""),
                standing=standings.get(customer_id),
            )
            for customer_id, number, certainty, set_id in people
        ]


def explain_customer(
    engine: Engine, incident_id: IncidentId, customer_number: str, *, version: int | None = None
) -> Explanation:
    """List exactly which items of a customer are affected, from which stores, and why (B4)."""
    with reading(engine) as session:
        row = _determination(session, incident_id, version)
        customer_id = session.scalar(sa.select(Customer.id).where(Customer.customer_number == customer_number))
        if customer_id is None:
            raise NotFound(what="customer", name=customer_number)
        pattern = session.scalars(
            sa.select(ImpactPattern)
            .join(AffectedCustomer, AffectedCustomer.pattern_id == ImpactPattern.id)
            .where(AffectedCustomer.determination_id == row.id, AffectedCustomer.customer_id == customer_id),
        ).one_or_none()
        person = _person(session, incident_id, customer_id)
        return _explanation(session, customer_number, row.version, pattern, person)


def _explanation(
    session: Session, number: str, version: int, pattern: ImpactPattern | None, person: PersonToInform | None
) -> Explanation:
    names = _item_names(session)
    set_ids = {pattern.item_set_id if pattern else None, person.told_item_set_id if person else None} - {None}
    sets = item_codes(session, {set_id for set_id in set_ids if set_id is not None})
    items = sets[pattern.item_set_id] if pattern else ()
    told = sets[person.told_item_set_id] if person and person.told_item_set_id else ()
    return Explanation(
        customer_number=number,
        version=version,
        certainty=pattern.certainty if pattern else None,
        items_ja=_ja(names, items),
        items_en=_en(names, items),
        mitigated=dict(pattern.mitigated) if pattern and isinstance(pattern.mitigated, dict) else {},
        because_ja=_because(pattern, "ja") if pattern else (),
        because_en=_because(pattern, "en") if pattern else (),
        sources=tuple(pattern.pairs) if pattern and isinstance(pattern.pairs, list) else (),
        standing=person.standing if person else None,
        told_items_ja=_ja(names, told),
        told_items_en=_en(names, told),
    )


def diff_versions(engine: Engine, incident_id: IncidentId, older: int, newer: int) -> Difference:
    """Count the customers that a newer version added, removed, or gave other items or another certainty."""
    with reading(engine) as session:
        first, second = (_determination(session, incident_id, version) for version in (older, newer))
        before, after = aliased(AffectedCustomer), aliased(AffectedCustomer)
        old_pattern, new_pattern = aliased(ImpactPattern), aliased(ImpactPattern)
        both = (
            sa.select(sa.func.count())
            .select_from(before)
            .join(after, sa.and_(after.customer_id == before.customer_id, after.determination_id == second.id))
            .where(before.determination_id == first.id)
        )
        in_both = session.scalar(both) or 0
        changed = both.join(old_pattern, old_pattern.id == before.pattern_id).join(
            new_pattern, new_pattern.id == after.pattern_id
        )
        differs = sa.or_(
            old_pattern.item_set_id != new_pattern.item_set_id, old_pattern.certainty != new_pattern.certainty
        )
        return Difference(
            older=older,
            newer=newer,
            added=_size(session, second.id) - in_both,
            removed=_size(session, first.id) - in_both,
            changed=session.scalar(changed.where(differs)) or 0,
        )


def _size(session: Session, determination_id: int) -> int:
    query = sa.select(sa.func.count()).where(AffectedCustomer.determination_id == determination_id)
    return session.scalar(query) or 0


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
