"""Customers who entrusted their data to us: each is told separately, by its own contract (C10, C11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from incident_app.domain.regimes import AddresseeKind, Report
from incident_app.domain.vocabulary import OurRole
from incident_app.domain.words import Words

TENANTS = "tenants"
"""The recipient of a report that stands for every customer who entrusted data: one duty each, where they are known."""
ENTRUSTED = frozenset({OurRole.PROCESSOR, OurRole.CLOUD_NOT_HANDLING})
"""The roles in which the data of a store is not ours: whoever entrusted it must be told."""


@dataclass(frozen=True, kw_only=True)
class EntrustingCustomer:
    """One customer whose entrusted data is affected: in which roles we hold it, and what the contract says."""

    customer_id: int
    customer_number: str
    our_roles: frozenset[OurRole]
    notice_hours: int | None = None
    contract_reference: str = ""
    public_id: str = ""
    """How addresses of pages name the customer: a number may stand on a customer's own papers."""
    has_contract: bool = False
    """True once somebody recorded what the contract says; without hours it gives none."""
    told: bool = False
    """True once a data sheet with the items known so far was sent."""
    is_person: bool = False
    told_before: bool = False
    """True when the impact was determined anew after the last sheet: what it told may be less than is known."""

    @property
    def ref(self) -> str:
        """Return the recipient as the register of duties names it."""
        return customer_ref(self.customer_id)

    @property
    def name(self) -> Words:
        """Return the recipient as people read it: by number, for its name may be erased."""
        kind = "個人の利用者" if self.is_person else "利用企業"
        return Words(ja=f"{kind} {self.customer_number}", en=f"customer {self.customer_number}")


@dataclass(frozen=True, kw_only=True)
class Entrusting:
    """The customers who get a duty of their own, and whether those are all of them."""

    customers: tuple[EntrustingCustomer, ...] = ()
    are_all: bool = True
    others_open: bool = False
    """True while nobody has recorded what the contract of one of the others says."""
    told_by_decision: bool | None = None
    """What a person decided of all of them; it goes before what the data sheets show."""


def customer_ref(customer_id: int) -> str:
    """Return how the register of duties names a customer."""
    return f"customer:{customer_id}"


def subject_of(customer_id: int) -> str:
    """Return the subject under which the people of an entrusting customer are counted."""
    return f"tenant:{customer_id}"


def customer_of_subject(subject: str) -> int | None:
    """Return the entrusting customer whose people are counted under a subject; None for any other subject."""
    kind, _, number = subject.partition(":")
    return int(number) if kind == "tenant" and number.isascii() and number.isdecimal() else None


def for_each(
    report: Report, facts: Mapping[str, object], entrusting: Entrusting
) -> Sequence[tuple[Report, Mapping[str, object]]]:
    """Return a report once per customer who entrusted data, each with the facts that are that customer's own.

    A report to anybody else is returned as it is, as is one to customers whom nobody knows by name yet.
    """
    to_tenants = report.kind is AddresseeKind.PARTY and any(entry.ref == TENANTS for entry in report.addressees)
    if not to_tenants or not entrusting.customers:
        return [(report, facts)]
    each: list[tuple[Report, Mapping[str, object]]] = [
        (_addressed(report, customer), _facts_of(customer, facts, decided=entrusting.told_by_decision))
        for customer in entrusting.customers
    ]
    hours = None if entrusting.others_open else facts.get("contract_hours")
    return each if entrusting.are_all else [*each, (report, {**facts, "contract_hours": hours})]


def _addressed(report: Report, customer: EntrustingCustomer) -> Report:
    return replace(
        report,
        addressees=tuple(
            replace(entry, ref=customer.ref, name=customer.name) if entry.ref == TENANTS else entry
            for entry in report.addressees
        ),
    )


def _facts_of(
    customer: EntrustingCustomer, facts: Mapping[str, object], *, decided: bool | None
) -> Mapping[str, object]:
    return {
        **facts,
        "our_roles": customer.our_roles,
        "contract_hours": customer.notice_hours or (0 if customer.has_contract else None),
        "entrusting_party_told": customer.told if decided is None else decided,
    }
