"""The pages of numbers, severity and records of one person: in both languages, guarded, nothing typed lost."""

import re

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.domain.report_shares import share_subject
from incident_app.domain.vocabulary import CountKind
from incident_app.services import merge_proposals, merging, person_counts, severity
from incident_app.services.incidents import IncidentView
from incident_app.services.tenant_packs import tenant_pack
from tests import builders
from tests.builders import NOW, SYSTEM
from tests.web.browsing import check, post, read, refused_field, signed_in

TWINS = (
    "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
    "T1,person,customer,ja,JP,双子 一郎,twin@example.jp,,\n"
    "T2,person,customer,ja,JP,双子　一郎,twin@example.jp,,\n"
)
MERGES = "/people/merges"


@pytest.fixture
def incident(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    builders.import_text(instance, TWINS)
    builders.import_text(instance, "customer_number,store,items\nT1,member-db,name email\nT2,member-db,name email\n")
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return signed_in(app)


def in_english(client: FlaskClient, path: str) -> str:
    client.get("/language/en", follow_redirects=True)
    page = client.get(path)
    assert page.status_code == 200
    check(read(page))
    return page.get_data(as_text=True)


def test_a_number_is_recorded_on_its_page_and_quoted_with_its_id(client: FlaskClient, incident: IncidentView) -> None:
    path = f"/incidents/{incident.reference}/counts"
    check(read(client.get(path)))
    answer = post(client, path, path, subject="all", kind="exact", value="1,200", basis="ログで数えた", reason="")
    assert answer.status_code == 302
    page = read(client.get(path))
    check(page)
    assert "1,200人" in page.text
    assert "ログで数えた" in page.text
    assert "法令の判断に使う人数" in page.text


def test_a_contradicting_number_asks_for_a_reason_and_keeps_what_was_typed(
    client: FlaskClient, incident: IncidentView, instance: Engine
) -> None:
    path = f"/incidents/{incident.reference}/counts"
    post(client, path, path, subject="all", kind="exact", value="10", basis="a", reason="")
    refused = post(client, path, path, subject="all", kind="maximum", value="9", basis="ログ", reason="")
    assert refused.status_code == 422
    page = read(refused)
    assert refused_field(page).attributes["name"] == "reason"
    assert page.form("/counts").value("value") == "9"
    assert "10人より少ない" in page.text
    assert (
        post(client, path, path, subject="all", kind="maximum", value="9", basis="b", reason="重複").status_code == 302
    )
    assert person_counts.history(instance, incident.id)[-1].reason == "重複"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"value": "many"}, "value"), ({"value": "-1"}, "value"), ({"basis": ""}, "basis"), ({"kind": ""}, "kind")],
)
def test_a_number_that_is_none_is_refused_at_its_field(
    client: FlaskClient, incident: IncidentView, changes: dict[str, str], field: str
) -> None:
    path = f"/incidents/{incident.reference}/counts"
    fields = {"subject": "all", "kind": "exact", "value": "5", "basis": "b", "reason": "", **changes}
    refused = post(client, path, path, **fields)
    assert refused.status_code == 422
    assert refused_field(read(refused)).attributes["name"] == field


def test_a_contradiction_stands_on_the_page(client: FlaskClient, incident: IncidentView, instance: Engine) -> None:
    path = f"/incidents/{incident.reference}/counts"
    post(client, path, path, subject="all", kind="exact", value="4", basis="b", reason="")
    builders.determined(instance, incident.id, builders.a_scope("member-db", "staff-register"))
    assert "食い違い" in client.get(path).get_data(as_text=True)
    assert "Contradiction" in in_english(client, path)


def test_an_incident_without_numbers_says_what_to_do(client: FlaskClient, instance: Engine) -> None:
    view = builders.an_incident(instance)
    assert "人数の記録はまだありません" in client.get(f"/incidents/{view.reference}/counts").get_data(as_text=True)
    page = client.get(f"/incidents/{view.reference}/severity").get_data(as_text=True)
    assert "先に影響を判定してください" in page
    refused = post(client, "/incidents", f"/incidents/{view.reference}/severity")
    assert refused.status_code == 422
    assert "影響の判定がまだありません" in refused.get_data(as_text=True)


def test_severity_is_assessed_and_an_input_decided_on_its_page(
    client: FlaskClient, incident: IncidentView, instance: Engine
) -> None:
    path = f"/incidents/{incident.reference}/severity"
    check(read(client.get(path)))
    assert post(client, path, path).status_code == 302
    page = read(client.get(path))
    check(page)
    assert "1.75 〜 5.00" in page.text
    assert "人の判断を待つ項目が 3件" in page.text
    refused = post(client, path, f"{path}/simple", answer="profile", reason=" ")
    assert refused.status_code == 422
    shown = read(refused)
    assert refused_field(shown).attributes["name"] == "reason"
    assert shown.form("/severity/simple").value("answer") == "profile"
    assert post(client, path, f"{path}/simple", answer="profile", reason="会員の一覧").status_code == 302
    assert "会員の一覧" in client.get(path).get_data(as_text=True)
    assert post(client, path, f"{path}/simple/reset").status_code == 302
    found = severity.get_severity(instance, incident.id)
    assert found is not None
    assert (found.version, found.undecided) == (3, 3)
    assert "Needs decision" in in_english(client, path)
    builders.determined(instance, incident.id, builders.a_scope("member-db", "staff-register"))
    assert "There is a newer determination" in in_english(client, path)
    assert "version 1" in in_english(client, f"{path}?version=1")
    assert client.get(f"{path}?version=9").status_code == 404


def test_an_answer_that_the_method_does_not_know_is_refused(client: FlaskClient, incident: IncidentView) -> None:
    path = f"/incidents/{incident.reference}/severity"
    post(client, path, path)
    refused = post(client, path, f"{path}/simple", answer="nonsense", reason="x")
    assert refused.status_code == 422
    assert "答え「nonsense」はありません" in refused.get_data(as_text=True)


def test_records_are_merged_and_separated_on_their_page(
    client: FlaskClient, incident: IncidentView, instance: Engine
) -> None:
    empty = client.get(MERGES).get_data(as_text=True)
    assert "この状態の提案はありません" in empty
    assert post(client, MERGES, f"{MERGES}/search").status_code == 302
    page = read(client.get(MERGES))
    check(page)
    assert "双…" in page.text
    assert "一郎" not in page.text
    assert "氏名とメールアドレスが同じです" in page.text
    (view,) = merge_proposals.list_proposals(instance)
    told = client.post(
        f"{MERGES}/{view.id}/confirm",
        data={"csrf_token": page.form("/confirm?state=open&after=0").value("csrf_token")},
        follow_redirects=True,
    ).get_data(as_text=True)
    assert f"{incident.reference}：人数 7人 → 6人、通知 7通 → 6通" in told
    again = post(client, MERGES, f"{MERGES}/{view.id}/confirm")
    assert again.status_code == 422
    assert "すでに統合されています" in again.get_data(as_text=True)
    merged = read(client.get(f"{MERGES}?state=confirmed"))
    check(merged)
    action = str(merged.all("form")[-1].attributes["action"])
    assert re.fullmatch(r".*/undo/\d+\?state=confirmed&after=0", action)
    refused = post(client, f"{MERGES}?state=confirmed", action, reason="")
    assert refused.status_code == 422
    assert refused_field(read(refused)).attributes["name"] == "reason"
    assert post(client, f"{MERGES}?state=confirmed", action, reason="別の人").status_code == 302
    assert person_counts.show_numbers(instance, incident.id)[0].for_law is not None
    assert "Undone" in in_english(client, f"{MERGES}?state=undone")
    assert client.get(f"{MERGES}?state=nonsense").status_code == 200


def test_a_pair_is_proposed_by_hand_and_dismissed_with_a_reason(
    client: FlaskClient, incident: IncidentView, instance: Engine
) -> None:
    assert incident.id
    unknown = post(client, MERGES, f"{MERGES}/by-hand", number="C1", other_number="C99", reason="電話で確認")
    assert unknown.status_code == 422
    page = read(unknown)
    assert refused_field(page).attributes["name"] == "other_number"
    assert page.form("/by-hand").value("reason") == "電話で確認"
    assert post(client, MERGES, f"{MERGES}/by-hand", number="C1", other_number="C2", reason="電話").status_code == 302
    mixed = post(client, MERGES, f"{MERGES}/by-hand", number="C1", other_number="C4", reason="x")
    assert "個人と法人の記録は統合できません" in mixed.get_data(as_text=True)
    (view,) = merge_proposals.list_proposals(instance)
    refused = post(client, MERGES, f"{MERGES}/{view.id}/dismiss", reason="")
    assert refused_field(read(refused)).attributes["name"] == "reason"
    assert post(client, MERGES, f"{MERGES}/{view.id}/dismiss", reason="親子").status_code == 302
    assert "Proposal 1" in in_english(client, f"{MERGES}?state=dismissed")


def test_who_may_not_see_people_sees_no_records_and_merges_nothing(
    app: flask.Flask, incident: IncidentView, instance: Engine
) -> None:
    merge_proposals.propose(instance, actor=SYSTEM, now=NOW)
    (view,) = merge_proposals.list_proposals(instance)
    approver = signed_in(app, "approver@example.jp")
    assert approver.get(MERGES).status_code == 403
    counts = f"/incidents/{incident.reference}/counts"
    shown = approver.get(counts).get_data(as_text=True)
    assert "人数を記録する" not in shown
    assert "同じ人の記録" not in shown
    assert post(approver, counts, f"{MERGES}/{view.id}/confirm").status_code == 403
    assert post(approver, counts, counts, kind="exact", value="1", basis="x").status_code == 403
    assert merge_proposals.list_proposals(instance)


def test_what_a_merge_changed_is_told_only_for_ones_own_incidents(
    app: flask.Flask, incident: IncidentView, instance: Engine
) -> None:
    client = signed_in(app)
    merge_proposals.propose(instance, actor=SYSTEM, now=NOW)
    (view,) = merge_proposals.list_proposals(instance)
    with instance.begin() as connection:
        connection.exec_driver_sql("UPDATE incident_members SET removed_at = '2026-11-20 08:20:00+00:00'")
    page = post(client, MERGES, f"{MERGES}/{view.id}/confirm")
    assert incident.reference not in client.get(page.headers["Location"]).get_data(as_text=True)
    with pytest.raises(merging.AlreadyMerged):
        merging.confirm(instance, view.id, actor=SYSTEM, now=NOW)


def test_a_number_of_an_entrusting_customer_is_named_and_not_shown_as_a_code(
    client: FlaskClient, instance: Engine
) -> None:
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes", "staff-register"))
    subject = tenant_pack(instance, view.id, "T1", now=NOW).count_subject
    for name in (subject, share_subject("ppc"), "my-number", "shops"):
        person_counts.set_count(
            instance,
            view.id,
            kind=CountKind.EXACT,
            value=3,
            basis="b",
            subject=name,
            actor=builders.author(instance).actor,
            now=NOW,
        )
    path = f"/incidents/{view.reference}/counts"
    page = client.get(path).get_data(as_text=True)
    assert "利用企業 T1 が委託したデータの本人" in page
    assert subject not in page
    assert "個人情報保護委員会（株主・従業者のデータ、電気通信以外の事業）へ報告する分の本人" in page
    assert "マイナンバーが影響を受けた人" in page
    assert "ほかの区分 <code>shops</code>" in page
    assert "People in the data entrusted by customer T1" in in_english(client, path)
