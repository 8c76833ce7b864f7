"""The pages of limits and of the pace of a wave."""

from __future__ import annotations

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.domain.sending_hours import Pace, SendingHours
from incident_app.services import limits, waves
from tests import builders
from tests.web.browsing import post, signed_in


@pytest.fixture
def author(app: flask.Flask) -> FlaskClient:
    return signed_in(app)


def test_limits_are_set_and_lifted_on_their_page(instance: Engine, author: FlaskClient) -> None:
    page = "/sending-limits"
    assert "上限のあるドメインはありません" in author.get(page).get_data(as_text=True)
    assert post(author, page, page, per_second="５０", per_hour="").status_code == 302
    assert post(author, page, f"{page}/domain", domain="mail.example", per_minute="60").status_code == 302
    shown = author.get(page).get_data(as_text=True)
    assert "mail.example" in shown
    assert 'value="50"' in shown
    refused = post(author, page, f"{page}/domain", domain="mail.example", per_minute="0")
    assert refused.status_code == 422
    assert "上限は1以上の数で書いてください" in refused.get_data(as_text=True)
    assert post(author, page, f"{page}/domain", domain="mail.example").status_code == 422
    assert post(author, page, f"{page}/lift", domain="mail.example").status_code == 302
    assert limits.show_limits(instance).domains == ()
    assert limits.show_limits(instance).per_second == 50


def test_hours_and_ceiling_of_a_wave_are_changed_on_its_page(instance: Engine, author: FlaskClient) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled
    one = f"/incidents/{view.reference}/dispatch/{wave.campaign_id}"
    given = {"hours_from": "8", "hours_until": "20", "calls_per_hour": "30", "percent_who_call": "3"}
    assert post(author, one, f"{one}/pace", **given).status_code == 302
    assert waves.get_campaign(instance, wave.campaign_id).pace == Pace(
        hours=SendingHours(begin=8, end=20), per_hour=1000
    )
    shown = author.get(one).get_data(as_text=True)
    assert "8時〜20時（受け取る人の国の時刻）" in shown
    assert "1時間 1,000通まで" in shown
    given = {
        "hours_from": "8",
        "hours_until": "20",
        "per_hour": "1000",
        "calls_per_hour": "60",
        "percent_who_call": "3",
    }
    assert post(author, one, f"{one}/pace", **given).status_code == 302, "the ceiling stood in the form already"
    assert waves.get_campaign(instance, wave.campaign_id).pace.per_hour == 2000
    for wrong in (
        {"hours_from": "8"},
        {"hours_from": "20", "hours_until": "8"},
        {"per_hour": "0"},
        {"per_hour": "5", "calls_per_hour": "5", "percent_who_call": "5"},
        {"calls_per_hour": "5", "percent_who_call": "0"},
    ):
        assert post(author, one, f"{one}/pace", **wrong).status_code == 422, wrong
    approver = signed_in(flask.current_app if flask.has_app_context() else author.application, "approver@example.jp")
    assert post(approver, "/approvals", f"{one}/pace", per_hour="5").status_code == 403
