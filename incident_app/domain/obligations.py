"""Duties: what is due to whom and by when, derived from the facts by the regimes and by the company's own promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from incident_app.domain.calendars import ClosedDays
from incident_app.domain.conditions import FACTS, Answer, Condition, all_of, any_of
from incident_app.domain.deadlines import DeadlineRule, DeadlineState, DeadlineUnit, DueTime, due_time, earliest
from incident_app.domain.entrusting import Entrusting, for_each
from incident_app.domain.known_facts import DESIGNATIONS
from incident_app.domain.policy_promises import Commitment
from incident_app.domain.regimes import Addressee, AddresseeKind, Confidence, Regime, Report, possible_rules
from incident_app.domain.vocabulary import BusinessLine, Certainty, DutyStatus, Harm, ItemFlag, OurRole, Relation
from incident_app.domain.words import Words

POLICY_REGIME = "policy"
LIVE = (DutyStatus.TO_DECIDE, DutyStatus.CLOCK_NOT_STARTED, DutyStatus.OPEN)
"""While a duty stands so, something is still to be done or decided."""
REASONS = "; "
NOBODY = Entrusting()
STATED_IN_THE_POLICY = Words(
    ja="。当社が何に当たるかは、ポリシーの designations に書いてください（この事案だけなら、事実として判断できます）",
    en=". What the company is must be stated in the designations of its policy, or decided for this incident alone",
)


@dataclass(frozen=True, kw_only=True)
class IncidentFacts:
    """What the triggers read. None means: not known yet, somebody must decide."""

    anybody_affected: bool | None = None
    people: int | None = None
    flags: frozenset[ItemFlag] | None = None
    relations: frozenset[Relation] | None = None
    jurisdictions: frozenset[str] | None = None
    our_roles: frozenset[OurRole] | None = None
    business_lines: frozenset[BusinessLine] | None = None
    harms: frozenset[Harm] | None = None
    rings: frozenset[Certainty] | None = None
    categories: frozenset[str] | None = None
    items: frozenset[str] | None = None
    payable_combination: bool | None = None
    improper_purpose: bool | None = None
    communications_secrecy: bool | None = None
    encryption_exempt: bool | None = None
    entrusting_party_told: bool | None = False
    """No until somebody records it: telling the tenants is our own act."""
    high_risk_to_people: bool | None = None
    no_risk_to_people: bool | None = False
    """No until somebody decides it: nothing is left unreported because nobody looked."""
    visible_to_the_public: bool | None = None
    my_number_people: int | None = 0
    important_computer_attacked: bool | None = None
    significant_incident: bool | None = None
    material: bool | None = None
    california_people: int | None = None
    contract_hours: int | None = 0
    """None agreed, unless contracts say so."""
    designated_operator: bool | None = None
    special_infrastructure_operator: bool | None = False
    privacymark_holder: bool | None = False
    card_merchant: bool | None = False
    outside_gdpr: bool | None = False
    eu_establishment: bool | None = False
    outside_uk_gdpr: bool | None = False
    nis2_entity: bool | None = False
    california_business: bool | None = False
    hipaa_entity: bool | None = False
    sec_registrant: bool | None = False

    def as_mapping(self) -> Mapping[str, object]:
        """Return the facts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Clock:
    """When a clock began; provisional ones stand in until it is recorded."""

    at: datetime | None
    provisional_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DerivedObligation:
    """One duty as the rules see it now."""

    regime: str
    rule: str
    stage: str
    title: Words
    addressee_kind: AddresseeKind
    addressee_ref: str
    addressee_name: Words
    status: DutyStatus
    because: Words
    decide: Words | None
    due: DueTime
    internal_target_at: datetime | None
    source: str
    confidence: Confidence
    clock: str
    form: str | None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return what makes this duty the same one in a later derivation."""
        return (self.rule, self.stage, self.addressee_kind, self.addressee_ref)

    def content(self) -> tuple[object, ...]:
        """Return what must be equal for a stored duty to stay as it is."""
        return (
            self.status,
            self.due.due_at,
            self.due.state,
            self.due.provisional,
            self.because.en,
            self.decide.en if self.decide else None,
            self.internal_target_at,
        )


def derive(
    facts: IncidentFacts,
    *,
    regimes: Sequence[Regime],
    commitments: Sequence[Commitment],
    clocks: Mapping[str, Clock],
    calendars: Mapping[str, ClosedDays],
    entrusting: Entrusting = NOBODY,
) -> tuple[DerivedObligation, ...]:
    """Derive every duty, in a fixed order. A fact that is not known yet gives a duty to decide, never a silent no."""
    duties = list(_promises(commitments, facts, clocks))
    for regime in regimes:
        for report in regime.reports:
            for addressed, known in for_each(report, facts.as_mapping(), entrusting):
                duties.extend(_duties(regime, addressed, known, clocks, calendars))
    return tuple(duties)


def _promises(
    commitments: Sequence[Commitment], facts: IncidentFacts, clocks: Mapping[str, Clock]
) -> Iterable[DerivedObligation]:
    """Turn each part of the company's promise for leaks into a duty, also where no law demands a notice."""
    if not facts.anybody_affected:
        return
    clock = clocks.get("awareness", Clock(at=None))
    for part in commitments:
        if not part.for_every_leak:
            continue
        target = timedelta(hours=part.internal_target_hours) if part.internal_target_hours else None
        yield DerivedObligation(
            regime=POLICY_REGIME,
            rule=f"{POLICY_REGIME}:{part.clause}",
            stage=part.part,
            title=part.promise,
            addressee_kind=AddresseeKind.PEOPLE,
            addressee_ref="people",
            addressee_name=Words(ja="影響を受けたお客様等", en="the people affected"),
            status=DutyStatus.OPEN,
            because=Words(
                ja=f"当社の方針がすべての漏えいについて約束しています（{part.promise.ja}）。",
                en=f"Our policy promises it for every leak ({part.promise.en}).",
            ),
            decide=None,
            due=due_time(DeadlineRule(unit=DeadlineUnit.NONE), anchor_at=clock.at, calendar=None),
            internal_target_at=clock.at + target if clock.at and target else None,
            source=f"policy, section {part.section}",
            confidence=Confidence.FOUND,
            clock="awareness",
            form=None,
        )


def _duties(
    regime: Regime,
    report: Report,
    facts: Mapping[str, object],
    clocks: Mapping[str, Clock],
    calendars: Mapping[str, ClosedDays],
) -> Iterable[DerivedObligation]:
    answers = {code: _answer(regime.situation(code).conditions, facts) for code in report.situations}
    applies = all_of((any_of(answers.values()), _answer(report.applies_when, facts)))
    released = _answer(report.released_when, facts) if report.released_when else Answer.NO
    if applies is Answer.NO or released is Answer.YES:
        return
    addressees = [one for entry in report.addressees for one in entry.where(facts.get("jurisdictions"))]
    for ref in dict.fromkeys(addressee.ref for addressee in addressees):
        same = [addressee for addressee in addressees if addressee.ref == ref]
        addressed = any_of(_answer(entry.conditions, facts) for entry in same)
        addressee = same[0]
        if addressed is Answer.NO:
            continue
        certain = all_of((applies, addressed)) is Answer.YES and released is Answer.NO
        yield _duty(regime, report, addressee, facts, answers, clocks, calendars, certain=certain)


def _duty(
    regime: Regime,
    report: Report,
    addressee: Addressee,
    facts: Mapping[str, object],
    answers: Mapping[str, Answer],
    clocks: Mapping[str, Clock],
    calendars: Mapping[str, ClosedDays],
    *,
    certain: bool,
) -> DerivedObligation:
    clock = _clock_of(regime, report, answers, clocks)
    due = _strictest(report, facts, answers, clocks.get(clock, Clock(at=None)), calendars)
    certain = certain and due.state is not DeadlineState.NEEDS_DECISION
    status = DutyStatus.OPEN if certain else DutyStatus.TO_DECIDE
    if certain and due.state is DeadlineState.NOT_STARTED:
        status = DutyStatus.CLOCK_NOT_STARTED
    return DerivedObligation(
        regime=regime.code,
        rule=f"{regime.code}:{report.code}",
        stage=report.code,
        title=report.title,
        addressee_kind=report.kind,
        addressee_ref=addressee.ref,
        addressee_name=addressee.name,
        status=status,
        because=_because(regime, answers),
        decide=None if certain else _undecided(report, addressee, regime, facts),
        due=due,
        internal_target_at=None,
        source=report.source,
        confidence=report.confidence,
        clock=clock,
        form=report.form,
    )


def _answer(conditions: Sequence[Condition], facts: Mapping[str, object]) -> Answer:
    return all_of(condition.answer(facts) for condition in conditions)


def _clock_of(regime: Regime, report: Report, answers: Mapping[str, Answer], clocks: Mapping[str, Clock]) -> str:
    """Name the clock that began first among the situations that hold; one of its own counts once it was recorded.

    A number that was passed before anybody was aware begins nothing: the clock of the report, which came later, does.
    """
    own = [regime.situation(code).clock for code, answer in answers.items() if answer is Answer.YES]
    begins_at = clocks.get(report.clock, Clock(at=None)).at
    names = [
        name if name in clocks and _not_before(clocks[name].at, begins_at) else report.clock
        for name in (name or report.clock for name in own)
    ]
    begun = {name: at for name in names if (at := clocks.get(name, Clock(at=None)).at) is not None}
    return min(begun, key=lambda name: begun[name]) if len(begun) == len(set(names)) and begun else report.clock


def _not_before(at: datetime | None, begins_at: datetime | None) -> bool:
    return at is None or begins_at is None or at >= begins_at


def _strictest(
    report: Report,
    facts: Mapping[str, object],
    answers: Mapping[str, Answer],
    clock: Clock,
    calendars: Mapping[str, ClosedDays],
) -> DueTime:
    """Count by the rule of the situations that hold for certain; while one is open, work to the earlier date.

    A longer period belongs to a situation that holds, alone or with others (Guideline 3-5-3-4: item 3 together with
    others gives the longer period for all).
    """
    found = [
        due_time(
            rule,
            anchor_at=clock.at,
            provisional_anchor_at=clock.provisional_at,
            calendar=calendars.get(rule.calendar or ""),
        )
        for rule in possible_rules(report, answers, facts)
    ]
    return earliest(found)


def new_reasons(before: str, now: str) -> frozenset[str]:
    """Return what makes a duty due now and did not before: a decision on what was known then says nothing of it."""
    return frozenset(now.split(REASONS)) - frozenset(before.split(REASONS))


def _because(regime: Regime, answers: Mapping[str, Answer]) -> Words:
    holding = [regime.situation(code) for code, answer in answers.items() if answer is Answer.YES]
    open_ones = [regime.situation(code) for code, answer in answers.items() if answer is Answer.UNKNOWN]
    ja = [f"{situation.name.ja}（該当）" for situation in holding] + [
        f"{situation.name.ja}（未判断）" for situation in open_ones
    ]
    en = [f"{situation.name.en}" for situation in holding] + [
        f"{situation.name.en} (undecided)" for situation in open_ones
    ]
    return Words(ja="、".join(ja), en=REASONS.join(en))


def _undecided(report: Report, addressee: Addressee, regime: Regime, facts: Mapping[str, object]) -> Words:
    """Say which facts are missing and who decides."""
    conditions = [condition for code in report.situations for condition in regime.situation(code).conditions]
    conditions += [*report.applies_when, *report.released_when, *addressee.conditions]
    missing = list(dict.fromkeys(c.fact for c in conditions if c.answer(facts) is Answer.UNKNOWN))
    numbers = [deadline.rule.amount_fact for deadline in report.deadlines if deadline.rule.amount_fact]
    missing += [fact for fact in numbers if facts.get(fact) is None and fact not in missing]
    ja = "、".join(FACTS[fact][0] for fact in missing)
    en = ", ".join(FACTS[fact][1] for fact in missing)
    where = STATED_IN_THE_POLICY if set(missing) & set(DESIGNATIONS) else Words(ja="", en="")
    return Words(ja=f"{report.decide.ja}（未確定：{ja}）{where.ja}", en=f"{report.decide.en} (open: {en}){where.en}")
