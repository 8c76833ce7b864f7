"""The facts that reports are filled from: their names, what kind of thing each is, and who knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from incident_app.domain.tables import Document, unique_codes
from incident_app.domain.words import Words


class FactKind(StrEnum):
    """What a fact is: text as it is, a number of something, a day or a time, one word or several of a closed list."""

    TEXT = "text"
    NUMBER = "number"
    MOMENT = "moment"
    CHOICE = "choice"
    CHOICES = "choices"


class FactSource(StrEnum):
    """Who knows a fact: the records of the incident, the newest notice, or a person, of the company or of the case."""

    INCIDENT = "incident"
    NOTICE = "notice"
    COMPANY = "company"
    PERSON = "person"


CHOSEN = frozenset({FactKind.CHOICE, FactKind.CHOICES})


@dataclass(frozen=True, kw_only=True)
class Codes:
    """The value of a fact that is chosen: the words for it stand in the form, which may call it otherwise."""

    codes: tuple[str, ...]


FactValue: TypeAlias = Words | Codes


@dataclass(frozen=True, kw_only=True)
class ReportFact:
    """One fact that forms may ask for."""

    code: str
    label: Words
    kind: FactKind
    source: FactSource
    unit: Words | None
    """What a number counts."""


@dataclass(frozen=True, kw_only=True)
class FactList:
    """Every fact that the forms of an instance may ask for."""

    facts: Mapping[str, ReportFact]
    item_kinds: tuple[ItemKind, ...]

    def __contains__(self, code: str) -> bool:
        return code in self.facts

    def __getitem__(self, code: str) -> ReportFact:
        return self.facts[code]

    def kinds_of_items(self, items: Mapping[str, frozenset[str]]) -> Codes:
        """Return what authorities call these data items, given with their flags; what has no name there is other."""
        found = [kind.code for kind in self.item_kinds if any(kind.holds(code, items[code]) for code in items)]
        named = {code for code in items if any(kind.holds(code, items[code]) for kind in self.item_kinds)}
        return Codes(codes=(*found, *(("other",) if set(items) - named else ())))


@dataclass(frozen=True, kw_only=True)
class ItemKind:
    """A kind of data item that authorities have a word for, and which of the company's items are of it."""

    code: str
    items: frozenset[str]
    flags: frozenset[str]

    def holds(self, item: str, flags: frozenset[str]) -> bool:
        """Tell whether an item is of this kind."""
        return item in self.items or bool(self.flags & flags)


def read_fact_list(*texts: tuple[str, str]) -> FactList:
    """Read lists of facts, the strongest first, each with the name of its file; FaultyFile names every fault."""
    facts: dict[str, ReportFact] = {}
    kinds: dict[str, ItemKind] = {}
    for text, file in texts:
        document = Document(text, file=file)
        tables = document.root.tables("facts")
        unique_codes(tables)
        for table in tables:
            fact = ReportFact(
                code=table.text("code"),
                label=Words(ja=table.text("label_ja"), en=table.text("label_en")),
                kind=table.word("kind", FactKind, FactKind.TEXT),
                source=table.word("from", FactSource),
                unit=_unit(table.find_text("unit_ja"), table.find_text("unit_en")),
            )
            table.finish()
            facts.setdefault(fact.code, fact)
        tables = document.root.tables("item_kinds", required=False)
        unique_codes(tables)
        for table in tables:
            kind = ItemKind(
                code=table.text("code"), items=frozenset(table.texts("items")), flags=frozenset(table.texts("flags"))
            )
            table.finish()
            kinds.setdefault(kind.code, kind)
        document.root.finish()
        document.finish()
    return FactList(facts=facts, item_kinds=tuple(kinds.values()))


def _unit(ja: str | None, en: str | None) -> Words | None:
    return Words(ja=ja or "", en=en or "") if ja or en else None
