"""Lists of customers from forensic evidence: rows that name a person by number, address or telephone, with items."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from incident_app.domain.column_profiles import ColumnProfile
from incident_app.domain.customers import COLUMNS, MissingColumns
from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.vocabulary import MatchKey, RowRemark

KEY_COLUMNS = {"customer_number": MatchKey.NUMBER, "email": MatchKey.EMAIL, "phone": MatchKey.PHONE}
ITEMS = "items"
EVERY_ITEM = "*"
NO_PROFILE = ColumnProfile()
DELIMITERS = ",\t;|:"
NAMES_NOBODY = frozenset(
    {
        RowRemark.BROKEN,
        RowRemark.NO_KEY,
        RowRemark.NO_MATCH,
        RowRemark.CONTRADICTION,
        RowRemark.AMBIGUOUS_NUMBER,
    },
)
"""Remarks on rows that name no customer; the others are only to be looked at."""
REMARKS: Mapping[RowRemark, tuple[str, str]] = {
    RowRemark.BROKEN: ("列の数または引用符が正しくありません", "wrong number of columns, or broken quotes"),
    RowRemark.NO_KEY: ("番号・アドレス・電話のどれもありません", "no number, address or telephone"),
    RowRemark.NO_MATCH: ("登録のない番号・アドレス・電話です", "number, address or telephone are not known"),
    RowRemark.CONTRADICTION: ("番号とアドレスなどが別の人を指しています", "its keys point to different people"),
    RowRemark.AMBIGUOUS_NUMBER: ("大文字と小文字だけが違う番号が複数あります", "numbers differ only in capitals"),
    RowRemark.SEVERAL_PEOPLE: (
        "同じ連絡先の人が複数います（全員を含めました）",
        "several people share it; all are taken",
    ),
    RowRemark.NUMBER_UNKNOWN: (
        "番号は登録になく、アドレスまたは電話で一致しました",
        "number not known; matched by address or telephone",
    ),
}


class ColumnsUnknown(IncidentAppError):
    """Columns {places} of the file are not known. Known: {known}. Say with --column what others mean."""

    ja = "{places}列目は知らない列です。使える列：{known}。ほかの列は --column で意味を指定してください。"


class ColumnAbsent(BadInput):
    """{field}: the file has no column {column}."""

    ja = "{field}：ファイルに列「{column}」がありません。"


class ColumnMisread(BadInput):
    """{field}: write NAME=KEY, NAME=KEY:ITEM or NAME=:ITEM, where KEY is one of {keys}."""

    ja = "{field}：NAME=KEY、NAME=KEY:ITEM、NAME=:ITEM の形で書いてください（KEY は {keys} のいずれか）。"


class OpenQuote(IncidentAppError):
    """A quotation mark that opens in line {line} is never closed, so the rest of the file cannot be read. Mend it."""

    ja = "{line}行目で始まる引用符が閉じていないため、残りを読めません。直してからもう一度読み込んでください。"


@dataclass(frozen=True, kw_only=True)
class ColumnUse:
    """What a column of a file means: the key it matches by, and the item that it shows where it is filled."""

    column: str
    key: MatchKey | None = None
    item: str | None = None


_NAMED = ColumnUse(column=ITEMS)
_PASSED_OVER = ColumnUse(column="")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file is to be read. As it stands: our own column names, everything else found in the file."""

    columns: tuple[ColumnUse, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    has_header: bool = True
    profile: ColumnProfile = NO_PROFILE

    @property
    def decides(self) -> dict[str, object]:
        """Return what makes another list of the same file. The encoding only says how to read the same characters."""
        columns = sorted([use.column, use.key or "", use.item or ""] for use in self.columns)
        words = {
            "columns": columns,
            "delimiter": self.delimiter,
            "has_header": self.has_header,
            "profile": _digest_of_profile(self.profile),
        }
        return {name: word for name, word in words.items() if word not in ([], None, True)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRow:
    """One row of a list: whom it names and which items it shows. No items means those of the stores in scope."""

    line: int
    number: str = ""
    email: str = ""
    phone: str = ""
    items: frozenset[str] | None = None
    remark: RowRemark | None = None
    further: tuple[tuple[MatchKey, str], ...] = ()
    """What other columns of the same meaning say, e.g. a second address: whoever has it is named as well."""

    def values(self, key: MatchKey) -> tuple[str, ...]:
        """Return everything that the row says of one key."""
        first = {MatchKey.NUMBER: self.number, MatchKey.EMAIL: self.email, MatchKey.PHONE: self.phone}[key]
        return tuple(value for value in (first, *(text for kind, text in self.further if kind is key)) if value)

    def __repr__(self) -> str:
        """Leave the person out of logs."""
        return f"ListRow(line={self.line})"


def by_profile(reading: Reading, profile: ColumnProfile) -> Reading:
    """Read a list as a saved profile says; encoding and delimiter that were told for this file go before it."""
    return replace(
        reading,
        encoding=reading.encoding or profile.encoding,
        delimiter=reading.delimiter or profile.delimiter,
        profile=profile,
    )


def _digest_of_profile(profile: ColumnProfile) -> str | None:
    """Return what a profile changes in a list: which columns are its keys and items, and what items are called."""
    used = {ours: name for ours, name in profile.columns.items() if ours in KEY_COLUMNS or ours == ITEMS}
    constant = profile.constants.get(ITEMS)
    if not used and constant is None and not profile.item_codes:
        return None
    return digest_of({"columns": used, "items": constant, "item_codes": dict(profile.item_codes)})


def column_use(text: str) -> ColumnUse:
    """Read what a column means, written like `mail=email:email`, `tel=phone` or `pw=:password`."""
    column, equals, meaning = text.rpartition("=")
    word, _, item = meaning.partition(":")
    if not equals or not column or not (word or item) or (word and word not in KEY_COLUMNS):
        raise ColumnMisread(field="column", keys=", ".join(KEY_COLUMNS))
    return ColumnUse(column=column.strip(), key=KEY_COLUMNS.get(word), item=item.strip() or None)


def read_list(lines: Iterable[str], reading: Reading) -> Iterator[ListRow]:
    """Yield the rows of a list one by one, broken ones with their remark. The header is checked before the first."""
    stream = iter(lines)
    first = next(stream, "")
    reader = csv.reader(chain([first], stream), delimiter=reading.delimiter or _delimiter(first), strict=True)
    places = _places(reader, first, reading)
    if not any(use.key for use in places.values()):
        raise MissingColumns(columns="customer_number, email or phone")
    return _rows(reader, _Meaning(places, reading.profile))


def _delimiter(first: str) -> str:
    return max(DELIMITERS, key=first.count)


def _places(reader: Iterator[list[str]], first: str, reading: Reading) -> dict[int, ColumnUse]:
    """Return what stands where. Names in the file are never repeated: a dump without a header begins with a person."""
    if not reading.has_header:
        width = len(next(csv.reader([first], delimiter=reading.delimiter or _delimiter(first)), []))
        names = [str(place) for place in range(1, width + 1)]
    else:
        names = [name.strip().lstrip("\ufeff") for name in next(reader, [])]
    told = {use.column.lower(): use for use in reading.columns}
    lowered = [name.lower() for name in names]
    for use in reading.columns:
        if use.column.lower() not in lowered:
            raise ColumnAbsent(field="column", column=use.column)
    known = _known_columns(reading.profile)
    found = {place: told.get(name) or known.get(name) for place, name in enumerate(lowered)}
    unknown = [str(place + 1) for place, use in found.items() if use is None and not reading.profile.ignore_others]
    if unknown and not told:
        if len(unknown) == len(found):
            raise MissingColumns(columns="customer_number, email or phone")
        raise ColumnsUnknown(places=", ".join(unknown), known=", ".join(known))
    return {place: use or _PASSED_OVER for place, use in found.items()}


def _known_columns(profile: ColumnProfile) -> dict[str, ColumnUse]:
    """Return the columns that need no telling: ours, and by the names of a profile; what a list does not use is empty.

    Without a profile only the columns of lists are known: in a file that nobody has described, others may mean more.
    """
    ours = {name: ColumnUse(column=name, key=key) for name, key in KEY_COLUMNS.items()} | {ITEMS: _NAMED}
    if profile == NO_PROFILE:
        return ours
    others = {name for columns in COLUMNS.values() for name in columns}
    named = {name.lower(): ours.get(column, _PASSED_OVER) for column, name in profile.columns.items()}
    return dict.fromkeys(others, _PASSED_OVER) | ours | named


def _rows(reader: Iterator[list[str]], meaning: _Meaning) -> Iterator[ListRow]:
    while True:
        line = int(getattr(reader, "line_num", 0)) + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            # A quote that swallows the lines after it hides the people in them; a field that is too long does not.
            last = max(line, int(getattr(reader, "line_num", 0)))
            if "unexpected end" in str(fault) or (last > line and "expected after" not in str(fault)):
                raise OpenQuote(line=line) from None
            for number in range(line, last + 1):
                yield ListRow(line=number, remark=RowRemark.BROKEN)
            continue
        if "".join(values).strip():
            yield meaning.row(line, values)


class _Meaning:
    """What stands where in a file, worked out once for all of its rows."""

    def __init__(self, places: Mapping[int, ColumnUse], profile: ColumnProfile) -> None:
        self.width = len(places)
        self.keys = {key: [place for place, use in places.items() if use.key is key] for key in MatchKey}
        self.shown = [(place, use.item) for place, use in places.items() if use.item is not None]
        self.named = [place for place, use in places.items() if use == _NAMED]
        self.codes = profile.item_codes
        self.constant = self._codes_in(profile.constants.get(ITEMS, ""))

    def row(self, line: int, values: Sequence[str]) -> ListRow:
        if len(values) != self.width:
            return ListRow(line=line, remark=RowRemark.BROKEN)
        found = {
            key: [text for place in places if (text := values[place].strip())] for key, places in self.keys.items()
        }
        number, email, phone = (found[key][0] if found[key] else "" for key in KEY_COLUMNS.values())
        items = {item for place, item in self.shown if values[place].strip()} | self.constant
        for place in self.named:
            items |= self._codes_in(values[place])
        return ListRow(
            line=line,
            number=number,
            email=email,
            phone=phone,
            items=frozenset(items) or None,
            remark=None if number or email or phone else RowRemark.NO_KEY,
            further=tuple((key, text) for key, texts in found.items() for text in texts[1:]),
        )

    def _codes_in(self, text: str) -> set[str]:
        """Return the items that a value names; * is every item of the stores in scope, which is naming none."""
        words = text.replace(";", " ").split()
        return set() if words == [EVERY_ITEM] else {self.codes.get(word, word) for word in words}


@dataclass(frozen=True, kw_only=True)
class Match:
    """Whom a row names: the people, by which key, and what is to be said of it."""

    people: frozenset[int] = frozenset()
    key: MatchKey | None = None
    remark: RowRemark | None = None


def match(
    row: ListRow, *, exact: frozenset[int], spelt: frozenset[int], email: frozenset[int], phone: frozenset[int]
) -> Match:
    """Decide whom a row names: by number, then address, then telephone; keys that disagree name nobody.

    `exact` has that very number, `spelt` has it in other capitals. Several people who share an address are all named.
    """
    if row.remark is not None:
        return Match(remark=row.remark)
    number = exact or spelt
    if len(exact) > 1:
        return Match(remark=RowRemark.CONTRADICTION)
    if len(number) > 1:
        return Match(remark=RowRemark.AMBIGUOUS_NUMBER)
    found = [
        (key, people)
        for key, people in ((MatchKey.NUMBER, number), (MatchKey.EMAIL, email), (MatchKey.PHONE, phone))
        if people
    ]
    if not found:
        return Match(remark=RowRemark.NO_MATCH)
    (key, people), others = found[0], found[1:]
    if any(not people & other for _, other in others):
        return Match(remark=RowRemark.CONTRADICTION)
    remark = RowRemark.SEVERAL_PEOPLE if len(people) > 1 else None
    if row.number and key is not MatchKey.NUMBER:
        remark = RowRemark.NUMBER_UNKNOWN
    return Match(people=people, key=key, remark=remark)
