"""Faults of a policy that no single key shows: doubles, circles in the tree of categories, impossible numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from incident_app.domain.inventory import DataCategory
from incident_app.domain.known_facts import DESIGNATIONS
from incident_app.domain.tables import Table


def at_least(table: Table, key: str, number: int | None, least: int) -> int | None:
    """Note a number that is too small; a missing one is none of our business."""
    if number is not None and number < least:
        table.fault(key, f"must be at least {least}")
    return number


def within(table: Table, key: str, number: int | None, least: int, most: int) -> int | None:
    """Note a number outside its bounds: what no database keeps and no calendar reaches is a slip of the pen."""
    if number is not None and not least <= number <= most:
        table.fault(key, f"must be at least {least} and at most {most:,}")
    return number


def refuse_doubles(tables: Sequence[Table], *keys: str) -> None:
    """Note every table that says the same under all `keys` as an earlier one; missing words are other faults."""
    seen = set()
    for table in tables:
        words = tuple(word for word in (table.raw(key) for key in keys) if isinstance(word, str))
        if len(words) == len(keys) and words in seen:
            table.fault(keys[-1], f"{' / '.join(words)!r} stands twice")
        seen.add(words)


def refuse_circles(tables: Sequence[Table], categories: Sequence[DataCategory]) -> None:
    """Note every category that lies below itself, with the way around: the categories form a tree."""
    parents = {category.code: category.parent for category in categories}
    for table, category in zip(tables, categories, strict=True):
        if circle := _circle(category.code, parents):
            way = " > ".join(circle)
            table.fault("parent", f"category {category.code!r} lies below itself ({way}); the categories form a tree")


def _circle(code: str, parents: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the way from a category up to itself; empty when there is none."""
    way = [code]
    parent = parents.get(code)
    while parent is not None and parent not in way:
        way.append(parent)
        parent = parents.get(parent)
    return (*way, code) if parent == code else ()


def read_designations(about: Table) -> frozenset[str]:
    """Read what the company is; a misspelt word would switch a regime off in silence, so it is a fault."""
    found = about.texts("designations")
    for word in found:
        if word not in DESIGNATIONS:
            about.fault("designations", f"{word!r} is not one of {', '.join(DESIGNATIONS)}")
    return frozenset(found)
