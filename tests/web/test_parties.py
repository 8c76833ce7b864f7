"""The pages of other companies: messages, packs, print and JSON; the register's history, clocks and newer texts."""

from __future__ import annotations

from datetime import timedelta

import flask
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.vocabulary import CountKind, DutyStatus
from incident_app.persistence.customers import Customer
from incident_app.services import clock_book, obligations, parties, recounting
from incident_app.services.incidents import IncidentView
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, author
from tests.web.browsing import check, post, read, refused_field, signed_in

AT = "2026-11-20 17:00"


@pytest.fixture
def leak(instance: Engine) -> IncidentView:
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes"))
    return view


def pack_page(engine: Engine, leak: IncidentView, number: str) -> str:
    """The page of a customer's pack: named by what says nothing about the customer."""
    with reading(engine) as session:
        public_id = session.scalars(sa.select(Customer.public_id).where(Customer.customer_number == number)).one()
    return f"/incidents/{leak.reference}/parties/{public_id}"


def test_no_address_of_a_page_holds_the_number_of_a_customer(
    app: flask.Flask, instance: Engine, leak: IncidentView
) -> None:
    client = signed_in(app)
    assert client.get(f"/incidents/{leak.reference}/parties/T1").status_code == 404
    for page in (f"/incidents/{leak.reference}/parties", pack_page(instance, leak, "T1")):
        shown = read(client.get(page))
        addresses = [link.attributes["href"] for link in shown.all("a") if "/parties/" in link.attributes["href"]]
        addresses += [
            form.attributes["action"] for form in shown.all("form") if "/parties/" in form.attributes["action"]
        ]
        assert addresses
        assert not [address for address in addresses if "T1" in address or "T2" in address]


def test_a_message_is_recorded_on_its_page_and_a_wrong_one_is_shown_at_its_field(
    app: flask.Flask, instance: Engine, leak: IncidentView
) -> None:
    page = f"/incidents/{leak.reference}/parties"
    client = signed_in(app)
    empty = read(client.get(page))
    check(empty)
    assert "やり取りの記録はまだありません" in empty.text
    code = parties.parties_of(instance)[0][0]
    typed = {"kind": "list_received", "direction": "outgoing", "at": AT, "party": code, "text": "一覧を頼んだ"}
    refused = read(post(client, page, page, **typed))
    assert refused_field(refused).attributes["name"] == "direction"
    assert refused.form("/parties").value("text") == "一覧を頼んだ"
    assert refused_field(read(post(client, page, page, **{**typed, "at": ""}))).attributes["name"] == "at"
    done = post(client, page, page, **{**typed, "kind": "list_request", "items_known": ["1", "2"]})
    assert done.status_code == 302
    shown = read(client.get(page)).text
    assert "一覧の依頼" in shown
    assert "伝わった項目 1、2" in shown
    client.get("/language/en")
    english = read(client.get(page))
    check(english)
    assert "request for the list" in english.text


def test_the_pack_of_a_customer_is_a_page_a_print_and_json_with_the_same_content(
    app: flask.Flask, instance: Engine, leak: IncidentView
) -> None:
    client = signed_in(app)
    listed = read(client.get(f"/incidents/{leak.reference}/parties")).text
    assert "T1" in listed
    assert "個人の利用者 1人" in listed  # C1: no company, and perhaps a business all the same
    page = pack_page(instance, leak, "T1")
    shown, printed = read(client.get(page)), read(client.get(f"{page}/print"))
    check(shown)
    document = client.get(f"{page}/json").get_json()
    for item in document["items"]:
        said = item["text"]["ja"] if item["text"] else "まだ分かっていません" if item["item"] != "3" else "確認中"
        for found in (shown, printed):
            assert item["title"]["ja"] in found.text
            assert said in found.text
    assert document["estimated_preliminary_deadline"]["is_estimate"] is True
    assert "見込み" in shown.text
    assert "見込み" in printed.text
    assert "代わって報告します" in read(client.get(f"{page}?offer=yes")).text
    person_page = pack_page(instance, leak, "C1")
    person = read(client.get(person_page))
    check(person)
    assert "お客様番号 C1 の方宛" in person.text
    assert "貴社" not in read(client.get(f"{person_page}/print")).text
    assert client.get(pack_page(instance, leak, "C2")).status_code == 404
    client.get("/language/en")
    check(read(client.get(page)))
    assert "estimate" in read(client.get(f"{page}/print")).text


def test_the_number_of_one_customer_is_recorded_beside_its_pack_and_told_in_it(
    app: flask.Flask, instance: Engine, leak: IncidentView
) -> None:
    client = signed_in(app)
    page = pack_page(instance, leak, "T1")
    typed = {"kind": "maximum", "value": "1,200", "basis": "保存領域の台帳", "reason": ""}
    assert (
        refused_field(read(post(client, page, f"{page}/count", **{**typed, "value": "x"}))).attributes["name"]
        == "value"
    )
    assert post(client, page, f"{page}/count", **typed).status_code == 302
    assert "1,200人（最大、保存領域の台帳）" in read(client.get(page)).text
    assert "1,200人" not in read(client.get(pack_page(instance, leak, "T2"))).text


def test_sending_a_sheet_settles_the_duty_and_a_contract_starts_a_clock(
    app: flask.Flask, instance: Engine, leak: IncidentView
) -> None:
    client = signed_in(app)
    page = pack_page(instance, leak, "T1")
    refused = read(post(client, page, f"{page}/contract", hours="99999", contract=""))
    assert refused_field(refused).attributes["name"] == "hours"
    assert post(client, page, f"{page}/contract", hours="24", contract="K-7").status_code == 302
    rules = {row.rule for row in obligations.list_obligations(instance, leak.id) if row.addressee_en == "customer T1"}
    assert rules == {"jp-appi:tenant", "contract:entrusting_party"}
    assert refused_field(read(post(client, page, f"{page}/sent", at="", items_known=["1"]))).attributes["name"] == "at"
    assert post(client, page, f"{page}/sent", at=AT, items_known=["1", "2"]).status_code == 302
    found = [row for row in obligations.list_obligations(instance, leak.id) if row.addressee_en == "customer T1"]
    assert {row.status for row in found} == {DutyStatus.FULFILLED}
    assert "送付済み" in read(client.get(f"/incidents/{leak.reference}/parties")).text


def test_an_auditor_reads_and_records_nothing(app: flask.Flask, instance: Engine, leak: IncidentView) -> None:
    builders.accounts.add_member(
        instance,
        leak.id,
        builders.accounts.get_account_by_email(instance, "auditor@example.jp").id,
        role="observer",
        actor=author(instance).actor,
        now=NOW,
    )
    client = signed_in(app, "auditor@example.jp")
    page = f"/incidents/{leak.reference}/parties"
    assert not read(client.get(page)).all("textarea")
    assert client.post(page).status_code in {400, 403}


def test_the_register_shows_history_what_is_gone_and_clocks_that_can_be_corrected(
    app: flask.Flask, instance: Engine, leak: IncidentView
) -> None:
    client = signed_in(app)
    page = f"/incidents/{leak.reference}/obligations"
    assert "時計の記録" in read(client.get(page)).text
    for minutes, value in ((1, 900), (2, 1200)):
        recounting.set_count_and_derive(
            instance,
            leak.id,
            kind=CountKind.EXACT,
            value=value,
            basis="数え直し",
            subject="all",
            reason="数え直し",
            actor=author(instance).actor,
            now=NOW + timedelta(minutes=minutes),
        )
    shown = read(client.get(page))
    check(shown)
    assert "1000 を超えた時" in shown.text
    target = f"{page}/clocks/passed:people:1000"
    refused = read(post(client, page, target, at=AT, reason=" "))
    assert refused_field(refused).attributes["name"] == "reason"
    assert post(client, page, target, at="2026-11-20 17:18", reason="ログを見直した").status_code == 302
    after = read(client.get(page))
    check(after)
    assert "ログを見直した" in after.text
    assert "この義務の経緯" in after.text
    assert [row.corrects_id is not None for row in clock_book.list_clocks(instance, leak.id)][-1]
    client.get("/language/en")
    check(read(client.get(page)))
