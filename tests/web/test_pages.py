"""The pages through the client: guarded, escaped, nothing typed is lost, four eyes."""

import io
import re
from pathlib import Path

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.vocabulary import JobKind, JobStatus
from incident_app.services import incidents, jobs, obligations, waves
from incident_app.web.words import catalogue
from tests import builders
from tests.builders import PASSWORD
from tests.conftest import Clock
from tests.web.browsing import csrf_of, post, signed_in

OPEN_ROUTES = {"static", "healthz", "session.sign_in", "session.enter", "session.leave", "session.choose_language"}
COUNTED_BY_TEST_REFUSALS = {
    "problem.", "row.", "evidence.", "field.", "thing.", "event.", "delivery.", "filing."
}  # fmt: skip
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def tools_of(app: flask.Flask) -> jobs.JobTools:
    parts = app.extensions["incident_app"]
    return jobs.JobTools(address_key=parts.address_key, uploads=parts.uploads)


def test_every_route_is_guarded_or_on_the_short_list_of_open_ones(app: flask.Flask) -> None:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        assert rule.endpoint in OPEN_ROUTES or hasattr(view, "permission"), rule.endpoint
    client = app.test_client()
    assert client.get("/incidents").status_code == 302
    assert client.get("/incidents/INC-2026-0001/impact/people").headers["Location"].startswith("/sign-in")


def test_a_wrong_password_says_nothing_about_which_part_was_wrong(app: flask.Flask) -> None:
    client = app.test_client()
    for email in ("author@example.jp", "nobody@example.jp"):
        token = csrf_of(client, "/sign-in")
        answer = client.post("/sign-in", data={"email": email, "password": "wrong", "csrf_token": token})
        assert answer.status_code == 422
        assert "メールアドレスまたはパスワードが正しくない" in answer.get_data(as_text=True)


def test_a_form_without_its_token_is_refused_with_an_explanation(app: flask.Flask) -> None:
    answer = signed_in(app).post("/incidents/new", data={"title": "x"})
    assert answer.status_code == 400
    assert "フォームの有効期限" in answer.get_data(as_text=True)


def test_signing_in_never_leads_to_another_site(app: flask.Flask) -> None:
    client = app.test_client()
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        token = csrf_of(client, "/sign-in")
        data = {"email": "author@example.jp", "password": PASSWORD, "csrf_token": token, "next": target}
        assert client.post("/sign-in", data=data).headers["Location"] == "/incidents"


def test_pages_are_closed_by_their_headers(app: flask.Flask) -> None:
    answer = signed_in(app).get("/incidents")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = answer.get_data(as_text=True)
    assert "<script" not in page
    assert " style=" not in page


def test_a_hostile_title_is_escaped_and_what_was_typed_survives_a_refusal(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app)
    fields = {
        "kind": "general",
        "title": "<img src=x onerror=alert(1)>",
        "detected_at": "2026-11-20 16:00",
        "aware_at": "2026-11-20 16:30",
    }
    refused = post(client, "/incidents/new", "/incidents/new", **fields)
    page = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert "エラー：" in page
    assert "検知（" in page  # awareness later than detection demands a reason (A1)
    assert 'value="2026-11-20 16:00"' in page
    assert "<img" not in page
    taken = post(client, "/incidents/new", "/incidents/new", **fields, aware_reason="痕跡を確認した時刻")
    assert taken.status_code == 302
    shown = client.get(taken.headers["Location"]).get_data(as_text=True)
    assert "&lt;img src=x" in shown
    view = incidents.list_incidents(instance, builders.author(instance))[0]
    assert view.detected_at.isoformat() == "2026-11-20T07:00:00+00:00"


def test_without_membership_the_page_is_the_same_as_for_a_wrong_number(app: flask.Flask, instance: Engine) -> None:
    view = builders.an_incident(instance)
    outsider = signed_in(app, "auditor@example.jp")
    for path in ("", "/impact", "/obligations", "/timeline", "/reports/1", "/approvals/1", "/dispatch/1"):
        hidden = outsider.get(f"/incidents/{view.reference}{path}")
        wrong = outsider.get(f"/incidents/INC-2026-9999{path}")
        assert (hidden.status_code, wrong.status_code) == (404, 404)


def test_a_role_without_the_permission_is_refused(app: flask.Flask) -> None:
    assert signed_in(app, "auditor@example.jp").get("/incidents/new").status_code == 403


def test_the_whole_story_by_hand_through_the_pages(app: flask.Flask, instance: Engine, clock: Clock) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    base = f"/incidents/{view.reference}"
    author, approver = signed_in(app), signed_in(app, "approver@example.jp")

    scope = post(
        author, f"{base}/scope", f"{base}/scope/store", store="member-db", certainty="confirmed", cause="malware"
    )
    assert scope.status_code == 302
    post(author, f"{base}/scope", f"{base}/scope/determine")
    assert "順番を待っています" in author.get(f"{base}/impact").get_data(as_text=True)
    assert jobs.work_on_next(instance, tools_of(app), owner="test", now=clock())
    impact = author.get(f"{base}/impact").get_data(as_text=True)
    assert "5人" in impact
    assert "会員データベース" in impact
    assert "氏名" in author.get(f"{base}/impact/person?number=C1").get_data(as_text=True)
    people = author.get(f"{base}/impact/people").get_data(as_text=True)
    assert "髙●●●" in people
    assert "髙橋" not in people

    duties = author.get(f"{base}/obligations").get_data(as_text=True)
    assert "速報" in duties
    assert "この期限の数え方" in duties
    decided = post(
        author,
        f"{base}/obligations",
        f"{base}/obligations/decide",
        fact="communications_secrecy",
        answer="no",
        reason="含まれない",
    )
    assert decided.status_code == 302

    facts = {
        f"{language}.{name}": value
        for language, values in builders.sample_facts().items()
        for name, value in values.items()
    }
    missing = post(
        author, f"{base}/notices/write/leak_notice", f"{base}/notices/write/leak_notice", **{**facts, "ja.cause": ""}
    )
    assert missing.status_code == 422
    assert "通知文に必要な事実が足りません：原因。" in missing.get_data(as_text=True)
    post(author, f"{base}/notices/write/leak_notice", f"{base}/notices/write/leak_notice", **facts, title="お知らせ")
    preview = author.get(f"{base}/notices/1/preview?number=C1").get_data(as_text=True)
    assert "髙橋 一郎 様" in preview
    assert "・パスワード" in preview

    post(
        author,
        f"{base}/dispatch",
        f"{base}/dispatch/fill",
        notice_id=1,
        rule="everyone_to_inform",
        when_uncertain="ask",
    )
    assert jobs.work_on_next(instance, tools_of(app), owner="test", now=clock())
    wave = waves.list_campaigns(instance, view.id)[0]
    one = f"{base}/dispatch/{wave.id}"
    post(author, one, f"{one}/approval")
    own = author.get(f"{base}/approvals/1").get_data(as_text=True)
    assert "作成した人は承認できません" in own
    assert "/grant" not in own
    forced = post(author, f"{base}/scope", f"{base}/approvals/1/grant")
    assert forced.status_code == 422
    asked = approver.get("/approvals").get_data(as_text=True)
    assert view.reference in asked
    assert post(approver, f"{base}/approvals/1", f"{base}/approvals/1/grant").status_code == 302

    wrong = post(author, one, f"{one}/start", count="3")
    assert wrong.status_code == 422
    assert "一致しません" in wrong.get_data(as_text=True)
    assert post(author, one, f"{one}/start", count="４").status_code == 302  # full-width digits are taken
    status = author.get(one).get_data(as_text=True)
    assert "送信中" in status
    assert "合計 = 予定数" in status

    duty = next(d for d in obligations.list_obligations(instance, view.id) if d.rule == "jp-appi:preliminary")
    post(author, f"{base}/reports", f"{base}/reports/draft", form=duty.form, obligation_id=duty.id)
    gaps = post(author, f"{base}/reports/1", f"{base}/reports/1/approval")
    assert gaps.status_code == 422
    document = author.get(f"{base}/reports/1/document")
    assert "sandbox" in document.headers["Content-Security-Policy"]
    exported = post(author, f"{base}/timeline", f"{base}/timeline/export", format="csv", purpose="振り返り")
    assert exported.headers["Content-Disposition"].endswith('-timeline.csv"')
    assert "incident.opened" in exported.get_data(as_text=True)
    assert "まだ" in author.get(f"{base}/commitment").get_data(as_text=True)


def test_files_handed_in_on_the_page_are_imported_by_the_worker(
    app: flask.Flask, instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    client = signed_in(app)
    for text in (builders.CUSTOMERS, builders.HOLDINGS):
        upload = {"file": (io.BytesIO(text.encode()), "家族の名簿.csv"), "keep_good": "yes"}
        assert post(client, "/customers", "/customers", **upload).status_code == 302
        (kept,) = app.extensions["incident_app"].uploads.iterdir()
        assert re.fullmatch(r"[0-9a-f]{64}\.csv", kept.name)  # never the name it came with
        assert jobs.work_on_next(instance, tools_of(app), owner="test", now=clock())
        assert not kept.exists()
    page = client.get("/customers").get_data(as_text=True)
    assert "採用 6行" in page
    assert "採用 7行" in page
    empty = post(client, "/customers", "/customers", file=(io.BytesIO(b""), "x.csv"))
    assert empty.status_code == 422
    assert signed_in(app, "approver@example.jp").get("/customers").status_code == 403


def test_a_job_that_is_refused_shows_why(app: flask.Flask, instance: Engine, clock: Clock) -> None:
    view = builders.an_incident(instance)
    jobs.ask_for(
        instance,
        JobKind.DETERMINE,
        incident_id=view.id,
        parameters={},
        actor=builders.author(instance).actor,
        now=clock(),
    )
    jobs.work_on_next(instance, tools_of(app), owner="test", now=clock())
    assert jobs.list_jobs(instance, view.id)[0].status is JobStatus.FAILED
    page = signed_in(app).get(f"/incidents/{view.reference}/impact").get_data(as_text=True)
    assert "この事案には範囲がまだありません。" in page


def test_english_pages_hold_no_japanese_but_data_and_both_languages_are_complete(
    app: flask.Flask, instance: Engine
) -> None:
    view = builders.an_incident(instance, title="Sign-ins from abroad")
    client = signed_in(app)
    client.get("/language/en")
    for path in ("/incidents", "/incidents/new", "/approvals", f"/incidents/{view.reference}/commitment"):
        page = re.sub(r'<a lang="ja".*?</a>', "", client.get(path).get_data(as_text=True))
        page = page.replace("執筆 担当", "")
        assert JAPANESE.search(page) is None, path
    for key, words in catalogue().items():
        assert set(words) == {"ja", "en"}, key
        assert all(text.strip() for text in words.values()), key


def test_every_phrase_of_the_catalogue_is_used_and_every_used_one_exists() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for folder, pattern in (("templates/pages", "*.html"), ("incident_app/web", "*.py"))
        for path in (builders.ROOT / folder).rglob(pattern)
    ]
    text = "\n".join(sources)
    used = set(re.findall(r'\b(?:t|phrase|done)\(["\']([a-z_]+\.[a-z_]+)["\']', text))
    groups = set(re.findall(r'\bt\("([a-z_]+\.[a-z_]*)" ~', text))
    groups |= {f"{group}." for group in re.findall(r'\boptions\("([a-z_]+)"', text)}
    groups |= set(re.findall(r'\bphrase\(f"([a-z_]+\.)\{', text))
    groups |= {
        "problem.",
        "row.",
        "field.",
        "thing.",
        "event.",
        "delivery.",
        "filing.",
        "evidence.",
    }  # test_refusals counts these
    keys = set(catalogue())
    used -= groups  # the beginnings of keys that are put together
    assert used <= keys, used - keys
    assert {key for key in keys if key not in used and not any(key.startswith(group) for group in groups)} == set()


def test_an_unforeseen_failure_shows_a_number_and_logs_no_values(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("ichiro@example.jp")

    client = signed_in(app)
    monkeypatch.setattr(incidents, "list_incidents", broken)
    answer = client.get("/healthz")
    assert answer.status_code == 200
    answer = client.get("/incidents")
    assert answer.status_code == 500
    assert "ichiro" not in answer.get_data(as_text=True) + caplog.text
