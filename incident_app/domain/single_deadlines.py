"""One due time on its own: a report of a regime, the moment its clock began, and the facts that somebody gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from incident_app.domain.calendars import ClosedDays
from incident_app.domain.conditions import Answer, Condition, all_of, any_of
from incident_app.domain.deadlines import (
    DeadlineRule,
    DeadlineState,
    DueTime,
    Told,
    due_time,
    earliest,
    moment_en,
    moment_ja,
)
from incident_app.domain.known_facts import DESIGNATIONS, FACTS
from incident_app.domain.regimes import Regime, Report, possible_rules
from incident_app.domain.words import Words

SAID = {Answer.YES: ("該当", "holds"), Answer.NO: ("非該当", "does not hold"), Answer.UNKNOWN: ("未確定", "open")}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: when a report is due whose clock began at a moment."""

    regime: Regime
    report: Report
    anchor_at: datetime
    given: Mapping[str, object] = field(default_factory=dict)
    """The facts that were given; None: said to be open. A fact that was not given is not in it."""
    holding: frozenset[str] = frozenset()
    """Situations that are said to hold, whatever the facts are."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Judge each situation of the report by what was given; whoever asks is taken to be under the regime."""
        return {
            code: Answer.YES if code in self.holding else all_of(one.answer(self.given) for one in self.asked(code))
            for code in self.report.situations
        }

    def asked(self, code: str) -> list[Condition]:
        """Return the conditions of a situation that are judged."""
        taken = self._taken_as_given
        return [
            one
            for one in self.regime.situation(code).conditions
            if one.fact in self.given or (one.fact not in DESIGNATIONS and one not in taken)
        ]

    @property
    def _taken_as_given(self) -> set[Condition]:
        """What every situation of the regime demands is what the regime is about: whoever asks for it says so."""
        situations = [situation.conditions for situation in self.regime.situations]
        return {
            one
            for conditions in situations
            for one in conditions
            if all(any(one == other or other.implies(one) for other in held) for held in situations)
        }

    @property
    def is_judged(self) -> bool:
        """Tell whether a fact was given that decides whether the report is due at all."""
        asked = {one.fact for code in self.report.situations for one in self.regime.situation(code).conditions}
        return not self.holding and bool((asked - self._choosing) & self.given.keys())

    @property
    def _choosing(self) -> set[str]:
        """The facts that only choose between the periods of this report, or say how long one is."""
        codes = {code for deadline in self.report.deadlines for code in deadline.situations}
        facts = {one.fact for code in codes for one in self.regime.situation(code).conditions}
        return facts | {deadline.rule.amount_fact for deadline in self.report.deadlines if deadline.rule.amount_fact}


def answer(question: Question, calendars: Mapping[str, ClosedDays]) -> DueTime:
    """Say when the report is due, that its clock has not started, or which fact must be decided first.

    Facts that say whether it is due are judged where they were given; without any, the moment is taken as the start of
    the clock. A date that still depends on an open fact is the earlier one, and the fact is named.
    """
    report, answers = question.report, question.answers
    standing = _standing(question, answers)
    if standing is Answer.NO:
        return _not_due(question, answers)
    rules = possible_rules(report, answers, question.given)
    dues = [_due(rule, question.anchor_at, calendars) for rule in rules]
    first = earliest(dues)
    chosen = dues.index(first)
    told = Told(rules[chosen].zone)
    _say_clock(question, told)
    told.ja.extend(first.explanation_ja)
    told.en.extend(first.explanation_en)
    _say_calendar(first, told)
    _say_others(question, answers, dues, chosen, told)
    differ = bool(question.given) and len({due.due_at for due in dues}) > 1
    if standing is Answer.UNKNOWN or differ or first.state is DeadlineState.NEEDS_DECISION:
        _say_open(question, told)
        first = replace(first, state=DeadlineState.NEEDS_DECISION, provisional=first.due_at is not None)
    return replace(first, explanation_ja=tuple(told.ja), explanation_en=tuple(told.en))


def applies(question: Question) -> Answer:
    """Say whether the report is for us at all: our role, and what would release us, as far as it was given."""
    conditions = _given(question.report.applies_when, question.given)
    released = question.report.released_when
    asked = [one for one in released if one.fact in question.given]
    release = all_of(one.answer(question.given) for one in released) if asked else Answer.NO
    if release is Answer.YES:
        return Answer.NO
    explicit = release is Answer.UNKNOWN and any(question.given[one.fact] is None for one in asked)
    return Answer.UNKNOWN if explicit and conditions is not Answer.NO else conditions


def _given(conditions: Sequence[Condition], given: Mapping[str, object]) -> Answer:
    return all_of(one.answer(given) for one in conditions if one.fact in given)


def _standing(question: Question, answers: Mapping[str, Answer]) -> Answer:
    situation = any_of(answers.values()) if question.is_judged else Answer.YES
    return all_of((situation, applies(question)))


def _due(rule: DeadlineRule, anchor_at: datetime, calendars: Mapping[str, ClosedDays]) -> DueTime:
    return due_time(rule, anchor_at=anchor_at, calendar=calendars.get(rule.calendar or ""))


def _not_due(question: Question, answers: Mapping[str, Answer]) -> DueTime:
    told = Told()
    told.say(
        "与えられた事実では報告の対象にならないため、時計は始まっていません。",
        "By the facts given this is not due, so its clock has not started.",
    )
    if question.is_judged:
        _say_situations(question.regime, answers, told)
    for one in (*question.report.applies_when, *question.report.released_when):
        if one.fact in question.given:
            told.say(f"考慮した事実：{FACTS[one.fact][0]}", f"Considered: {FACTS[one.fact][1]}")
    return DueTime(state=DeadlineState.NOT_STARTED, explanation_ja=tuple(told.ja), explanation_en=tuple(told.en))


def _say_situations(regime: Regime, answers: Mapping[str, Answer], told: Told) -> None:
    for code, found in answers.items():
        name, (ja, en) = regime.situation(code).name, SAID[found]
        told.say(f"{name.ja}：{ja}", f"{name.en}: {en}")


def _say_clock(question: Question, told: Told) -> None:
    if question.is_judged:
        _say_situations(question.regime, question.answers, told)
    kind, _, what = question.report.clock.partition(":")
    at_ja, at_en = moment_ja(question.anchor_at, told.zone), moment_en(question.anchor_at, told.zone)
    if kind == "filed":
        told.say(
            f"この時計は、先の届出（{what}）をした {at_ja} から始まります。",
            f"This clock begins with the earlier filing ({what}), {at_en}.",
        )
    elif kind == "decided":
        told.say(
            f"この時計は、「{FACTS[what][0]}」と判断した {at_ja} から始まります。",
            f"This clock begins with the decision ({FACTS[what][1]}), {at_en}.",
        )


def _say_calendar(due: DueTime, told: Told) -> None:
    if due.calendar_version:
        told.say(f"休みの日の表：{due.calendar_version}", f"Closed days as of: {due.calendar_version}")


def _say_others(
    question: Question, answers: Mapping[str, Answer], dues: Sequence[DueTime], chosen: int, told: Told
) -> None:
    """Say which other date there would be, where no fact has ruled it out."""
    names = [Words(ja="それ以外の場合", en="Otherwise")]
    for deadline in question.report.deadlines:
        open_ones = [code for code in sorted(deadline.situations) if answers.get(code) is Answer.UNKNOWN]
        if open_ones:
            name = question.regime.situation(open_ones[0]).name
            names.append(Words(ja=f"{name.ja}の場合", en=f"If it is {name.en}"))
    for position, (name, due) in enumerate(zip(names, dues, strict=False)):
        if position != chosen and due.due_at is not None:
            told.say(
                f"{name.ja}の期限は {moment_ja(due.due_at, told.zone)} です。",
                f"{name.en}, it is due {moment_en(due.due_at, told.zone)}.",
            )


def _say_open(question: Question, told: Told) -> None:
    """Name the facts that are open, and who decides."""
    open_ones = open_facts(question)
    ja = "、".join(FACTS[fact][0] for fact in open_ones)
    en = ", ".join(FACTS[fact][1] for fact in open_ones)
    told.say(
        f"判断が必要です：{question.report.decide.ja}（未確定：{ja}）",
        f"To be decided: {question.report.decide.en} (open: {en}).",
    )


def open_facts(question: Question) -> tuple[str, ...]:
    """Return the facts that the answer still needs."""
    report, given = question.report, question.given
    answers = question.answers
    choosing = {code for deadline in report.deadlines for code in deadline.situations}
    codes = [code for code in report.situations if question.is_judged or code in choosing]
    settled = any(found is Answer.YES for found in answers.values())
    conditions = [
        one
        for code in codes
        if answers[code] is Answer.UNKNOWN and (not settled or code in choosing)
        for one in question.asked(code)
    ]
    conditions += [one for one in (*report.applies_when, *report.released_when) if one.fact in given]
    found = [one.fact for one in conditions if one.answer(given) is Answer.UNKNOWN]
    found += [
        deadline.rule.amount_fact
        for deadline in report.deadlines
        if deadline.rule.amount_fact and given.get(deadline.rule.amount_fact) is None
    ]
    return tuple(dict.fromkeys(found))
