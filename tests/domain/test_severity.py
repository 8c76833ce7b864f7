"""Severity by the method of ENISA: scores, ranges, bands, flags, and the file that states them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.errors import FaultyFile, NotFound
from incident_app.domain.severity import (
    ABSENT,
    Adjustment,
    Assessment,
    NoContext,
    SeverityFacts,
    assess,
    check_adjustment,
    points,
    result_digest,
)
from incident_app.domain.severity_methods import BandCode, Part, read_method
from incident_app.domain.vocabulary import Cause, Harm, ItemFlag
from tests.builders import ROOT

TEXT = (ROOT / "playbooks" / "severity" / "enisa-2013.toml").read_text(encoding="utf-8")
METHOD = read_method(TEXT, file="enisa-2013.toml")
FACTS = SeverityFacts(
    flags=frozenset({ItemFlag.CONTACT}),
    categories=frozenset({"attributes"}),
    harms=frozenset({Harm.CONFIDENTIALITY}),
    cause=Cause.MISDIRECTED,
    people=100,
    items=2,
    unintelligible_items=0,
)


def decided(**options: str) -> dict[str, Adjustment]:
    return {question: Adjustment(option=option, reason_digest="d" * 64) for question, option in options.items()}


def weigh(facts: SeverityFacts = FACTS, **options: str) -> Assessment:
    return assess(METHOD, facts, decided(**options))


def options_of(found: Assessment, question: str) -> tuple[str, ...]:
    return {entry.question: entry.options for entry in found.inputs}[question]


def test_the_scores_of_the_method_are_as_published() -> None:
    scores = {q.code: [option.score for option in q.options] for q in METHOD.questions}
    assert scores["simple"] == [1, 2, 3, 4]
    assert scores["behavioural"] == [1, 2, 3, 4]
    assert scores["financial"] == [1, 2, 3, 4]
    assert scores["sensitive"] == [1, 2, 3, 4]
    assert scores["identification"] == [1, 2, 3, 4]
    assert scores["confidentiality"] == [0, 1, 2]
    assert scores["integrity"] == scores["availability"] == [0, 0, 1, 2]
    assert scores["malicious_intent"] == [0, 2]
    basic = {q.code: q.option("as_is").score for q in METHOD.questions if q.code != "credentials" and q.part is CONTEXT}
    assert basic == {"simple": 1, "behavioural": 2, "financial": 3, "sensitive": 4}


CONTEXT = Part.CONTEXT


@pytest.mark.parametrize(
    ("quarters", "band"),
    [
        (0, BandCode.LOW),
        (7, BandCode.LOW),
        (8, BandCode.MEDIUM),
        (11, BandCode.MEDIUM),
        (12, BandCode.HIGH),
        (15, BandCode.HIGH),
        (16, BandCode.VERY_HIGH),
        (24, BandCode.VERY_HIGH),
    ],
)
def test_a_band_begins_exactly_at_its_number(quarters: int, band: BandCode) -> None:
    assert METHOD.band(quarters).code is band


def test_a_wrongly_sent_list_of_names_is_low() -> None:
    found = weigh(simple="as_is", identification="maximum")
    assert (found.lowest_quarters, found.highest_quarters) == (5, 5)  # 1 x 1 + 0.25
    assert found.lowest_band is found.highest_band is BandCode.LOW
    assert found.undecided == 0


def test_stolen_cards_with_identity_are_very_high() -> None:
    facts = replace(
        FACTS,
        flags=FACTS.flags | {ItemFlag.CARD_NUMBER},
        categories=frozenset({"attributes", "transactions"}),
        cause=Cause.UNAUTHORISED_ACCESS,
    )
    found = weigh(facts, identification="maximum")
    assert options_of(found, "financial") == ("full",)
    assert found.lowest_quarters == found.highest_quarters == 16 + 2 + 2  # 4 x 1 + 0.5 + 0.5


def test_what_nobody_decided_is_a_range_and_never_a_guess() -> None:
    found = weigh()
    assert options_of(found, "simple") == ("as_is", "profile", "sensitive_hints", "safety")
    assert options_of(found, "identification") == ("significant", "maximum")
    assert (found.lowest_quarters, found.highest_quarters) == (1 * 3 + 1, 4 * 4 + 1)
    assert found.undecided == 2


def test_the_highest_kind_of_data_counts_and_kinds_are_not_added() -> None:
    facts = replace(FACTS, flags=frozenset({ItemFlag.SPECIAL_CARE, ItemFlag.CARD_NUMBER}))
    found = weigh(facts, simple="safety", sensitive="little", financial="some", identification="negligible")
    assert found.lowest_quarters == found.highest_quarters == 4 * 1 + 1


def test_circumstances_add_up() -> None:
    facts = replace(FACTS, harms=frozenset(Harm), cause=Cause.MALWARE)
    found = weigh(facts, simple="as_is", identification="negligible", integrity="lost", availability="permanent")
    assert found.lowest_quarters == 1 + 2 + 2 + 2 + 2


def test_the_cause_unknown_leaves_intent_and_recipients_open() -> None:
    found = weigh(replace(FACTS, cause=Cause.UNKNOWN))
    assert options_of(found, "malicious_intent") == ("no", "yes")
    assert options_of(found, "confidentiality") == ("none", "known_recipients", "unknown_recipients")


def test_encryption_and_the_number_of_people_are_flags_and_never_change_the_score() -> None:
    plain, protected = weigh(), weigh(replace(FACTS, unintelligible_items=2, people=101))
    assert (plain.lowest_quarters, plain.highest_quarters) == (protected.lowest_quarters, protected.highest_quarters)
    assert [flag.code for flag in plain.flags] == []
    assert [flag.code for flag in protected.flags] == ["many_people", "unintelligible"]
    assert [flag.code for flag in weigh(replace(FACTS, unintelligible_items=1)).flags] == ["partly_unintelligible"]


def test_a_category_that_the_method_does_not_know_opens_every_kind() -> None:
    found = weigh(replace(FACTS, categories=frozenset({"attributes", "medical"})), simple="as_is")
    assert options_of(found, "sensitive") == (ABSENT, "little", "general", "hints", "as_is")
    assert found.highest_quarters == 4 * 4 + 1
    assert found.lowest_quarters == 1 * 3 + 1
    assert "unknown_categories" in {flag.code for flag in found.flags}


def test_a_person_may_add_a_kind_that_no_rule_sees_and_take_one_away() -> None:
    found = weigh(sensitive="as_is", simple=ABSENT, identification="maximum")
    assert found.lowest_quarters == found.highest_quarters == 4 * 4 + 1
    with pytest.raises(NoContext):
        weigh(simple=ABSENT)


def test_an_input_decided_by_a_person_keeps_what_the_rules_say() -> None:
    (simple,) = [entry for entry in weigh(simple="profile").inputs if entry.question == "simple"]
    assert simple.options == ("profile",)
    assert simple.derived == ("as_is", "profile", "sensitive_hints", "safety")
    assert simple.reason_digest == "d" * 64


def test_an_unknown_answer_is_refused() -> None:
    check_adjustment(METHOD, "simple", ABSENT)
    for question, option in (("simple", "none"), ("identification", ABSENT), ("nothing", "as_is")):
        with pytest.raises(NotFound):
            check_adjustment(METHOD, question, option)


FACTS_OF_ANY_BREACH = st.builds(
    SeverityFacts,
    flags=st.frozensets(st.sampled_from(ItemFlag)),
    categories=st.frozensets(st.sampled_from(["attributes", "usage", "online", "medical"]), min_size=1),
    harms=st.frozensets(st.sampled_from(Harm), min_size=1),
    cause=st.sampled_from(Cause),
    people=st.integers(0, 10_000),
    items=st.just(3),
    unintelligible_items=st.integers(0, 3),
)


@given(FACTS_OF_ANY_BREACH)
def test_every_breach_has_a_score_within_the_method_and_a_reason_for_each_input(facts: SeverityFacts) -> None:
    found = assess(METHOD, facts, {})
    assert 1 <= found.lowest_quarters <= found.highest_quarters <= 4 * 4 + 2 * 4
    for entry in found.inputs:
        assert entry.options
        assert entry.reason.ja
        assert entry.reason.en


@given(FACTS_OF_ANY_BREACH, st.data())
def test_deciding_an_input_only_narrows_the_range(facts: SeverityFacts, data: st.DataObject) -> None:
    before = assess(METHOD, facts, {})
    entry = data.draw(st.sampled_from(before.inputs))
    option = data.draw(st.sampled_from([option for option in entry.options if option != ABSENT]))
    after = assess(METHOD, facts, decided(**{entry.question: option}))
    assert before.lowest_quarters <= after.lowest_quarters <= after.highest_quarters <= before.highest_quarters


def test_the_digest_holds_question_and_answer() -> None:
    found = weigh(simple="as_is")
    first = result_digest("m", FACTS, decided(simple="as_is"), found)
    assert first == result_digest("m", FACTS, decided(simple="as_is"), weigh(simple="as_is"))
    assert first != result_digest("other", FACTS, decided(simple="as_is"), found)
    assert first != result_digest("m", replace(FACTS, people=101), decided(simple="as_is"), found)
    assert first != result_digest("m", FACTS, decided(simple="profile"), found)


def test_quarters_are_written_as_people_read_them() -> None:
    assert [points(quarters) for quarters in (0, 1, 6, 11, 16)] == ["0.00", "0.25", "1.50", "2.75", "4.00"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("from_quarters = 8", "from_quarters = 12", "bands"),
        ("from_quarters = 0", "from_quarters = 1", "bands"),
        ("change = 3", "change = 4", "must give 1 to 4"),
        ("change = -3", "change = -4", "must give 1 to 4"),
        ("quarters = 4", "quarters = 5", "must give 1 to 4"),
        ('options = ["full"]', 'options = ["fool"]', "'fool' is not defined"),
        ('options = ["full"]', "options = []", "at least one option"),
        ('any_cause = ["misdirected", "misconfiguration"]', 'any_cause = ["mischief"]', "'mischief'"),
        ('  options = ["no", "yes"]', '  any_cause = ["staff"]\n  options = ["no", "yes"]', "must hold always"),
        ('part = "identification"', 'part = "circumstance"', "exactly one of part identification"),
        ("many_people_above = 100", 'many_people_above = "100"', "whole number"),
        ("basic = 1", "basis = 1", "unknown key"),
    ],
)
def test_a_faulty_method_is_named_with_key_and_line(old: str, new: str, fault: str) -> None:
    assert old in TEXT
    with pytest.raises(FaultyFile) as refusal:
        read_method(TEXT.replace(old, new, 1), file="m.toml")
    assert fault in str(refusal.value)
