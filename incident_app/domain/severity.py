"""Severity of a breach: inputs with a reason each, a range while something is undecided, and the bands it falls into.

SE = context x identification + circumstances (ENISA 2013). All scores are whole quarters: nothing is rounded. What
nobody decided yet keeps all its possible answers, so the score is a range. Protection and the number of people are
flags, as the method has it: they never change the score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.severity_methods import OPTION_NAMES, BandCode, Method, Part, Question, Rule
from incident_app.domain.vocabulary import Cause, Harm, ItemFlag
from incident_app.domain.words import Words

RULES_VERSION = 1
"""Raised whenever `assess` would answer an old question differently."""
ABSENT = "absent"
"""The answer of a person to a question about context: there is no data of this kind."""


class NoContext(IncidentAppError):
    """Every kind of data was said to be absent. Leave at least one, or say in the scope that nothing was touched."""

    ja = "すべての種類のデータが「含まれない」とされています。少なくとも一つは残してください。"


@dataclass(frozen=True, kw_only=True)
class SeverityFacts:
    """What the newest determination and its scope say."""

    flags: frozenset[ItemFlag]
    categories: frozenset[str]
    harms: frozenset[Harm]
    cause: Cause
    people: int
    items: int
    unintelligible_items: int
    """Items that lay encrypted, with the key elsewhere, for everybody."""


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """What a person decided about one question; the reason stands apart, so that it can be erased."""

    option: str
    reason_digest: str


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input: the answers that are possible, why, and what the rules would say."""

    question: str
    options: tuple[str, ...]
    derived: tuple[str, ...]
    reason: Words
    reason_digest: str | None = None

    @property
    def needs_decision(self) -> bool:
        """True while more than one answer is possible."""
        return len(self.options) > 1


@dataclass(frozen=True, kw_only=True)
class Flag:
    """Something that the method notes beside the score."""

    code: str
    words: Words


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The answer."""

    inputs: tuple[Input, ...]
    lowest_quarters: int
    highest_quarters: int
    lowest_band: BandCode
    highest_band: BandCode
    flags: tuple[Flag, ...]

    @property
    def undecided(self) -> int:
        """Return how many inputs somebody must still decide."""
        return sum(entry.needs_decision for entry in self.inputs)


def assess(method: Method, facts: SeverityFacts, adjustments: Mapping[str, Adjustment]) -> Assessment:
    """Weigh a breach. The lowest and the highest score are equal once every input is decided."""
    unknown = facts.categories - method.known_categories
    found = [
        entry
        for question in method.questions
        if (entry := _input(question, facts, adjustments.get(question.code), unknown)) is not None
    ]
    context = [_range(method, entry) for entry in found if method.question(entry.question).part is Part.CONTEXT]
    if not any(high for _, high in context):
        raise NoContext
    (identification,) = _ranges(method, found, Part.IDENTIFICATION)
    circumstances = _ranges(method, found, Part.CIRCUMSTANCE)
    # Each kind of data is scored and the highest counts; any personal data scores at least one point.
    lowest = max(1, *(low for low, _ in context)) * identification[0] + sum(low for low, _ in circumstances)
    highest = max(high for _, high in context) * identification[1] + sum(high for _, high in circumstances)
    return Assessment(
        inputs=tuple(found),
        lowest_quarters=lowest,
        highest_quarters=highest,
        lowest_band=method.band(lowest).code,
        highest_band=method.band(highest).code,
        flags=tuple(_flags(method, facts, unknown)),
    )


def check_adjustment(method: Method, question: str, option: str) -> None:
    """Refuse an answer that the method does not know."""
    asked = method.question(question)
    if not (option == ABSENT and asked.part is Part.CONTEXT):
        asked.option(option)


def result_digest(
    method_digest: str, facts: SeverityFacts, adjustments: Mapping[str, Adjustment], result: Assessment
) -> ContentDigest:
    """Return the digest of question and answer."""
    return digest_of(
        {
            "method": method_digest,
            "rules_version": RULES_VERSION,
            "facts": facts,
            "adjustments": adjustments,
            "result": result,
        },
    )


def points(quarters: int) -> str:
    """Write quarters as people read them: 2.75."""
    return f"{quarters // 4}.{quarters % 4 * 25:02}"


def option_name(question: Question, option: str) -> Words:
    """Return the name of an answer."""
    return OPTION_NAMES[option] if option in OPTION_NAMES else question.option(option).name


def _input(
    question: Question, facts: SeverityFacts, adjustment: Adjustment | None, unknown: frozenset[str]
) -> Input | None:
    derived, reason = _derived(question, facts, unknown)
    if adjustment is not None:
        return Input(
            question=question.code,
            options=(adjustment.option,),
            derived=derived,
            reason=Words(ja="担当者が理由を添えて判断しました。", en="Decided by a person, with a reason."),
            reason_digest=adjustment.reason_digest,
        )
    if reason is None:
        return None
    return Input(question=question.code, options=derived, derived=derived, reason=reason)


def _derived(question: Question, facts: SeverityFacts, unknown: frozenset[str]) -> tuple[tuple[str, ...], Words | None]:
    """Return the possible answers by the rules, and the reason; no reason where the question does not arise."""
    for rule in question.rules:
        if _holds(rule, facts):
            return rule.options, rule.reason
    if question.part is not Part.CONTEXT or not unknown:
        return (), None
    names = ", ".join(sorted(unknown))
    return (ABSENT, *(option.code for option in question.options)), Words(
        ja=f"評価手法が知らない分類（{names}）があるため、この種類のデータかどうかは人が判断します。",
        en=f"The method does not know the categories {names}: whether they are of this kind, somebody must decide.",
    )


def _holds(rule: Rule, facts: SeverityFacts) -> bool:
    """Tell whether a rule holds: flags and categories are alternatives, everything else must hold as well."""
    touched = bool(rule.any_flag & facts.flags or rule.any_category & facts.categories)
    if (rule.any_flag or rule.any_category) and not touched:
        return False
    if rule.any_cause and facts.cause not in rule.any_cause:
        return False
    return not rule.without_harm & facts.harms


def _ranges(method: Method, inputs: Iterable[Input], part: Part) -> list[tuple[int, int]]:
    return [_range(method, entry) for entry in inputs if method.question(entry.question).part is part]


def _range(method: Method, entry: Input) -> tuple[int, int]:
    question = method.question(entry.question)
    scores = [0 if option == ABSENT else question.option(option).score for option in entry.options]
    return min(scores), max(scores)


def _flags(method: Method, facts: SeverityFacts, unknown: frozenset[str]) -> Iterable[Flag]:
    if facts.people > method.many_people_above:
        yield Flag(
            code="many_people",
            words=Words(
                ja=f"本人の数が {method.many_people_above:,}人を超えます（{facts.people:,}人）。点数は変わりません。",
                en=f"More than {method.many_people_above:,} people ({facts.people:,}). The score does not change.",
            ),
        )
    if facts.unintelligible_items:
        whole = facts.unintelligible_items == facts.items
        yield Flag(
            code="unintelligible" if whole else "partly_unintelligible",
            words=Words(
                ja=("すべての項目" if whole else f"{facts.items}項目のうち {facts.unintelligible_items}項目")
                + "が暗号化され、鍵は別の場所にありました。点数は変わりませんが、影響を弱める事情として記します。",
                en=("All items" if whole else f"{facts.unintelligible_items} of {facts.items} items")
                + " lay encrypted with the key elsewhere. The score does not change; it is noted as mitigating.",
            ),
        )
    if unknown:
        names = ", ".join(sorted(unknown))
        yield Flag(
            code="unknown_categories",
            words=Words(
                ja=f"評価手法が知らない分類：{names}。手法のファイルに加えてください。",
                en=f"Categories that the method does not know: {names}. Add them to the file of the method.",
            ),
        )
