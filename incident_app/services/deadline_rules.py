"""The rules of counting as loaded, and one due time computed on its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.calendars import ClosedDays, read_closures
from incident_app.domain.conditions import Answer
from incident_app.domain.counting_words import AWARENESS_WORDS, PROMPTLY, clock_words, counted
from incident_app.domain.deadlines import HOME, DeadlineRule, DeadlineUnit, Told, due_time, moment_en, moment_ja
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.given_facts import read_facts
from incident_app.domain.known_facts import DESIGNATIONS
from incident_app.domain.obligations import POLICY_REGIME
from incident_app.domain.periods import Period
from incident_app.domain.policies import Policy
from incident_app.domain.policy_promises import Commitment
from incident_app.domain.regimes import AddresseeKind, Confidence, Regime, Report, read_regime
from incident_app.domain.single_deadlines import Question, answer, applies
from incident_app.domain.words import Words
from incident_app.services.facts import unsaid_designations
from incident_app.services.playbooks import PlaybookKind, newest
from incident_app.services.policies import any_policy
from incident_app.services.transaction import reading

PEOPLE = "people"
OFF = Words(
    ja="当社のポリシーによれば、この制度は当社に適用されません。",
    en="By our policy this regime does not apply to us.",
)
UNSAID = Words(
    ja="この制度が当社に適用されるかどうかを、当社のポリシーは述べていません。designations に記載してください。",
    en="Our policy does not say whether this regime applies to us: state it in its designations.",
)


class NotInForce(IncidentAppError):
    """{rule} was not in force on {day}: the texts that are loaded hold {when}. Nothing is computed from other law."""

    ja = "{rule} は {day} には効力がありません（読み込まれている規定の期間：{when}）。別の規定からは計算しません。"


@dataclass(frozen=True, kw_only=True)
class RuleView:
    """One report of one regime."""

    regime: str
    regime_ja: str
    regime_en: str
    version: str
    report: str
    entry: str
    """Its own code in the file, where several entries stand behind one word."""
    title_ja: str
    title_en: str
    addressees_ja: tuple[str, ...]
    addressees_en: tuple[str, ...]
    situations: tuple[str, ...]
    counted_ja: tuple[str, ...]
    counted_en: tuple[str, ...]
    clock: str
    clock_ja: str
    clock_en: str
    valid_from: date | None
    valid_until: date | None
    only_for: tuple[str, ...]
    """What the company must be: said in its policy."""
    not_for: tuple[str, ...]
    """What the company must not be."""
    is_on: bool
    """Whether the policy of this instance says so; a regime without such a condition is always on."""
    is_unsaid: bool
    """Whether the policy says nothing of it: the register of duties then asks for a decision."""
    facts: tuple[str, ...]
    """The facts that decide whether and when it is due."""
    source: str
    confidence: str
    form: str | None = None
    """The form that its report is written on."""
    to_authority: bool = False


@dataclass(frozen=True, kw_only=True)
class Computed:
    """A due time and how it was counted."""

    due_at: datetime | None
    state: str
    explanation: Mapping[str, tuple[str, ...]]
    rule: str
    source: str
    confidence: str
    provisional: bool


@dataclass(frozen=True, kw_only=True)
class CalendarView:
    """One table of closed days."""

    code: str
    version: str
    country: str
    official_until: date | None
    own_days: int


def list_rules(engine: Engine, *, designated_operator: bool = False) -> list[RuleView]:
    """Return every report of every loaded regime, the company's own promise first."""
    with reading(engine) as session:
        policy = _policy(session)
        regimes = _regimes(session)
    ours, unsaid = _ours(policy, designated_operator=designated_operator), unsaid_designations(policy)
    found = [_promise_view(policy, part) for part in _promises(policy)][:1] if policy else []
    return found + [_view(regime, report, ours, unsaid) for regime in regimes for report in regime.reports]


def list_calendars(engine: Engine) -> list[CalendarView]:
    """Return every loaded table of closed days."""
    with reading(engine) as session:
        found = _calendars(session).values()
    return [
        CalendarView(
            code=closed.code,
            version=closed.version,
            country=closed.country,
            official_until=None if closed.official_until == date.max else closed.official_until,
            own_days=len(closed.added) + len(closed.removed),
        )
        for closed in found
    ]


def compute(
    engine: Engine,
    regime_code: str,
    report_code: str,
    anchor_at: datetime,
    situations: frozenset[str] = frozenset(),
    *,
    facts: Sequence[str] = (),
    designated_operator: bool = False,
) -> Computed:
    """Compute one due time from the moment its clock began, by the texts in force on that day."""
    given = read_facts(facts)
    with reading(engine) as session:
        policy = _policy(session)
        regimes = {regime.code: regime for regime in _regimes(session)}
        calendars = _calendars(session)
    if regime_code == POLICY_REGIME:
        return _promised(policy, report_code, anchor_at)
    if regime_code not in regimes:
        raise NotFound(what="regime", name=regime_code)
    regime, report = _in_force(regimes[regime_code], report_code, anchor_at, given)
    if unknown := sorted(situations - set(report.situations)):
        raise NotFound(what="situation", name=unknown[0])
    question = Question(regime=regime, report=report, anchor_at=anchor_at, given=given, holding=situations)
    due = answer(question, calendars)
    told = _whether_on(regime, report, policy, designated_operator=designated_operator)
    return Computed(
        due_at=due.due_at,
        state=due.state,
        explanation={
            "ja": (*due.explanation_ja, *(words.ja for words in told)),
            "en": (*due.explanation_en, *(words.en for words in told)),
        },
        rule=f"{regime_code}:{report.code}",
        source=report.source,
        confidence=report.confidence,
        provisional=due.provisional,
    )


def _in_force(
    regime: Regime, report_code: str, anchor_at: datetime, given: Mapping[str, object]
) -> tuple[Regime, Report]:
    """Choose the entry that is in force on the day of the clock and fits our role, as far as it was given."""
    known = [report for report in regime.reports if report.answers_to(report_code)]
    if not known:
        raise NotFound(what="report", name=f"{regime.code} {report_code}")
    day = anchor_at.astimezone(ZoneInfo(HOME)).date()
    now = regime.on(day)
    living = [report for report in now.reports if report.answers_to(report_code)] if regime.period.covers(day) else []
    if not living:
        raise NotInForce(rule=f"{regime.code} {report_code}", day=day, when=_periods(regime, known))
    named = sorted(living, key=lambda report: report.code != report_code)
    fits = [
        report
        for report in named
        if applies(Question(regime=now, report=report, anchor_at=anchor_at, given=given)) is not Answer.NO
    ]
    return now, (fits or named)[0]


def _periods(regime: Regime, reports: Sequence[Report]) -> str:
    found = [report.period if report.period != Period() else regime.period for report in reports]
    return ", ".join(dict.fromkeys(f"{period.valid_from or '…'} – {period.valid_until or '…'}" for period in found))


def _promised(policy: Policy | None, report_code: str, anchor_at: datetime) -> Computed:
    """Say what the company's own promise means: no number of days, and a target that is only its own."""
    part = next((part for part in _promises(policy) if report_code in (PEOPLE, part.part)), None)
    if part is None:
        raise NotFound(what="report", name=f"{POLICY_REGIME} {report_code}")
    told = Told()
    told.say(f"当社のお約束：{part.promise.ja}", f"Our promise: {part.promise.en}.")
    due = due_time(DeadlineRule(unit=DeadlineUnit.NONE), anchor_at=anchor_at, calendar=None)
    told.ja.extend(due.explanation_ja)
    told.en.extend(due.explanation_en)
    if part.internal_target_hours:
        target = anchor_at + timedelta(hours=part.internal_target_hours)
        told.say(
            f"社内目標は {moment_ja(target, told.zone)}（{part.internal_target_hours}時間）です。期限ではありません。",
            f"Our own target is {moment_en(target, told.zone)} ({part.internal_target_hours} hours). "
            "It is no deadline.",
        )
    return Computed(
        due_at=None,
        state=due.state,
        explanation={"ja": tuple(told.ja), "en": tuple(told.en)},
        rule=f"{POLICY_REGIME}:{part.clause}",
        source=f"policy, section {part.section}",
        confidence=Confidence.FOUND,
        provisional=False,
    )


def _promises(policy: Policy | None) -> list[Commitment]:
    """Return the parts that hold for every leak; one with a target first: it says when the people are told."""
    parts = [part for part in policy.commitments if part.for_every_leak] if policy else []
    return sorted(parts, key=lambda part: part.internal_target_hours is None)


def _ours(policy: Policy | None, *, designated_operator: bool) -> frozenset[str]:
    """Return what the company is: as its policy says, and the setting adds."""
    said = policy.designations if policy else frozenset()
    return said | {"designated_operator"} if designated_operator else said


def _policy(session: Session) -> Policy | None:
    return any_policy(session) if newest(session, PlaybookKind.POLICY) else None


def _regimes(session: Session) -> list[Regime]:
    return [read_regime(entry.content, file=entry.code) for entry in newest(session, PlaybookKind.REGIME)]


def _calendars(session: Session) -> dict[str, ClosedDays]:
    return {
        entry.code: read_closures(entry.content, file=entry.code) for entry in newest(session, PlaybookKind.CLOSURE)
    }


def _promise_view(policy: Policy, part: Commitment) -> RuleView:
    target = part.internal_target_hours
    return RuleView(
        regime=POLICY_REGIME,
        regime_ja=policy.name.ja,
        regime_en=policy.name.en,
        version=policy.version,
        report=PEOPLE,
        entry=part.part,
        title_ja=part.promise.ja,
        title_en=part.promise.en,
        addressees_ja=("影響を受けたお客様等",),
        addressees_en=("the people affected",),
        situations=(),
        counted_ja=(PROMPTLY.ja, *([f"社内目標 {target}時間（期限ではない）"] if target else [])),
        counted_en=(PROMPTLY.en, *([f"own target of {target} hours (no deadline)"] if target else [])),
        clock="awareness",
        clock_ja=AWARENESS_WORDS.ja,
        clock_en=AWARENESS_WORDS.en,
        valid_from=policy.valid_from,
        valid_until=None,
        only_for=(),
        not_for=(),
        is_on=True,
        is_unsaid=False,
        facts=(),
        source=f"policy, section {part.section}",
        confidence=Confidence.FOUND,
    )


def _view(regime: Regime, report: Report, ours: frozenset[str], unsaid: frozenset[str]) -> RuleView:
    situations = [entry for entry in regime.situations if entry.code in report.situations]
    conditions = [one for entry in situations for one in entry.conditions]
    asked = dict.fromkeys(one.fact for one in (*conditions, *report.applies_when, *report.released_when))
    only_for, not_for = _designations(regime, report, wanted=True), _designations(regime, report, wanted=False)
    rules = [_counted(regime, deadline.rule, deadline.situations) for deadline in report.deadlines]
    clock = clock_words(report.clock)
    return RuleView(
        regime=regime.code,
        regime_ja=regime.name.ja,
        regime_en=regime.name.en,
        version=regime.version,
        report=report.listed_as[0] if report.listed_as else report.code,
        entry=report.code,
        title_ja=report.title.ja,
        title_en=report.title.en,
        addressees_ja=_names(entry.name.ja for entry in report.addressees),
        addressees_en=_names(entry.name.en for entry in report.addressees),
        situations=report.situations,
        counted_ja=tuple(words.ja for words in rules),
        counted_en=tuple(words.en for words in rules),
        clock=report.clock,
        clock_ja=clock.ja,
        clock_en=clock.en,
        valid_from=report.period.valid_from or regime.valid_from,
        valid_until=report.period.valid_until or regime.valid_until,
        only_for=only_for,
        not_for=not_for,
        is_on=_is_on(regime, report, ours),
        is_unsaid=not _is_on(regime, report, ours) and _is_on(regime, report, ours | unsaid),
        facts=tuple(asked),
        source=report.source,
        confidence=report.confidence,
        form=report.form,
        to_authority=report.kind is AddresseeKind.AUTHORITY,
    )


def _designations(regime: Regime, report: Report, *, wanted: bool) -> tuple[str, ...]:
    """Return what the company must be (or must not be) in every situation of a report."""
    found = [
        {one.fact for one in entry.conditions if one.fact in DESIGNATIONS and one.value is wanted}
        for entry in regime.situations
        if entry.code in report.situations
    ]
    return tuple(sorted(set.intersection(*found))) if found else ()


def _is_on(regime: Regime, report: Report, ours: frozenset[str]) -> bool:
    needed, excluding = (set(_designations(regime, report, wanted=wanted)) for wanted in (True, False))
    return needed <= ours and not excluding & ours


def _whether_on(
    regime: Regime, report: Report, policy: Policy | None, *, designated_operator: bool
) -> tuple[Words, ...]:
    """Say where a regime does not apply to us, and where nobody has said whether it does."""
    ours = _ours(policy, designated_operator=designated_operator)
    if _is_on(regime, report, ours):
        return ()
    return (UNSAID if _is_on(regime, report, ours | unsaid_designations(policy)) else OFF,)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _counted(regime: Regime, rule: DeadlineRule, situations: frozenset[str]) -> Words:
    words = counted(rule)
    if not situations:
        return words
    names = [entry.name for entry in regime.situations if entry.code in situations]
    return Words(
        ja=f"{'・'.join(name.ja for name in names)}：{words.ja}",
        en=f"{' / '.join(name.en for name in names)}: {words.en}",
    )
