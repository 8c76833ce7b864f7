"""The pages of returned mail: open items, closed addresses, and what came back of an incident's messages."""

from __future__ import annotations

from pathlib import Path

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.services import bounces, bounces_shown, incidents
from tests.builders import KEY, NOW, author
from tests.conftest import Clock
from tests.services.returning import ICHIRO, RETURN_PATH, bounce, sent_wave, standing_of
from tests.web.browsing import check, post, read, refused_field, signed_in

OPEN, CLOSED = "/returned-mail", "/returned-mail/closed"


@pytest.fixture
def reference(app: flask.Flask, instance: Engine, clock: Clock, tmp_path: Path) -> str:
    """An incident with a wave of which two mails came back, one of them unmatched."""
    _, senders = sent_wave(instance, tmp_path, clock)
    tools = bounces.BounceTools(
        folder=app.extensions["incident_app"].evidence, address_key=KEY, return_path=RETURN_PATH
    )
    mails = [bounce(senders[ICHIRO]), bounce("someone@mail.example.jp", "juergen@example.com")]
    bounces.read_mails(instance, mails, tools, actor=author(instance).actor, now=NOW)
    return incidents.list_incidents(instance, author(instance))[0].reference


@pytest.mark.parametrize("path", [OPEN, CLOSED, f"{CLOSED}?lifted=yes"])
def test_an_empty_page_says_why_and_what_to_do(app: flask.Flask, path: str) -> None:
    client = signed_in(app)
    for language in ("ja", "en"):
        client.get(f"/language/{language}")
        page = read(client.get(path))
        check(page)
        assert page.all("p", class_="note")


def test_an_open_item_is_matched_on_its_page(app: flask.Flask, instance: Engine, reference: str) -> None:
    client = signed_in(app)
    page = read(client.get(OPEN))
    check(page)
    assert "j●●●@example.com" in page.text
    assert f"{reference} C3" in page.text
    assert "juergen" not in page.text
    assert page.form("/match?after=0").value("number") == "C3"
    item = bounces_shown.open_items(instance, [], folder=Path())[0].mail.id
    refused = read(post(client, OPEN, f"{OPEN}/{item}/match", incident=reference, number="C3", reason=""))
    assert refused_field(refused).attributes["name"] == "reason"
    unknown = post(client, OPEN, f"{OPEN}/{item}/match", incident=reference, number="C5", reason="x")
    assert "送ったメールがありません" in read(unknown).text
    done = post(client, OPEN, f"{OPEN}/{item}/match", incident=reference, number="C3", reason="宛名")
    assert done.status_code == 302
    assert standing_of(instance, "C3") is Standing.NOT_REACHED
    again = post(client, OPEN, f"{OPEN}/{item}/set-aside", reason="宛名")
    assert again.status_code in {400, 409, 422}
    shown = read(client.get(f"/incidents/{reference}/returned-mail"))
    check(shown)
    assert "手作業" in shown.text
    assert "返送先アドレスによる" in shown.text
    first = read(client.get(f"/incidents/{reference}/returned-mail?wave=1"))
    assert "手作業" in first.text
    other = read(client.get(f"/incidents/{reference}/returned-mail?wave=99999999999"))
    check(other)
    assert "この波の送信について戻ってきたメールはありません" in other.text
    client.get("/language/en")
    english = read(client.get(f"/incidents/{reference}/returned-mail?kind=bounce"))
    check(english)
    assert "by return address" in english.text


def test_an_open_item_is_set_aside_on_its_page(app: flask.Flask, instance: Engine, reference: str) -> None:
    client = signed_in(app)
    item = bounces_shown.open_items(instance, [], folder=Path())[0].mail.id
    assert post(client, OPEN, f"{OPEN}/{item}/set-aside", reason="広告").status_code == 302
    assert bounces_shown.count_open_items(instance) == 0


def test_a_closed_address_is_lifted_on_its_page(app: flask.Flask, instance: Engine, reference: str) -> None:
    client = signed_in(app)
    page = read(client.get(CLOSED))
    check(page)
    assert "i●●●@example.jp" in page.text
    (row,) = bounces_shown.list_suppressions(instance)
    refused = read(post(client, CLOSED, f"{CLOSED}/{row.id}/lift", reason=""))
    assert refused_field(refused).attributes["name"] == "reason"
    assert post(client, CLOSED, f"{CLOSED}/{row.id}/lift", reason="電話で確認").status_code == 302
    assert bounces_shown.list_suppressions(instance) == []
    client.get("/language/en")
    lifted = read(client.get(f"{CLOSED}?lifted=yes"))
    check(lifted)
    assert "Lifted at" in lifted.text


def test_who_may_not_send_sees_neither_open_items_nor_closed_addresses(app: flask.Flask, reference: str) -> None:
    client = signed_in(app, "auditor@example.jp")
    assert client.get(OPEN).status_code == client.get(CLOSED).status_code == 403
    assert client.get(f"/incidents/{reference}/returned-mail").status_code == 404
    assert "/returned-mail" not in client.get("/incidents").get_data(as_text=True)
