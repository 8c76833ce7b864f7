"""What an inventory must not say: periods that overlap, codes that nobody can type, texts that no table holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from incident_app.domain.inventory import StoreItem
from incident_app.domain.tables import Table

_CODE = re.compile(r"[^\s\x00-\x1f\x7f]{1,80}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
LONG_TEXT = 20_000
LENGTHS: Mapping[str, int] = {"section": 40, "purpose_ja": 300, "purpose_en": 300}
LENGTH = 300
"""The longest text of a column that is not named in LENGTHS."""


def period(item: StoreItem) -> str:
    """Say from when until when an item lies in a store."""
    if item.held_from is None and item.held_until is None:
        return "at all times"
    return f"from {item.held_from or 'the beginning'} until {item.held_until or 'today and on'}"


def overlap(one: StoreItem, other: StoreItem) -> bool:
    """Tell whether two entries of one item share a day; the first and the last day both count."""
    return (one.held_from or date.min) <= (other.held_until or date.max) and (other.held_from or date.min) <= (
        one.held_until or date.max
    )


def refuse_overlaps(tables: Sequence[Table], items: Sequence[StoreItem], store: str) -> None:
    """Note every entry of an item that overlaps an earlier one of the same store, naming both."""
    for position, (table, item) in enumerate(zip(tables, items, strict=True)):
        for earlier in items[:position]:
            if earlier.item == item.item and overlap(earlier, item):
                table.fault(
                    "item",
                    f"{item.item!r} stands twice in store {store!r} for the same time: "
                    f"{period(earlier)}, and {period(item)}",
                )


def check_codes(tables: Iterable[Table]) -> None:
    """Note codes that hold blanks or are too long: codes stand in lists, separated by blanks."""
    for table in tables:
        code = table.raw("code")
        if isinstance(code, str) and code.strip() and not _CODE.fullmatch(code):
            table.fault("code", "must be at most 80 characters without blanks or line breaks")


def check_country(table: Table, country: str) -> None:
    """Note a country that is not a code of two capital letters."""
    if not _COUNTRY.fullmatch(country):
        table.fault("country", "must be a country code of two capital letters, like JP")


def check_texts(table: Table, texts: Mapping[str, object], *, lengths: Mapping[str, int] = LENGTHS) -> None:
    """Note texts that cannot be stored: control characters, or more characters than the register holds."""
    for key, text in texts.items():
        if not isinstance(text, str):
            continue
        if _UNWRITABLE.search(text):
            table.fault(key, "holds a control character; remove it")
        if len(text) > lengths.get(key, LENGTH):
            table.fault(key, f"has {len(text)} characters; at most {lengths.get(key, LENGTH)} are kept")
