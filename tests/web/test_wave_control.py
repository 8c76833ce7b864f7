"""The pages of a wave that is held: why it stands still, and who lets it go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.domain.brake import BrakeRule
from incident_app.domain.delivery import CampaignStatus
from incident_app.services import waves
from notifications.sink import MailSink, SinkScript
from tests import builders
from tests.builders import a_worker, run_until_idle
from tests.conftest import Clock
from tests.web.browsing import post, signed_in


@pytest.fixture
def author(app: flask.Flask) -> FlaskClient:
    return signed_in(app)


def test_a_canary_is_chosen_at_the_start_held_shown_and_let_go_on_the_page(
    instance: Engine, author: FlaskClient, clock: Clock, tmp_path: Path
) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled
    base = f"/incidents/{view.reference}/dispatch"
    one = f"{base}/{wave.campaign_id}"
    first = author.get(one).get_data(as_text=True)
    assert "先に送る通数" in first
    assert "1分あたり 6,000通" in first
    assert "設定された上限の速さでの見込み" in first
    for faulty in ("4", "0", "いち"):
        refused = post(author, one, f"{one}/start", count="4", canary=faulty)
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in refused.get_data(as_text=True)
    assert post(author, one, f"{one}/start", count="4", canary="１").status_code == 302
    assert f"{one}/go" not in author.get(one).get_data(as_text=True)
    with MailSink() as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        run_until_idle(worker)
        held = author.get(one).get_data(as_text=True)
        assert "先行分を送り、止めました（受付済 1、送れず 0" in held
        assert f"{one}/go" in held
        assert f"{one}/resume" not in held
        assert "先行分の確認待ち" in author.get(base).get_data(as_text=True)
        assert post(author, one, f"{one}/go").status_code == 302
        run_until_idle(worker)
        assert len(sink.received) == 4
    assert waves.get_campaign(instance, wave.campaign_id).status is CampaignStatus.FINISHED
    assert "先に送る通数" in author.get(one).get_data(as_text=True)
    again = post(author, base, f"{one}/go")
    assert again.status_code == 422
    assert "確認を待っている先行分がありません" in again.get_data(as_text=True)


def test_who_may_not_send_may_not_let_a_wave_go_on(instance: Engine, app: flask.Flask) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled
    approver = signed_in(app, "approver@example.jp")
    base = f"/incidents/{view.reference}/dispatch/{wave.campaign_id}"
    assert post(approver, "/approvals", f"{base}/go").status_code == 403


def test_a_wave_that_stopped_by_itself_says_why_on_the_page_and_is_resumed_there(
    instance: Engine, author: FlaskClient, clock: Clock, tmp_path: Path
) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled
    one = f"/incidents/{view.reference}/dispatch/{wave.campaign_id}"
    assert post(author, one, f"{one}/start", count="4").status_code == 302
    with MailSink(script=SinkScript(recipient=lambda _: "550 5.7.1 blocked")) as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        options = replace(worker.settings.options, claim_limit=1, record_batch=1)
        worker.settings = replace(worker.settings, options=options, brake=BrakeRule(at_least=2))
        run_until_idle(worker)
    shown = author.get(one).get_data(as_text=True)
    assert "第1波を自動で止めました。" in shown
    assert "最も多い応答 550 5.7.1" in shown
    author.get("/language/en?next=/")
    assert "stopped by itself" in author.get(one).get_data(as_text=True)
    assert post(author, one, f"{one}/resume").status_code == 302
    assert "stopped by itself" not in author.get(one).get_data(as_text=True)


def test_a_wave_that_is_cancelled_while_it_holds_asks_nobody_to_let_it_go(
    instance: Engine, author: FlaskClient, clock: Clock, tmp_path: Path
) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled
    one = f"/incidents/{view.reference}/dispatch/{wave.campaign_id}"
    post(author, one, f"{one}/start", count="4", canary="1")
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    assert post(author, one, f"{one}/cancel", reason="文面に誤り").status_code == 302
    shown = author.get(one)
    assert f"{one}/go" not in shown.get_data(as_text=True)
    assert "残りを送ってください" not in shown.get_data(as_text=True)
