"""Notices and contacts at a shell: findings, what is accepted, previews, channels, the all-clear."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.persistence.database import make_engine
from incident_app.services.transaction import reading
from tests import builders
from tests.cli.conftest import Run

AUTHOR = ("--as", "author@example.jp")


@pytest.fixture
def ready(instance_url: str) -> Iterator[Engine]:
    """An incident with one notice that holds a link that asks to sign in."""
    engine = make_engine(instance_url)
    builders.with_customers(engine)
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    builders.a_notice(engine, view.id, next_update="次のURLからログインしてください https://www.example.jp/")
    yield engine
    engine.dispose()


def reference(engine: Engine) -> str:
    with reading(engine) as session:
        return str(session.scalar(sa.text("SELECT reference FROM incidents")))


def test_a_finding_is_shown_with_its_place_and_remedy_until_it_is_accepted(ready: Engine, run: Run) -> None:
    incident = reference(ready)
    said = run("notice", "lint", incident, "1", *AUTHOR, code=1).output
    assert "blocks [ja] sign_in_link: Text, line" in said
    assert "Name the official top page" in said
    filled = json.loads(run("dispatch", "fill", incident, "1", *AUTHOR, "--json").stdout)
    refused = run("approval", "request", incident, "campaign", str(filled["campaign_id"]), *AUTHOR, code=1)
    assert "asks people to sign in" in refused.output
    run("notice", "waive", incident, "1", "ja", "sign_in_link", "--reason", "公式サイトの案内", *AUTHOR)
    run("notice", "lint", incident, "1", *AUTHOR)
    run("approval", "request", incident, "campaign", str(filled["campaign_id"]), *AUTHOR)
    mail = json.loads(
        run("notice", "preview", incident, "1", "C1", "--wave", str(filled["campaign_id"]), *AUTHOR, "--json").stdout
    )
    assert mail["people"] == 1
    assert "To: ichiro@example.jp\r\n" in mail["mail"]
    run("notice", "preview", incident, "2", "C1", "--wave", str(filled["campaign_id"]), *AUTHOR, code=1)


def test_channels_of_companies_are_kept_and_whoever_is_left_out_is_counted(ready: Engine, run: Run) -> None:
    incident = reference(ready)
    with reading(ready) as session:
        party = str(session.scalar(sa.text("SELECT code FROM third_parties WHERE NOT is_ourselves ORDER BY code")))
    run("channel", "add", party, "email", "--domain", "example.jp", *AUTHOR)
    run("channel", "add", party, "post", *AUTHOR)
    assert f"{party}  email  example.jp" in run("channel", "list", *AUTHOR).output
    run("channel", "drop", party, "post", *AUTHOR)
    run("channel", "drop", party, "post", *AUTHOR, code=1)
    said = run("dispatch", "fill", incident, "1", "--contacts-as-of", "2026-11-01T00:00+09:00", *AUTHOR).output
    assert "contacts as of 2026-11-01 00:00 JST" in said
    assert "left out, without an e-mail address: 1 people" in said
    (wave,) = json.loads(run("dispatch", "status", incident, *AUTHOR, "--json").stdout)
    assert wave["contacts"]["left_out"] == {"no_address": 1}
    assert (wave["contacts"]["people"], wave["contacts"]["addresses"], wave["contacts"]["messages"]) == (4, 4, 4)


def test_a_notice_by_hand_and_the_all_clear_have_their_commands(ready: Engine, run: Run) -> None:
    incident = reference(ready)
    said = run(
        "notice", "write-to", incident, "1", "--name", "株式会社みさき", "--organisation", "--item", "email", *AUTHOR
    )
    assert "株式会社みさき 御中" in said.output
    run("notice", "write-to", incident, "1", "--name", "x", "--item", "no-such-item", *AUTHOR, code=1)
    assert json.loads(run("person", "cleared", incident, *AUTHOR, "--json").stdout)["added"] == 0
