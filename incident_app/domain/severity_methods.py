"""Methods of weighing a breach, as files state them: questions, options with scores, rules that answer, bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.errors import NotFound
from incident_app.domain.regimes import Confidence
from incident_app.domain.tables import Document, Table, unique_codes
from incident_app.domain.vocabulary import Cause, Harm, ItemFlag
from incident_app.domain.words import Words

LOWEST_POINTS, HIGHEST_POINTS = 1, 4


class Part(StrEnum):
    """Where a question stands in the formula: context x identification + the sum of circumstances."""

    CONTEXT = "context"
    IDENTIFICATION = "identification"
    CIRCUMSTANCE = "circumstance"


class BandCode(StrEnum):
    """How severe a breach is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    VERY_HIGH = "very_high"


@dataclass(frozen=True, kw_only=True)
class Band:
    """A band of scores, from so many quarters upwards."""

    code: BandCode
    from_quarters: int
    name: Words
    meaning: Words


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer and its score: whole points for context, quarters of a point otherwise."""

    code: str
    score: int
    name: Words


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which answers are possible when every condition that is stated holds; several: somebody must decide."""

    options: tuple[str, ...]
    any_flag: frozenset[ItemFlag]
    any_category: frozenset[str]
    any_cause: frozenset[Cause]
    without_harm: frozenset[Harm]
    reason: Words


@dataclass(frozen=True, kw_only=True)
class Question:
    """One input of the formula. The first rule that holds answers it."""

    code: str
    part: Part
    name: Words
    options: tuple[Option, ...]
    rules: tuple[Rule, ...]
    source: str
    confidence: Confidence

    def option(self, code: str) -> Option:
        """Return an option; NotFound otherwise."""
        for option in self.options:
            if option.code == code:
                return option
        raise NotFound(what="option", name=code)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A whole method."""

    code: str
    version: str
    name: Words
    source: str
    confidence: Confidence
    many_people_above: int
    bands: tuple[Band, ...]
    questions: tuple[Question, ...]

    def question(self, code: str) -> Question:
        """Return a question; NotFound otherwise."""
        for question in self.questions:
            if question.code == code:
                return question
        raise NotFound(what="question", name=code)

    def band(self, quarters: int) -> Band:
        """Return the band of a score."""
        return [band for band in self.bands if band.from_quarters <= quarters][-1]

    @property
    def known_categories(self) -> frozenset[str]:
        """Return the categories of data that a rule about the context speaks of."""
        rules = [rule for question in self.questions if question.part is Part.CONTEXT for rule in question.rules]
        return frozenset().union(*(rule.any_category for rule in rules))


def read_method(text: str, *, file: str) -> Method:
    """Read a method; FaultyFile names every fault, also a question that a rule leaves without an answer."""
    document = Document(text, file=file)
    root = document.root
    band_tables, question_tables = root.tables("bands"), root.tables("questions")
    unique_codes(band_tables)
    unique_codes(question_tables)
    method = Method(
        code=root.text("code"),
        version=root.text("version"),
        name=_words(root, "name"),
        source=root.text("source"),
        confidence=root.word("confidence", Confidence),
        many_people_above=root.number("many_people_above"),
        bands=tuple(_band(table) for table in band_tables),
        questions=tuple(_question(table) for table in question_tables),
    )
    _check_bands(method, root)
    parts = [question.part for question in method.questions]
    if Part.CONTEXT not in parts or parts.count(Part.IDENTIFICATION) != 1:
        root.fault("questions", "needs at least one question of part context and exactly one of part identification")
    root.finish()
    document.finish()
    return method


def _check_bands(method: Method, root: Table) -> None:
    starts = [band.from_quarters for band in method.bands]
    if starts != sorted(set(starts)) or starts[:1] != [0]:
        root.fault("bands", "must begin at 0 and rise")
    if [band.code for band in method.bands] != list(BandCode):
        root.fault("bands", f"must be {', '.join(BandCode)}, in this order")


def _words(table: Table, key: str) -> Words:
    return Words(ja=table.text(f"{key}_ja"), en=table.text(f"{key}_en"))


def _band(table: Table) -> Band:
    band = Band(
        code=table.word("code", BandCode),
        from_quarters=table.number("from_quarters"),
        name=_words(table, "name"),
        meaning=_words(table, "meaning"),
    )
    table.finish()
    return band


def _question(table: Table) -> Question:
    part = table.word("part", Part)
    basic = table.number("basic") if part is Part.CONTEXT else 0
    option_tables = table.tables("options")
    codes = unique_codes(option_tables)
    question = Question(
        code=table.text("code"),
        part=part,
        name=_words(table, "name"),
        options=tuple(_option(entry, part, basic) for entry in option_tables),
        rules=tuple(_rule(entry, codes) for entry in table.tables("rules")),
        source=table.text("source"),
        confidence=table.word("confidence", Confidence),
    )
    if part is not Part.CONTEXT and question.rules and not _is_unconditional(question.rules[-1]):
        table.fault("rules", "the last rule must hold always: this question is asked of every breach")
    table.finish()
    return question


def _is_unconditional(rule: Rule) -> bool:
    return not (rule.any_flag or rule.any_category or rule.any_cause or rule.without_harm)


def _option(table: Table, part: Part, basic: int) -> Option:
    key = "change" if part is Part.CONTEXT else "quarters"
    score = basic + table.number(key)
    lowest = LOWEST_POINTS if part is not Part.CIRCUMSTANCE else 0
    if not lowest <= score <= HIGHEST_POINTS:
        table.fault(key, f"gives {score}; must give {lowest} to {HIGHEST_POINTS}")
    option = Option(code=table.text("code"), score=score, name=_words(table, "name"))
    table.finish()
    return option


def _rule(table: Table, codes: frozenset[str]) -> Rule:
    rule = Rule(
        options=table.all_known("options", codes, "option", required=True),
        any_flag=table.words("any_flag", ItemFlag),
        any_category=frozenset(table.texts("any_category")),
        any_cause=table.words("any_cause", Cause),
        without_harm=table.words("without_harm", Harm),
        reason=_words(table, "reason"),
    )
    if not rule.options:
        table.fault("options", "name at least one option")
    table.finish()
    return rule


OPTION_NAMES: Mapping[str, Words] = {
    "absent": Words(ja="この種類のデータは含まれない", en="no data of this kind"),
}
"""Names of answers that every method knows."""
