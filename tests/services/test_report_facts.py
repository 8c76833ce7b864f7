"""One fact base: what the records say fills every paper, and what is typed into one holds for the others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput, FaultyFile
from incident_app.domain.ids import ReportId
from incident_app.domain.parties import Message
from incident_app.domain.report_facts import FactSource
from incident_app.domain.vocabulary import Certainty, CountKind, MessageDirection, MessageKind
from incident_app.persistence.incidents import Incident
from incident_app.rendering.reports import ReportForms
from incident_app.services import parties, person_counts, report_impact, reports
from incident_app.services.inventory import current_inventory
from incident_app.services.report_facts import report_facts
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import FORMS, NOW, ROOT
from tests.services.test_reports import (
    a_complete_draft,
    a_determined_incident,
    an_approved_report,
    draft,
    duty,
    values,
)


def filed(engine: Engine, report: reports.ReportView, **changes: object) -> None:
    act = {"channel": "web form", "actor": builders.author(engine).actor, "now": NOW, **changes}
    reports.file_report(engine, report.incident_id, report.id, forms=builders.FORMS, **act)


def test_the_records_answer_what_the_form_lets_choose(instance: Engine) -> None:
    view = a_determined_incident(instance, "member-db", "staff-register")
    said = values(draft(instance, view, "jp-appi-definitive"))
    assert said["event-kind"] == "漏えい"
    assert said["rule-items"] == "第3号（不正の目的）"
    assert said["kinds-of-information"] == "顧客情報、従業員情報"
    assert said["item-kinds"].startswith("氏名、")
    assert said["people-certainty"] == "確定"
    assert (said["where-it-happened"], said["processing"], said["entrusting"]) == ("報告者", "無", "無")
    assert said["cause-kind"] == "不正アクセス"
    assert said["report-series"] == "新規"
    assert said["reported-on"] == "2026年11月20日"


def test_what_is_only_assumed_is_a_possible_leak(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db", certainty=Certainty.ASSUMED))
    said = values(draft(instance, view, "jp-appi-definitive"))
    assert said["event-kind"] == "漏えいのおそれ"
    assert said["people-certainty"] == "最大"


def test_a_leak_at_a_processor_is_named_with_it(instance: Engine) -> None:
    builders.with_customers(instance)
    with reading(instance) as session:
        inventory = current_inventory(session)
    store = next(store for store in inventory.stores if not inventory.party(store.operator).is_ourselves)
    builders.import_text(instance, f"customer_number,store,items\nC1,{store.code},*\n")
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope(store.code))
    said = values(draft(instance, view, "jp-appi-definitive"))
    assert (said["where-it-happened"], said["processing"]) == ("委託先", "有")
    assert said["processor"] == inventory.party(store.operator).name_ja


def test_a_report_as_processor_names_the_items_of_the_rules_that_hold(instance: Engine) -> None:
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes"))
    assert values(draft(instance, view, "jp-appi-preliminary"))["rule-items"] == "第3号（不正の目的）"
    actor = builders.author(instance).actor
    for customer in ("T1", "T2"):
        sheet = Message(
            kind=MessageKind.TENANT_DATA_SHEET, direction=MessageDirection.OUTGOING, at=NOW, customer=customer
        )
        parties.record_message(instance, view.id, sheet, actor=actor, now=NOW)
    released = draft(instance, view, "jp-appi-definitive")
    assert "rule-items" in released.filled.gaps  # told, hence released: which is not "no item applies"


def test_the_my_number_report_counts_only_those_whose_my_number_was_affected(instance: Engine) -> None:
    view = a_determined_incident(instance)
    assert {"people", "items"} <= set(draft(instance, view, "jp-mynumber-preliminary").filled.gaps)
    person_counts.set_count(
        instance,
        view.id,
        kind=CountKind.MAXIMUM,
        value=2,
        basis="copies of resident records",
        subject="my-number",
        actor=builders.author(instance).actor,
        now=NOW,
    )
    said = values(draft(instance, view, "jp-mynumber-definitive"))
    assert said["people"].startswith("2人（最大、")
    assert said["people-certainty"] == "最大"
    assert values(draft(instance, view, "jp-appi-definitive"))["people"].startswith("5人")


def test_the_items_of_the_my_number_report_are_those_of_its_people(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    determination = builders.determined(instance, view.id, builders.a_scope("billing-db", "staff-register"))
    with reading(instance) as session:
        beside = report_impact.items_beside(session, determination.id, {"card-number"})
        assert "card-number" in beside
        assert "phone" not in beside  # held of a member of staff alone
        assert report_impact.items_beside(session, determination.id, set()) == set()


def test_what_was_typed_into_one_paper_fills_the_others_of_the_incident(instance: Engine) -> None:
    view = a_determined_incident(instance)
    typed = {"contact": "個人情報管理室", "contact.en": "privacy office", "found_by": "自社", "police": "相談済み"}
    draft(instance, view, "jp-appi-preliminary", given=typed)
    definitive = draft(instance, view, "jp-appi-definitive")
    assert values(definitive)["contact"] == "個人情報管理室"
    assert values(definitive)["found-by"] == "自社"
    contact = next(field for field in definitive.filled.fields if field.code == "contact")
    assert contact.value is not None
    assert contact.value.en == "privacy office"
    assert definitive.given_facts == {}  # it is the fact of the incident, and stays the other paper's word


def test_what_the_records_leave_open_is_what_a_person_said_of_it(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    listed = builders.a_list(instance, view.id, "customer_number,items\nC1,name\n")
    builders.determined(instance, view.id, builders.a_scope(lists=[listed]))  # a list names no store, so no medium
    draft(instance, view, "jp-appi-preliminary", given={"medium": "紙"})
    assert values(draft(instance, view, "jp-appi-definitive"))["medium"] == "紙"


def test_of_another_incident_only_the_company_is_remembered(instance: Engine) -> None:
    first = a_determined_incident(instance)
    draft(instance, first, "jp-appi-preliminary", given={"contact": "管理室", "police": "相談済み"})
    second = builders.an_incident(instance, title="別の事案")
    said = values(draft(instance, second, "jp-appi-preliminary"))
    assert said["contact"] == "管理室"
    assert "police" not in said


def test_the_records_stand_over_what_was_typed_elsewhere_but_not_over_what_is_typed_here(instance: Engine) -> None:
    view = a_determined_incident(instance)
    own = draft(instance, view, "jp-appi-preliminary", given={"people": "9", "people_with_cards": "0"})
    assert values(own)["people"] == "9人"
    assert values(draft(instance, view, "jp-appi-definitive"))["people"].startswith("5人（確定")


def test_what_is_not_among_the_answers_of_the_form_is_refused_by_its_field(instance: Engine) -> None:
    view = a_determined_incident(instance)
    for name, text in (("found_by", "通りすがり"), ("people", "たくさん"), ("occurred_on", "先週")):
        with pytest.raises(BadInput) as refused:
            draft(instance, view, "jp-appi-preliminary", given={name: text})
        assert refused.value.facts["field"] == name.replace("_", "-")
    assert reports.list_reports(instance, view.id) == []


def test_a_report_after_a_filed_one_is_a_follow_up_that_names_it(instance: Engine) -> None:
    view = a_determined_incident(instance)
    first = duty(instance, view, "jp-appi:preliminary")
    filed(instance, an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=first.id), receipt="R-1")
    later = duty(instance, view, "jp-appi:definitive")
    said = values(draft(instance, view, "jp-appi-definitive", obligation_id=later.id))
    assert said["report-series"] == "続報"
    assert "（2026年11月20日提出、受付番号 R-1）" in said["previous-reports"]
    assert "reports-filed" not in said
    other = values(draft(instance, view, "jp-mynumber-preliminary"))
    assert other["report-series"] == "新規"
    assert first.addressee_ja in other["reports-filed"]


def test_the_form_for_follow_ups_which_no_duty_asks_for_continues_what_was_filed(instance: Engine) -> None:
    """It said that it was a new report, and that its own authority had been told as another one."""
    view = a_determined_incident(instance)
    assert values(draft(instance, view, "jp-appi-follow-up"))["report-series"] == "新規"
    first = duty(instance, view, "jp-appi:preliminary")
    filed(instance, an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=first.id), receipt="R-1")
    said = values(draft(instance, view, "jp-appi-follow-up"))
    assert said["report-series"] == "続報"
    assert "受付番号 R-1" in said["previous-reports"]
    assert "reports-filed" not in said
    assert values(draft(instance, view, "jp-privacymark-preliminary"))["report-series"] == "新規"


def test_a_filed_public_statement_is_the_publication_of_every_report(instance: Engine) -> None:
    view = a_determined_incident(instance)
    assert "publication-state" in draft(instance, view, "jp-appi-definitive").filled.gaps
    statement = an_approved_report(instance, view, "public-statement")
    filed(instance, statement, channel="ホームページ")
    said = values(draft(instance, view, "jp-appi-definitive"))
    assert said["publication-state"] == "実施済"
    assert said["publication"].startswith("2026年11月20日に公表（ホームページ）")


def test_the_public_reads_numbers_without_our_record_numbers(instance: Engine) -> None:
    view = a_determined_incident(instance)
    statement = draft(instance, view, "public-statement")
    said = values(statement)
    assert said["people"] == "5人"
    assert {field.value.en for field in statement.filled.fields if field.code == "people" and field.value} == {
        "5 people"
    }
    assert "お詫び申し上げます" in said["opening"]
    own = values(draft(instance, view, "public-statement", given={"opening": "心よりお詫びします。"}))
    assert own["opening"] == "心よりお詫びします。"


def test_the_reason_for_delay_is_asked_for_only_past_the_limit(instance: Engine) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "eu-gdpr:authority")
    early = a_complete_draft(instance, view, "eu-gdpr-authority", obligation_id=wanted.id)
    assert {field.code: field.state for field in early.filled.fields}["delay"] == "not_applicable"
    late = draft(
        instance, view, "eu-gdpr-authority", obligation_id=wanted.id, report_id=early.id, now=NOW + timedelta(days=4)
    )
    assert "delay" in late.filled.gaps


def test_the_authority_of_a_member_state_reads_how_many_there_are_and_how_many_in_its_country(
    instance: Engine,
) -> None:
    """Its form said "0 people" of everything, for its reference is not the one that the regime gives to all of them."""
    view = a_determined_incident(instance)
    whole = values(draft(instance, view, "eu-gdpr-authority"))
    found = draft(
        instance, view, "eu-gdpr-authority", obligation_id=duty(instance, view, "eu-gdpr:authority").id
    ).filled
    said = {field.code: field.value for field in found.fields if field.value is not None}
    assert said["people"].ja == whole["people"]
    assert said["items"].ja == whole["items"]
    assert (said["people-there"].ja, said["people-there"].en) == (
        "1人（うちこの監督機関の加盟国 1人）",
        "1 (of whom 1 in the member state of this authority)",
    )
    assert whole["people-there"] == "1人"


def test_every_fact_that_the_program_fills_is_listed_as_such_and_filled(instance: Engine) -> None:
    view = a_determined_incident(instance, "member-db", "staff-register")
    builders.a_notice(instance, view.id)
    known = FORMS.facts()
    with reading(instance) as session:
        found = report_facts(session, session.get_one(Incident, view.id), known, now=NOW)
    wanted = {code for code, fact in known.facts.items() if fact.source is FactSource.INCIDENT}
    later = {"previous_reports", "reports_filed", "publication", "publication_state", "past_due", "processor"}
    later |= {"entrusting_party"}  # only where somebody entrusted the data
    later |= {"people_told_state", "people_told", "occurred_on", "number_rule_items"}
    later |= {"number_items", "number_item_kinds", "number_people", "number_people_certainty"}
    assert wanted - set(found) <= later
    assert {name for name in found if name in known and known[name].source is FactSource.PERSON} == set()


def test_every_answer_of_the_program_is_one_that_the_forms_allow() -> None:
    answers = {
        "cause_kind": set(report_impact.CAUSE_CODES.values()),
        "kinds_of_information": {code for code, _ in report_impact.KINDS.values()},
        "item_kinds": {kind.code for kind in FORMS.facts().item_kinds},
        "people_certainty": {str(kind) for kind in report_impact.KIND_WORDS},
        "event_kind": {code + mark for code in report_impact.HARM_CODES.values() for mark in ("", "-possible")},
    }
    for code in FORMS.codes():
        for field in FORMS.form(code).fields:
            allowed = {choice.code for choice in field.choices}
            assert "other" in allowed or answers.get(field.fact, set()) <= allowed, (code, field.code)


def test_a_companys_own_form_and_facts_stand_beside_the_shipped_ones_and_a_faulty_one_stops_no_other(
    tmp_path: Path,
) -> None:
    own = tmp_path / "reports" / "insurer"
    own.mkdir(parents=True)
    head = 'version = "1"\ntitle_ja = "保険会社"\ntitle_en = "insurer"\naddressee_ja = "先"\naddressee_en = "to"\n'
    head += 'source = "x"\n'
    body = (
        '[[fields]]\ncode = "policy"\nitem = "1"\nlabel_ja = "証券番号"\nlabel_en = "policy"\nfact = "policy_number"\n'
    )
    (own / "form.toml").write_text('code = "insurer"\n' + head + body, encoding="utf-8")
    forms = ReportForms([tmp_path, ROOT / "templates"])
    usable, faults = forms.usable()
    assert "jp-appi-preliminary" in {form.code for form in usable}
    assert len(faults) == 1
    assert "insurer/form.toml" in str(faults[0])
    assert "fields[0].fact" in str(faults[0])
    facts = '[[facts]]\ncode = "policy_number"\nfrom = "company"\nlabel_ja = "証券番号"\nlabel_en = "policy number"\n'
    (tmp_path / "reports" / "facts.toml").write_text(facts, encoding="utf-8")
    assert forms.form("insurer").fields[0].fact == "policy_number"
    (own / "form.toml").write_text('code = "insured"\n' + head + body, encoding="utf-8")
    with pytest.raises(FaultyFile, match="not the name of its folder"):
        forms.form("insurer")


def test_a_new_version_knows_only_its_own_incident(instance: Engine) -> None:
    view = a_determined_incident(instance)
    report = draft(instance, view, "jp-appi-preliminary", given={"police": "相談済み"})
    again = draft(instance, view, "jp-appi-preliminary", report_id=ReportId(report.id))
    assert "police" not in values(again)  # a new version says what is given for it; nothing lingers
