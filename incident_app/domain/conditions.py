"""Conditions over the facts of an incident, with three answers: yes, no, and not known yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.tables import Table


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


UNDECIDED = "undecided"
"""The member of a set of roles that stands for any of the others until somebody decides."""

FACTS: Mapping[str, tuple[str, str]] = {
    "anybody_affected": ("影響を受けた人がいる", "somebody is affected"),
    "people": ("本人の数（未確定なら最大）", "number of people (the maximum while open)"),
    "flags": (
        "影響を受けた項目の性質（保護されていたものを除く）",
        "flags of the items affected, protected ones left out",
    ),
    "relations": ("本人の立場", "relations of the people"),
    "jurisdictions": ("本人のいる国", "jurisdictions of the people"),
    "our_roles": ("データについての当社の立場", "our roles for the data"),
    "business_lines": ("事業の区分", "business lines"),
    "harms": ("漏えい・改ざん・滅失の別", "harms"),
    "payable_combination": ("決済に使える情報の組み合わせ", "a combination that lets somebody pay"),
    "improper_purpose": ("不正の目的をもった行為", "an act of improper purpose"),
    "communications_secrecy": ("通信の秘密に当たる", "secrecy of communications was touched"),
    "entrusting_party_told": ("データを預けた利用企業に知らせた", "the tenants whose data it is were told"),
    "encryption_exempt": ("高度な暗号化などで保護されていた", "everything was strongly encrypted with the key safe"),
    "high_risk_to_people": ("本人への高いリスク", "a high risk to the people"),
    "designated_operator": ("指定された電気通信事業者", "we are a designated operator"),
}
"""Every fact that a condition may ask for, with its name in both languages."""

DECIDABLE = (
    "improper_purpose",
    "communications_secrecy",
    "payable_combination",
    "encryption_exempt",
    "entrusting_party_told",
    "high_risk_to_people",
)
"""Facts that a person may decide; what a person decided goes before what the program would say."""


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
    found = []
    for entry in table.tables(key, required=False):
        fact = entry.text("fact")
        if fact and fact not in FACTS:
            entry.fault("fact", f"{fact!r} is not a fact; known: {', '.join(FACTS)}")
        operator = entry.word("operator", Operator, Operator.IS)
        value = entry.raw("value")
        if value is None:
            entry.fault("value", "is missing")
        elif operator is Operator.INCLUDES_ANY and not isinstance(value, list):
            entry.fault("value", "must be a list")
        elif operator in {Operator.MORE_THAN, Operator.AT_LEAST} and (
            isinstance(value, bool) or not isinstance(value, int)
        ):
            entry.fault("value", "must be a whole number")
        found.append(Condition(fact=fact, operator=operator, value=tuple(value) if isinstance(value, list) else value))
        entry.finish()
    return tuple(found)
