"""The edges of the pages: a proxy that speaks TLS, addresses nobody may send, cookies that outlive their session."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from incident_app.app import create_app
from incident_app.services import jobs, reports
from incident_app.settings import Settings
from tests import builders
from tests.builders import PASSWORD
from tests.conftest import Clock

HOST = "https://breach.example.jp"


def make_app(url: str, home: Path, clock: Clock, **settings: str) -> flask.Flask:
    environment = {"INCIDENT_APP_HOME": str(home), "DATABASE_URL": url}
    environment |= {f"INCIDENT_APP_{name.upper()}": value for name, value in settings.items()}
    made = create_app(Settings.from_environment(environment), clock=clock, hasher=builders.CHEAP)
    made.config["TESTING"] = False
    return made


def close(app: flask.Flask) -> None:
    app.extensions["incident_app"].engine.dispose()
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()


@pytest.fixture
def app(instance_url: str, tmp_path: Path, clock: Clock) -> Iterator[flask.Flask]:
    made = make_app(instance_url, tmp_path / "home", clock)
    yield made
    close(made)


@pytest.fixture
def app_behind_tls(instance_url: str, tmp_path: Path, clock: Clock) -> Iterator[flask.Flask]:
    made = make_app(instance_url, tmp_path / "home", clock, proxy_hops="1", listen_host="0.0.0.0")
    yield made
    close(made)


class Browser:
    """A client behind the proxy that sends a Referer exactly when the page it came from allows one."""

    def __init__(self, app: flask.Flask) -> None:
        self._client = app.test_client()
        self._headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
        self._headers["X-Forwarded-Host"] = HOST.removeprefix("https://")
        self.page: TestResponse

    def open(self, path: str) -> TestResponse:
        self.page = self._client.get(path, headers=self._headers, base_url=HOST)
        return self.page

    def send(self, path: str, **fields: str) -> TestResponse:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page.get_data(as_text=True))
        assert token is not None
        headers = dict(self._headers)
        if self.page.headers["Referrer-Policy"] in {"same-origin", "strict-origin-when-cross-origin"}:
            headers["Referer"] = HOST + self.page.request.path
        return self._client.post(path, data={"csrf_token": token[1], **fields}, headers=headers, base_url=HOST)


def token_of(client: FlaskClient, path: str = "/sign-in") -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).get_data(as_text=True))
    assert found is not None
    return found[1]


def sign_in(client: FlaskClient, email: str = "author@example.jp", **fields: str) -> TestResponse:
    return client.post(
        "/sign-in", data={"email": email, "password": PASSWORD, "csrf_token": token_of(client), **fields}
    )


def test_forms_work_in_a_browser_behind_the_declared_tls_proxy(app_behind_tls: flask.Flask) -> None:
    browser = Browser(app_behind_tls)
    browser.open("/sign-in")
    answer = browser.send("/sign-in", email="author@example.jp", password=PASSWORD)
    assert answer.status_code == 302, answer.get_data(as_text=True)
    assert "Secure" in answer.headers["Set-Cookie"]


def test_behind_tls_a_browser_is_told_to_stay_there_and_a_loopback_server_never_says_so(
    app_behind_tls: flask.Flask, app: flask.Flask
) -> None:
    assert Browser(app_behind_tls).open("/sign-in").headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in app.test_client().get("/sign-in").headers


def test_a_form_from_another_site_is_refused_behind_tls(app_behind_tls: flask.Flask) -> None:
    browser = Browser(app_behind_tls)
    browser.open("/sign-in")
    browser.page.headers["Referrer-Policy"] = "no-referrer"  # what arrives from elsewhere bears no Referer of ours
    assert browser.send("/sign-in", email="author@example.jp", password=PASSWORD).status_code == 400


@pytest.mark.parametrize("path", ["/incidents/%00", "/incidents?x=%00", "/language/ja?next=/%00"])
def test_nul_in_an_address_is_refused_and_no_failure(app: flask.Flask, path: str) -> None:
    client = app.test_client()
    sign_in(client)
    assert client.get(path).status_code == 400


def test_nul_in_a_field_is_refused_and_no_failure(app: flask.Flask) -> None:
    client = app.test_client()
    assert sign_in(client, "\0@example.jp").status_code == 400


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000, "٣", "²"])
def test_a_number_that_nothing_can_have_is_not_found(app: flask.Flask, number: str) -> None:
    client = app.test_client()
    sign_in(client)
    view = builders.an_incident(app.extensions["incident_app"].engine)
    for part in ("reports", "dispatch", "approvals"):
        assert client.get(f"/incidents/{view.reference}/{part}/{number}").status_code == 404


@pytest.mark.parametrize(
    "target", ["/x\r\nSet-Cookie: a=b", "/\t/evil.example", "/\t\\evil.example", "/\n/evil.example"]
)
def test_signing_in_never_leads_along_a_target_with_control_characters(app: flask.Flask, target: str) -> None:
    assert sign_in(app.test_client(), next=target).headers["Location"] == "/incidents"


def test_a_cookie_copied_before_signing_out_opens_nothing_afterwards(app: flask.Flask, clock: Clock) -> None:
    client = app.test_client()
    sign_in(client)
    cookie = client.get_cookie("session")
    assert cookie is not None
    assert client.get("/incidents").status_code == 200
    client.post("/sign-out", data={"csrf_token": token_of(client, "/incidents/new")})
    for _ in ("the clock stands still", "time passes"):
        thief = app.test_client()
        thief.set_cookie("session", cookie.value)
        assert thief.get("/incidents").status_code == 302
        clock.forward(timedelta(minutes=1))
    assert sign_in(client).status_code == 302
    assert client.get("/incidents").status_code == 200


def test_a_customer_file_that_is_refused_is_not_kept(app: flask.Flask, clock: Clock) -> None:
    client = app.test_client()
    sign_in(client)
    content = io.BytesIO(b"customer_number,name,email\n,x,leftover.person@example.jp\n")
    sent = {"file": (content, "a.csv"), "csrf_token": token_of(client, "/customers")}
    assert client.post("/customers", data=sent).status_code == 302
    parts = app.extensions["incident_app"]
    assert len(list(parts.uploads.iterdir())) == 1
    tools = jobs.JobTools(address_key=parts.address_key, uploads=parts.uploads)
    assert jobs.work_on_next(parts.engine, tools, owner="test", now=clock())
    assert list(parts.uploads.iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "reports/{report}/filed",
        "reports/{report}/approval",
        "approvals/{request}/grant",
        "approvals/{request}/reject",
        "dispatch/{wave}/start",
        "dispatch/{wave}/pause",
        "dispatch/{wave}/cancel",
        "dispatch/{wave}/approval",
        "steps/no-such-step/start",
    ],
)
def test_what_belongs_to_another_incident_does_not_exist_for_a_form(app: flask.Flask, path: str) -> None:
    engine = app.extensions["incident_app"].engine
    builders.with_customers(engine)
    theirs, ours = builders.an_incident(engine), builders.an_incident(engine, title="another")
    builders.determined(engine, theirs.id, builders.a_scope("member-db"))
    wave = builders.a_wave(engine, theirs.id, builders.a_notice(engine, theirs.id), approved=False)
    report = reports.draft_report(
        engine,
        theirs.id,
        builders.FORMS,
        form=builders.FORMS.codes()[0],
        actor=builders.author(engine).actor,
        now=builders.NOW,
    )
    client = app.test_client()
    sign_in(client)
    address = path.format(report=report.id, request=wave.request_id, wave=wave.filled.campaign_id)
    fields = {"csrf_token": token_of(client, "/incidents/new"), "reason": "x", "channel": "x", "count": "1"}
    answer = client.post(f"/incidents/{ours.reference}/{address}", data=fields)
    assert answer.status_code == 404


@pytest.mark.parametrize("number", ["²", "9" * 30, "9" * 5000, "-1", "1.5"])
def test_what_is_no_number_in_a_field_is_refused_and_no_failure(app: flask.Flask, number: str) -> None:
    engine = app.extensions["incident_app"].engine
    builders.with_customers(engine)
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(engine, view.id, builders.a_notice(engine, view.id))
    client = app.test_client()
    sign_in(client)
    token, base = token_of(client, "/incidents/new"), f"/incidents/{view.reference}"
    for path, field in (
        ("members", "user_id"),
        (f"dispatch/{wave.filled.campaign_id}/start", "count"),
        (f"dispatch/{wave.filled.campaign_id}/resolve", "delivery_id"),
        ("dispatch/fill", "notice_id"),
    ):
        answer = client.post(f"{base}/{path}", data={"csrf_token": token, field: number, "reason": "x"})
        assert answer.status_code in {404, 422}, path
    assert client.get(f"{base}/impact?version={number}").status_code in {200, 404, 422}


def test_signing_out_twice_harms_nobody(app: flask.Flask) -> None:
    client = app.test_client()
    assert client.post("/sign-out", data={"csrf_token": token_of(client)}).status_code == 302
