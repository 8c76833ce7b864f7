"""The texts of the demonstration: what goes into one report must not contradict itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from incident_app.demo.texts import REPORT_FACTS, notice_facts

LATE_ON_NEW_YEARS_DAY = datetime(2027, 1, 1, 20, 5, tzinfo=UTC)


def said(language: str) -> dict[str, str]:
    return notice_facts(
        detected_at=LATE_ON_NEW_YEARS_DAY, now=LATE_ON_NEW_YEARS_DAY, company_ja="会社", company_en="Company"
    )[language]


def test_a_risk_that_the_text_names_is_answered_with_yes() -> None:
    """The form said "no" to harm or a risk of it, beside card numbers and a risk of financial harm."""
    assert "おそれがあります" in said("ja")["secondary_harm"]
    assert "might" in said("en")["secondary_harm"]
    assert REPORT_FACTS["secondary_harm_known"] == "yes"


def test_what_the_incident_counts_as_confirmed_is_not_told_as_a_possibility() -> None:
    assert "可能性" not in said("ja")["what_happened"]
    assert "may" not in said("en")["what_happened"]


def test_the_police_who_were_consulted_are_not_still_to_be_consulted() -> None:
    assert "相談済み" in REPORT_FACTS["police"]
    assert "警察に相談し" in said("ja")["our_measures"]
    assert "consulted the police" in said("en")["our_measures"]


def test_dates_are_days_in_japan_without_leading_noughts() -> None:
    assert said("ja")["course_of_events"].startswith("2027年1月2日 05:05 ")
    assert said("en")["course_of_events"].startswith("02 Jan 2027 05:05 JST")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_representative_has_a_name(language: str) -> None:
    assert {"ja": "見本 太郎", "en": "Taro Mihon"}[language] in said(language)["representative"]
