"""The register as its pages show it: stores by operator, and one store with everything known about it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Engine

from incident_app.domain.inventory import (
    DataCategory,
    DataItem,
    Disclosure,
    JointUseGroup,
    Nature,
    Party,
    Store,
    StoreItem,
)
from incident_app.services.inventory import current_inventory
from incident_app.services.transaction import reading


@dataclass(frozen=True, kw_only=True)
class OperatorView:
    """A company with the stores that it operates."""

    party: Party
    stores: tuple[Store, ...]


@dataclass(frozen=True, kw_only=True)
class CategoryView:
    """A category of data, how deep it lies in the tree, and what it means to the people."""

    category: DataCategory
    depth: int
    items: int
    natures: tuple[Nature, ...]


@dataclass(frozen=True, kw_only=True)
class RegisterView:
    """The whole register in short."""

    operators: tuple[OperatorView, ...]
    categories: tuple[CategoryView, ...]


@dataclass(frozen=True, kw_only=True)
class HeldView:
    """One item in one store: what it is, how it lies there, and who received it by which source."""

    entry: StoreItem
    item: DataItem
    category: DataCategory
    received_by: tuple[tuple[Party, Disclosure], ...]
    shared_in: tuple[tuple[JointUseGroup, bool], ...]
    """The groups that use it jointly, and whether that follows from an open-ended list only."""


@dataclass(frozen=True, kw_only=True)
class StorePage:
    """One store with everything known about it."""

    store: Store
    operator: Party
    held: tuple[HeldView, ...]
    disclosures: tuple[Disclosure, ...]
    """What its operator received, published and actual apart; none for a store of our own."""


def read_register(engine: Engine) -> RegisterView:
    """Return the stores by operator, ours first, and the tree of categories."""
    with reading(engine) as session:
        inventory = current_inventory(session)
    operators = [
        OperatorView(party=party, stores=stores)
        for party in sorted(inventory.parties, key=lambda party: (not party.is_ourselves, party.code))
        if (stores := inventory.stores_operated_by(party.code))
    ]
    children: dict[str | None, list[DataCategory]] = {}
    for category in inventory.categories:
        children.setdefault(category.parent, []).append(category)
    tree: list[CategoryView] = []

    def add(parent: str | None, depth: int) -> None:
        for category in children.get(parent, []):
            natures = inventory.natures_of(category.code)
            tree.append(
                CategoryView(
                    category=category,
                    depth=depth,
                    items=len(inventory.items_under(category.code)),
                    natures=tuple(nature for nature in Nature if nature in natures),
                ),
            )
            add(category.code, depth + 1)

    add(None, 0)
    return RegisterView(operators=tuple(operators), categories=tuple(tree))


def get_store_page(engine: Engine, code: str) -> StorePage:
    """Return one store with everything known about it; NotFound otherwise."""
    with reading(engine) as session:
        inventory = current_inventory(session)
    store = inventory.store(code)
    operator = inventory.party(store.operator)
    categories = {category.code: category for category in inventory.categories}
    disclosures = inventory.disclosures
    held = [
        HeldView(
            entry=entry,
            item=(item := inventory.item(entry.item)),
            category=categories[item.category],
            received_by=tuple(
                (inventory.party(told.party), told)
                for told in disclosures
                if entry.item in told.items and told.party != operator.code
            ),
            shared_in=tuple(
                (group, entry.item in group.uncertain)
                for group in inventory.joint_use
                if entry.item in group.items | group.uncertain
            ),
        )
        for entry in store.items
    ]
    received = tuple(told for told in disclosures if told.party == operator.code and not operator.is_ourselves)
    return StorePage(store=store, operator=operator, held=tuple(held), disclosures=received)
