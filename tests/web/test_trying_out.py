"""The pages on which a wave is tried out: a rehearsal that the approver sees, and a test to ourselves."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.services import dispatch, jobs, rehearsals
from incident_app.services.rehearsals import RehearsalTools
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW
from tests.services.test_test_mails import outgoing
from tests.web.browsing import post, signed_in


@pytest.fixture
def author(app: flask.Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def wave(instance: Engine) -> tuple[str, int, int]:
    """The page of a wave that awaits approval, its number, and that of the request."""
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    made = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id), approved=False)
    campaign = made.filled.campaign_id
    return f"/incidents/{view.reference}/dispatch/{campaign}", campaign, made.request_id


def test_a_rehearsal_is_asked_for_on_the_page_done_by_a_worker_and_read_by_the_approver(
    app: flask.Flask, instance: Engine, author: FlaskClient, wave: tuple[str, int, int], tmp_path: Path
) -> None:
    page, campaign, request_id = wave
    approver = signed_in(app, "approver@example.jp")
    approval = page.split("/dispatch/")[0] + f"/approvals/{request_id}"
    assert "まだリハーサルされていません" in approver.get(approval).get_data(as_text=True)
    assert post(author, page, f"{page}/rehearsal").status_code == 302
    assert "送信のリハーサル: 順番を待っています" in author.get(page).get_data(as_text=True)
    rehearsing = RehearsalTools(
        home=tmp_path,
        start_worker=(sys.executable, "-m", "incident_app.cli.rehearsal_worker"),
        connections=5,
        per_second=10,
    )
    tools = replace(builders.TOOLS, rehearsing=rehearsing)
    assert jobs.work_on_next(instance, tools, owner="w", now=NOW)
    found = rehearsals.get_rehearsal(instance, campaign)
    for reader in (author.get(page), approver.get(approval)):
        shown = reader.get_data(as_text=True)
        assert found.digest[:12] in shown
        assert "予定 4 = 受付済" in shown
        assert "問題なし" in shown
    mails = approver.get(f"{page}/rehearsal").get_data(as_text=True)
    assert "●●●@" in mails
    assert "髙橋" not in mails
    assert post(approver, "/approvals", f"{page}/rehearsal").status_code == 403


def test_a_rehearsal_comes_before_the_start_or_not_at_all(
    instance: Engine, author: FlaskClient, wave: tuple[str, int, int]
) -> None:
    page, campaign, request_id = wave
    builders.approvals.grant(instance, request_id, actor=builders.approver(instance).actor, now=NOW)
    dispatch.start_campaign(instance, campaign, typed_count=4, actor=builders.author(instance).actor, now=NOW)
    refused = post(author, page, f"{page}/rehearsal")
    assert refused.status_code == 422
    assert "まだ送信を始めていない波だけ" in refused.get_data(as_text=True)
    assert "リハーサルする" not in author.get(page).get_data(as_text=True)


def test_a_test_to_ourselves_is_asked_for_on_the_page_and_a_stranger_is_refused_in_words(
    instance: Engine, author: FlaskClient, wave: tuple[str, int, int]
) -> None:
    page, _, _ = wave
    assert post(author, page, f"{page}/test", to="").status_code == 422
    with MailSink() as sink:
        tools = replace(builders.TOOLS, outgoing=outgoing(sink.port))
        for to in ("author@example.jp", "stranger@keitai.example"):
            assert post(author, page, f"{page}/test", to=to).status_code == 302
            assert jobs.work_on_next(instance, tools, owner="w", now=NOW)
        assert [mail.recipients for mail in sink.received] == [("author@example.jp",)]
    shown = author.get(page).get_data(as_text=True)
    assert "試験送信できるのは、有効なアカウント" in shown
