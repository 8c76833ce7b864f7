"""Reports on pages: answers are chosen, what the records say may be written otherwise, nothing typed is lost."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.ids import ReportId
from incident_app.domain.vocabulary import Subject
from incident_app.rendering.reports import ReportForms
from incident_app.services import approvals, reports
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.services.test_reports import draft, duty
from tests.web.browsing import csrf_of, post, read, signed_in

BASE = "/incidents/INC-2026-0001"


@pytest.fixture
def view(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


def test_a_page_names_the_characters_that_the_pdf_would_not_show(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    fine = draft(instance, view, "jp-appi-preliminary")
    odd = draft(instance, view, "jp-appi-follow-up", given={"contact": "担当 😀"})
    client = signed_in(app)
    page = f"/incidents/{view.reference}/reports"
    assert "PDF を作れません" not in client.get(f"{page}/{fine.id}").get_data(as_text=True)
    shown = client.get(f"{page}/{odd.id}").get_data(as_text=True)
    assert "😀 (U+1F600)" in shown
    assert "PDF を作れません" in shown
    refused = client.get(f"{page}/{odd.id}/document.pdf")
    assert refused.status_code == 422
    assert "😀 (U+1F600)" in refused.get_data(as_text=True)


def test_pages_say_to_whom_a_report_goes(app: flask.Flask, view: IncidentView, instance: Engine) -> None:
    """Two authorities get the same form: the list showed the same line twice, and the page did not say whose it was."""
    owed = duty(instance, view, "eu-gdpr:authority")
    report = draft(instance, view, "eu-gdpr-authority", obligation_id=owed.id)
    browser = signed_in(app)
    assert f"<td>{owed.addressee_ja}</td>" in browser.get(f"{BASE}/reports").get_data(as_text=True)
    page = browser.get(f"{BASE}/reports/{report.id}").get_data(as_text=True)
    assert f"提出先: {owed.addressee_ja}" in page
    assert "ドイツ" in owed.addressee_ja


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
    app: flask.Flask, view: IncidentView, tmp_path: Path
) -> None:
    client = signed_in(app)
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form="jp-appi-preliminary")
    for kind, start in (("pdf", b"%PDF-1.7"), ("docx", b"PK")):
        answer = client.get(f"{BASE}/reports/1/document.{kind}")
        assert answer.get_data().startswith(start)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="INC-2026-0001-report-1.{kind}"'
        assert signed_in(app, "auditor@example.jp").get(f"{BASE}/reports/1/document.{kind}").status_code == 404
    own = tmp_path / "own" / "reports"
    own.mkdir(parents=True)
    (own / "report.docx").write_bytes(b"spoilt")
    app.extensions["incident_app"].forms = ReportForms([tmp_path / "own", builders.ROOT / "templates"])
    spoilt = client.get(f"{BASE}/reports/1/document.docx")
    assert spoilt.status_code in {400, 422}
    assert "report.docx を使えません" in spoilt.get_data(as_text=True)
    assert client.get(f"{BASE}/reports/1/document.pdf").status_code == 200


def an_approved_report(app: flask.Flask, instance: Engine, view: IncidentView) -> None:
    author, approver = builders.author(instance).actor, builders.approver(instance).actor
    values = {"form": "jp-telecom-first", "actor": author, "now": builders.NOW}
    gaps = reports.draft_report(instance, view.id, builders.FORMS, **values).filled.gaps
    reports.draft_report(
        instance,
        view.id,
        builders.FORMS,
        stated_gaps=dict.fromkeys(gaps, "調査中"),
        report_id=ReportId(1),
        **values,
    )
    request = approvals.request_approval(instance, view.id, Subject.REPORT, 1, actor=author, now=builders.NOW)
    approvals.grant(instance, request, actor=approver, now=builders.NOW)


def test_a_filing_is_recorded_with_its_proof_and_the_report_stays_open_to_corrections(
    app: flask.Flask, view: IncidentView, instance: Engine
) -> None:
    an_approved_report(app, instance, view)
    client, shown = signed_in(app), f"{BASE}/reports/1"
    token = csrf_of(client, shown)
    nothing = client.post(f"{shown}/filed", data={"csrf_token": token, "channel": ""})
    assert nothing.status_code == 422
    assert "どのように提出したか" in nothing.get_data(as_text=True)
    sent = {
        "csrf_token": token,
        "channel": "総合通信局へ電子メール",
        "receipt": "R-1",
        "submitted_at": "2026-11-20 17:00",
        "file": (io.BytesIO(b"receipt"), "yamada.png"),
    }
    assert client.post(f"{shown}/filed", data=sent).status_code == 302
    page = client.get(shown).get_data(as_text=True)
    for part in ("総合通信局へ電子メール", "R-1", hashlib.sha256(b"receipt").hexdigest()[:12], "追完・訂正"):
        assert part in page
    assert "yamada" not in page
    before = reports.get_report(instance, view.id, ReportId(1))
    assert client.post(shown, data={"csrf_token": token}).status_code == 302  # a new version, nothing else changed
    after = reports.get_report(instance, view.id, ReportId(1))
    assert (after.version, after.submitted_at) == (before.version + 1, None)
    assert after.stated_gaps == before.stated_gaps
    earlier = client.get(f"{shown}?version={before.version}").get_data(as_text=True)
    assert "以前の版" in earlier
    assert "R-1" in earlier


def test_versions_are_compared_on_a_page(app: flask.Flask, view: IncidentView, instance: Engine) -> None:
    an_approved_report(app, instance, view)
    client = signed_in(app)
    page = read(client.get(f"{BASE}/reports/1/compare?version=2"))
    assert "調査中" in "".join(cell.text for cell in page.all("ins"))
    assert "追加" not in page.one("table").text  # a reason is no content
    assert "変更" in page.one("table").text
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form="jp-telecom-detailed")
    other = client.get(f"{BASE}/reports/2/compare?against=1")
    assert "第一報" in other.get_data(as_text=True)
    assert client.get(f"{BASE}/reports/1/compare?version=9").status_code in {404, 422}
    assert client.get(f"{BASE}/reports/2/compare?version=1").status_code in {404, 422}


def test_the_gaps_of_a_report_are_listed_and_lead_to_their_fields(
    app: flask.Flask, view: IncidentView, instance: Engine
) -> None:
    client = signed_in(app)
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form="jp-appi-preliminary")
    page = read(client.get(f"{BASE}/reports/1"))
    gaps = reports.get_report(instance, view.id, ReportId(1)).filled.gaps
    for code in gaps:
        assert page.all("a", href=f"#field-{code}")
        assert page.one("tr", id=f"field-{code}")


def test_a_contradiction_is_shown_stops_the_request_and_is_explained_on_the_page(
    app: flask.Flask, view: IncidentView, instance: Engine
) -> None:
    client, shown = signed_in(app), f"{BASE}/reports/1"
    assert "一致しています" not in client.get(f"{BASE}/reports").get_data(as_text=True)  # there is nothing to compare
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form="jp-telecom-first")
    assert "一致しています" in client.get(f"{BASE}/reports").get_data(as_text=True)
    gaps = {f"gap.{code}": "調査中" for code in reports.get_report(instance, view.id, ReportId(1)).filled.gaps}
    client.post(shown, data={"csrf_token": csrf_of(client, shown), "value.people": "9", **gaps})
    refused = post(client, shown, f"{shown}/approval")
    assert refused.status_code == 422
    assert "本人の数：記録は 5人" in refused.get_data(as_text=True)
    page = read(client.get(f"{BASE}/reports"))
    form = page.one("section").one("form")
    action = str(form.attributes["action"])
    empty = client.post(action, data={"csrf_token": csrf_of(client, shown), "reason": ""})
    assert empty.status_code == 422
    assert "書類が違ってよい理由" in empty.get_data(as_text=True)
    assert client.post(action, data={"csrf_token": csrf_of(client, shown), "reason": "推計のため"}).status_code == 302
    assert "推計のため" in client.get(f"{BASE}/reports").get_data(as_text=True)
    assert post(client, shown, f"{shown}/approval").status_code == 302
    approver = signed_in(app, "approver@example.jp")
    (request,) = approvals.pending_approvals(instance, view.id)
    decision = approver.get(f"{BASE}/approvals/{request.id}").get_data(as_text=True)
    assert "推計のため" in decision
    assert "9人" in decision
    assert client.get("/language/en?next=/").status_code == 302
    english = client.get(f"{BASE}/reports").get_data(as_text=True)
    assert "Number of people: the record says 5" in english


def test_a_contradiction_of_another_incident_is_not_there(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app)
    token = csrf_of(client, "/incidents/new")
    answer = client.post(f"{BASE}/reports/consistency/{'0' * 64}", data={"csrf_token": token, "reason": "x"})
    assert answer.status_code == 422
    assert "食い違い「000000000000」はありません" in answer.get_data(as_text=True)


def test_changed_facts_are_shown_before_filing_and_filing_nonetheless_needs_a_reason(
    app: flask.Flask, view: IncidentView, instance: Engine
) -> None:
    client = signed_in(app)
    draft = reports.draft_report(
        instance, view.id, builders.FORMS, form="public-faq", actor=builders.author(instance).actor, now=builders.NOW
    )
    gaps = dict.fromkeys(draft.filled.gaps, "調査中")
    act = {"actor": builders.author(instance).actor, "now": builders.NOW}
    reports.draft_report(
        instance, view.id, builders.FORMS, form="public-faq", report_id=draft.id, stated_gaps=gaps, **act
    )
    request = approvals.request_approval(instance, view.id, Subject.REPORT, draft.id, **act)
    approvals.grant(instance, request, actor=builders.approver(instance).actor, now=builders.NOW)
    shown = f"{BASE}/reports/{draft.id}"
    assert "承認の後に" not in client.get(shown).text
    builders.determined(instance, view.id, builders.a_scope("member-db", "billing-db", "staff-register"))
    page = client.get(shown).text
    assert "承認の後に、次の事実が変わりました。" in page
    assert "このまま提出する理由" in page
    sent = {"csrf_token": csrf_of(client, shown), "channel": "web"}
    refused = client.post(f"{shown}/filed", data=sent)
    assert refused.status_code == 422
    assert "承認の後に事実が変わりました：" in refused.text
    assert client.post(f"{shown}/filed", data={**sent, "nonetheless": "続報で訂正する"}).status_code == 302
    assert reports.get_report(instance, view.id, draft.id).submitted_at is not None
    assert "承認の後に、次の" not in client.get(shown).text
