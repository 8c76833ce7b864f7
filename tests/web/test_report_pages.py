"""Reports on pages: answers are chosen, what the records say may be written otherwise, nothing typed is lost."""

from __future__ import annotations

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.services import reports
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.web.browsing import csrf_of, post, read, signed_in

BASE = "/incidents/INC-2026-0001"


@pytest.fixture
def view(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


def given(engine: Engine, view: IncidentView) -> dict[str, str]:
    return dict(reports.list_reports(engine, view.id)[0].given_facts)


def test_a_report_is_filled_in_by_choosing_and_writing(app: flask.Flask, view: IncidentView, instance: Engine) -> None:
    client = signed_in(app)
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form="jp-appi-preliminary")
    shown = f"{BASE}/reports/1"
    page = read(client.get(shown))
    chosen = page.one("select", name="value.found-by")
    assert "カード会社・決済代行会社" in chosen.text
    fields = {
        "value.found-by": "processor",
        "value.publication-means": ["", "web", "press-conference"],
        "value.contact": "個人情報管理室\n電話 03-0000-0000",
        "english.contact": "privacy office",
        "gap.cause": "調査中",
    }
    answer = client.post(shown, data={"csrf_token": csrf_of(client, shown), **fields})
    assert answer.status_code == 302
    kept = given(instance, view)
    assert kept["found_by"] == "processor"
    assert kept["publication_means"] == "web, press-conference"
    assert kept["contact.en"] == "privacy office"
    client.post(shown, data={"csrf_token": csrf_of(client, shown), "value.found-by": ""})
    emptied = given(instance, view)
    assert "found_by" not in emptied
    assert emptied["contact"].startswith("個人情報管理室")


def test_a_wrong_value_is_refused_at_its_field_in_words(app: flask.Flask, view: IncidentView, instance: Engine) -> None:
    client = signed_in(app)
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form="jp-appi-preliminary")
    shown = f"{BASE}/reports/1"
    answer = client.post(shown, data={"csrf_token": csrf_of(client, shown), "value.occurred-on": "先週"})
    assert answer.status_code == 422
    page = read(answer)
    assert "発生日：2026-11-24 のような日付" in page.one("div", role="alert").text
    assert "先週" in answer.get_data(as_text=True)
    assert reports.list_reports(instance, view.id)[0].version == 1


def test_a_report_is_handed_out_as_pdf_and_word_and_a_spoilt_template_is_said_on_the_page(
    app: flask.Flask, view: IncidentView
) -> None:
    client = signed_in(app)
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form="jp-appi-preliminary")
    for kind, start in (("pdf", b"%PDF-1.7"), ("docx", b"PK")):
        answer = client.get(f"{BASE}/reports/1/document.{kind}")
        assert answer.get_data().startswith(start)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="INC-2026-0001-report-1.{kind}"'
        assert signed_in(app, "auditor@example.jp").get(f"{BASE}/reports/1/document.{kind}").status_code == 404
