"""Every form of duties, messages and rules: without its token, without membership, without signing in."""

from __future__ import annotations

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.services import accounts
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import CHEAP, NOW, PASSWORD, SYSTEM
from tests.web.browsing import csrf_of, signed_in

BLUEPRINTS = ("obligations", "parties", "rules")
SAMPLES = {"public_id": "0" * 24, "obligation_id": "1", "subject": "awareness", "code": "jp-appi"}


@pytest.fixture
def view(instance: Engine) -> IncidentView:
    builders.with_tenants(instance)
    found = builders.an_incident(instance)
    builders.determined(instance, found.id, builders.a_scope("tenant-volumes"))
    accounts.add_user(
        instance,
        email="stranger@example.jp",
        name="部外 者",
        password=PASSWORD,
        roles=frozenset({builders.Role.RESPONDER, builders.Role.PRIVACY_OFFICER}),
        actor=SYSTEM,
        now=NOW,
        hasher=CHEAP,
    )
    return found


def addresses(app: flask.Flask, view: IncidentView, method: str) -> list[str]:
    samples = {**SAMPLES, "reference": view.reference, "regime": "jp-appi", "entry": "preliminary"}
    found = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in BLUEPRINTS and method in (rule.methods or set())
    ]
    with app.test_request_context():
        return [flask.url_for(rule.endpoint, **{name: samples[name] for name in rule.arguments}) for rule in found]


def test_no_form_is_taken_without_its_token(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app)
    posted = addresses(app, view, "POST")
    assert len(posted) >= 8
    assert {client.post(address, data={"reason": "x"}).status_code for address in posted} == {400}


def test_who_is_no_member_finds_no_duty_and_no_message(app: flask.Flask, view: IncidentView) -> None:
    client = signed_in(app, "stranger@example.jp")
    token = csrf_of(client, "/rules")
    inside = [address for address in addresses(app, view, "POST") if view.reference in address]
    assert {client.post(address, data={"csrf_token": token, "reason": "x"}).status_code for address in inside} == {404}
    shown = [address for address in addresses(app, view, "GET") if view.reference in address]
    assert shown
    assert {client.get(address).status_code for address in shown} == {404}


def test_nothing_is_shown_to_who_has_not_signed_in(app: flask.Flask, view: IncidentView) -> None:
    client = app.test_client()
    for address in addresses(app, view, "GET"):
        answer = client.get(address)
        assert (answer.status_code, "/sign-in" in answer.headers.get("Location", "")) == (302, True)
