"""Packs of customers who entrusted data: one fact base with all papers, names in reports, natural persons too."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import NotFound
from incident_app.domain.vocabulary import DutyStatus, ListRelation
from incident_app.domain.words import Words
from incident_app.services import contracts, entrusting
from incident_app.services.incidents import IncidentView
from incident_app.services.tenant_packs import tenant_pack
from tests import builders
from tests.builders import NOW, author
from tests.services.test_parties import duties, sheet
from tests.services.test_reports import draft, values

HOUR = timedelta(hours=1)


@pytest.fixture
def leak(instance: Engine) -> IncidentView:
    """Volumes of tenants were read by somebody: two companies and a person entrusted what lay there."""
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes"))
    return view


def test_a_pack_says_what_the_other_papers_of_the_incident_say(instance: Engine, leak: IncidentView) -> None:
    """K5: one fact base; what was recorded or typed for another paper is not "not known" to the tenant."""
    before = {item.number: item.text for item in tenant_pack(instance, leak.id, "T1", now=NOW).items}
    assert before["4"] == Words(ja="不正アクセス", en="unauthorised access")
    assert (before["5"], before["7"]) == (None, None)
    typed = {
        "cause": "鍵の流出",
        "cause.en": "a leaked key",
        "secondary_harm_known": "無",
        "publication": "12月に公表予定",
    }
    draft(instance, leak, "jp-appi-preliminary", given=typed)
    after = {item.number: item.text for item in tenant_pack(instance, leak.id, "T1", now=NOW).items}
    assert after["4"] == Words(ja="不正アクセス\n鍵の流出", en="unauthorised access\na leaked key")
    assert after["5"] == Words(ja="無", en="no")
    assert after["7"] == Words(ja="12月に公表予定", en="12月に公表予定")


def test_a_pack_names_what_was_entrusted_and_not_what_we_hold_of_the_customer_themselves(instance: Engine) -> None:
    """A tenant read that their data held a password: it was the password of their own account with us."""
    builders.with_tenants(instance)
    builders.import_text(instance, "customer_number,store,items\nT1,member-db,name email password\n")
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes", "member-db"))
    items = {item.number: item.text for item in tenant_pack(instance, view.id, "T1", now=NOW).items}
    assert items["2"] == Words(
        ja="氏名、メールアドレス（漏えい等を確認、媒体：電子媒体）",
        en="name, e-mail address (confirmed; medium: electronic)",
    )


def test_who_is_on_a_list_of_their_own_is_no_entrusting_customer_of_a_store_that_others_are_confined_to(
    instance: Engine,
) -> None:
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    only = builders.a_list(instance, view.id, "customer_number\nT1\n", relation=ListRelation.ONLY)
    adds = builders.a_list(instance, view.id, "customer_number,items\nT2,name\n")
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes", lists=[only, adds]))
    assert [one.customer_number for one in entrusting.list_entrusting(instance, view.id)] == ["T1"]


def test_the_report_names_the_organisations_that_entrusted_the_data(instance: Engine, leak: IncidentView) -> None:
    said = values(draft(instance, leak, "jp-appi-preliminary"))
    assert (said["entrusting"], said["entrusting-party"]) == ("有", "株式会社みさき、株式会社はるか")
    twin = "T4,organisation,customer,ja,JP,株式会社みさき,misaki4@works.example,,\n"
    builders.import_text(instance, builders.TENANTS.splitlines(keepends=True)[0] + twin)
    builders.import_text(instance, "customer_number,store,items\nT4,tenant-volumes,name\n")
    builders.determined(instance, leak.id, builders.a_scope("tenant-volumes"), now=NOW + HOUR)
    said = values(draft(instance, leak, "jp-appi-preliminary"))
    assert said["entrusting-party"] == "株式会社みさき（T1）、株式会社はるか、株式会社みさき（T4）"
    with instance.begin() as connection:
        connection.exec_driver_sql("UPDATE customer_contacts SET name = NULL WHERE name = '株式会社みさき'")
    assert (
        values(draft(instance, leak, "jp-appi-preliminary"))["entrusting-party"]
        == "利用企業 T1、株式会社はるか、利用企業 T4"
    )


def test_a_natural_person_who_entrusted_data_gets_a_pack_and_a_duty_once_a_contract_is_on_record(
    instance: Engine, leak: IncidentView
) -> None:
    found = entrusting.entrusting_people(instance, leak.id)
    assert (found.total, [one.customer_number for one in found.first]) == (1, ["C1"])
    pack = tenant_pack(instance, leak.id, "C1", now=NOW)
    assert pack.is_person
    assert "貴社" not in str(pack.role_words)
    assert pack.estimate is not None
    assert "事業" in pack.estimate.explanation_ja[0]
    assert tenant_pack(instance, leak.id, "T1", now=NOW).estimate != pack.estimate
    assert [row.addressee_en for row in duties(instance, leak.id, "jp-appi:tenant").values()] == [
        "customer T1",
        "customer T2",
    ]
    contracts.record_contract(
        instance, leak.id, "C1", notice_hours=24, reference="K-1", actor=author(instance).actor, now=NOW
    )
    assert len(duties(instance, leak.id, "jp-appi:tenant")) == 3
    sheet(instance, leak.id, "C1")
    found_in_contracts = duties(instance, leak.id, "contract:entrusting_party").values()
    assert {row.addressee_en: row.status for row in found_in_contracts} == {
        "customer C1": DutyStatus.FULFILLED,
        "customer T1": DutyStatus.TO_DECIDE,  # nobody recorded their contracts
        "customer T2": DutyStatus.TO_DECIDE,
    }
    with pytest.raises(NotFound):
        tenant_pack(instance, leak.id, "C2", now=NOW)  # nothing of theirs lies in an entrusted store
