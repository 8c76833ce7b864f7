"""The register and readiness on pages: gaps first, changes shown before they are applied, scores as a picture."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.persistence.timeline import EventRow
from incident_app.services import inventory_files, readiness
from incident_app.services.inventory import current_inventory
from incident_app.services.transaction import reading
from tests.builders import author, with_customers
from tests.conftest import NOW
from tests.web.browsing import csrf_of, post, signed_in

AUDITOR = "auditor@example.jp"


def text_of(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def hand_in(client: FlaskClient, content: bytes, name: str) -> object:
    token = csrf_of(client, "/register/import")
    return client.post("/register/import", data={"csrf_token": token, "file": (io.BytesIO(content), name)})


def edited(instance: Engine) -> bytes:
    return inventory_files.export_json(instance).replace(b'"owner": "billing team"', b'"owner": "<b>night shift</b>"')


def events(instance: Engine) -> list[str]:
    with reading(instance) as session:
        return list(session.scalars(sa.select(EventRow.kind).order_by(EventRow.sequence)))


def test_the_register_shows_gaps_first_then_stores_by_operator(app: flask.Flask) -> None:
    page = text_of(signed_in(app, AUDITOR), "/register")
    gaps, ours, theirs = (
        page.index(word) for word in ("足りないもの", "会員データベース", "/register/stores/at-debt-collector")
    )
    assert gaps < ours < theirs
    assert "本当でしょうか" in page
    assert "まだ数えていません" in page
    assert "ファイルを取り込む" not in page
    assert 'href="/readiness"' in page


def test_once_measured_the_register_shows_the_gaps_of_people_with_their_time(
    app: flask.Flask, instance: Engine
) -> None:
    with_customers(instance)
    readiness.record_score(instance, actor=author(instance).actor, now=NOW)
    page = text_of(signed_in(app), "/register")
    assert "使えるメールアドレスのないお客様が 1人（全 6人）います。" in page
    assert "17:20" in page


def test_a_store_shows_items_protection_retention_and_who_received_what(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app, AUDITOR)
    page = text_of(client, "/register/stores/member-db")
    assert "ハッシュ化" in page
    assert "ニッテレ債権回収株式会社" in page
    assert "不確か" in text_of(client, "/register/stores/usage-db")
    assert "365日" in text_of(client, "/register/stores/web-logs")
    recipient = text_of(client, "/register/stores/at-debt-collector")
    assert "公表" in recipient
    assert "事故時の連絡先がありません" in recipient
    assert client.get("/register/stores/nowhere").status_code == 404


def test_an_import_is_shown_before_it_is_applied_and_leaves_its_event(app: flask.Flask, instance: Engine) -> None:
    client, before = signed_in(app), events(instance)
    answer = hand_in(client, edited(instance), "register.json")
    assert answer.status_code == 302
    address = answer.headers["Location"]
    page = text_of(client, address)
    assert "変更 2件" in page
    assert "billing-db" in page
    assert "owner" in page
    assert events(instance) == before
    base = re.search(r'name="base" value="([0-9a-f]{64})"', page)
    assert base is not None
    done = post(client, address, address, base=base[1])
    assert done.status_code == 302
    assert events(instance) == [*before, "inventory.loaded"]
    page = text_of(client, "/register")
    assert "変更 2件" in page
    assert "&lt;b&gt;night shift&lt;/b&gt;" in page
    assert "<b>night shift" not in page
    assert client.get(address).status_code == 404


def test_a_file_that_says_the_same_offers_nothing_to_apply(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app)
    zipped = inventory_files.zipped(inventory_files.export_csv(instance))
    page = text_of(client, hand_in(client, zipped, "r.ZIP").headers["Location"])
    assert "すでにこの内容です" in page
    assert 'name="base"' not in page


def test_one_table_alone_can_be_handed_in(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app)
    stores = inventory_files.export_csv(instance)["stores.csv"].replace(b"billing team", b"night shift")
    assert "変更 2件" in text_of(client, hand_in(client, stores, "stores.csv").headers["Location"])


def test_a_faulty_file_is_refused_with_every_fault_and_nothing_is_kept(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app)
    broken = edited(instance).replace(b'"medium": "log"', b'"medium": "tape"')
    answer = hand_in(client, broken, "register.json")
    assert answer.status_code == 422
    assert "tape" in answer.get_data(as_text=True)
    uploads = app.extensions["incident_app"].uploads
    assert list(uploads.glob("inventory-*")) == []


@pytest.mark.parametrize(("content", "name"), [(b"", "a.json"), (b"x", "notes.txt"), (b"x", "shops.csv"), (b"x", "")])
def test_a_file_of_another_kind_is_refused_with_what_to_do(app: flask.Flask, content: bytes, name: str) -> None:
    answer = hand_in(signed_in(app), content, name or "x")
    assert answer.status_code == 422
    assert "file" in answer.get_data(as_text=True)


def test_a_register_that_moved_since_the_preview_is_not_overwritten(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app)
    address = hand_in(client, edited(instance), "a.json").headers["Location"]
    answer = post(client, address, address, base="0" * 64)
    assert answer.status_code == 422
    assert "別の人が台帳を変更しました" in answer.get_data(as_text=True)
    with reading(instance) as session:
        assert current_inventory(session).store("billing-db").owner == "billing team"


@pytest.mark.parametrize(
    "path", ["/register/import/" + "0" * 64 + "/json", "/register/import/..%2f..%2fkeys/json", "/register/import/x/exe"]
)
def test_only_files_that_were_handed_in_are_found(app: flask.Flask, path: str) -> None:
    assert signed_in(app).get(path).status_code == 404


def test_who_may_only_read_cannot_import_or_record(app: flask.Flask) -> None:
    client = signed_in(app, AUDITOR)
    assert client.get("/register/import").status_code == 403
    token = csrf_of(client, "/register")
    assert client.post("/register/import", data={"csrf_token": token}).status_code == 403
    assert client.post("/readiness", data={"csrf_token": token}).status_code == 403


def test_the_register_is_exported_as_it_is(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app, AUDITOR)
    answer = client.get("/register/export.json")
    assert answer.data == inventory_files.export_json(instance)
    assert answer.headers["Content-Disposition"] == "attachment; filename=register.json"
    assert client.get("/register/export.zip").data.startswith(b"PK")
    assert client.get("/register/export.exe").status_code == 404


def test_readiness_says_why_it_is_empty_and_what_to_do(app: flask.Flask) -> None:
    page = text_of(signed_in(app), "/readiness")
    assert "まだ測っていません" in page
    assert "いま測って記録する" in page
    assert "<svg" not in page


def test_a_recorded_score_stands_as_number_findings_table_and_picture(app: flask.Flask, instance: Engine) -> None:
    with_customers(instance)
    readiness.record_score(instance, actor=author(instance).actor, now=NOW - timedelta(days=7))
    client = signed_in(app)
    assert post(client, "/readiness", "/readiness").status_code == 302
    page = text_of(client, "/readiness")
    newest, oldest = (entry.value for entry in readiness.list_scores(instance))
    assert f'<span class="v">{newest}<small>/ 100</small></span>' in page
    assert f"点数の推移：2回の記録、最初 {oldest}点、最新 {newest}点。" in page
    assert 'role="img"' in page
    assert page.count("<circle") == 2
    assert "事故時の連絡先のない会社（当社のデータを持つ会社）：4社のうち 4社" in page
    assert " style=" not in page
    assert events(instance)[-1] == "readiness.recorded"


def test_people_too_many_to_count_while_a_page_waits_are_left_to_the_command(
    app: flask.Flask, instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_customers(instance)
    client = signed_in(app)
    token = csrf_of(client, "/readiness")
    monkeypatch.setattr(readiness, "MOST_IN_A_PAGE", 5)
    page = text_of(client, "/readiness")
    assert "incident-app readiness record" in page
    assert "いま測って記録する" not in page
    answer = client.post("/readiness", data={"csrf_token": token})
    assert answer.status_code == 422
    assert readiness.list_scores(instance) == []
    monkeypatch.setattr(readiness, "MOST_IN_A_PAGE", 6)
    assert "いま測って記録する" in text_of(client, "/readiness")


def test_both_pages_read_in_english_without_a_word_of_japanese_of_their_own(app: flask.Flask, instance: Engine) -> None:
    with_customers(instance)
    readiness.record_score(instance, actor=author(instance).actor, now=NOW)
    client = signed_in(app)
    client.get("/language/en")
    address = hand_in(client, edited(instance), "a.json").headers["Location"]
    for path in ("/register", "/register/stores/web-logs", "/register/import", address, "/readiness"):
        page = re.sub(r'<a lang="ja".*?</a>', "", text_of(client, path)).replace("執筆 担当", "")
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", page) is None, path
