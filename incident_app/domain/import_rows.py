"""One row of a file: checked against the rules, brought into the form that is loaded, or refused in words.

A checked row is a tuple that sorts by customer number, so that rows can be sorted on disk, duplicates stand side by
side, and the tables are filled in the order of their keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from operator import itemgetter

from incident_app.domain.column_profiles import ColumnProfile, Layout, MomentReader
from incident_app.domain.customers import COLUMNS, LIMITS, FileKind, RowFault
from incident_app.domain.vocabulary import Language, PersonKind, Relation

CustomerTuple = tuple[str, int, str, str, str, str, str, str, str, str, str]
"""Number, line, kind, relation, language, jurisdiction, name, email, postal address, phone, remark."""
HoldingTuple = tuple[str, str, str, int, int, int]
"""Number, store, items separated by spaces, held from, line, held until; times in microseconds, 0 for none.

The first four say what it is: two rows in which they are the same are one too many.
"""
Columns = tuple[Sequence[str], ...]

MOST_KEPT = 10_000
"""Findings about values that were seen before: so many are kept, and memory stays flat."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,60}").fullmatch
_PLAIN_NUMBERS = re.compile(r"(?:[0-9A-Za-z_-]{1,60}\n)+").fullmatch
_LIKE_A_POWER = re.compile(r"^\d+[Ee]\d+$", re.MULTILINE).search
_SPREADSHEET_NUMBER = re.compile(r"\d(?:[.,]\d+)?[Ee]\+?\d+").fullmatch
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]").search
_CONTROL_BUT_BREAKS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]").search
_DAMAGED = "\ufffd"
_UNSEEN = re.compile("[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ue000-\uf8ff]").search


def microseconds(moment: datetime) -> int:
    """Return a moment as whole microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment_of(count: int) -> datetime | None:
    """Return the moment of `microseconds`; 0 is none."""
    return EPOCH + timedelta(microseconds=count) if count else None


class CustomerChecker:
    """Checks rows of a customers file."""

    def __init__(self, layout: Layout) -> None:
        self._width = layout.width
        self._take = _taker(layout, COLUMNS[FileKind.CUSTOMERS])
        self._columns = _Picker(layout, COLUMNS[FileKind.CUSTOMERS])
        self._needs_name = "name" in layout.places or "name" in layout.constants
        self._attributes: dict[tuple[str, ...], tuple[str, str, str, str] | str] = {}

    def check(self, line: int, values: list[str]) -> CustomerTuple:
        """Return the row in the form that is loaded; RowFault says what is wrong."""
        if len(values) != self._width:
            raise RowFault(f"{len(values)} values for {self._width} columns")
        number, *words, name, email, post, phone = self._take(values)
        number = _number(number)
        name, email, post, phone = name.strip(), email.strip(), post.strip(), phone.strip()
        key = tuple(words)
        attributes = self._attributes.get(key) or _attributes(*words)
        if len(self._attributes) < MOST_KEPT:
            self._attributes[key] = attributes
        if isinstance(attributes, str):
            raise RowFault(attributes)
        if self._needs_name and not name:
            raise RowFault("name is empty")
        text = f"{name}{email}{phone}{post}"
        if not text.isprintable() or _DAMAGED in text:
            _refuse_control(name=name, email=email, phone=phone, postal_address=post)
        if len(name) > 300 or len(post) > 500 or len(email) > 300 or len(phone) > 60:  # noqa: PLR2004 - as LIMITS
            _refuse_length(name=name, postal_address=post, email=email, phone=phone)
        remark = "" if name.isprintable() else _remark(name)
        return (number, line, *attributes, name, email, post, phone, remark)

    def check_many(self, lines: Sequence[int], rows: Sequence[list[str]]) -> list[CustomerTuple] | None:
        """Return what `check` makes of each row when all are ordinary; None says to check them one by one."""
        columns = self._columns(rows)
        if columns is None:
            return None
        numbers, *words, name, email, post, phone = columns
        keys = list(zip(*words, strict=True))
        attributes = {key: self._attributes.get(key) or _attributes(*key) for key in set(keys)}
        texts = [list(map(str.strip, column)) for column in (name, email, post, phone)]
        if not _all_plain(numbers) or any(isinstance(found, str) for found in attributes.values()):
            return None
        if len(self._attributes) < MOST_KEPT:
            self._attributes |= attributes
        together = "".join(chain.from_iterable(texts))
        if not together.isprintable() or _DAMAGED in together or (self._needs_name and not all(texts[0])):
            return None
        limits = (LIMITS[field] for field in ("name", "email", "postal_address", "phone"))
        if any(max(map(len, column)) > limit for column, limit in zip(texts, limits, strict=True)):
            return None
        found = zip(*map(attributes.__getitem__, keys), strict=True)
        return list(zip(numbers, lines, *found, *texts, repeat(""), strict=False))


class HoldingChecker:
    """Checks rows of a holdings file against the items of each store.

    `items` names item codes separated by spaces, or * for every item of the store.
    """

    def __init__(self, layout: Layout, profile: ColumnProfile, stores: Mapping[str, AbstractSet[str]]) -> None:
        self._width = layout.width
        wanted = ("customer_number", "store", "items", "held_from", "held_until")
        self._take = _taker(layout, wanted)
        self._columns = _Picker(layout, wanted)
        self._stores = stores
        self._codes = profile.item_codes
        self._moments = MomentReader(profile)
        self._known_moments: dict[str, int] = {}
        self._items: dict[tuple[str, str], tuple[bool, str]] = {}

    def check(self, line: int, values: list[str]) -> HoldingTuple:
        """Return the row in the form that is loaded; RowFault says what is wrong."""
        if len(values) != self._width:
            raise RowFault(f"{len(values)} values for {self._width} columns")
        number, store, items, held_from, held_until = self._take(values)
        found = self._items.get((store, items))
        if found is None:
            found = self._items_of(store, items)
        good, text = found
        if not good:
            raise RowFault(text)
        start = self._moment("held_from", held_from) if held_from else 0
        end = self._moment("held_until", held_until) if held_until else 0
        if end and start and end <= start:
            raise RowFault("held_until must be later than held_from")
        return (_number(number), store.strip(), text, start, line, end)

    def check_many(self, lines: Sequence[int], rows: Sequence[list[str]]) -> list[HoldingTuple] | None:
        """Return what `check` makes of each row when all are ordinary; None says to check them one by one."""
        columns = self._columns(rows)
        if columns is None or not _all_plain(columns[0]):
            return None
        numbers, stores, items, held_from, held_until = columns
        pairs = list(zip(stores, items, strict=True))
        judged = {pair: self._items.get(pair) or self._items_of(*pair) for pair in set(pairs)}
        if not all(good for good, _ in judged.values()):
            return None
        texts = {pair: text for pair, (_, text) in judged.items()}
        starts, ends = self._moments_of(held_from), self._moments_of(held_until)
        if starts is None or ends is None:
            return None
        if any(ends) and any(end and end <= start for start, end in zip(starts, ends, strict=True)):
            return None
        stripped = map(str.strip, stores)
        return list(zip(numbers, stripped, map(texts.__getitem__, pairs), starts, lines, ends, strict=True))

    def _moments_of(self, column: Sequence[str]) -> list[int] | None:
        try:
            known = {text: self._moment("", text) if text else 0 for text in set(column)}
        except RowFault:
            return None
        return list(map(known.__getitem__, column))

    def _moment(self, field: str, text: str) -> int:
        found = self._known_moments.get(text)
        if found is not None:
            return found
        if not text.strip():
            return 0
        try:
            found = microseconds(self._moments.read(text.strip()))
        except ValueError as fault:
            raise RowFault(f"{field} {fault}") from None
        if not found:
            raise RowFault(
                f"{field} is 1970-01-01T00:00Z, which systems write for no time; leave it empty or give the true time"
            )
        if len(self._known_moments) < MOST_KEPT:
            self._known_moments[text] = found
        return found

    def _items_of(self, store: str, items: str) -> tuple[bool, str]:
        found = self._judge(store.strip(), items)
        if len(self._items) < MOST_KEPT:
            self._items[store, items] = found
        return found

    def _judge(self, store: str, items: str) -> tuple[bool, str]:
        if store not in self._stores:
            return False, "store is not in the inventory"
        words = items.replace(";", " ").split()
        wanted = {self._codes.get(word, word) for word in words}
        if wanted == {"*"}:
            wanted = set(self._stores[store])
        if not wanted:
            return False, "items is empty"
        if unknown := sorted(wanted - self._stores[store]):
            return False, f"items not held in {store}: {', '.join(unknown)}"
        return True, " ".join(sorted(wanted))


class _Picker:
    """Takes our columns out of many rows at once; a column that is not there is its constant or empty."""

    def __init__(self, layout: Layout, columns: Sequence[str]) -> None:
        self._width = layout.width
        self._columns = [(layout.places.get(column), layout.constants.get(column, "")) for column in columns]

    def __call__(self, rows: Sequence[list[str]]) -> Columns | None:
        """Return the columns, or None when a row has another number of values."""
        if not rows or set(map(len, rows)) != {self._width}:
            return None
        found = list(zip(*rows, strict=True))
        return tuple(
            found[place] if place is not None else (constant,) * len(rows) for place, constant in self._columns
        )


def _all_plain(numbers: Sequence[str]) -> bool:
    """Tell whether every customer number is made of ordinary characters and none looks like 1E5."""
    joined = "\n".join(numbers) + "\n"
    return joined.count("\n") == len(numbers) and _PLAIN_NUMBERS(joined) is not None and _LIKE_A_POWER(joined) is None


def _taker(layout: Layout, columns: Sequence[str]) -> Callable[[list[str]], tuple[str, ...]]:
    """Return a function that picks our columns out of a row; a column that is not there is its constant or empty."""
    places = [layout.places.get(column, layout.width + number) for number, column in enumerate(columns)]
    constants = [layout.constants.get(column, "") for column in columns]
    pick = itemgetter(*places)
    return lambda values: pick(values + constants)


def _number(text: str) -> str:
    if _PLAIN_NUMBER(text):
        if ("E" in text or "e" in text) and _SPREADSHEET_NUMBER(text):
            raise RowFault(_CHANGED_BY_SPREADSHEET)
        return text
    number = text.strip()
    if not number or len(number) > LIMITS["customer_number"]:
        raise RowFault(f"customer_number must have 1 to {LIMITS['customer_number']} characters")
    if _SPREADSHEET_NUMBER(number):
        raise RowFault(_CHANGED_BY_SPREADSHEET)
    if _CONTROL(number) or _UNSEEN(number) or _DAMAGED in number:
        raise RowFault("customer_number has a control character or one that cannot be seen")
    return number


_CHANGED_BY_SPREADSHEET = (
    "customer_number looks like 1.00E+05: a spreadsheet has changed it; export the file again with the column as text"
)


def _attributes(kind: str, relation: str, language: str, jurisdiction: str) -> tuple[str, str, str, str] | str:
    """Return the four words of a person with their defaults, or what is wrong with them."""
    country = jurisdiction.strip() or "JP"
    if len(country) != 2 or not country.isascii() or not country.isalpha() or not country.isupper():  # noqa: PLR2004
        return "jurisdiction must be a country code of two capital letters, like JP"
    written = {
        "kind": (kind.strip() or PersonKind.PERSON, PersonKind),
        "relation": (relation.strip() or Relation.CUSTOMER, Relation),
        "language": (language.strip() or (Language.JA if country == "JP" else Language.EN), Language),
    }
    for field, (word, words) in written.items():
        if word not in list(words):
            return f"{field} must be one of {', '.join(words)}"
    first, second, third = (str(word) for word, _ in written.values())
    return first, second, third, country


def _refuse_control(**fields: str) -> None:
    for field, value in fields.items():
        control = _CONTROL_BUT_BREAKS if field == "postal_address" else _CONTROL
        if control(value):
            raise RowFault(f"{field} has a control character or a line break")
        if _DAMAGED in value:
            raise RowFault(f"{field} has a replacement character: the text was damaged before this file was written")


def _refuse_length(**fields: str) -> None:
    for field, value in fields.items():
        if len(value) > LIMITS[field]:
            raise RowFault(f"{field} has {len(value)} characters; at most {LIMITS[field]} fit")


def _remark(name: str) -> str:
    """Return what a person should look at: characters that cannot be seen or that turn text around are kept."""
    return "name has a character that cannot be seen or shown everywhere; it is kept as it is" if _UNSEEN(name) else ""
