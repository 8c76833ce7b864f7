"""Each authority is told of what is its own: the bureau of telecom users, the Commission of staff and others."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.report_shares import share_subject
from incident_app.domain.vocabulary import CountKind
from incident_app.services import consistency, obligations, person_counts, reports, setup
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import NOW, author
from tests.services.test_reports import a_determined_incident, draft, values

SHOP = """
title = "a shop beside the network"

[[stores]]
code = "shop-orders"
name_ja = "物販の注文台帳"
name_en = "orders of the shop"
medium = "paper"
country = "JP"
our_role = "own_controller"
business_line = "other"
owner = "shop team"
reviewed_on = 2026-06-30
items = [{ item = "name", purpose = "service-operation" }, { item = "address", purpose = "service-operation" }]
"""


def duty_to(engine: Engine, view: IncidentView, ref: str, rule: str = "jp-appi:preliminary") -> int:
    rows = obligations.list_obligations(engine, view.id)
    return next(row.id for row in rows if row.rule == rule and row.addressee_ref == ref)


def papers(engine: Engine, view: IncidentView) -> tuple[dict[str, str], dict[str, str]]:
    """Draft the report to the bureau and the one to the Commission."""
    drafts = [
        draft(engine, view, "jp-appi-preliminary", obligation_id=duty_to(engine, view, ref))
        for ref in ("mic-bureau", "ppc")
    ]
    bureau, commission = (values(one) for one in drafts)
    return bureau, commission


def test_the_bureau_reads_of_users_and_the_commission_of_staff(instance: Engine) -> None:
    view = a_determined_incident(instance, "member-db", "staff-register")
    bureau, commission = papers(instance, view)
    assert bureau["people"].startswith("5人（確定")
    assert commission["people"].startswith("1人（確定")
    assert (bureau["kinds-of-information"], commission["kinds-of-information"]) == ("顧客情報", "従業員情報")
    assert (bureau["kinds-of-people"], commission["kinds-of-people"]) == ("顧客情報（5人）", "従業者情報（1人）")
    assert "パスワード" in bureau["items"]
    assert "パスワード" not in commission["items"]
    assert "people-with-cards" not in commission or commission["people-with-cards"].startswith("0")
    whole = values(draft(instance, view, "jp-appi-preliminary"))
    assert whole["people"].startswith("6人")  # a paper for no duty tells of the whole incident


def test_one_customer_of_both_lines_stands_in_both_papers_each_with_its_own_data(instance: Engine) -> None:
    setup.load_inventory(instance, SHOP, file="shop.toml", actor=builders.SYSTEM, now=NOW)
    builders.with_customers(instance)
    builders.import_text(instance, "customer_number,store,items\nC1,shop-orders,name address\n")
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db", "shop-orders"))
    bureau, commission = papers(instance, view)
    assert commission["people"].startswith("1人（確定")
    assert "住所" in commission["items"]
    assert "メールアドレス" not in commission["items"]
    assert (bureau["medium"], commission["medium"]) == ("電子媒体", "紙")


def test_each_paper_is_held_against_its_own_part_of_the_records(instance: Engine) -> None:
    view = a_determined_incident(instance, "member-db", "staff-register")
    papers(instance, view)
    assert consistency.show_consistency(instance, view.id, now=NOW).open == ()
    draft(
        instance,
        view,
        "jp-appi-preliminary",
        obligation_id=duty_to(instance, view, "ppc"),
        given={"people": "5"},  # right for the incident, wrong for the Commission
    )
    (mismatch,) = consistency.show_consistency(instance, view.id, now=NOW).open
    assert mismatch.question == "people"
    assert "この提出先に関わる分" in mismatch.words.ja


def test_who_is_told_of_is_who_was_told(instance: Engine) -> None:
    view = a_determined_incident(instance, "member-db", "staff-register")
    builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    bureau, commission = (
        values(draft(instance, view, "jp-appi-definitive", obligation_id=duty_to(instance, view, ref, DEFINITIVE)))
        for ref in ("mic-bureau", "ppc")
    )
    assert "対象 5人" in bureau["people-told"]
    assert "対象 1人" in commission["people-told"]


DEFINITIVE = "jp-appi:definitive"


def test_a_number_that_a_person_set_for_all_leaves_the_parts_to_people(instance: Engine) -> None:
    view = a_determined_incident(instance, "member-db", "staff-register")

    def count(value: int, subject: str) -> None:
        person_counts.set_count(
            instance,
            view.id,
            kind=CountKind.MAXIMUM,
            value=value,
            basis="通信記録",
            subject=subject,
            actor=author(instance).actor,
            now=NOW,
        )

    count(900, "all")
    drafted = draft(instance, view, "jp-appi-preliminary", obligation_id=duty_to(instance, view, "ppc"))
    assert "people" in drafted.filled.gaps  # 900 is everybody: nobody said how many of them are staff
    count(7, share_subject("ppc"))
    assert values(again(instance, view, drafted))["people"].startswith("7人（最大")


def again(engine: Engine, view: IncidentView, report: reports.ReportView) -> reports.ReportView:
    return draft(engine, view, report.form, report_id=report.id)


def test_an_incident_of_one_recipient_is_not_cut(instance: Engine) -> None:
    view = a_determined_incident(instance)
    bureau = values(draft(instance, view, "jp-appi-preliminary", obligation_id=duty_to(instance, view, "mic-bureau")))
    assert bureau["people"] == values(draft(instance, view, "jp-appi-preliminary"))["people"]
    with pytest.raises(StopIteration):
        duty_to(instance, view, "ppc")
