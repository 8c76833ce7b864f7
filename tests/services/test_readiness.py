"""Readiness from the database: who cannot be reached, what is kept too long, and scores that are never rewritten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.access import Role
from incident_app.domain.errors import BadInput
from incident_app.domain.gaps import GapCode
from incident_app.domain.inventory_files import json_text
from incident_app.domain.readiness import score
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.readiness import ReadinessScore, count_people, roles_held, store_facts
from incident_app.persistence.timeline import EventRow
from incident_app.services import inventory_files, readiness
from incident_app.services.inventory import current_inventory
from incident_app.services.readiness import Lacking
from incident_app.services.transaction import reading, recording
from tests.builders import author, import_text, with_customers
from tests.conftest import NOW

ONLY_NUMBERS = (
    "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
    "C7,organisation,customer,ja,JP,連絡先なし,,,\n"
    "C8,organisation,customer,ja,JP,電話だけ,,,050-0000-0008\n"
)


@pytest.fixture
def people(instance: Engine) -> Engine:
    with_customers(instance)
    import_text(instance, ONLY_NUMBERS)
    return instance


def codes(engine: Engine, **changes: int) -> set[tuple[GapCode, str]]:
    return {(gap.code, gap.subject) for gap in readiness.list_gaps(engine, now=NOW, **changes)}


def test_people_are_counted_by_what_reaches_them(people: Engine) -> None:
    with reading(people) as session:
        counts = count_people(session)
    assert (counts.customers, counts.without_email) == (8, 3)
    assert (counts.organisations, counts.organisations_unreachable) == (3, 1)


def test_a_contact_that_ended_or_was_erased_reaches_nobody(people: Engine) -> None:
    with recording(people) as session:
        contacts = session.scalars(
            sa.select(CustomerContact).where(CustomerContact.channel == "email").order_by(CustomerContact.id)
        ).all()
        contacts[0].valid_until = NOW
        contacts[1].address = None
    with reading(people) as session:
        assert count_people(session).without_email == 5


def test_an_empty_database_of_people_is_counted_without_a_fault(instance: Engine) -> None:
    with reading(instance) as session:
        counts = count_people(session)
    assert (counts.customers, counts.without_email, counts.organisations_unreachable) == (0, 0, 0)


def test_holdings_show_lists_that_miss_items_that_are_unknown_and_data_kept_too_long(people: Engine) -> None:
    old = (NOW - timedelta(days=400)).isoformat()
    new = (NOW - timedelta(days=300)).isoformat()
    import_text(
        people,
        "customer_number,store,items,held_from,held_until\n"
        f"C1,web-logs,ip-address,{old},\n"
        f"C2,web-logs,ip-address cookie-id,{old},\n"
        f"C3,web-logs,ip-address,{new},\n"
        f"C4,web-logs,ip-address,{old},{new}\n"
        f"C1,at-mailing-house,name,{old},\n",
    )
    with reading(people) as session:
        inventory = current_inventory(session)
        facts = store_facts(session, inventory, today=NOW.date())
    assert facts["web-logs"].past_retention == 2
    assert facts["web-logs"].holdings == 4
    assert facts["member-db"].past_retention == 0
    found = codes(people)
    assert (GapCode.PAST_RETENTION, "web-logs") in found
    assert (GapCode.NO_TRANSFER_LIST, "at-mailing-house") not in found
    assert (GapCode.NO_TRANSFER_LIST, "at-debt-collector") in found
    assert not [subject for code, subject in found if code is GapCode.UNLISTED_ITEMS]
    logs = inventory.store("web-logs")
    less = replace(logs, items=tuple(item for item in logs.items if item.item != "cookie-id"))
    stores = tuple(less if store.code == "web-logs" else store for store in inventory.stores)
    content = {"a.json": json_text(replace(inventory, stores=stores)).encode()}
    plan = inventory_files.plan_import(people, content, name="a.json")
    inventory_files.apply_import(people, plan, actor=author(people).actor, now=NOW)
    assert (GapCode.UNLISTED_ITEMS, "web-logs") in codes(people)


def test_retention_ends_after_the_last_day(people: Engine) -> None:
    def held_since(moment: datetime, customer: str) -> int:
        import_text(
            people,
            f"customer_number,store,items,held_from\n{customer},web-logs,ip-address,{moment.isoformat()}\n",
        )
        with reading(people) as session:
            return store_facts(session, current_inventory(session), today=NOW.date())["web-logs"].past_retention

    midnight_in_japan = datetime(2025, 11, 19, 15, 0, tzinfo=UTC)
    assert held_since(midnight_in_japan, "C1") == 0
    assert held_since(midnight_in_japan - timedelta(microseconds=1), "C2") == 1


def test_reviews_count_for_the_months_that_are_asked_for(people: Engine) -> None:
    assert (GapCode.STORE_NOT_REVIEWED, "member-db") not in codes(people)
    assert (GapCode.STORE_NOT_REVIEWED, "member-db") in codes(people, months=4)
    for months in (0, 121):
        with pytest.raises(BadInput, match="months"):
            readiness.list_gaps(people, now=NOW, months=months)


def test_roles_count_when_an_active_account_holds_them(instance: Engine) -> None:
    with reading(instance) as session:
        assert roles_held(session) == {role.value for role in Role}
    facts = {fact.code: fact for fact in readiness_facts(instance)}
    assert facts["roles_unassigned"].lacking == 0
    assert facts["roles_unassigned"].total >= 2


def readiness_facts(engine: Engine) -> tuple[object, ...]:
    readiness.record_score(engine, actor=author(engine).actor, now=NOW)
    return readiness.list_scores(engine)[0].facts


def test_a_score_is_kept_with_its_facts_and_follows_from_them_again(people: Engine) -> None:
    shown = readiness.measure(people, now=NOW)
    assert readiness.list_scores(people) == []
    recorded = readiness.record_score(people, actor=author(people).actor, now=NOW)
    assert recorded == shown
    (kept,) = readiness.list_scores(people)
    assert (kept.at, kept.value) == (NOW, shown.value)
    assert score(kept.facts) == shown
    with reading(people) as session:
        assert session.scalars(sa.select(EventRow.kind).order_by(EventRow.sequence.desc())).first() == (
            "readiness.recorded"
        )


def test_scores_are_listed_with_the_newest_first(people: Engine) -> None:
    for day in range(3):
        readiness.record_score(people, actor=author(people).actor, now=NOW + timedelta(days=day))
    found = readiness.list_scores(people, newest_first=2)
    assert [entry.at for entry in found] == [NOW + timedelta(days=2), NOW + timedelta(days=1)]


@pytest.mark.parametrize("statement", ["UPDATE readiness_scores SET value = 100", "DELETE FROM readiness_scores"])
def test_a_score_can_be_neither_changed_nor_removed(people: Engine, statement: str) -> None:
    readiness.record_score(people, actor=author(people).actor, now=NOW)
    with pytest.raises(sa.exc.DBAPIError, match="readiness_scores"), recording(people) as session:
        session.execute(sa.text(statement))


def test_a_score_outside_0_and_100_is_refused_by_the_database(instance: Engine) -> None:
    row = ReadinessScore(at=NOW, value=101, facts=[], rules_version=1, actor="system:test")
    with pytest.raises(sa.exc.IntegrityError), recording(instance) as session:
        session.add(row)


@pytest.mark.parametrize(("lacking", "numbers"), [(Lacking.EMAIL, ["C5", "C7", "C8"]), (Lacking.CONTACT, ["C7"])])
def test_the_numbers_of_those_who_cannot_be_reached_are_written_without_names(
    people: Engine, lacking: Lacking, numbers: list[str]
) -> None:
    text, _ = readiness.export_numbers(people, lacking, purpose="ask", actor=author(people).actor, now=NOW)
    assert text.split() == ["customer_number", *numbers]
    with reading(people) as session:
        newest = session.scalars(sa.select(EventRow).order_by(EventRow.sequence.desc())).first()
    assert newest is not None
    assert newest.kind == "export.made"
    assert "C7" not in newest.body
    with pytest.raises(BadInput, match="purpose"):
        readiness.export_numbers(people, lacking, purpose=" ", actor=author(people).actor, now=NOW)
