"""Column profiles: how a file from another system names our columns, writes its times and calls its items."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incident_app.domain.customers import (
    COLUMNS,
    REQUIRED,
    DuplicateColumns,
    FileKind,
    MissingColumns,
    NoKnownColumn,
    UnknownColumns,
)
from incident_app.domain.digests import digest_of
from incident_app.domain.encodings import UnknownEncoding, encoding_named
from incident_app.domain.errors import BadInput
from incident_app.domain.tables import Document, Table

PROFILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
DELIMITERS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t"}


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """What is known beforehand about the files of one source. The empty profile reads our own column names."""

    kind: FileKind | None = None
    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our column -> the name it has in the file."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Our column -> its value in every row."""
    item_codes: Mapping[str, str] = field(default_factory=dict)
    """What the file calls an item -> our item code."""
    ignore_others: bool = False
    date_format: str | None = None
    zone: str | None = None

    @property
    def digest(self) -> str:
        """Return what tells this profile from others; empty for the empty profile."""
        return "" if self == ColumnProfile() else digest_of(self)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where each of our columns stands in a row of one file."""

    kind: FileKind
    width: int
    places: Mapping[str, int]
    constants: Mapping[str, str]


def read_profile(text: str, *, file: str) -> ColumnProfile:
    """Read a profile from TOML; FaultyFile names key, line and reason of every fault."""
    document = Document(text, file=file)
    root = document.root
    kind = root.word("kind", FileKind)
    profile = ColumnProfile(
        kind=kind,
        encoding=_encoding(root),
        delimiter=_delimiter(root),
        columns=_pairs(root, "columns", kind),
        constants=_pairs(root, "constants", kind),
        item_codes=_pairs(root, "items", None),
        ignore_others=root.truth("ignore_others"),
        date_format=root.find_text("date_format"),
        zone=_zone(root),
    )
    for name in sorted(set(profile.columns) & set(profile.constants)):
        document.fault(f"constants.{name}", "stands in [columns] too; a column is either read or constant")
    if profile.date_format is not None and profile.zone is None and "%z" not in profile.date_format:
        root.fault("date_format", "has no offset (%z), so zone is needed, like Asia/Tokyo")
    root.finish()
    document.finish()
    return profile


def layout_of(header: Sequence[str], profile: ColumnProfile, kind: FileKind | None = None) -> Layout:
    """Find our columns in the header of a file; unknown, missing and doubled columns are refused by name.

    A first line without any of our columns is not named: it may be the first row, and hold a person.
    """
    names = [name.strip() for name in header]
    ours = {source: column for column, source in profile.columns.items()}
    read = [ours.get(name) or name.lower() for name in names]
    given = set(read) | set(profile.constants)
    kind = profile.kind or kind or (FileKind.HOLDINGS if {"store", "items"} & given else FileKind.CUSTOMERS)
    known = COLUMNS[kind]
    if read and not set(read) & set(known):  # a file without a header begins with a person: nothing of it is repeated
        raise NoKnownColumn(known=", ".join(known))
    unknown = [name or "(empty)" for name, column in zip(names, read, strict=True) if column not in known]
    if unknown and not profile.ignore_others:
        raise UnknownColumns(columns=", ".join(unknown), known=", ".join(known))
    places = {column: place for place, column in reversed(list(enumerate(read))) if column in known}
    if doubled := sorted({column for column in places if read.count(column) > 1}):
        raise DuplicateColumns(columns=", ".join(doubled))
    if missing := sorted(_required(kind, given) - given):
        raise MissingColumns(columns=", ".join(missing))
    return Layout(kind=kind, width=len(names), places=places, constants=profile.constants)


def _required(kind: FileKind, given: set[str]) -> frozenset[str]:
    """Return the columns that must be there: a name is needed only where a way to reach the person is given."""
    if kind is FileKind.CUSTOMERS and not given & {"name", "email", "postal_address", "phone"}:
        return frozenset({"customer_number"})
    return REQUIRED[kind]


class MomentReader:
    """Reads times as a profile says they are written; what cannot be read is a ValueError that says why."""

    def __init__(self, profile: ColumnProfile) -> None:
        self._format = profile.date_format
        self._zone = ZoneInfo(profile.zone) if profile.zone else None

    def read(self, text: str) -> datetime:
        """Return the moment in UTC."""
        try:
            moment = datetime.strptime(text, self._format) if self._format else datetime.fromisoformat(text)  # noqa: DTZ007 - the zone follows
            zoned = moment if moment.tzinfo or not self._zone else moment.replace(tzinfo=self._zone)
            found = zoned.astimezone(UTC) if zoned.tzinfo else None
        except (ValueError, OverflowError):  # the latter beyond the first and the last day that a calendar knows
            wanted = self._format or "2026-11-24T17:20+09:00"
            raise ValueError(f"is not a time like {wanted}") from None
        if found is None:
            raise ValueError("has no UTC offset; write it like 2026-11-24T17:20+09:00")
        return found


def check_profile_name(name: str) -> str:
    """Return the name if it can name a file; BadInput otherwise."""
    if not PROFILE_NAME.fullmatch(name):
        raise BadInput(field="name", problem="use 1 to 60 of a-z, 0-9, - and _")
    return name


def _encoding(root: Table) -> str | None:
    found = root.find_text("encoding")
    if found is not None:
        try:
            encoding_named(found)
        except UnknownEncoding as refusal:
            root.fault("encoding", str(refusal))
    return found


def _delimiter(root: Table) -> str | None:
    found = root.find_text("delimiter")
    if found is not None and found not in DELIMITERS:
        root.fault("delimiter", f"must be one of {', '.join(DELIMITERS)}")
        return None
    return DELIMITERS[found] if found else None


def _zone(root: Table) -> str | None:
    found = root.find_text("zone")
    if found is not None:
        try:
            ZoneInfo(found)
        except (ZoneInfoNotFoundError, ValueError):
            root.fault("zone", f"{found!r} is not a time zone like Asia/Tokyo")
            return None
    return found


def _pairs(root: Table, key: str, kind: FileKind | None) -> dict[str, str]:
    found = root.raw(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        root.fault(key, f"must be a table, written [{key}]")
        return {}
    for name, value in found.items():
        if kind is not None and name not in COLUMNS[kind]:
            root.fault(f"{key}.{name}", f"is not a column of {kind}; known: {', '.join(COLUMNS[kind])}")
        elif not isinstance(value, str) or not value.strip():
            root.fault(f"{key}.{name}", "must be text")
    pairs = {name: value.strip() for name, value in found.items() if isinstance(value, str)}
    if kind is not None and key == "columns" and len(set(pairs.values())) < len(pairs):
        root.fault(key, "names one column of the file twice")
    return pairs
