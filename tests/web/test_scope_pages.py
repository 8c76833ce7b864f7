"""The pages of a scope by hand: items taken away with a reason, versions compared, lists, people outside, evidence."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import flask
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.app import create_app
from incident_app.domain.ids import ScopeId
from incident_app.domain.vocabulary import Medium
from incident_app.persistence.inventory import DataStore, StoreItem
from incident_app.services import obligations, profiles, scope_findings, scope_views, scopes
from incident_app.services.incidents import IncidentView
from incident_app.services.transaction import reading, recording
from incident_app.settings import Settings
from incident_app.web.words import phrase
from tests import builders
from tests.conftest import Clock
from tests.web.test_pages import JAPANESE, csrf_of, post, signed_in

PLACES = ("impact", "counts", "dispatch")
BASE = "/incidents/INC-2026-0001/scope"


@pytest.fixture
def app(instance_url: str, tmp_path: Path, clock: Clock) -> Iterator[flask.Flask]:
    settings = Settings.from_environment({"INCIDENT_APP_HOME": str(tmp_path / "home"), "DATABASE_URL": instance_url})
    made = create_app(settings, clock=clock, hasher=builders.CHEAP)
    made.config["TESTING"] = False
    yield made
    made.extensions["incident_app"].engine.dispose()
    with made.app_context():
        made.extensions["sqlalchemy"].engine.dispose()


@pytest.fixture
def view(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    return builders.an_incident(instance)


def text_of(answer: object) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.get_data(as_text=True)))  # type: ignore[attr-defined]


@pytest.mark.usefixtures("view")
def test_a_store_fills_in_its_items_and_taking_one_away_needs_a_reason_that_stays_visible(app: flask.Flask) -> None:
    client = signed_in(app)
    form = f"{BASE}/choose?store=control-panel"
    page = client.get(form).get_data(as_text=True)
    assert len(re.findall(r'name="items" value="[^"]+" checked', page)) == 5
    page = client.get(f"{BASE}/choose?store=billing-db&category=transactions").get_data(as_text=True)
    assert "card-number" in re.findall(r'name="items" value="([^"]+)" checked', page)
    assert "name" not in re.findall(r'name="items" value="([^"]+)" checked', page)
    fields = {"store": "control-panel", "certainty": "confirmed", "items": ["email", "ip-address"]}
    refused = client.post(f"{BASE}/choose", data={"csrf_token": csrf_of(client, form), **fields})
    assert refused.status_code == 422
    again = refused.get_data(as_text=True)
    assert "ほかの項目が範囲に入らない理由" in again
    assert re.findall(r'name="items" value="([^"]+)" checked', again) == ["email", "ip-address"]
    assert post(client, form, f"{BASE}/choose", **fields, reason="一覧画面だけ").status_code == 302
    shown = text_of(client.get(BASE))
    assert "範囲から外した項目" in shown
    assert "一覧画面だけ" in shown
    assert "パスワード" in shown
    nothing = {**fields, "items": []}
    assert post(client, form, f"{BASE}/choose", **nothing).status_code == 422
    assert client.get(f"{BASE}/choose?store=nowhere").status_code == 404


def test_taking_a_store_out_needs_a_reason_and_both_versions_can_be_compared(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    client = signed_in(app)
    for store in ("member-db", "billing-db"):
        post(client, BASE, f"{BASE}/store", store=store, certainty="assumed")
    refused = post(client, BASE, f"{BASE}/remove", entry="store:billing-db", reason="")
    assert refused.status_code == 422
    assert "前の版から外れるもの" in text_of(refused)
    assert post(client, BASE, f"{BASE}/remove", entry="store:billing-db", reason="別の系統").status_code == 302
    assert "別の系統" in text_of(client.get(BASE))
    assert "billing-db" in text_of(client.get(f"{BASE}?version=2"))
    compared = text_of(client.get(f"{BASE}/compare?before=2&after=3"))
    assert "なくなった" in compared
    assert "billing-db" in compared
    assert "同じです" in text_of(client.get(f"{BASE}/compare?before=3&after=3"))
    assert client.get(f"{BASE}/compare?before=1&after=9").status_code == 404
    assert client.get(f"{BASE}?version=9").status_code == 404
    assert [number for number, _ in scope_views.list_versions(instance, view.id)] == [3, 2, 1]


@pytest.mark.usefixtures("view")
def test_a_party_shows_both_tables_and_its_maximum_in_words(app: flask.Flask) -> None:
    client = signed_in(app)
    post(client, BASE, f"{BASE}/party", party="payment-gateway", certainty="assumed")
    shown = text_of(client.get(BASE))
    assert "最大で 1人です（上限であり、実数ではありません）" in shown
    assert "ポリシーの表にある項目" in shown
    assert "記録はありません" in shown


def test_a_party_is_added_with_the_window_in_which_it_was_touched(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    client = signed_in(app)
    wrong = {"party": "payment-gateway", "certainty": "confirmed", "touched_from": "yesterday"}
    assert post(client, BASE, f"{BASE}/party", **wrong).status_code == 422
    told = {**wrong, "touched_from": "2026-11-01T00:00", "touched_until": "2026-11-03T00:00"}
    assert post(client, BASE, f"{BASE}/party", **told).status_code == 302
    with reading(instance) as session:
        entries = scopes.read_scope(session, ScopeId(scopes.newest_scope(session, view.id).id)).stores
    assert {(entry.via_party, entry.certainty.value) for entry in entries} == {("payment-gateway", "confirmed")}
    assert {entry.touched_from for entry in entries} == {datetime(2026, 10, 31, 15, tzinfo=UTC)}
    assert {entry.touched_until for entry in entries} == {datetime(2026, 11, 2, 15, tzinfo=UTC)}


def test_an_input_page_asks_for_a_list_and_a_dump_is_read_by_the_meaning_of_its_columns(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    client = signed_in(app)
    fields = {"store": "billing-db", "certainty": "confirmed", "items": "card-number", "reason": "フォーム"}
    post(client, BASE, f"{BASE}/choose", **fields, acquiring="yes")
    assert "人数は不明です" in text_of(client.get(BASE))
    dump = "番号,card\nC1,4111\nC99,4222\n".encode("cp932")
    told = {
        "source": "漏えいデータ",
        "certainty": "confirmed",
        "relation": "adds",
        "page": "billing-db",
        "column": "番号=customer_number\ncard=:card-number",
    }
    lists = f"{BASE}/lists"
    wrong = {**told, "column": "mail=letter", "file": (io.BytesIO(dump), "x.csv")}
    assert "NAME=KEY" in text_of(post(client, lists, lists, **wrong))
    assert post(client, lists, lists, **told, file=(io.BytesIO(dump), "x.csv")).status_code == 302
    assert "人数は不明です" not in text_of(client.get(BASE))
    shown = text_of(client.get(lists))
    assert "番号で一致1" in shown.replace(" ", "")
    unmatched = client.get(f"{lists}/1/unmatched.csv")
    assert unmatched.get_data(as_text=True).splitlines()[1].startswith("3,no_match")
    assert "C99" not in unmatched.get_data(as_text=True)
    assert client.get(f"{lists}/9/unmatched.csv").status_code == 404
    found = scopes.find_newest_scope(instance, view.id)
    assert found is not None
    assert found[1].lists[0].store == "billing-db"


@pytest.mark.usefixtures("view")
def test_beside_the_causes_stands_that_a_lawful_disclosure_is_no_leak(app: flask.Flask) -> None:
    client = signed_in(app)
    shown = client.get(BASE).get_data(as_text=True)
    hint = shown.index(phrase("policy.not_a_leak", "ja"))
    assert shown.index('name="cause"') < hint < shown.index('name="harms"')
    commitment = client.get("/incidents/INC-2026-0001/commitment").get_data(as_text=True)
    rules = re.search(
        r"<details[^>]*><summary>" + phrase("policy.not_a_leak", "ja") + r".*?</details>", shown, re.DOTALL
    )
    assert rules is not None
    assert rules[0].count("<li>") >= 1
    assert phrase("policy.none", "ja") not in rules[0]
    assert rules[0] in commitment


def test_an_input_page_counts_as_acquiring_unless_the_box_is_cleared(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    with recording(instance) as session:
        session.execute(sa.update(DataStore).where(DataStore.code == "billing-db").values(medium=Medium.INPUT_PAGE))
    client = signed_in(app)

    def acquiring() -> list[bool]:
        found = scopes.find_newest_scope(instance, view.id)
        return [entry.acquiring for entry in found[1].stores] if found else []

    form = f"{BASE}/choose"
    assert re.search(r'name="acquiring" value="yes" checked', client.get(f"{form}?store=billing-db").text)
    assert not re.search(r'name="acquiring" value="yes" checked', client.get(f"{form}?store=member-db").text)
    post(client, BASE, f"{BASE}/store", store="billing-db", certainty="confirmed")
    assert acquiring() == [True]
    fields = {"store": "billing-db", "certainty": "confirmed", "items": "card-number", "reason": "保管された控え"}
    assert post(client, f"{form}?store=billing-db", form, **fields).status_code == 302
    assert acquiring() == [False]


@pytest.mark.usefixtures("view")
def test_the_page_says_that_counts_wait_for_the_determination(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope_findings, "MOST_AT_ONCE", 0)
    client = signed_in(app)
    post(client, BASE, f"{BASE}/store", store="member-db", certainty="assumed")
    assert phrase("scope.counts_outstanding", "ja") in text_of(client.get(BASE))


@pytest.mark.usefixtures("view")
def test_a_saved_profile_is_offered_and_reads_a_list(app: flask.Flask) -> None:
    client = signed_in(app)
    lists = f"{BASE}/lists"
    assert 'name="profile"' not in client.get(lists).get_data(as_text=True)
    text = 'kind = "customers"\nencoding = "cp932"\n[columns]\ncustomer_number = "会員"\n'
    profiles.keep_profile(app.extensions["incident_app"].profiles, "crm", text)
    assert '<option value="crm"' in client.get(lists).get_data(as_text=True)
    fields = {"source": "会員名簿", "certainty": "confirmed", "relation": "adds"}
    content = "会員\nC1\n".encode("cp932")
    assert post(client, lists, lists, **fields, file=(io.BytesIO(content), "x.csv")).status_code == 422
    missing = post(client, lists, lists, **fields, file=(io.BytesIO(content), "x.csv"), profile="gone")
    assert missing.status_code == 422
    loaded = post(client, lists, lists, **fields, file=(io.BytesIO(content), "x.csv"), profile="crm")
    assert loaded.status_code == 302
    assert "番号で一致1" in text_of(client.get(lists)).replace(" ", "")


@pytest.mark.usefixtures("view")
def test_a_number_of_five_thousand_digits_is_no_number_and_no_breakdown(app: flask.Flask) -> None:
    client = signed_in(app)
    many = "9" * 5_000
    store = post(client, BASE, f"{BASE}/store", store="member-db", certainty="assumed", evidence=many)
    assert store.status_code == 422
    taken_out = post(client, BASE, f"{BASE}/remove", entry=f"list:{many}", reason="誤り")
    assert taken_out.status_code in {404, 422}


def test_a_store_without_items_is_refused_on_the_page_and_said_why(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    with recording(instance) as session:
        store = session.scalars(sa.select(DataStore.id).where(DataStore.code == "member-db")).one()
        session.execute(sa.update(StoreItem).where(StoreItem.store_id == store).values(retracted_at=builders.NOW))
    client = signed_in(app)
    refused = post(client, BASE, f"{BASE}/store", store="member-db", certainty="confirmed")
    assert refused.status_code == 422
    assert "台帳にありません" in text_of(refused)
    assert scopes.find_newest_scope(instance, view.id) is None


@pytest.mark.usefixtures("view")
def test_a_list_that_matches_nobody_is_refused_on_the_page(app: flask.Flask) -> None:
    client = signed_in(app)
    lists = f"{BASE}/lists"
    fields = {"source": "記録", "certainty": "confirmed", "relation": "rules_out"}
    content = b"customer_number\nC99\n"
    refused = post(client, lists, lists, **fields, file=(io.BytesIO(content), "x.csv"))
    assert "どれも顧客と一致しない" in text_of(refused)
    loaded = post(client, lists, lists, **fields, file=(io.BytesIO(content), "x.csv"), allow_empty="yes")
    assert loaded.status_code == 302
    assert "除外" in text_of(client.get(BASE))


def test_people_outside_wait_for_the_next_determination_and_are_then_told_by_hand(
    app: flask.Flask, instance: Engine, view: IncidentView
) -> None:
    client = signed_in(app)
    people, pages = f"{BASE}/people", (f"{BASE}/people", *(f"/incidents/INC-2026-0001/{place}" for place in PLACES))
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    post(client, people, people, role="affected", name="外部 花子", contact="hanako@example.org", items="name")
    for page in pages:
        assert "登録外の影響を受けた人が 1人加わっています" in text_of(client.get(page)), page
    assert "次の影響の判定から" in text_of(client.get(people))
    assert post(client, people, f"{people}/1/told", standing="exempt", how="電話", reason="x").status_code == 422
    obligations.determine_and_derive(instance, view.id, actor=builders.author(instance).actor, now=builders.NOW)
    for page in pages:
        shown = text_of(client.get(page))
        assert "加わっています" not in shown, page
        assert "登録外の 1人には、電話・郵送・対面で" in shown, page
    listed = post(client, people, f"{people}/to-tell.csv", purpose="電話での連絡")
    assert "外部 花子,email,hanako@example.org,name" in listed.get_data(as_text=True)
    assert listed.headers["Cache-Control"] == "no-store"
    assert post(client, people, f"{people}/to-tell.csv", purpose="").status_code == 422
    assert post(client, people, f"{people}/1/told", standing="king", reason="x").status_code == 422
    fields = {"standing": "informed_otherwise", "how": "電話", "reason": "窓口から電話した"}
    assert post(client, people, f"{people}/1/told", **fields).status_code == 302
    assert "別の方法で通知済み" in text_of(client.get(people))
    assert "登録外の 1人には" not in text_of(client.get(people))


@pytest.mark.usefixtures("view")
def test_people_outside_are_masked_and_the_stranger_confirms_with_evidence(app: flask.Flask) -> None:
    client = signed_in(app)
    people, evidence = f"{BASE}/people", f"{BASE}/evidence"
    post(client, people, people, role="affected", name="外部 花子", contact="hanako@example.org", items="name")
    post(client, people, people, role="received_the_data", name="宛先 違い")
    shown = client.get(people).get_data(as_text=True)
    assert "外●●●" in shown
    assert "花子" not in shown
    assert "hanako" not in shown
    assert "影響を受けた人：1人" in shown
    assert post(client, people, people, role="king", name="x").status_code == 422
    letter = (io.BytesIO(b"deleted"), "宛先違い.pdf")
    assert post(client, evidence, evidence, file=letter).status_code == 302
    assert "元のまま" in text_of(client.get(evidence))
    assert "宛先違い" not in client.get(evidence).get_data(as_text=True)
    refused = post(client, people, f"{people}/2/deleted")
    assert "証拠の番号、または確認の方法" in text_of(refused)
    assert "write a number" not in text_of(post(client, people, f"{people}/2/deleted", evidence="いち"))
    assert post(client, people, f"{people}/2/deleted", evidence="1").status_code == 302
    assert "削除を確認した時刻" in text_of(client.get(people))
    assert post(client, people, f"{people}/1/erase").status_code == 422
    assert post(client, people, f"{people}/1/erase", sure="yes").status_code == 302
    assert "消去済み" in text_of(client.get(people))
    next((Path(app.extensions["incident_app"].evidence)).rglob("?" * 64)).write_bytes(b"other")
    assert "書き換えられています" in text_of(client.get(evidence))


@pytest.mark.usefixtures("view")
def test_empty_pages_say_what_to_do_and_english_ones_hold_no_japanese(app: flask.Flask) -> None:
    client = signed_in(app)
    assert "一覧はまだありません" in text_of(client.get(f"{BASE}/lists"))
    assert "証拠はまだありません" in text_of(client.get(f"{BASE}/evidence"))
    assert "登録外の関係者はまだいません" in text_of(client.get(f"{BASE}/people"))
    client.get("/language/en")
    for place in ("/lists", "/evidence", "/people", "/choose?store=member-db"):
        page = re.sub(r'<a lang="ja".*?</a>', "", client.get(BASE + place).get_data(as_text=True))
        page = page.replace("執筆 担当", "").replace("会員ページへの不正ログイン", "")
        assert JAPANESE.search(page) is None, place


@pytest.mark.usefixtures("view")
def test_who_may_only_read_sees_no_forms_and_can_change_nothing(app: flask.Flask) -> None:
    client = signed_in(app, "approver@example.jp")
    for place in ("", "/lists", "/evidence", "/people"):
        assert 'method="post" action="/incidents' not in client.get(BASE + place).get_data(as_text=True), place
    for place in ("/remove", "/lists", "/people", "/evidence", "/people/1/erase", "/choose"):
        assert post(client, "/incidents", BASE + place).status_code == 403, place
