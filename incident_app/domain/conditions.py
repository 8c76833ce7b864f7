"""Conditions over the facts of an incident, with three answers: yes, no, and not known yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.known_facts import DECIDABLE, FACTS, NUMBERS, WORDS
from incident_app.domain.tables import Table
from incident_app.domain.vocabulary import ItemFlag

__all__ = (
    "DECIDABLE",
    "FACTS",
    "UNDECIDED",
    "Answer",
    "Condition",
    "Operator",
    "all_of",
    "any_of",
    "read_conditions",
)


class Answer(StrEnum):
    """What a condition says. Unknown is never a silent no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Operator(StrEnum):
    """How a fact is compared."""

    IS = "is"
    IS_NOT = "is_not"
    MORE_THAN = "more_than"
    AT_LEAST = "at_least"
    INCLUDES = "includes"
    INCLUDES_ANY = "includes_any"
    MAY_INCLUDE = "may_include"
    EXCLUDES = "excludes"


_OPERATORS: Mapping[tuple[bool, bool], frozenset[Operator]] = {
    (True, False): frozenset({Operator.INCLUDES, Operator.INCLUDES_ANY, Operator.MAY_INCLUDE, Operator.EXCLUDES}),
    (False, True): frozenset({Operator.IS, Operator.IS_NOT, Operator.MORE_THAN, Operator.AT_LEAST}),
    (False, False): frozenset({Operator.IS, Operator.IS_NOT}),
}
"""How a fact can be compared that is (words, a number)."""

COUNTED_FLAGS = {"my_number_people": ("flags", Operator.INCLUDES, ItemFlag.MY_NUMBER)}
"""Numbers of people that count those of one flag."""

UNDECIDED = "undecided"
"""The member of a set of roles that stands for any of the others until somebody decides."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison."""

    fact: str
    operator: Operator
    value: object

    def answer(self, facts: Mapping[str, object]) -> Answer:
        """Compare; a fact that is None is not known yet, nor what a set with an undecided member may include."""
        found = facts.get(self.fact)
        if found is None:
            return Answer.UNKNOWN
        if _holds(found, self.operator, self.value):
            return Answer.YES
        undecided = self.operator is Operator.MAY_INCLUDE and isinstance(found, Collection) and UNDECIDED in found
        return Answer.UNKNOWN if undecided else Answer.NO

    def implies(self, other: Condition) -> bool:
        """Tell whether the other one must hold where this one does: counted My Numbers are My Numbers affected."""
        somebody = (self.operator is Operator.MORE_THAN) or (self.operator is Operator.AT_LEAST and self.value != 0)
        return somebody and (other.fact, other.operator, other.value) == COUNTED_FLAGS.get(self.fact)


def _holds(found: object, operator: Operator, value: object) -> bool:
    if operator is Operator.IS:
        return found == value
    if operator is Operator.IS_NOT:
        return found != value
    if isinstance(found, int) and isinstance(value, int):
        return found > value if operator is Operator.MORE_THAN else found >= value
    if isinstance(found, Collection) and operator in {Operator.INCLUDES, Operator.MAY_INCLUDE}:
        return value in found
    if isinstance(found, Collection) and operator is Operator.EXCLUDES:
        return value not in found
    if isinstance(found, Collection) and isinstance(value, Collection):
        return any(entry in found for entry in value)
    raise TypeError(f"{operator} cannot compare {type(found).__name__} with {type(value).__name__}")


def all_of(answers: Iterable[Answer]) -> Answer:
    """Yes when every answer is yes; no when one is no; else not known."""
    found = set(answers)
    if Answer.NO in found:
        return Answer.NO
    return Answer.UNKNOWN if Answer.UNKNOWN in found else Answer.YES


def any_of(answers: Iterable[Answer]) -> Answer:
    """Yes when one answer is yes; else not known when one is not; else no."""
    found = set(answers)
    if Answer.YES in found:
        return Answer.YES
    return Answer.UNKNOWN if Answer.UNKNOWN in found else Answer.NO


def read_conditions(table: Table, key: str) -> tuple[Condition, ...]:
    """Read a list of conditions, written [[...all]] with fact, is/more_than/... and value."""
    return tuple(_condition(entry) for entry in table.tables(key, required=False))


def _condition(entry: Table) -> Condition:
    fact = entry.text("fact")
    operator = entry.word("operator", Operator, Operator.IS)
    value = entry.raw("value")
    if fact and fact not in FACTS:
        entry.fault("fact", f"{fact!r} is not a fact; known: {', '.join(FACTS)}")
    elif value is None:
        entry.fault("value", "is missing")
    elif fact:
        _check_comparison(entry, fact, operator, value)
    entry.finish()
    return Condition(fact=fact, operator=operator, value=tuple(value) if isinstance(value, list) else value)


def _check_comparison(entry: Table, fact: str, operator: Operator, value: object) -> None:
    """Refuse what could never hold: an operator of another kind of fact, a value that the fact never has."""
    if operator not in _OPERATORS[fact in WORDS, fact in NUMBERS]:
        entry.fault("operator", f"{operator} does not fit {fact}")
    elif fact in NUMBERS and (isinstance(value, bool) or not isinstance(value, int)):
        entry.fault("value", "must be a whole number")
    elif operator is Operator.INCLUDES_ANY and not isinstance(value, list):
        entry.fault("value", "must be a list")
    elif fact in WORDS:
        _check_words(entry, fact, value if isinstance(value, list) else [value])
    elif fact not in NUMBERS and not isinstance(value, bool):
        entry.fault("value", "must be true or false")


def _check_words(entry: Table, fact: str, values: Collection[object]) -> None:
    allowed = WORDS[fact]
    for word in values:
        if not isinstance(word, str) or (allowed is not None and word not in allowed):
            known = f"; known: {', '.join(sorted(allowed))}" if allowed is not None else ""
            entry.fault("value", f"{word!r} is no word of {fact}{known}")
