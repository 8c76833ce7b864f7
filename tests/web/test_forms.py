"""Forms on pages: only the refused one speaks, keeps what was typed and opens; no form needs a script."""

import io
import re

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import JobKind
from incident_app.services import approvals, incidents, jobs, obligations
from incident_app.services.incidents import IncidentView
from incident_app.web.forms import field_id
from tests import builders
from tests.builders import NOW
from tests.web.browsing import Element, check, csrf_of, post, read, refused_field, signed_in

ENGLISH = re.compile(r"[A-Za-z]{2,}[ ,;:]+[A-Za-z]{2,}")
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
BASE = "/incidents/INC-2026-0001"


@pytest.fixture
def view(instance: Engine) -> IncidentView:
    """An incident far enough along that every form stands on its page: duties, a notice, and an approved wave."""
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    assert view.reference == BASE.rpartition("/")[2]
    return view


def waiver_of(instance: Engine, incident: IncidentId, at: int) -> str:
    live = [duty for duty in obligations.list_obligations(instance, incident) if duty.is_live]
    return f"{BASE}/obligations/{live[at].id}/waiver"


def forms_of(page: Element) -> dict[str, Element]:
    return {str(form.attributes["action"]): form for form in page.all("form") if form.attributes.get("action")}


def values_of(form: Element) -> dict[str, str | None]:
    fields = [element for element in form.all() if element.tag in {"input", "select", "textarea"}]
    names = [element.attributes.get("name") for element in fields if element.attributes.get("type") != "hidden"]
    return {name: form.value(name) for name in names if name}


def is_unsent(field: Element) -> bool:
    """Tell whether a browser leaves a field out of what it sends: a box that is not ticked, and here any file."""
    kind = field.attributes.get("type")
    return kind == "file" or (kind in {"checkbox", "radio"} and "checked" not in field.attributes)


def send(client: FlaskClient, shown: str, action: str, fields: dict[str, str]) -> Element:
    """Send a form, expect it refused, and check that nothing typed was lost and no other form was touched."""
    before = forms_of(read(client.get(shown)))
    unticked = {field.attributes.get("name") for field in before[action].all("input") if is_unsent(field)}
    fields = {
        **{name: value or "" for name, value in values_of(before[action]).items() if name not in unticked},
        **fields,
    }
    answer = client.post(action, data={"csrf_token": csrf_of(client, shown), **fields})
    assert answer.status_code == 422
    page = read(answer)
    after = forms_of(page)
    assert set(after) == set(before)
    for sent_to, form in after.items():
        if sent_to == action:
            kept = values_of(form)
            assert {name: kept[name] for name in fields} == fields
        else:
            assert values_of(form) == values_of(before[sent_to]), sent_to
            assert not [field for field in form.all() if "aria-invalid" in field.attributes], sent_to
    return page


def sample_facts() -> dict[str, str]:
    """Return the facts of a notice as its form sends them: the Japanese ones first."""
    facts = builders.sample_facts()
    return {f"{tongue}.{name}": text for tongue in ("ja", "en") for name, text in facts[tongue].items()}


REFUSED = [
    (
        "/incidents/new",
        "/incidents/new",
        {"title": "題名", "detected_at": "2026-11-20", "exercise": "yes"},
        "detected_at",
    ),
    ("/incidents/new", "/incidents/new", {"title": " ", "detected_at": "2026/11/20 10:00"}, "title"),
    ("/incidents/new", "/incidents/new", {"title": "題名", "detected_at": "2099-01-01 00:00"}, "detected_at"),
    (
        "/incidents/new",
        "/incidents/new",
        {"title": "題", "detected_at": "2026-11-20 10:00", "aware_at": "2026-11-20 11:00", "aware_reason": ""},
        "aware_reason",
    ),
    (BASE, f"{BASE}/awareness", {"aware_at": "", "reason": "まだ", "known_by": "営業"}, "aware_at"),
    (BASE, f"{BASE}/awareness", {"aware_at": "2026-11-20 16:10", "reason": ""}, "reason"),
    (
        f"{BASE}/scope",
        f"{BASE}/scope/store",
        {"touched_from": "昨日", "reason": "メモ", "cause": "malware"},
        "touched_from",
    ),
    (
        f"{BASE}/scope",
        f"{BASE}/scope/store",
        {"certainty": "confirmed", "touched_from": "2026-11-20 10:00", "touched_until": "2026-11-19 10:00"},
        "touched_until",
    ),
    (f"{BASE}/scope", f"{BASE}/scope/list", {"relation": "rules_out", "source": "記録"}, "file"),
    (
        f"{BASE}/obligations",
        f"{BASE}/obligations/decide",
        {"fact": "encryption_exempt", "reason": "鍵は安全"},
        "answer",
    ),
    (f"{BASE}/obligations", f"{BASE}/obligations/decide", {"answer": "no", "reason": ""}, "reason"),
    (f"{BASE}/dispatch", f"{BASE}/dispatch/told", {"numbers": "C1", "standing": "exempt", "reason": ""}, "reason"),
    (f"{BASE}/dispatch", f"{BASE}/dispatch/told", {"numbers": "C1 X9", "how": "電話", "reason": "伝えた"}, "numbers"),
    (f"{BASE}/dispatch/1", f"{BASE}/dispatch/1/start", {"count": "みっつ"}, "count"),
    (f"{BASE}/dispatch/1", f"{BASE}/dispatch/1/start", {"count": "3"}, "count"),
    (f"{BASE}/dispatch/1", f"{BASE}/dispatch/1/cancel", {"reason": " "}, "reason"),
    (f"{BASE}/timeline", f"{BASE}/timeline", {"occurred_at": "2026-02-30 10:00", "text": "電話"}, "occurred_at"),
    (f"{BASE}/timeline", f"{BASE}/timeline", {"occurred_at": "", "text": ""}, "text"),
    (f"{BASE}/timeline", f"{BASE}/timeline/export", {"format": "markdown", "purpose": ""}, "purpose"),
    (f"{BASE}/commitment", f"{BASE}/commitment/export", {"format": "json", "purpose": " "}, "purpose"),
]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_refused_form_says_why_at_the_field_and_keeps_everything_else_as_it_was(
    app: flask.Flask, view: IncidentView, language: str
) -> None:
    client = signed_in(app)
    client.get(f"/language/{language}")
    for shown, action, typed, name in REFUSED:
        page = send(client, shown, action, typed)
        at_fault = refused_field(page)
        assert at_fault.attributes["name"] == name, (action, typed)
        assert page.one("title").text.startswith("エラー：" if language == "ja" else "Error: ")
        said = page.one("div", role="alert").one("a").text
        if language == "ja":
            assert JAPANESE.search(said)
            assert said.endswith("。")
            assert not ENGLISH.search(said), said
        else:
            assert not JAPANESE.search(page.one("div", role="alert").text)
        called, colon, _ = said.partition("：" if language == "ja" else ": ")
        if colon:
            labels = page.all("label", for_=str(at_fault.attributes["id"])) + page.all("legend")
            assert any(label.text.startswith(called) for label in labels), said
        else:
            assert name in {"aware_reason", "count", "numbers"}, said  # these sentences name no field


def test_of_two_forms_with_the_same_field_only_the_refused_one_opens_and_keeps_its_text(
    app: flask.Flask, view: IncidentView, instance: Engine
) -> None:
    client = signed_in(app)
    first, second = waiver_of(instance, view.id, 0), waiver_of(instance, view.id, 1)
    page = send(client, f"{BASE}/obligations", second, {"reason": "  "})
    forms = forms_of(page)
    assert refused_field(page) is forms[second].one("input", name="reason")
    opened = [details for details in page.all("details") if "open" in details.attributes]
    assert [details.all("form") for details in opened] == [[forms[second]]]
    assert forms[first].one("input", name="reason").attributes["value"] == ""
    assert forms[f"{BASE}/obligations/decide"].one("input", name="reason").attributes["value"] == ""


def test_a_second_button_of_a_form_refuses_at_the_same_form(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app)
    shown = f"{BASE}/steps"
    code = re.search(r"/steps/([a-z-]+)/skip", client.get(shown).get_data(as_text=True))
    assert code is not None
    page = read(post(client, shown, f"{BASE}/steps/{code[1]}/skip", result=""))
    field = refused_field(page)
    assert field in page.form(f"/steps/{code[1]}/finish").all("input")
    assert page.one("div", role="alert").one("a").text == "結果・理由：この手順を見送る理由を書いてください。"
    assert len([other for other in page.all("input", name="result") if "aria-invalid" in other.attributes]) == 1


def test_every_missing_fact_is_named_as_on_the_page_and_linked_in_its_language(
    app: flask.Flask, view: IncidentView
) -> None:
    client = signed_in(app)
    shown = f"{BASE}/notices/write/leak_notice"
    facts = sample_facts()
    typed = {**facts, "ja.cause": "", "en.cause": "", "title": "呼び名", "ja.what_happened": "</textarea><b>起きた"}
    page = send(client, shown, shown, typed)
    check(page)
    alert = page.one("div", role="alert")
    assert "通知文に必要な事実が足りません：原因。" in alert.text
    assert [link.text for link in alert.all("a")] == ["原因（日本語）", "原因（英語）"]
    marked = [element.attributes["name"] for element in page.all() if "aria-invalid" in element.attributes]
    assert sorted(map(str, marked)) == ["en.cause", "ja.cause"]
    linked = send(client, shown, shown, dict.fromkeys(facts, "")).one("div", role="alert").all("a")
    required = [element.attributes["name"] for element in page.all() if element.attributes.get("name") in facts]
    order = [required.index(page.one(id=str(link.attributes["href"])[1:]).attributes["name"]) for link in linked]
    assert len(order) > 10
    assert order == sorted(order)  # as they stand on the page
    page = send(client, shown, shown, {**facts, "ja.cause": "[[reference_code]] について"})
    assert refused_field(page).attributes["name"] == "ja.cause"


def test_a_notice_that_may_not_be_kept_says_so_in_the_readers_language(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app)
    shown = f"{BASE}/notices/write/leak_notice"
    facts = sample_facts()
    for language, start in (("ja", "この通知文は保存できません：日本語の文面："), ("en", "The notice cannot be kept")):
        client.get(f"/language/{language}")
        page = send(client, shown, shown, {**facts, "ja.cause": "TODO キャンペーン"})
        said = page.one("div", role="alert").all("p")[1].text
        assert said.startswith(start)
        assert bool(JAPANESE.search(said.replace("キャンペーン", ""))) == (language == "ja")


def test_the_gaps_of_a_report_are_named_by_their_labels_and_what_was_typed_stays(
    app: flask.Flask, view: IncidentView, instance: Engine
) -> None:
    client = signed_in(app)
    duty = next(d for d in obligations.list_obligations(instance, view.id) if d.rule == "jp-appi:preliminary")
    post(client, f"{BASE}/reports", f"{BASE}/reports/draft", form=str(duty.form), obligation_id=str(duty.id))
    shown = f"{BASE}/reports/1"
    fields = values_of(forms_of(read(client.get(shown)))[shown])
    assert fields
    typed = dict.fromkeys(fields, "")
    page = read(client.post(f"{shown}/approval", data={"csrf_token": csrf_of(client, shown), **typed}))
    check(page)
    alert = page.one("div", role="alert")
    assert not ENGLISH.search(alert.text), alert.text
    assert alert.all("a")
    for link in alert.all("a"):
        field = page.one(id=str(link.attributes["href"])[1:])
        assert str(field.attributes["name"]).startswith("gap.")
        called = page.one("label", for_=str(field.attributes["id"])).one("span", class_="vh").text.strip()
        assert called in alert.text


def test_a_lookup_that_finds_nobody_keeps_the_number_and_says_so(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app)
    answer = client.get(f"{BASE}/impact/person?number=%3Cb%3EX1")
    assert answer.status_code == 422
    page = read(answer)
    assert refused_field(page).attributes["value"] == "<b>X1"
    assert page.one("div", role="alert").one("a").text == "顧客番号「<b>X1」はありません。"
    answer = client.get(f"{BASE}/notices/1/preview?number=X1")
    assert answer.status_code == 422
    assert refused_field(read(answer)).attributes["value"] == "X1"
    assert client.get(f"{BASE}/notices/99/preview?number=C1").status_code == 404


def test_a_file_cannot_be_kept_and_the_page_says_so_but_its_tick_stays(app: flask.Flask) -> None:
    client = signed_in(app)
    assert "もう一度選んでください" not in client.get("/customers").get_data(as_text=True)
    upload = {"file": (io.BytesIO(b""), "x.csv"), "keep_good": "yes"}
    page = read(post(client, "/customers", "/customers", **upload))
    field = refused_field(page)
    described = [page.one(id=name).text for name in str(field.attributes["aria-describedby"]).split()]
    assert described[0] == "選んだファイルは残せません。もう一度選んでください。"
    assert described[1:] == ["ファイル：中身のあるファイルを選んでください。"]
    assert page.form("/customers").value("keep_good") == "yes"
    page = read(post(client, "/customers", "/customers", file=(io.BytesIO(b""), "x.csv")))
    assert page.form("/customers").value("keep_good") == ""  # a tick that was taken away does not come back


def test_a_password_is_never_sent_back(app: flask.Flask) -> None:
    client = app.test_client()
    page = read(post(client, "/sign-in", "/sign-in", email="author@example.jp", password="wrong"))
    check(page)
    assert page.one("input", name="password").attributes["value"] == ""
    assert page.one("input", name="email").attributes["value"] == "author@example.jp"
    assert page.one("title").text.startswith("エラー：")


def test_a_tick_that_was_taken_away_before_a_refusal_stays_away(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app)
    shown, action = f"{BASE}/scope", f"{BASE}/scope/store"
    assert read(client.get(shown)).form("/scope/store").value("harms") == "confidentiality"
    page = send(client, shown, action, {"certainty": "assumed", "touched_from": "?", "harms": "integrity"})
    assert page.form("/scope/store").value("harms") == "integrity"


def test_a_second_click_on_a_button_is_refused_and_not_a_failure(
    app: flask.Flask, view: IncidentView, instance: Engine
) -> None:
    author, approver = signed_in(app), signed_in(app, "approver@example.jp")
    duty = next(duty for duty in obligations.list_obligations(instance, view.id) if duty.is_live)
    post(author, f"{BASE}/obligations", f"{BASE}/obligations/{duty.id}/waiver", reason="該当しない")
    (asked,) = approvals.pending_approvals(instance, view.id)
    shown = f"{BASE}/approvals/{asked.id}"
    token = csrf_of(approver, shown)
    assert approver.post(f"{shown}/grant", data={"csrf_token": token}).status_code == 302
    again = approver.post(f"{shown}/grant", data={"csrf_token": token})
    assert again.status_code == 422
    assert not ENGLISH.search(read(again).one("main").one("p", class_="note crit mt").text)


def test_a_job_that_was_refused_says_why_in_the_language_of_the_page(app: flask.Flask, instance: Engine) -> None:
    view = builders.an_incident(instance)
    actor = builders.author(instance).actor
    jobs.ask_for(instance, JobKind.DETERMINE, incident_id=view.id, parameters={}, actor=actor, now=NOW)
    jobs.work_on_next(instance, builders.TOOLS, owner="test", now=NOW)
    client = signed_in(app)
    assert "この事案には範囲がまだありません。" in client.get(f"{BASE}/impact").get_data(as_text=True)
    client.get("/language/en")
    assert "This incident has no scope yet." in client.get(f"{BASE}/impact").get_data(as_text=True)


def test_a_refused_row_of_a_file_is_said_in_the_language_of_the_page(app: flask.Flask, instance: Engine) -> None:
    builders.import_text(instance, builders.CUSTOMERS.replace("髙橋 一郎", ""), keep_good=True)
    client = signed_in(app)
    assert "name 列が空です。" in client.get("/customers").get_data(as_text=True)
    client.get("/language/en")
    assert "Name is empty." in client.get("/customers").get_data(as_text=True)


def test_the_scope_is_read_by_names_and_not_only_by_codes(app: flask.Flask, instance: Engine) -> None:
    view = builders.an_incident(instance)
    client = signed_in(app)
    send_store = {"store": "member-db", "certainty": "confirmed", "items": "email", "reason": "ほかの表は無事"}
    assert post(client, f"{BASE}/scope", f"{BASE}/scope/store", **send_store).status_code == 302
    shown = read(client.get(f"{BASE}/scope")).all("section")[0].text
    assert "会員データベース" in shown
    assert "メールアドレス" in shown
    refused = read(post(client, f"{BASE}/scope", f"{BASE}/scope/store", **{**send_store, "reason": ""}))
    said = refused.one("div", role="alert").one("a").text
    assert said == "会員データベース：この保管先のほかの項目が範囲に入らない理由を書いてください。"
    assert refused_field(refused).attributes["name"] == "store"
    assert incidents.list_incidents(instance, builders.author(instance))[0].id == view.id


def test_every_page_is_whole_without_a_script_and_says_once_that_times_are_japan_time(
    app: flask.Flask, view: IncidentView
) -> None:
    client = signed_in(app)
    places = ["", "/scope", "/impact", "/impact/people", "/impact/person?number=C1", "/obligations", "/reports"]
    places += ["/steps", "/notices", "/notices/write/update", "/notices/1/preview?number=C1", "/dispatch"]
    places += ["/dispatch/1", "/commitment", "/timeline"]
    for language in ("ja", "en"):
        client.get(f"/language/{language}")
        for path in ("/incidents", "/incidents/new", "/approvals", "/customers", *(BASE + place for place in places)):
            page = read(client.get(path))
            check(page)
            text = page.one("body").text
            assert len(re.findall("日本標準時|Japan Standard Time", text)) == 1, path
            for moment in page.all("time"):
                assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+\+09:00", str(moment.attributes["datetime"]))
                assert "JST" not in moment.text, path
                assert "2026" not in moment.text, path


def test_ids_of_fields_hold_the_form_and_nothing_that_an_id_may_not_hold() -> None:
    assert field_id("/incidents/INC-2026-0001/obligations/3/waiver", "reason") == "f-3-waiver-reason"
    assert field_id("/incidents/I/notices/write/leak_notice", "ja.cause") == "f-write-leak-notice-ja-cause"
