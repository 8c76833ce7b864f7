"""Reading an inventory back from the content of a snapshot, exactly as it was: also from before it could say more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from incident_app.domain.inventory import (
    DataCategory,
    DataItem,
    Disclosure,
    Inventory,
    JointUseGroup,
    JointUseMember,
    Party,
    Store,
    StoreItem,
)
from incident_app.domain.vocabulary import (
    BusinessLine,
    DisclosureBasis,
    ItemFlag,
    Medium,
    OurRole,
    PartyRole,
    Protection,
)

Content = Mapping[str, Any]  # JSON that this program wrote


def inventory_of_content(content: Content) -> Inventory:
    """Return the inventory of a snapshot; what it does not say was not said then."""
    return Inventory(
        categories=tuple(DataCategory(**entry) for entry in content["categories"]),
        items=tuple(
            DataItem(**{**entry, "flags": frozenset(ItemFlag(flag) for flag in entry["flags"])})
            for entry in content["items"]
        ),
        parties=tuple(Party(**_with_days(entry, "audited_on")) for entry in content["parties"]),
        stores=tuple(_store(entry) for entry in content["stores"]),
        disclosures=tuple(_disclosure(entry) for entry in content["disclosures"]),
        joint_use=tuple(_group(entry) for entry in content.get("joint_use", ())),
    )


def _disclosure(entry: Content) -> Disclosure:
    role, basis = PartyRole(entry["role"]), DisclosureBasis(entry["basis"])
    return Disclosure(**{**entry, "items": frozenset(entry["items"]), "role": role, "basis": basis})


def _store(entry: Content) -> Store:
    return Store(
        **{
            **_with_days(entry, "reviewed_on"),
            "medium": Medium(entry["medium"]),
            "our_role": OurRole(entry["our_role"]),
            "business_line": BusinessLine(entry["business_line"]),
            "items": tuple(
                StoreItem(
                    **_with_days({**item, "protection": Protection(item["protection"])}, "held_from", "held_until")
                )
                for item in entry["items"]
            ),
        },
    )


def _group(entry: Content) -> JointUseGroup:
    members = tuple(JointUseMember(**_with_days(member, "since")) for member in entry["members"])
    shared = {name: frozenset(entry[name]) for name in ("items", "uncertain")}
    return JointUseGroup(**{**entry, **shared, "members": members})


def _with_days(entry: Content, *names: str) -> dict[str, Any]:
    days = {name: date.fromisoformat(entry[name]) for name in names if entry.get(name)}
    return {**entry, **days}
