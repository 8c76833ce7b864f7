"""The Commitment page: confirming by hand, what was waived; closing an incident; languages keep what was asked."""

from __future__ import annotations

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.vocabulary import Phase
from incident_app.services import approvals, incidents, obligations
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import NOW, approver, author
from tests.web.browsing import check, post, read, refused_field, signed_in


@pytest.fixture
def view(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    found = builders.an_incident(instance)
    builders.determined(instance, found.id, builders.a_scope("member-db"))
    return found


def waive_everything(engine: Engine, view: IncidentView) -> None:
    act = {"actor": author(engine).actor, "now": NOW}
    for duty in obligations.list_obligations(engine, view.id):
        request = obligations.ask_waiver(engine, view.id, duty.id, reason="訓練のため", **act)
        approvals.grant(engine, request, actor=approver(engine).actor, now=NOW)
        obligations.waive(engine, view.id, duty.id, **act)


def test_a_part_is_confirmed_on_its_own_form_with_a_note(app: flask.Flask, view: IncidentView) -> None:
    page = f"/incidents/{view.reference}/commitment"
    client = signed_in(app)
    check(read(client.get(page)))
    target = f"{page}/confirm/staff/supervision"
    refused = read(post(client, page, target, kept="yes", note=" ", evidence=""))
    assert refused_field(refused).attributes["name"] == "note"
    assert read(post(client, page, target, kept="yes", note="研修", evidence="x7")).one("div", role="alert")
    assert post(client, page, target, kept="yes", note="研修を行った", evidence="").status_code == 302
    shown = read(client.get(page)).text
    assert "確認しました：研修を行った" in shown
    computed = post(client, page, f"{page}/confirm/leak-response/promptly", kept="yes", note="はい")
    assert computed.status_code == 422 or "計算する" in read(computed).text


def test_an_incident_is_closed_on_its_overview_once_nothing_is_open(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    page = f"/incidents/{view.reference}"
    client = signed_in(app)
    refused = read(post(client, page, f"{page}/close"))
    assert "義務" in refused.one("div", role="alert").text
    waive_everything(instance, view)
    assert "不要と判断" in read(client.get(f"{page}/commitment")).text
    assert post(client, page, f"{page}/close").status_code == 302
    after = read(client.get(page))
    check(after)
    assert not after.all("form", action=f"{page}/close")
    assert incidents.get_incident(instance, view.reference, author(instance)).phase is Phase.CLOSED


def test_a_change_of_language_keeps_what_the_page_was_asked(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app)
    asked = f"/incidents/{view.reference}/impact/person?number=C1"
    first = client.get(asked)
    assert first.status_code == 200
    (switch,) = [link for link in read(first).all("a") if "/language/" in (link.attributes.get("href") or "")]
    answer = client.get(str(switch.attributes["href"]))
    assert answer.headers["Location"].endswith(asked)
    assert client.get(answer.headers["Location"]).status_code == 200
    for elsewhere in ("//evil.example/?x=1", "https://evil.example/", "/\\\\evil.example"):
        away = client.get("/language/en", query_string={"next": elsewhere}).headers["Location"]
        assert away == "/incidents"
