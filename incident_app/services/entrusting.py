"""Who entrusted the data that is affected: from the newest determination, with contracts and what each was told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.entrusting import ENTRUSTED, Entrusting, EntrustingCustomer
from incident_app.domain.errors import NotFound, NothingYet
from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.inventory import Inventory
from incident_app.domain.people import NOBODY, People, people
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import Certainty, MessageKind, OurRole, PersonKind
from incident_app.persistence.affected import people_by_pattern
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.parties import CustomerContract, PartyMessage
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.people import newest_determination
from incident_app.services.scopes import read_scope
from incident_app.services.touched_pairs import pairs_that_count
from incident_app.services.transaction import reading

ONE_BY_ONE = 500
"""So many customers get a row of their own in the register; beyond that only those whose contracts give hours do."""
AT_ONCE = 400
PEOPLE_SHOWN = 50
"""So many natural persons are listed; the pack of any other is found by its number."""


def entrusting_customers(session: Session, incident_id: IncidentId) -> tuple[EntrustingCustomer, ...]:
    """Return the customers whose entrusted data is affected, surely or possibly, by their numbers.

    Organisations, and natural persons whose contract is on record: they use what they entrusted in a business.
    """
    try:
        determination = newest_determination(session, incident_id)
    except NothingYet:
        return ()
    by_contract = people(session.scalars(sa.select(CustomerContract.customer_id).distinct()))
    roles = _roles_among(session, determination, _organisations(session) | by_contract)
    return _entrusting(session, incident_id, roles, determination.id)


def get_entrusting(session: Session, incident_id: IncidentId, customer_number: str) -> EntrustingCustomer:
    """Return a customer who entrusted affected data, an organisation or a natural person; NotFound otherwise."""
    customer_id = session.scalar(sa.select(Customer.id).where(Customer.customer_number == customer_number))
    if customer_id is not None:
        determination = newest_determination(session, incident_id)
        roles = _roles_among(session, determination, people([customer_id]))
        for found in _entrusting(session, incident_id, roles, determination.id):
            return found
    raise NotFound(what="entrusting customer", name=customer_number)


@dataclass(frozen=True, kw_only=True)
class EntrustingPeople:
    """Natural persons among the customers who entrusted data: how many, and the first of them by number."""

    total: int
    first: tuple[EntrustingCustomer, ...]


def entrusting_people(engine: Engine, incident_id: IncidentId) -> EntrustingPeople:
    """Return the natural persons who entrusted affected data. They get a pack, and no duty stands for each of them."""
    with reading(engine) as session:
        try:
            determination = newest_determination(session, incident_id)
        except NothingYet:
            return EntrustingPeople(total=0, first=())
        patterns = [row.id for row, _ in _entrusted_patterns(session, determination)]
        whom = NOBODY.union(*people_by_pattern(session, determination.id, patterns).values()) if patterns else NOBODY
        persons = whom - _organisations(session)
        shown = people(list(persons)[:PEOPLE_SHOWN])
        found = _entrusting(session, incident_id, _roles_among(session, determination, shown), determination.id)
        return EntrustingPeople(total=len(persons), first=found)


def _entrusting(
    session: Session, incident_id: IncidentId, roles: Mapping[int, set[OurRole]], determination_id: int
) -> tuple[EntrustingCustomer, ...]:
    contracts, told = _contracts(session, roles), _told(session, incident_id)
    known = _known(session, roles)
    found = [
        EntrustingCustomer(
            customer_id=customer_id,
            customer_number=known[customer_id].number,
            public_id=known[customer_id].public_id,
            is_person=known[customer_id].kind is PersonKind.PERSON,
            has_contract=customer_id in contracts,
            our_roles=frozenset(held_as),
            notice_hours=contracts[customer_id].notice_hours if customer_id in contracts else None,
            contract_reference=contracts[customer_id].contract_reference if customer_id in contracts else "",
            told=customer_id in told,
            told_before=told.get(customer_id, determination_id) < determination_id,
        )
        for customer_id, held_as in roles.items()
    ]
    return tuple(sorted(found, key=lambda customer: customer.customer_number))


def list_entrusting(engine: Engine, incident_id: IncidentId) -> tuple[EntrustingCustomer, ...]:
    """Return the customers who entrusted the affected data."""
    with reading(engine) as session:
        return entrusting_customers(session, incident_id)


def one_by_one(customers: Sequence[EntrustingCustomer], *, decided: bool | None = None) -> Entrusting:
    """Choose the customers who get a duty of their own: all, or where they are too many those with contract hours."""
    are_all = len(customers) <= ONE_BY_ONE
    chosen = tuple(one for one in customers if are_all or one.notice_hours is not None)
    others_open = not are_all and any(not one.has_contract for one in customers)
    return Entrusting(customers=chosen, are_all=are_all, others_open=others_open, told_by_decision=decided)


def everybody_told(customers: Sequence[EntrustingCustomer]) -> bool:
    """Tell whether each customer whose data we process has got a data sheet: that releases us (Rules art. 9).

    Whose data we only keep is told by contract, and waiting for them would not change what we owe the authority.
    """
    processed = [customer for customer in customers if OurRole.PROCESSOR in customer.our_roles] or customers
    return bool(processed) and all(customer.told for customer in processed)


def pattern_ids(session: Session, determination: ImpactDetermination, customer_id: int) -> list[int]:
    """Return the patterns of entrusted data that a customer falls into."""
    patterns = [row.id for row, _ in _entrusted_patterns(session, determination)]
    return [key for key, whom in people_by_pattern(session, determination.id, patterns).items() if customer_id in whom]


def _organisations(session: Session) -> People:
    is_organisation = sa.text("customers.kind = 'organisation'")  # written out, so that the partial index is used
    return people(session.scalars(sa.select(Customer.id).where(is_organisation)))


def _roles_among(session: Session, determination: ImpactDetermination, wanted: People) -> dict[int, set[OurRole]]:
    patterns = _entrusted_patterns(session, determination)
    if not patterns or not wanted:
        return {}
    whom = people_by_pattern(session, determination.id, [row.id for row, _ in patterns])
    found: dict[int, set[OurRole]] = defaultdict(set)
    for row, roles in patterns:
        for customer_id in whom.get(row.id, NOBODY) & wanted:
            found[customer_id] |= roles
    return found


def _entrusted_patterns(
    session: Session, determination: ImpactDetermination
) -> list[tuple[ImpactPattern, set[OurRole]]]:
    inventory = read_inventory_snapshot(session, determination.inventory_digest)
    rows = session.scalars(
        sa.select(ImpactPattern).where(
            ImpactPattern.determination_id == determination.id, ImpactPattern.certainty != Certainty.RULED_OUT
        ),
    )
    scope = read_scope(session, ScopeId(determination.scope_id))
    found = [(row, _roles_of(row, scope, inventory)) for row in rows]
    return [(row, roles) for row, roles in found if roles]


def _roles_of(pattern: ImpactPattern, scope: Scope, inventory: Inventory) -> set[OurRole]:
    stores = {str(pair["store"]) for pair in pairs_that_count(scope, pattern.pairs) if "store" in pair}
    return {inventory.store(code).our_role for code in stores} & ENTRUSTED


def number_of(engine: Engine, incident_id: IncidentId, public_id: str) -> str:
    """Return the number of a customer who entrusted affected data, by what addresses of pages hold; else NotFound."""
    with reading(engine) as session:
        number = session.scalar(sa.select(Customer.customer_number).where(Customer.public_id == public_id))
        if number is not None:
            with suppress(NotFound):
                return get_entrusting(session, incident_id, number).customer_number
    raise NotFound(what="entrusting customer", name=public_id)


def organisation_names(session: Session, customers: Iterable[EntrustingCustomer]) -> dict[int, str]:
    """Return the names of entrusting organisations as their contacts give them; an erased one has none."""
    wanted = [customer.customer_id for customer in customers if not customer.is_person]
    found: dict[int, str] = {}
    for start in range(0, len(wanted), AT_ONCE):
        rows = session.execute(
            sa.select(CustomerContact.customer_id, CustomerContact.name)
            .where(
                CustomerContact.customer_id.in_(wanted[start : start + AT_ONCE]),
                CustomerContact.valid_until.is_(None),
                CustomerContact.name.is_not(None),
            )
            .order_by(CustomerContact.id)
        )
        for customer_id, name in rows:
            found.setdefault(customer_id, str(name))
    return found


class _Known(NamedTuple):
    """What is known of a customer who entrusted data: how they are called by us and in addresses of pages, and what."""

    number: str
    public_id: str
    kind: PersonKind


def _known(session: Session, customer_ids: Iterable[int]) -> dict[int, _Known]:
    wanted = sorted(customer_ids)
    found: dict[int, _Known] = {}
    for start in range(0, len(wanted), AT_ONCE):
        rows = session.execute(
            sa.select(Customer.id, Customer.customer_number, Customer.public_id, Customer.kind).where(
                Customer.id.in_(wanted[start : start + AT_ONCE])
            )
        )
        found.update((customer_id, _Known(number, public_id, kind)) for customer_id, number, public_id, kind in rows)
    return found


def _contracts(session: Session, customer_ids: Iterable[int]) -> dict[int, CustomerContract]:
    wanted = set(customer_ids)
    if not wanted:
        return {}
    rows = session.scalars(sa.select(CustomerContract).order_by(CustomerContract.id))
    return {row.customer_id: row for row in rows if row.customer_id in wanted}


def _told(session: Session, incident_id: IncidentId) -> dict[int, int]:
    """Return the determination that the last data sheet of each customer told of."""
    rows = session.execute(
        sa.select(PartyMessage.customer_id, sa.func.max(PartyMessage.determination_id))
        .where(PartyMessage.incident_id == incident_id, PartyMessage.kind == MessageKind.TENANT_DATA_SHEET)
        .group_by(PartyMessage.customer_id),
    )
    found = [(customer_id, told_of) for customer_id, told_of in rows if customer_id is not None]
    return {customer_id: told_of for customer_id, told_of in found if told_of is not None}
