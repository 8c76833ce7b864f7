"""What an import changes: entries added, changed or retracted, told before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.inventory import Inventory
from incident_app.domain.inventory_rows import TABLES, Row, rows_of


class ChangeKind(StrEnum):
    """What happens to an entry. Nothing is ever deleted."""

    ADDED = "added"
    CHANGED = "changed"
    RETRACTED = "retracted"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One entry of one table that an import touches, and the columns that differ."""

    kind: ChangeKind
    table: str
    entry: str
    columns: tuple[str, ...] = ()


_KEYS: Mapping[str, tuple[str, ...]] = {
    "store_items": ("store", "item", "held_from"),
    "disclosures": ("party", "basis", "role", "purpose_en", "purpose_ja", "legal_basis", "section"),
    "joint_use_members": ("group", "party"),
    "joint_use_items": ("group", "item"),
}
_SHOWN: Mapping[str, int] = {"store_items": 3, "disclosures": 3}
"""How many words of a key name the entry to a reader."""
_IN_ORDER = ("categories", "items")
"""Tables whose order means something: pages and notices list their entries in it."""


def changes_between(before: Inventory, after: Inventory) -> tuple[Change, ...]:
    """List every entry that differs, table by table; empty when both say the same."""
    old, new = rows_of(before), rows_of(after)
    found: list[Change] = []
    for table in TABLES:
        found += _changes(table, old[table], new[table])
    return tuple(found)


def counts_of(changes: Sequence[Change]) -> dict[str, int]:
    """Count the changes by kind, also those that do not occur."""
    return {kind.value: sum(change.kind is kind for change in changes) for kind in ChangeKind}


def _changes(table: str, old: Sequence[Row], new: Sequence[Row]) -> list[Change]:
    before, after = _by_key(table, old), _by_key(table, new)
    found = [Change(kind=ChangeKind.ADDED, table=table, entry=_name(table, key)) for key in after if key not in before]
    for key, row in after.items():
        columns = tuple(column for column in row if key in before and before[key][column] != row[column])
        if columns:
            found.append(Change(kind=ChangeKind.CHANGED, table=table, entry=_name(table, key), columns=columns))
    found += [
        Change(kind=ChangeKind.RETRACTED, table=table, entry=_name(table, key)) for key in before if key not in after
    ]
    kept_before, kept_after = [key for key in before if key in after], [key for key in after if key in before]
    moved = [key for key, other in zip(kept_after, kept_before, strict=True) if key != other]
    if table in _IN_ORDER and moved:
        found.append(Change(kind=ChangeKind.CHANGED, table=table, entry=_name(table, moved[0]), columns=("order",)))
    return found


def _by_key(table: str, rows: Sequence[Row]) -> dict[tuple[object, ...], Row]:
    return {tuple(row[column] for column in _KEYS.get(table, ("code",))): row for row in rows}


def _name(table: str, key: tuple[object, ...]) -> str:
    return " ".join(str(word) for word in key[: _SHOWN.get(table)] if word is not None)
