"""Files of customers and of holdings: reading rows, and saying what is wrong with one."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.vocabulary import Language, PersonKind, Relation


class FileKind(StrEnum):
    """What a file of customers can hold."""

    CUSTOMERS = "customers"
    HOLDINGS = "holdings"


COLUMNS: Mapping[FileKind, tuple[str, ...]] = {
    FileKind.CUSTOMERS: (
        "customer_number",
        "kind",
        "relation",
        "language",
        "jurisdiction",
        "name",
        "email",
        "postal_address",
        "phone",
    ),
    FileKind.HOLDINGS: ("customer_number", "store", "items", "held_from", "held_until"),
}
REQUIRED: Mapping[FileKind, frozenset[str]] = {
    FileKind.CUSTOMERS: frozenset({"customer_number", "name"}),
    FileKind.HOLDINGS: frozenset({"customer_number", "store", "items"}),
}
LONGEST_NUMBER = 60


class UnknownColumns(IncidentAppError):
    """The file has columns that are not known: {columns}. Known columns: {known}."""

    ja = "知らない列があります：{columns}。使える列：{known}。"


class MissingColumns(IncidentAppError):
    """The file lacks the columns {columns}."""

    ja = "必要な列がありません：{columns}。"


class RowsRefused(IncidentAppError):
    """{refused} of {read} rows cannot be taken, so nothing was imported. First: line {line}: {reason}."""

    ja = "{read}行のうち {refused}行を取り込めないため、何も取り込んでいません。最初の行：{line}行目：{reason}"


@dataclass(frozen=True, kw_only=True)
class CustomerRow:
    """One person as a file names them."""

    line: int
    customer_number: str
    kind: PersonKind
    relation: Relation
    language: Language
    jurisdiction: str
    name: str
    email: str
    postal_address: str
    phone: str

    def __repr__(self) -> str:
        """Leave the person out of logs."""
        return f"CustomerRow(line={self.line})"


@dataclass(frozen=True, kw_only=True)
class HoldingRow:
    """What one store holds of one person, as a file says it."""

    line: int
    customer_number: str
    store: str
    items: frozenset[str]
    held_from: datetime | None
    held_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A row, or one value of it, that was not taken: line and reason, never the content."""

    line: int
    reason: str
    person_kept: bool = False


class RowFault(ValueError):
    """What is wrong with a row, in words, without its content."""


def read_rows(text: str, kind: FileKind | None = None) -> tuple[FileKind, Iterator[tuple[int, dict[str, str]]]]:
    """Return the kind of file and its rows with their line numbers. Unknown or missing columns are refused."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    kind = kind or (FileKind.HOLDINGS if "store" in header else FileKind.CUSTOMERS)
    if unknown := [name or "(empty)" for name in header if name not in COLUMNS[kind]]:
        raise UnknownColumns(columns=", ".join(unknown), known=", ".join(COLUMNS[kind]))
    if missing := sorted(REQUIRED[kind] - set(header)):
        raise MissingColumns(columns=", ".join(missing))
    return kind, _rows(reader, header)


def _rows(reader: Iterator[list[str]], header: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    while True:
        start = getattr(reader, "line_num", 0) + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield start, {"": "broken quotes"}
            continue
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(header):
            yield start, {"": f"{len(values)} values for {len(header)} columns"}
            continue
        yield start, {name: value.strip() for name, value in zip(header, values, strict=True)}


def customer_row(line: int, values: Mapping[str, str]) -> CustomerRow:
    """Check one row of a customers file; RowFault says what is wrong."""
    _check_shape(values)
    jurisdiction = values.get("jurisdiction") or "JP"
    if len(jurisdiction) != 2 or not jurisdiction.isascii() or not jurisdiction.isupper():  # noqa: PLR2004 - ISO 3166
        raise RowFault("jurisdiction must be a country code of two capital letters, like JP")
    if not values["name"]:
        raise RowFault("name is empty")
    return CustomerRow(
        line=line,
        customer_number=_number(values),
        kind=_word(values, "kind", PersonKind, PersonKind.PERSON),
        relation=_word(values, "relation", Relation, Relation.CUSTOMER),
        language=_word(values, "language", Language, Language.JA if jurisdiction == "JP" else Language.EN),
        jurisdiction=jurisdiction,
        name=values["name"],
        email=values.get("email", ""),
        postal_address=values.get("postal_address", ""),
        phone=values.get("phone", ""),
    )


def holding_row(line: int, values: Mapping[str, str], stores: Mapping[str, AbstractSet[str]]) -> HoldingRow:
    """Check one row of a holdings file against the items of each store; RowFault says what is wrong.

    `items` names item codes separated by spaces, or * for every item of the store.
    """
    _check_shape(values)
    store = values["store"]
    if store not in stores:
        raise RowFault("store is not in the inventory")
    wanted = frozenset(values["items"].replace(";", " ").split())
    items = frozenset(stores[store]) if wanted == {"*"} else wanted
    if not items:
        raise RowFault("items is empty")
    if unknown := sorted(items - stores[store]):
        raise RowFault(f"items not held in {store}: {', '.join(unknown)}")
    return HoldingRow(
        line=line,
        customer_number=_number(values),
        store=store,
        items=items,
        held_from=_moment(values, "held_from"),
        held_until=_moment(values, "held_until"),
    )


def _check_shape(values: Mapping[str, str]) -> None:
    if "" in values:
        raise RowFault(values[""])


def _number(values: Mapping[str, str]) -> str:
    number = values["customer_number"]
    if not number or len(number) > LONGEST_NUMBER:
        raise RowFault(f"customer_number must have 1 to {LONGEST_NUMBER} characters")
    return number


Word = TypeVar("Word", bound=StrEnum)


def _word(values: Mapping[str, str], field: str, words: type[Word], default: Word) -> Word:
    found = values.get(field) or default
    try:
        return words(found)
    except ValueError:
        raise RowFault(f"{field} must be one of {', '.join(words)}") from None


def _moment(values: Mapping[str, str], field: str) -> datetime | None:
    found = values.get(field)
    if not found:
        return None
    try:
        moment = datetime.fromisoformat(found)
    except ValueError:
        raise RowFault(f"{field} is not a time like 2026-11-24T17:20+09:00") from None
    if moment.tzinfo is None:
        raise RowFault(f"{field} has no UTC offset; write it like 2026-11-24T17:20+09:00")
    return moment
