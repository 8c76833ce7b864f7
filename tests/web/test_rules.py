"""The pages of the rules: what is loaded, what is off and why, and one date computed with its reasons."""

from __future__ import annotations

import re
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.domain.known_facts import WORDS
from incident_app.web.rules import GROUPS
from incident_app.web.words import catalogue
from tests import builders
from tests.web.browsing import read, refused_field, signed_in

DEFINITIVE = "/rules/jp-appi/definitive"
AT = "aware_at=2026-10-25+12:00"


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return signed_in(app, "auditor@example.jp")


def text(client: FlaskClient, path: str, *, language: str = "ja") -> str:
    client.get(f"/language/{language}?next=/rules")
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", read(answer).text)


def test_the_list_shows_every_regime_with_source_how_sure_and_how_counted(client: FlaskClient) -> None:
    found = text(client, "/rules", language="en")
    for words in ("Act on the Protection of Personal Information", "NIS2 Directive", "contracts with customers"):
        assert words in found
    assert "30 days, the first day counts, a closed last day moves to the next open one" in found
    assert "no number (promptly)" in found
    assert "own target of 72 hours (no deadline)" in found
    assert "Off until the designations of our policy say: we report to the SEC (sec_registrant)." in found
    unsaid = "Our policy does not say whether it applies. State it in its designations: we hold the PrivacyMark"
    assert f"{unsaid} (privacymark_holder)." in found
    assert "a reading" in found
    assert "unverified" in found
    assert "since 2026-10-01" in found
    assert "jp-government" in found
    japanese = text(client, "/rules")
    assert "30日、初日を数える、休みの日なら次に開く日まで" in japanese
    assert "社内目標 72時間（期限ではない）" in japanese


def test_a_rule_names_the_form_of_its_report_or_says_that_there_is_none(client: FlaskClient) -> None:
    assert "最終報告（NIS2指令第23条）" in text(client, "/rules/eu-nis2/final")
    assert "There is no form for this report" in text(client, "/rules/us-sec/authority", language="en")
    assert "様式" not in text(client, "/rules/jp-appi/people")  # people are told by a notice


def test_regimes_that_are_on_come_before_those_that_are_off(client: FlaskClient) -> None:
    headings = [heading.text for heading in read(client.get("/rules")).all("h2")]
    places = {code: place for place, text in enumerate(headings) for code in text.split()[-1:]}
    assert places["policy"] < places["contract"] < places["card-brands"] < places["us-sec"]


def test_a_date_is_computed_and_told_step_by_step(client: FlaskClient) -> None:
    found = text(client, f"{DEFINITIVE}/date?{AT}")
    assert "2026年11月23日(月) は官公庁の休みです（勤労感謝の日）。" in found
    assert "期限あり" in found
    english = text(client, f"{DEFINITIVE}/date?{AT}", language="en")
    assert "It moves to the next open day, Tue 24 Nov 2026." in english
    assert "This is a trial" in english


def test_facts_that_were_given_stay_in_the_form_and_an_open_one_is_named(client: FlaskClient) -> None:
    client.get("/language/en?next=/rules")
    page = read(
        client.get(f"{DEFINITIVE}/date?{AT}&people=5000&improper_purpose=unknown&flags=contact&flags=my_number")
    )
    assert "needs a decision" in page.text
    assert "the privacy officer decides" in page.text
    form = next(form for form in page.all("form") if form.attributes.get("action") == f"{DEFINITIVE}/date")
    assert form.value("people") == "5000"
    assert form.value("improper_purpose") == "unknown"
    ticked = [box.attributes["value"] for box in form.all("input", name="flags") if "checked" in box.attributes]
    assert ticked == ["my_number", "contact"]


def test_what_the_policy_says_the_company_is_shows_on_the_pages(
    client: FlaskClient, instance: Engine, tmp_path: Path
) -> None:
    builders.designated(instance, tmp_path, "outside_gdpr", "sec_registrant")
    found = text(client, "/rules", language="en")
    assert "Off because the designations of our policy say: the GDPR of the EU does not apply to us" in found
    assert "(sec_registrant)" not in found
    one = text(client, f"/rules/eu-gdpr/authority/date?{AT}")
    assert "当社のポリシーによれば、この制度は当社に適用されません。" in one
    assert "適用なし。当社のポリシーの designations がそう述べています" in one


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("aware_at=", "aware_at"),
        ("aware_at=yesterday", "aware_at"),
        ("aware_at=2019-01-01+12:00", "aware_at"),
        (f"{AT}&people=many", "people"),
        (f"{AT}&payable_combination=no&flags=card_number", "payable_combination"),
    ],
)
def test_what_cannot_be_computed_is_said_at_its_field_and_nothing_typed_is_lost(
    client: FlaskClient, query: str, field: str
) -> None:
    answer = client.get(f"{DEFINITIVE}/date?{query}")
    assert answer.status_code == 422
    page = read(answer)
    assert refused_field(page).attributes["name"] == field
    assert "認識した時刻" not in page.text  # here the moment is that of the clock at hand
    for name, value in (part.split("=") for part in query.split("&")):
        if name in {"aware_at", "people"}:
            assert page.one("input", name=name).attributes["value"] == value.replace("+", " ")


@pytest.mark.parametrize("path", ["/rules/nothing/first", "/rules/jp-appi/nothing", "/rules/nothing/first/date?" + AT])
def test_a_rule_that_does_not_exist_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_promise_of_the_policy_has_a_page_too(client: FlaskClient) -> None:
    found = text(client, f"/rules/policy/promptly/date?{AT}")
    assert "期限の定めなし" in found
    assert "期限ではありません" in found


def test_every_rule_has_a_page_with_a_field_for_each_of_its_facts(client: FlaskClient) -> None:
    links = {link.attributes.get("href") for link in read(client.get("/rules")).all("a")}
    pages = [str(link) for link in links if str(link).startswith("/rules/")]
    assert len(pages) > 30
    for path in pages:
        page = read(client.get(path))
        assert page.all("input", name="aware_at"), path


@pytest.mark.parametrize("fact", sorted(fact for fact, words in WORDS.items() if words is not None))
def test_every_closed_word_of_a_fact_has_a_name(fact: str) -> None:
    assert {f"{GROUPS[fact]}.{word}" for word in WORDS[fact] or ()} <= set(catalogue())
