"""Every regime against the facts of the law: what is due when, by which facts, and what must be decided first."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.conditions import Answer, any_of
from incident_app.domain.deadlines import DeadlineState, DueTime
from incident_app.domain.given_facts import read_facts
from incident_app.domain.known_facts import DECIDABLE, DESIGNATIONS, FACTS, NUMBERS, WORDS
from incident_app.domain.obligations import Clock, DerivedObligation, IncidentFacts, derive
from incident_app.domain.regimes import Confidence, read_regime, valid_on
from incident_app.domain.single_deadlines import Question, answer, open_facts
from incident_app.domain.vocabulary import BusinessLine, DutyStatus, ItemFlag, OurRole, Relation
from tests.builders import playbook_files
from tests.domain.test_counting import CALENDARS

JST = ZoneInfo("Asia/Tokyo")
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in playbook_files("regimes")}
REGIMES = {code: read_regime(text, file=code) for code, text in TEXTS.items()}
FRIDAY = datetime(2026, 11, 20, 17, 20, tzinfo=JST)
DATED, PROMPTLY = DeadlineState.DATED, DeadlineState.NO_FIXED_DEADLINE
NOT_STARTED, TO_DECIDE = DeadlineState.NOT_STARTED, DeadlineState.NEEDS_DECISION
NOTHING_REPORTABLE = ("people=10", "flags=contact", "payable_combination=no", "improper_purpose=no")


def question(regime: str, report: str, *facts: str, at: datetime = FRIDAY) -> Question:
    known = REGIMES[regime].on(at.astimezone(JST).date())
    entry = next(entry for entry in known.reports if entry.code == report)
    return Question(regime=known, report=entry, anchor_at=at, given=read_facts(facts))


def asked(regime: str, report: str, *facts: str, at: datetime = FRIDAY) -> DueTime:
    return answer(question(regime, report, *facts, at=at), CALENDARS)


@pytest.mark.parametrize(
    ("regime", "report", "facts", "due_at"),
    [
        ("jp-appi", "preliminary", [], "2026-11-24T23:59:59+09:00"),
        ("jp-appi", "definitive", [], "2026-12-21T23:59:59+09:00"),  # day 30 is Saturday 19 December
        ("jp-appi", "definitive", ["improper_purpose=no"], "2026-12-21T23:59:59+09:00"),
        ("jp-appi", "definitive", ["improper_purpose=yes"], "2027-01-18T23:59:59+09:00"),
        ("jp-appi", "definitive", ["improper_purpose=yes", "people=5000"], "2027-01-18T23:59:59+09:00"),
        ("jp-appi", "preliminary-as-processor", [], "2026-11-24T23:59:59+09:00"),
        ("jp-appi", "definitive-as-processor", ["improper_purpose=no"], "2026-12-21T23:59:59+09:00"),
        ("jp-appi", "tenant", [], "2026-11-24T23:59:59+09:00"),
        ("jp-mynumber", "preliminary", [], "2026-11-24T23:59:59+09:00"),
        ("jp-mynumber", "definitive", ["improper_purpose=no", "my_number_people=101"], "2026-12-21T23:59:59+09:00"),
        ("jp-mynumber", "definitive", ["improper_purpose=yes", "flags=my_number"], "2027-01-18T23:59:59+09:00"),
        ("jp-mynumber", "definitive", ["improper_purpose=yes"], "2027-01-18T23:59:59+09:00"),
        (
            "jp-mynumber",
            "definitive",
            ["improper_purpose=no", "visible_to_the_public=yes"],
            "2026-12-21T23:59:59+09:00",
        ),
        ("us-hipaa", "authority", ["people=500"], "2027-01-19T23:59:59-05:00"),
        ("us-hipaa", "authority", ["people=499"], "2027-03-01T23:59:59-05:00"),
        ("us-hipaa", "media", ["people=500"], "2027-01-19T23:59:59-05:00"),
        ("jp-telecom", "detailed", [], "2026-12-21T23:59:59+09:00"),
        ("jp-telecom", "user-information-detailed", [], "2026-12-21T23:59:59+09:00"),
        ("jp-cyber-response", "detailed", [], "2026-12-21T23:59:59+09:00"),
        ("jp-privacymark", "preliminary", [], "2026-11-24T23:59:59+09:00"),
        ("jp-privacymark", "definitive", [], "2026-12-19T23:59:59+09:00"),  # no text moves it off the Saturday
        (
            "jp-privacymark",
            "definitive",
            ["improper_purpose=yes", "privacymark_holder=yes"],
            "2027-01-18T23:59:59+09:00",
        ),
        ("card-brands", "mastercard", [], "2026-11-21T17:20:00+09:00"),
        ("card-brands", "visa-report", [], "2026-11-25T23:59:59+09:00"),
        ("card-brands", "visa-accounts", [], "2026-12-04T23:59:59+09:00"),
        ("eu-gdpr", "authority", [], "2026-11-23T17:20:00+09:00"),
        ("uk-gdpr", "authority", [], "2026-11-23T17:20:00+09:00"),
        ("eu-nis2", "early_warning", [], "2026-11-21T17:20:00+09:00"),
        ("eu-nis2", "notification", [], "2026-11-23T17:20:00+09:00"),
        ("eu-nis2", "final", [], "2026-12-20T23:59:59+01:00"),
        ("us-california", "people", [], "2026-12-20T23:59:59-08:00"),
        ("us-california", "authority", [], "2026-12-05T23:59:59-08:00"),
        ("us-hipaa", "people", [], "2027-01-19T23:59:59-05:00"),
        (
            "us-hipaa",
            "authority",
            ["people=500", "flags=special_care", "hipaa_entity=yes"],
            "2027-01-19T23:59:59-05:00",
        ),
        (
            "us-hipaa",
            "authority",
            ["people=499", "flags=special_care", "hipaa_entity=yes"],
            "2027-03-01T23:59:59-05:00",
        ),
        ("us-hipaa", "media", [], "2027-01-19T23:59:59-05:00"),
        ("us-sec", "authority", [], "2026-11-27T23:59:59-05:00"),  # Thanksgiving lies between
        ("contract", "entrusting_party", ["contract_hours=24"], "2026-11-21T17:20:00+09:00"),
        ("contract", "entrusting_party", ["contract_hours=72"], "2026-11-23T17:20:00+09:00"),
    ],
)
def test_what_the_law_dates_is_dated(regime: str, report: str, facts: list[str], due_at: str) -> None:
    due = asked(regime, report, *facts)
    assert due.due_at == datetime.fromisoformat(due_at).astimezone(UTC)
    assert (due.state, due.provisional) == (DATED, False)
    assert len(due.explanation_ja) == len(due.explanation_en) > 1


@pytest.mark.parametrize(
    ("regime", "report"),
    [
        ("jp-appi", "people"),
        ("jp-appi", "tenant-not-handling"),
        ("jp-mynumber", "people"),
        ("jp-mynumber", "entrusting_party"),
        ("jp-telecom", "first"),
        ("jp-telecom", "user-information-first"),
        ("jp-cyber-response", "first"),
        ("card-brands", "first"),
        ("eu-gdpr", "people"),
        ("eu-gdpr", "controller"),
        ("uk-gdpr", "people"),
        ("uk-gdpr", "controller"),
    ],
)
def test_what_the_law_does_not_date_gets_no_date_of_our_own(regime: str, report: str) -> None:
    due = asked(regime, report)
    assert (due.state, due.due_at) == (PROMPTLY, None)


def test_every_shipped_report_is_in_one_of_the_two_tables() -> None:
    tables: set[tuple[str, str]] = set()
    for test in (test_what_the_law_dates_is_dated, test_what_the_law_does_not_date_gets_no_date_of_our_own):
        tables |= {entry[:2] for entry in test.pytestmark[0].args[1]}  # type: ignore[attr-defined]
    entries = {(code, report.code) for code, regime in REGIMES.items() for report in regime.reports}
    assert entries == tables


OPENLY_A_READING = {
    ("jp-appi", "preliminary"): Confidence.READING,  # which day is day 1 of "3 to 5 days"
    ("jp-appi", "definitive"): Confidence.FOUND,
    ("jp-telecom", "detailed"): Confidence.READING,  # no text says which day is day 1
    ("jp-telecom", "user-information-detailed"): Confidence.UNVERIFIED,
    ("jp-cyber-response", "detailed"): Confidence.READING,
    ("jp-privacymark", "definitive"): Confidence.READING,  # counting is not stated
    ("card-brands", "mastercard"): Confidence.UNVERIFIED,
    ("eu-gdpr", "authority"): Confidence.UNVERIFIED,
    ("eu-nis2", "final"): Confidence.UNVERIFIED,
    ("us-sec", "authority"): Confidence.UNVERIFIED,
}


@pytest.mark.parametrize(("entry", "confidence"), OPENLY_A_READING.items(), ids=":".join)
def test_what_is_uncertain_is_marked_so(entry: tuple[str, str], confidence: Confidence) -> None:
    assert question(*entry).report.confidence is confidence


@pytest.mark.parametrize(("people", "state"), [(999, TO_DECIDE), (1000, TO_DECIDE), (1001, DATED)])
def test_a_thousand_is_not_enough_and_says_nothing_about_the_other_situations(
    people: int, state: DeadlineState
) -> None:
    assert asked("jp-appi", "preliminary", f"people={people}").state is state


@pytest.mark.parametrize(
    ("fact", "state"),
    [
        ("people=1000", NOT_STARTED),
        ("people=1001", DATED),
        ("people=unknown", TO_DECIDE),
        ("flags=special_care", DATED),
        ("payable_combination=yes", DATED),
        ("payable_combination=unknown", TO_DECIDE),
        ("improper_purpose=yes", DATED),
        ("improper_purpose=unknown", TO_DECIDE),
    ],
)
def test_one_situation_is_enough_and_an_open_one_is_never_a_silent_no(fact: str, state: DeadlineState) -> None:
    others = [other for other in NOTHING_REPORTABLE if other.partition("=")[0] != fact.partition("=")[0]]
    assert asked("jp-appi", "preliminary", *others, fact).state is state


@pytest.mark.parametrize(("number", "state"), [(100, NOT_STARTED), (101, DATED)])
def test_more_than_a_hundred_my_numbers_are_reported(number: int, state: DeadlineState) -> None:
    facts = ["flags=contact", "improper_purpose=no", "visible_to_the_public=no", f"my_number_people={number}"]
    assert asked("jp-mynumber", "preliminary", *facts).state is state


def test_situations_combined_take_the_longer_period_for_all() -> None:
    for others in (["people=1001"], ["flags=special_care"], ["payable_combination=yes"]):
        due = asked("jp-appi", "definitive", *others, "improper_purpose=yes")
        assert due.due_at == datetime(2027, 1, 18, 14, 59, 59, tzinfo=UTC)


def test_while_the_purpose_is_open_the_earlier_date_stands_and_both_are_told() -> None:
    due = asked("jp-appi", "definitive", "people=1001", "improper_purpose=unknown")
    assert due.due_at == datetime(2026, 12, 21, 14, 59, 59, tzinfo=UTC)
    assert (due.state, due.provisional) == (TO_DECIDE, True)
    assert any("2027年1月18日(月)" in line for line in due.explanation_ja)
    assert "不正の目的をもった行為" in due.explanation_ja[-1]
    assert "個人情報の責任者" in due.explanation_ja[-1]
    assert "the privacy officer decides" in due.explanation_en[-1]


def test_without_any_fact_the_moment_is_taken_as_the_start_and_the_other_date_is_told() -> None:
    due = asked("jp-appi", "definitive")
    assert due.state is DATED
    assert "If it is an act of improper purpose" in due.explanation_en[-1]
    hipaa = asked("us-hipaa", "authority")
    assert "Otherwise, it is due Mon 1 Mar 2027" in hipaa.explanation_en[-1]


def test_a_number_that_only_a_contract_fixes_is_asked_for() -> None:
    for facts in ([], ["contract_hours=unknown"]):
        due = asked("contract", "entrusting_party", *facts)
        assert (due.state, due.due_at) == (TO_DECIDE, None)
        assert "契約が定める通知の時間数" in due.explanation_ja[-1]
        assert "whoever looks after the contract" in due.explanation_en[-1]
    assert asked("contract", "entrusting_party", "contract_hours=0").state is PROMPTLY


@pytest.mark.parametrize(
    ("regime", "report", "fact", "state"),
    [
        ("jp-appi", "preliminary", "encryption_exempt=yes", NOT_STARTED),
        ("jp-appi", "preliminary", "encryption_exempt=no", DATED),
        ("jp-appi", "preliminary", "encryption_exempt=unknown", TO_DECIDE),
        ("jp-appi", "preliminary", "our_roles=own_controller", DATED),
        ("jp-appi", "preliminary", "our_roles=processor", NOT_STARTED),
        ("jp-appi", "preliminary", "our_roles=undecided", TO_DECIDE),
        ("jp-appi", "tenant", "entrusting_party_told=yes", NOT_STARTED),
        ("eu-gdpr", "authority", "no_risk_to_people=yes", NOT_STARTED),
        ("eu-gdpr", "authority", "jurisdictions=JP,US", NOT_STARTED),
        ("eu-gdpr", "authority", "jurisdictions=JP,DE", DATED),  # whoever asks is taken to be under the regime
        ("eu-gdpr", "authority", "outside_gdpr=yes", NOT_STARTED),
        ("jp-privacymark", "preliminary", "people=1001", DATED),
        ("eu-gdpr", "people", "high_risk_to_people=no", NOT_STARTED),
        ("us-sec", "authority", "sec_registrant=no", NOT_STARTED),
        ("jp-cyber-response", "first", "special_infrastructure_operator=no", NOT_STARTED),
        ("eu-nis2", "early_warning", "significant_incident=unknown", TO_DECIDE),
    ],
)
def test_role_release_and_place_are_judged_where_they_are_given(
    regime: str, report: str, fact: str, state: DeadlineState
) -> None:
    due = asked(regime, report, fact)
    assert due.state is state
    if state is TO_DECIDE:
        assert open_facts(question(regime, report, fact))
        assert FACTS[open_facts(question(regime, report, fact))[0]][1] in due.explanation_en[-1]


facts_of_the_law = st.fixed_dictionaries(
    {},
    optional={
        "people": st.none() | st.integers(0, 5000),
        "flags": st.none() | st.frozensets(st.sampled_from(["special_care", "contact", "my_number"])),
        "payable_combination": st.none() | st.booleans(),
        "improper_purpose": st.none() | st.booleans(),
        "encryption_exempt": st.none() | st.booleans(),
    },
)


@given(facts=facts_of_the_law, report=st.sampled_from(["preliminary", "definitive", "people"]))
def test_learning_more_never_turns_a_duty_that_stands_into_none_unless_it_is_released(
    facts: dict[str, object], report: str
) -> None:
    regime = REGIMES["jp-appi"]
    entry = next(entry for entry in regime.reports if entry.code == report)
    asked_now = Question(regime=regime, report=entry, anchor_at=FRIDAY, given=facts)
    due = answer(asked_now, CALENDARS)
    if due.state is NOT_STARTED:
        released = facts.get("encryption_exempt") is True
        assert released or any_of(asked_now.answers.values()) is Answer.NO
    if due.state is TO_DECIDE:
        assert open_facts(asked_now)
    if due.due_at is not None:
        assert due.due_at > FRIDAY


def test_every_fact_is_one_of_the_incident_and_every_decision_is_about_a_yes_or_no() -> None:
    assert set(FACTS) == set(IncidentFacts().as_mapping())
    assert not set(DECIDABLE) & (NUMBERS | WORDS.keys())
    assert set(DESIGNATIONS) <= set(DECIDABLE) <= set(FACTS)


def derived(clocks: Mapping[str, Clock], **changes: object) -> dict[str, DerivedObligation]:
    """A leak of many customers' names that nobody meant, by all regimes; then whatever the test changes."""
    values: dict[str, object] = {
        "anybody_affected": True,
        "people": 5000,
        "flags": frozenset({ItemFlag.CONTACT}),
        "relations": frozenset({Relation.CUSTOMER}),
        "jurisdictions": frozenset({"JP"}),
        "our_roles": frozenset({OurRole.OWN_CONTROLLER}),
        "business_lines": frozenset({BusinessLine.TELECOM}),
        "payable_combination": False,
        "improper_purpose": False,
        "communications_secrecy": False,
        "encryption_exempt": False,
        "high_risk_to_people": False,
        **changes,
    }
    found = derive(
        IncidentFacts(**values), regimes=list(REGIMES.values()), commitments=[], clocks=clocks, calendars=CALENDARS
    )
    return {duty.rule: duty for duty in found}


def test_a_threshold_passed_later_starts_the_clock_of_its_situation_alone() -> None:
    passed = FRIDAY + timedelta(days=7)
    clocks = {"awareness": Clock(at=FRIDAY), "passed:people:1000": Clock(at=passed)}
    late = derived(clocks)["jp-appi:preliminary"]
    assert (late.clock, late.due.due_at) == ("passed:people:1000", datetime(2026, 12, 1, 14, 59, 59, tzinfo=UTC))
    both = derived(clocks, payable_combination=True)["jp-appi:preliminary"]
    assert (both.clock, both.due.due_at) == ("awareness", datetime(2026, 11, 24, 14, 59, 59, tzinfo=UTC))
    unrecorded = derived({"awareness": Clock(at=FRIDAY)})["jp-appi:preliminary"]
    assert unrecorded.due.due_at == both.due.due_at
    detected_only = derived({"awareness": Clock(at=None, provisional_at=FRIDAY)})["jp-appi:preliminary"]
    assert detected_only.due.provisional


def test_a_company_that_is_nothing_special_owes_nothing_to_regimes_it_is_not_under() -> None:
    assert {duty.regime for duty in derived({"awareness": Clock(at=FRIDAY)}).values()} == {"jp-appi"}
    cards = frozenset({ItemFlag.CARD_NUMBER, ItemFlag.SPECIAL_CARE})
    everywhere = derived(
        {"awareness": Clock(at=FRIDAY)}, flags=cards, jurisdictions=frozenset({"JP", "DE", "GB", "US"})
    )
    assert {duty.regime for duty in everywhere.values()} == {"jp-appi", "eu-gdpr", "uk-gdpr"}


def test_my_numbers_go_to_the_commission_whatever_the_business() -> None:
    flags = frozenset({ItemFlag.MY_NUMBER})
    found = derived({"awareness": Clock(at=FRIDAY)}, flags=flags, my_number_people=101, people=101)
    assert {duty.addressee_ref for duty in found.values() if duty.addressee_kind == "authority"} == {"ppc"}
    assert {duty.regime for duty in found.values()} == {"jp-mynumber"}  # a hundred people are no thousand
    few = derived({"awareness": Clock(at=FRIDAY)}, flags=flags, my_number_people=3, people=3)
    assert {duty.status for duty in few.values()} == {DutyStatus.TO_DECIDE}  # could the public see them?


def test_hours_of_a_contract_make_a_duty_and_an_unknown_number_one_to_decide() -> None:
    clocks = {"awareness": Clock(at=FRIDAY)}
    assert derived(clocks, contract_hours=24)["contract:entrusting_party"].due.due_at == FRIDAY + timedelta(hours=24)
    unknown = derived(clocks, contract_hours=None)["contract:entrusting_party"]
    assert (unknown.status, unknown.due.due_at) == (DutyStatus.TO_DECIDE, None)
    assert "契約が定める通知の時間数" in (unknown.decide.ja if unknown.decide else "")
    assert "contract:entrusting_party" not in derived(clocks)


def test_a_regime_in_force_on_the_day_is_chosen_and_no_other() -> None:
    def codes(day: date) -> set[str]:
        return {regime.code for regime in valid_on(REGIMES.values(), day)}

    assert "jp-cyber-response" not in codes(date(2026, 9, 30))
    assert "jp-cyber-response" in codes(date(2026, 10, 1))
    assert "us-california" not in codes(date(2025, 12, 31))
    assert codes(date(2026, 11, 25)) == set(REGIMES)


def test_all_fourteen_regimes_are_there_with_source_and_confidence() -> None:
    asia = {"jp-appi", "jp-mynumber", "jp-telecom", "jp-cyber-response", "jp-privacymark", "card-brands"}
    abroad = {"eu-gdpr", "uk-gdpr", "eu-nis2", "us-california", "us-hipaa", "us-sec"}
    assert set(REGIMES) == asia | abroad | {"contract"}  # the fourteenth is the policy itself
    for regime in REGIMES.values():
        assert regime.source
        assert all(entry.source for entry in (*regime.situations, *regime.reports))
