"""Files of customers and of holdings: their columns, limits and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.errors import IncidentAppError


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
LIMITS: Mapping[str, int] = {
    "customer_number": 60,
    "name": 300,
    "email": 300,
    "postal_address": 500,
    "phone": 60,
}
"""The longest value of each column, in characters."""


ABANDONING = "\U0010ffff"
"""The place an import has reached once somebody began to abandon it: no customer number lies behind it."""


class UnknownColumns(IncidentAppError):
    """The file has columns that are not known: {columns}. Known columns: {known}."""

    ja = "知らない列があります：{columns}。使える列：{known}。"


class NoKnownColumn(IncidentAppError):
    """The first line of the file names none of these columns: {known}. Put a header with their names above the rows."""

    ja = "1行目に使える列の名前が一つもありません：{known}。行の上に、列の名前を並べた見出しを付けてください。"


class MissingColumns(IncidentAppError):
    """The file lacks the columns {columns}."""

    ja = "必要な列がありません：{columns}。"


class DuplicateColumns(IncidentAppError):
    """The header names the columns {columns} twice. Remove or rename one of each."""

    ja = "同じ列が二つあります：{columns}。どちらかを削除するか、名前を変えてください。"


class RowsRefused(IncidentAppError):
    """{refused} of {read} rows cannot be taken, so nothing was imported. First: line {line}: {reason}."""

    ja = "{read}行のうち {refused}行を取り込めないため、何も取り込んでいません。最初の行：{line}行目：{reason}"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A row, or one value of it, that was not taken: line and reason, never the content."""

    line: int
    reason: str
    person_kept: bool = False


class RowFault(ValueError):
    """What is wrong with a row, in words, without its content."""
