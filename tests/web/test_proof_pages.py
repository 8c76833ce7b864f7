"""The pages of proof: public notice, corrected addresses, outcomes per recipient."""

from __future__ import annotations

import io
import json
from pathlib import Path

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.services import bounces, incidents
from incident_app.web import outcomes, publications
from tests import builders
from tests.builders import KEY, NOW, author
from tests.conftest import Clock
from tests.services.returning import ICHIRO, JUERGEN, RETURN_PATH, bounce, sent_wave, standing_of
from tests.web.browsing import check, post, read, refused_field, signed_in

DESK = {"phone": "0120-000-000", "hours": "平日 9-17時", "until": "2027-01-31"}


@pytest.fixture
def address(app: flask.Flask, instance: Engine, clock: Clock, tmp_path: Path) -> str:
    """The address of an incident of whose wave the mails of C1 and C3 came back; C3 has no other contact."""
    _, senders = sent_wave(instance, tmp_path, clock)
    tools = bounces.BounceTools(
        folder=app.extensions["incident_app"].evidence, address_key=KEY, return_path=RETURN_PATH
    )
    mails = [bounce(senders[ICHIRO]), bounce(senders[JUERGEN], JUERGEN)]
    bounces.read_mails(instance, mails, tools, actor=author(instance).actor, now=NOW)
    return f"/incidents/{incidents.list_incidents(instance, author(instance))[0].reference}"


@pytest.mark.parametrize("page", ["publications", "addresses", "outcomes"])
def test_an_empty_page_says_why_and_what_to_do_in_both_languages(app: flask.Flask, instance: Engine, page: str) -> None:
    reference = builders.an_incident(instance).reference
    client = signed_in(app)
    for language in ("ja", "en"):
        client.get(f"/language/{language}")
        shown = read(client.get(f"/incidents/{reference}/{page}"))
        check(shown)
        assert shown.all("p", class_="note mb") or shown.all("p", class_="note")


def test_a_publication_is_recorded_covers_and_is_withdrawn(app: flask.Flask, instance: Engine, address: str) -> None:
    client, page = signed_in(app), f"{address}/publications"
    values = {"place": "ホームページ", "url": "https://www.example.jp/n", "text": "お知らせ", **DESK}
    assert post(client, page, page, **values).status_code == 302
    shown = read(client.get(page))
    check(shown)
    assert "0120-000-000" in shown.text
    unsaid = read(post(client, page, f"{page}/1/cover", numbers="", reason=""))
    assert refused_field(unsaid).attributes["name"] == "reason"
    assert post(client, page, f"{page}/1/cover", numbers="", reason="届かない").status_code == 302
    assert standing_of(instance, "C3") is Standing.COVERED_BY_PUBLIC_NOTICE
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    covered = read(client.get(page))
    check(covered)
    assert "メールが戻った 1" in covered.text
    assert post(client, page, f"{page}/1/withdraw", reason="掲載終了").status_code == 302
    assert standing_of(instance, "C3") is Standing.NOT_REACHED
    client.get("/language/en")
    check(read(client.get(page)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"place": ""}, "place"),
        ({"url": "example"}, "url"),
        ({"text": ""}, "text"),
        ({"until": "2027-02-31"}, "until"),
        ({"published_at": "2030-01-01 10:00"}, "published_at"),
    ],
)
def test_what_is_wrong_with_a_publication_is_said_at_its_field(
    app: flask.Flask, address: str, changes: dict[str, str], field: str
) -> None:
    client, page = signed_in(app), f"{address}/publications"
    answer = post(client, page, page, **{"place": "HP", "url": "", "text": "x", **DESK, **changes})
    assert answer.status_code == 422
    assert refused_field(read(answer)).attributes["name"] == field


def test_without_a_desk_nobody_can_be_covered_on_the_page(app: flask.Flask, address: str) -> None:
    client, page = signed_in(app), f"{address}/publications"
    post(client, page, page, place="HP", text="x")
    shown = read(client.get(page))
    assert not [form for form in shown.all("form") if "/cover" in str(form.attributes.get("action"))]
    assert "窓口" in read(post(client, page, f"{page}/1/cover", numbers="C3", reason="x")).text


def test_very_many_people_are_covered_from_the_command_line(
    app: flask.Flask, instance: Engine, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "MOST_IN_A_REQUEST", 1)
    client, page = signed_in(app), f"{address}/publications"
    post(client, page, page, place="HP", text="x", **DESK)
    assert (
        refused_field(read(post(client, page, f"{page}/1/cover", numbers="", reason="x"))).attributes["name"]
        == "numbers"
    )
    assert post(client, page, f"{page}/1/cover", numbers="C3", reason="x").status_code == 302


def test_an_address_is_corrected_on_its_page_and_shown_masked(app: flask.Flask, address: str) -> None:
    client, page = signed_in(app), f"{address}/addresses"
    wrong = post(client, page, page, number="C1", address="nowhere", source="own_records", reason="契約書")
    assert refused_field(read(wrong)).attributes["name"] == "address"
    unsaid = post(client, page, page, number="C1", address="x@example.net", source="own_records", reason="")
    assert refused_field(read(unsaid)).attributes["name"] == "reason"
    good = {"number": "C1", "address": "new@example.net", "source": "own_records", "reason": "契約書"}
    assert post(client, page, page, **good).status_code == 302
    shown = read(client.get(page))
    check(shown)
    assert "n●●●@example.net" in shown.text
    assert "new@example.net" not in shown.text


def test_a_list_of_addresses_is_handed_in(app: flask.Flask, address: str) -> None:
    client, page = signed_in(app), f"{address}/addresses"
    missing = post(client, page, f"{page}/list", source="own_records", reason="x")
    assert refused_field(read(missing)).attributes["name"] == "file"
    bad = (io.BytesIO(b"customer_number,email\nC1,nowhere\n"), "list.csv")
    assert (
        "メールアドレスでない行：2"
        in read(post(client, page, f"{page}/list", source="own_records", reason="x", file=bad)).text
    )
    good = (io.BytesIO(b"customer_number,email\nC1,a@example.net\nC3,b@example.net\n"), "list.csv")
    done = post(client, page, f"{page}/list", source="own_records", reason="x", file=good)
    assert done.status_code == 302
    assert "2人の宛先を直しました" in read(client.get(page)).text


def test_outcomes_are_exported_with_a_purpose_and_as_much_of_the_addresses_as_was_asked(
    app: flask.Flask, address: str
) -> None:
    client, page = signed_in(app), f"{address}/outcomes"
    shown = read(client.get(page))
    check(shown)
    assert "予定数と一致" in shown.text
    values = {"wave": "", "format": "csv", "addresses": "masked"}
    unsaid = read(post(client, page, page, purpose="", **values))
    assert refused_field(unsaid).attributes["name"] == "purpose"
    answer = post(client, page, page, purpose="監査", **values)
    text = answer.get_data().decode("utf-8-sig")
    assert answer.headers["Content-Disposition"].endswith('-outcomes.csv"')
    assert text.count("\r\n") == 6
    assert "i●●●@example.jp" in text
    assert ICHIRO not in text
    whole = post(client, page, page, purpose="監査", wave="", format="json", addresses="full")
    assert ICHIRO in whole.get_data(as_text=True)
    assert len(json.loads(whole.get_data())["rows"]) == 5
    assert "宛先を含む" in read(client.get(f"{address}/timeline")).text


def test_who_may_not_read_recipients_gets_no_form_and_no_file(app: flask.Flask, address: str) -> None:
    client, page = signed_in(app, "approver@example.jp"), f"{address}/outcomes"
    shown = read(client.get(page))
    check(shown)
    assert not [form for form in shown.all("form") if str(form.attributes.get("action")).endswith("/outcomes")]
    values = {"wave": "", "format": "csv", "addresses": "masked", "purpose": "x"}
    assert post(client, page, page, **values).status_code == 403


@pytest.mark.parametrize(
    ("changes", "field"), [({"format": "xml"}, "format"), ({"addresses": "all"}, "addresses"), ({}, "wave")]
)
def test_an_export_that_nobody_can_make_is_refused_at_its_field(
    app: flask.Flask, address: str, changes: dict[str, str], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "MOST_ON_A_PAGE", 3)
    client, page = signed_in(app), f"{address}/outcomes"
    values = {"wave": "", "format": "csv", "addresses": "masked", "purpose": "x", **changes}
    assert refused_field(read(post(client, page, page, **values))).attributes["name"] == field
