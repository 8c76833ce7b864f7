"""The automatic brake: what is judged, and when a wave must stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.brake import AttemptOutcome, BrakeRule, FinishedAttempt, judge

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BAD = (AttemptOutcome.REFUSED_FOR_GOOD, AttemptOutcome.UNKNOWN)
RULE = BrakeRule()

ATTEMPTS = st.lists(
    st.builds(
        FinishedAttempt,
        finished_at=st.integers(min_value=0, max_value=1200).map(lambda ago: NOW - timedelta(seconds=ago)),
        outcome=st.sampled_from(list(AttemptOutcome)),
        reply=st.sampled_from([None, "550 5.1.1", "554 5.7.1"]),
    ),
    max_size=60,
)
RULES = st.builds(
    BrakeRule,
    attempts=st.integers(min_value=1, max_value=50),
    within=st.integers(min_value=1, max_value=1200).map(lambda seconds: timedelta(seconds=seconds)),
    percent=st.integers(min_value=0, max_value=100),
    at_least=st.integers(min_value=1, max_value=30),
)


def ended(outcome: AttemptOutcome, number: int = 1, *, ago: int = 1, reply: str | None = None) -> list[FinishedAttempt]:
    return [FinishedAttempt(finished_at=NOW - timedelta(seconds=ago), outcome=outcome, reply=reply)] * number


@given(ATTEMPTS, RULES)
def test_a_wave_stops_exactly_when_the_share_of_its_window_passes_the_limit(
    attempts: list[FinishedAttempt], rule: BrakeRule
) -> None:
    window = [attempt for attempt in attempts if NOW - attempt.finished_at < rule.within][: rule.attempts]
    bad = sum(attempt.outcome in BAD for attempt in window)
    found = judge(attempts, rule, now=NOW)
    assert (found is not None) is (len(window) >= rule.at_least and bad / max(len(window), 1) > rule.percent / 100)
    if found is not None:
        assert (found.attempts, found.refused + found.in_doubt) == (len(window), bad)


@given(ATTEMPTS, RULES)
def test_one_more_failure_never_loosens_the_brake(attempts: list[FinishedAttempt], rule: BrakeRule) -> None:
    wide = BrakeRule(attempts=100, within=rule.within, percent=rule.percent, at_least=rule.at_least)
    if judge(attempts, wide, now=NOW) is not None:
        assert judge([*ended(AttemptOutcome.REFUSED_FOR_GOOD), *attempts], wide, now=NOW) is not None


@given(ATTEMPTS)
def test_a_limit_of_a_hundred_percent_switches_the_brake_off(attempts: list[FinishedAttempt]) -> None:
    assert judge(attempts, BrakeRule(percent=100, at_least=1), now=NOW) is None


@pytest.mark.parametrize(("refused", "stops"), [(2, False), (3, True)])
def test_ten_percent_are_borne_and_more_are_not(refused: int, stops: bool) -> None:
    attempts = ended(AttemptOutcome.REFUSED_FOR_GOOD, refused) + ended(AttemptOutcome.ACCEPTED, 20 - refused)
    assert (judge(attempts, RULE, now=NOW) is not None) is stops


def test_refusals_and_doubts_count_together_and_refusals_for_now_do_not() -> None:
    calm = ended(AttemptOutcome.REFUSED_FOR_NOW, 30)
    assert judge(calm, RULE, now=NOW) is None
    found = judge([*calm, *ended(AttemptOutcome.REFUSED_FOR_GOOD, 2), *ended(AttemptOutcome.UNKNOWN, 2)], RULE, now=NOW)
    assert found is not None
    assert (found.attempts, found.refused, found.in_doubt) == (34, 2, 2)


def test_nineteen_failures_are_too_few_to_judge_by() -> None:
    assert judge(ended(AttemptOutcome.REFUSED_FOR_GOOD, 19), RULE, now=NOW) is None
    assert judge(ended(AttemptOutcome.REFUSED_FOR_GOOD, 20), RULE, now=NOW) is not None


def test_what_lies_behind_the_window_is_forgotten() -> None:
    failed = ended(AttemptOutcome.REFUSED_FOR_GOOD, 100)
    assert judge(ended(AttemptOutcome.ACCEPTED, 200) + failed, RULE, now=NOW) is None
    assert judge(ended(AttemptOutcome.ACCEPTED, 150) + failed, RULE, now=NOW) is not None
    assert judge(ended(AttemptOutcome.REFUSED_FOR_GOOD, 100, ago=600), RULE, now=NOW) is None


def test_the_reply_heard_most_often_among_failures_is_named() -> None:
    attempts = [
        *ended(AttemptOutcome.ACCEPTED, 30, reply="250"),
        *ended(AttemptOutcome.REFUSED_FOR_GOOD, 3, reply="550 5.1.1"),
        *ended(AttemptOutcome.REFUSED_FOR_GOOD, 5, reply="554 5.7.1"),
        *ended(AttemptOutcome.UNKNOWN, 9),
    ]
    found = judge(attempts, RULE, now=NOW)
    assert found is not None
    assert found.reply == "554 5.7.1"
    silent = judge(ended(AttemptOutcome.UNKNOWN, 20), RULE, now=NOW)
    assert silent is not None
    assert silent.reply is None
