"""One row of a file: checked against the rules, brought into the form that is loaded, or refused in words.

A checked row is a tuple that sorts by customer number, so that rows can be sorted on disk, duplicates stand side by
side, and the tables are filled in the order of their keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from operator import itemgetter

from incident_app.domain.column_profiles import ColumnProfile, Layout, MomentReader
from incident_app.domain.customers import COLUMNS, LIMITS, FileKind, RowFault
from incident_app.domain.vocabulary import Language, PersonKind, Relation

CustomerTuple = tuple[str, int, str, str, str, str, str, str, str, str, str]
"""Number, line, kind, relation, language, jurisdiction, name, email, postal address, phone, remark."""
HoldingTuple = tuple[str, str, str, int, int, int]
"""Number, store, items separated by spaces, held from, line, held until; times in microseconds, 0 for none."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,60}").fullmatch
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
        attributes = self._attributes.get(key)
        if attributes is None:
            attributes = self._attributes[key] = _attributes(*words)
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


class HoldingChecker:
    """Checks rows of a holdings file against the items of each store.

    `items` names item codes separated by spaces, or * for every item of the store.
    """

    def __init__(self, layout: Layout, profile: ColumnProfile, stores: Mapping[str, AbstractSet[str]]) -> None:
        self._width = layout.width
        self._take = _taker(layout, ("customer_number", "store", "items", "held_from", "held_until"))
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

    def _moment(self, field: str, text: str) -> int:
        found = self._known_moments.get(text)
        if found is not None:
            return found
        if not text.strip():
            return 0
        try:
            found = microseconds(self._moments.read(text.strip()))
        except (ValueError, OverflowError) as fault:
            raise RowFault(f"{field} {fault}") from None
        if len(self._known_moments) < 10_000:  # noqa: PLR2004 - memory stays flat
            self._known_moments[text] = found
        return found

    def _items_of(self, store: str, items: str) -> tuple[bool, str]:
        found = self._judge(store.strip(), items)
        if len(self._items) < 100_000:  # noqa: PLR2004 - memory stays flat
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
