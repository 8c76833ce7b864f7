"""Messages with other companies, and customers who entrusted data: each told separately, by its own clock (K4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from incident_app.domain.entrusting import subject_of
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.incidents import AWARENESS, ReasonNeeded
from incident_app.domain.parties import Message
from incident_app.domain.vocabulary import (
    ClockSource,
    CountKind,
    DutyStatus,
    MessageDirection,
    MessageKind,
)
from incident_app.persistence.parties import CustomerContract, PartyMessage
from incident_app.persistence.timeline import EventRow
from incident_app.services import (
    clock_book,
    contracts,
    entrusting,
    facts,
    incidents,
    obligations,
    parties,
    recounting,
)
from incident_app.services.incidents import IncidentView
from incident_app.services.obligations import ObligationView
from incident_app.services.tenant_packs import tenant_pack
from tests import builders
from tests.builders import NOW, author

HOUR = timedelta(hours=1)
IN, OUT = MessageDirection.INCOMING, MessageDirection.OUTGOING


@pytest.fixture
def leak(instance: Engine) -> IncidentView:
    """Volumes of tenants were read by somebody: two companies entrusted what lay there."""
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes"))
    return view


def send(engine: Engine, incident: IncidentId, now: datetime = NOW, **changes: object) -> int:
    values: dict[str, object] = {"kind": MessageKind.FIRST_REPORT, "direction": IN, "at": NOW, **changes}
    return parties.record_message(engine, incident, Message(**values), actor=author(engine).actor, now=now)


def sheet(engine: Engine, incident: IncidentId, customer: str, at: datetime = NOW, **changes: object) -> int:
    return send(
        engine, incident, at, kind=MessageKind.TENANT_DATA_SHEET, direction=OUT, at=at, customer=customer, **changes
    )


def duties(engine: Engine, incident: IncidentId, rule: str) -> dict[str, ObligationView]:
    return {row.addressee_ref: row for row in obligations.list_obligations(engine, incident) if row.rule == rule}


def test_each_organisation_that_entrusted_data_gets_a_duty_of_its_own(instance: Engine, leak: IncidentView) -> None:
    found = duties(instance, leak.id, "jp-appi:tenant")
    assert sorted(row.addressee_en for row in found.values()) == ["customer T1", "customer T2"]  # C1 is a person
    assert {row.due_at for row in found.values()} == {datetime.fromisoformat("2026-11-24T23:59:59+09:00")}
    assert "tenants" not in found


def test_a_contract_that_nobody_has_recorded_is_to_decide_and_says_who_does(
    instance: Engine, leak: IncidentView
) -> None:
    """C11: what a contract says is not known until somebody looked; it is never a silent no."""
    found = duties(instance, leak.id, "contract:entrusting_party")
    assert sorted(row.addressee_en for row in found.values()) == ["customer T1", "customer T2"]
    assert {(row.status, row.due_at) for row in found.values()} == {(DutyStatus.TO_DECIDE, None)}
    said = next(iter(found.values()))
    assert "contract hours not recorded: the privacy office asks" in (said.decide_en or "")
    assert "契約の通知時間が記録されていません" in (said.decide_ja or "")


def test_roles_are_decided_per_data_set(instance: Engine) -> None:
    """C10: who only keeps disks is told without a number, by contract, beside those whose data we process."""
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes", "tenant-disks"))
    kept = duties(instance, view.id, "jp-appi:tenant-not-handling")
    assert [row.addressee_en for row in kept.values()] == ["customer T3"]
    assert [row.due_at for row in kept.values()] == [None]
    assert len(duties(instance, view.id, "jp-appi:tenant")) == 2


def test_a_contract_clock_stands_beside_the_statutory_one(instance: Engine, leak: IncidentView) -> None:
    """C11: hours of the contract count from awareness, for that customer alone; the latest word counts."""

    def record(hours: int | None) -> None:
        contracts.record_contract(
            instance, leak.id, "T1", notice_hours=hours, reference="K-7", actor=author(instance).actor, now=NOW
        )

    def standing() -> list[ObligationView]:
        found = duties(instance, leak.id, "contract:entrusting_party").values()
        return [row for row in found if row.addressee_en == "customer T1"]

    record(24)
    (found,) = standing()
    assert (found.addressee_en, found.due_at) == ("customer T1", leak.aware_at + 24 * HOUR)  # type: ignore[operator]
    assert len(duties(instance, leak.id, "jp-appi:tenant")) == 2
    record(8)
    (found,) = standing()
    assert found.due_at == leak.aware_at + 8 * HOUR  # type: ignore[operator]
    record(None)
    assert standing() == []
    with pytest.raises(BadInput, match="between 1 and"):
        record(0)
    with pytest.raises(NotFound, match="entrusting customer"):
        contracts.record_contract(instance, leak.id, "C4", notice_hours=24, actor=author(instance).actor, now=NOW)
    with pytest.raises(DatabaseError, match="never changed"), instance.begin() as connection:
        connection.execute(sa.update(CustomerContract).values(notice_hours=1))


def test_a_data_sheet_settles_what_is_owed_to_its_customer_and_the_last_one_releases_us(
    instance: Engine, leak: IncidentView
) -> None:
    """Rules art. 9: a processor that told every entrusting party need not report itself."""
    facts.decide_fact(
        instance, leak.id, "encryption_exempt", value=False, reason="平文", actor=author(instance).actor, now=NOW
    )
    obligations.derive_obligations(instance, leak.id, actor=author(instance).actor, now=NOW)
    ours = duties(instance, leak.id, "jp-appi:preliminary-as-processor")
    assert [row.status for row in ours.values()] == [DutyStatus.OPEN]
    sheet(instance, leak.id, "T1", NOW + HOUR)
    states = {row.addressee_en: row.status for row in duties(instance, leak.id, "jp-appi:tenant").values()}
    assert states == {"customer T1": DutyStatus.FULFILLED, "customer T2": DutyStatus.OPEN}
    assert duties(instance, leak.id, "jp-appi:preliminary-as-processor")
    late = NOW + timedelta(days=9)
    sheet(instance, leak.id, "T2", late)
    found = {row.addressee_en: row for row in duties(instance, leak.id, "jp-appi:tenant").values()}
    assert (found["customer T1"].was_late, found["customer T2"].was_late) == (False, True)
    assert duties(instance, leak.id, "jp-appi:preliminary-as-processor") == {}


def test_whose_data_we_only_keep_is_told_apart_and_holds_back_no_release(instance: Engine) -> None:
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes", "tenant-disks"))
    facts.decide_fact(
        instance, view.id, "encryption_exempt", value=False, reason="平文", actor=author(instance).actor, now=NOW
    )
    for customer in ("T1", "T2"):
        sheet(instance, view.id, customer)
    assert duties(instance, view.id, "jp-appi:preliminary-as-processor") == {}
    (kept,) = duties(instance, view.id, "jp-appi:tenant-not-handling").values()
    assert (kept.addressee_en, kept.status) == ("customer T3", DutyStatus.OPEN)
    facts.decide_fact(
        instance, view.id, "entrusting_party_told", value=True, reason="電話済み", actor=author(instance).actor, now=NOW
    )
    obligations.derive_obligations(instance, view.id, actor=author(instance).actor, now=NOW)
    assert duties(instance, view.id, "jp-appi:tenant-not-handling") == {}


def test_what_a_person_decided_goes_before_what_the_sheets_show(instance: Engine, leak: IncidentView) -> None:
    facts.decide_fact(
        instance,
        leak.id,
        "entrusting_party_told",
        value=False,
        reason="別会社へ",
        actor=author(instance).actor,
        now=NOW,
    )
    for customer in ("T1", "T2"):
        sheet(instance, leak.id, customer)
    assert {row.status for row in duties(instance, leak.id, "jp-appi:tenant").values()} == {DutyStatus.FULFILLED}
    assert duties(instance, leak.id, "jp-appi:preliminary-as-processor")


def test_the_pack_holds_the_nine_items_their_own_number_and_an_estimate(instance: Engine, leak: IncidentView) -> None:
    pack = tenant_pack(instance, leak.id, "T1", now=NOW)
    assert [item.number for item in pack.items] == list("123456789")
    assert pack.known == {"1", "2", "4"}  # the scope names the kind of cause
    items = {item.number: item.text for item in pack.items}
    assert items["2"] is not None
    assert "氏名" in items["2"].ja
    assert "カード" not in items["2"].ja
    builders.a_notice(instance, leak.id)
    recounting.set_count_and_derive(
        instance,
        leak.id,
        kind=CountKind.MAXIMUM,
        value=1200,
        basis="保存領域の台帳",
        subject=pack.count_subject,
        reason=None,
        actor=author(instance).actor,
        now=NOW,
    )
    filled = tenant_pack(instance, leak.id, "T1", offers_report=True, now=NOW)
    assert filled.known == set("12345689")  # nobody knows of a publication yet
    number = next(item.text for item in filled.items if item.number == "3")
    assert number is not None
    assert number.ja.startswith("1,200人（最大、")
    assert subject_of(filled.customer_id) == filled.count_subject
    last = next(item.text for item in filled.items if item.number == "9")
    assert last is not None
    assert "on your behalf" in last.en
    assert filled.estimate is not None
    assert filled.estimate.is_assumed
    assert filled.estimate.due_at == datetime.fromisoformat("2026-11-24T23:59:59+09:00")
    other = tenant_pack(instance, leak.id, "T2", now=NOW)
    assert "3" not in other.known  # their own number, never another customer's


def test_once_it_was_sent_the_estimate_counts_from_then(instance: Engine, leak: IncidentView) -> None:
    sheet(instance, leak.id, "T1", NOW)
    found = tenant_pack(instance, leak.id, "T1", now=NOW + timedelta(days=30)).estimate
    assert found is not None
    assert (found.told_at, found.is_assumed) == (NOW, False)
    assert found.due_at == datetime.fromisoformat("2026-11-24T23:59:59+09:00")


def test_a_sheet_tells_only_what_is_known_and_keeps_what_it_said(instance: Engine, leak: IncidentView) -> None:
    with pytest.raises(BadInput, match="not known yet"):
        sheet(instance, leak.id, "T1", items_known=frozenset({"1", "7"}))
    with pytest.raises(BadInput, match="numbered 1 to 9"):
        sheet(instance, leak.id, "T1", items_known=frozenset({"10"}))
    with pytest.raises(NotFound, match="entrusting customer"):
        sheet(instance, leak.id, "C4")
    sheet(instance, leak.id, "T1", items_known=frozenset({"2"}))
    builders.a_notice(instance, leak.id)
    sheet(instance, leak.id, "T1", NOW + HOUR)
    first, second = parties.list_messages(instance, leak.id)
    assert (first.items_known, len(second.items_known)) == (("2",), 7)
    assert first.content_digest
    assert first.content_digest != second.content_digest


def test_a_sheet_that_was_sent_before_the_impact_changed_is_marked(instance: Engine, leak: IncidentView) -> None:
    sheet(instance, leak.id, "T1")
    assert {row.customer_number: row.told_before for row in entrusting.list_entrusting(instance, leak.id)} == {
        "T1": False,
        "T2": False,
    }
    builders.determined(instance, leak.id, builders.a_scope("tenant-volumes", "tenant-disks"), now=NOW + HOUR)
    found = {row.customer_number: (row.told, row.told_before) for row in entrusting.list_entrusting(instance, leak.id)}
    assert found == {"T1": (True, True), "T2": (False, False), "T3": (False, False)}
    sheet(instance, leak.id, "T1", NOW + 2 * HOUR)
    assert not entrusting.list_entrusting(instance, leak.id)[0].told_before


def test_being_told_by_a_party_starts_our_clock_where_nobody_knew_earlier(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, aware_at=None)
    told_at = view.detected_at - 16 * HOUR
    party = parties.parties_of(instance)[0][0]
    send(instance, view.id, at=told_at, party=party, starts_clock=True, text="請求担当が電話で聞いた")
    clock = clock_book.list_clocks(instance, view.id)[-1]
    assert (clock.subject, clock.at, clock.source, clock.known_by) == (
        AWARENESS,
        told_at,
        ClockSource.TOLD_BY_PARTY,
        party,
    )
    assert (clock.known_by_ja, clock.known_by_en) == parties.parties_of(instance)[0][1:]
    assert parties.list_messages(instance, view.id)[0].started_clock
    with pytest.raises(BadInput, match="aware before this message"):
        send(instance, view.id, at=told_at + HOUR, party=party, starts_clock=True, text="後から届いた書面")
    earlier = told_at - HOUR
    with pytest.raises(BadInput, match="corrected"):
        send(instance, view.id, at=earlier, party=party, starts_clock=True)
    send(instance, view.id, at=earlier, party=party, starts_clock=True, text="前日のメールが見つかった")
    assert incidents.get_incident(instance, view.reference, author(instance)).aware_at == earlier


def test_being_told_after_our_own_detection_needs_a_reason(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, aware_at=None)
    party = parties.parties_of(instance)[0][0]
    with pytest.raises(ReasonNeeded):
        send(instance, view.id, at=NOW, party=party, starts_clock=True)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"at": NOW + HOUR}, "lies in the future"),
        ({"at": NOW - timedelta(days=9)}, "before the incident"),
        ({"party": None}, "name one company"),
        ({"customer": "C4"}, "name one company"),
        ({"kind": MessageKind.LIST_RECEIVED, "direction": OUT}, "does not go that way"),
        ({"kind": MessageKind.TENANT_DATA_SHEET, "direction": IN}, "does not go that way"),
        ({"kind": MessageKind.TENANT_DATA_SHEET, "direction": OUT}, "goes to a customer"),
        ({"direction": OUT, "starts_clock": True}, "only a first report"),
        ({"kind": MessageKind.ORDER, "starts_clock": True}, "only a first report"),
    ],
    ids=str,
)
def test_a_message_that_cannot_be_is_refused_by_its_field(
    instance: Engine, changes: dict[str, object], match: str
) -> None:
    view = builders.an_incident(instance, occurred_from=NOW - timedelta(days=3))
    party = parties.parties_of(instance)[0][0]
    with pytest.raises(BadInput, match=match):
        send(instance, view.id, **{"party": party, **changes})
    with Session(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PartyMessage)) == 0


@pytest.mark.parametrize("changes", [{"party": "nobody"}, {"customer": "nobody"}, {"evidence_id": 77}], ids=str)
def test_a_company_or_evidence_that_is_not_there_is_named(instance: Engine, changes: dict[str, object]) -> None:
    view = builders.an_incident(instance)
    party = {} if "customer" in changes or "party" in changes else {"party": parties.parties_of(instance)[0][0]}
    with pytest.raises(NotFound):
        send(instance, view.id, **party, **changes)


def test_messages_are_never_changed_and_their_words_stand_apart(instance: Engine) -> None:
    view = builders.an_incident(instance)
    send(instance, view.id, party=parties.parties_of(instance)[0][0], text="担当の佐藤さんから電話")
    for statement in ("UPDATE party_messages SET kind = 'order'", "DELETE FROM party_messages"):
        with pytest.raises(DatabaseError, match=r"never (changed|removed)"), instance.begin() as connection:
            connection.exec_driver_sql(statement)
    with Session(instance) as session:
        bodies = session.scalars(sa.select(EventRow.body).where(EventRow.kind == "party.messaged")).all()
    assert len(bodies) == 1
    assert "佐藤" not in bodies[0]


def test_beyond_some_hundreds_only_customers_with_contract_hours_stand_alone() -> None:
    def customer(number: int, hours: int | None = None) -> entrusting.EntrustingCustomer:
        return entrusting.EntrustingCustomer(
            customer_id=number, customer_number=f"T{number}", our_roles=frozenset(), notice_hours=hours
        )

    many = [customer(number) for number in range(entrusting.ONE_BY_ONE)]
    assert entrusting.one_by_one(many).are_all
    found = entrusting.one_by_one([*many, customer(9999, 24)])
    assert ([one.customer_id for one in found.customers], found.are_all) == ([9999], False)
    assert found.others_open  # nobody knows what the other contracts say: their common row is to decide
    recorded = [replace(one, has_contract=True) for one in many]
    assert not entrusting.one_by_one([*recorded, replace(customer(9999, 24), has_contract=True)]).others_open
