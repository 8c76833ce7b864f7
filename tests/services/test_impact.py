"""Determining, previewing and reading impact, against a plain loop over every holding."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.impact import Listing, Pattern, TouchedPair, judge
from incident_app.domain.people import pack, people
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, DisclosureBasis, Harm, InvolvedRole, ListRelation
from incident_app.persistence.customers import Customer, Holding
from incident_app.persistence.impact import AffectedParty, AffectedShard, ImpactDetermination
from incident_app.persistence.incidents import CustomerListMember
from incident_app.persistence.inventory import DataStore, Disclosure, ThirdParty
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.triggers import drop_guards
from incident_app.services import impact, impact_verification, impact_views, involved, scopes
from incident_app.services.impact_verification import Repetition
from incident_app.services.inventory import current_inventory
from incident_app.services.person_counts import number_for_law
from incident_app.services.preview import PreviewCache, preview_scope
from incident_app.services.transaction import building, reading, recording
from tests import builders
from tests.builders import NOW

PEOPLE = 400
STORES = {
    "member-db": ("name", "email", "customer-number", "password", "address"),
    "billing-db": ("card-number", "card-holder", "payment-method", "monthly-payment"),
    "usage-db": ("balance",),
}


def items_at(engine: Engine, party: str) -> set[str]:
    with reading(engine) as session:
        query = sa.select(Disclosure.item_code).join(ThirdParty, ThirdParty.id == Disclosure.party_id)
        return set(session.scalars(query.where(ThirdParty.code == party)))


def day(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)


@pytest.fixture
def crowd(instance: Engine) -> Engine:
    """Four hundred people of several kinds, in up to three stores, some of them for a time only."""
    chance = random.Random(5)  # noqa: S311 - the same crowd in every run
    with reading(instance) as session:
        held = {store.code: [item.item for item in store.items] for store in current_inventory(session).stores}
    lines = ["customer_number,kind,relation,jurisdiction,name"]
    rows = ["customer_number,store,items,held_from,held_until"]
    for number in range(PEOPLE):
        kind = chance.choice(["person", "person", "person", "organisation"])
        relation = chance.choice(["customer", "customer", "customer", "staff"])
        lines.append(f"P{number:04},{kind},{relation},{chance.choice(['JP', 'JP', 'JP', 'DE'])},人 {number}")
        for store in STORES:
            if chance.random() < 0.5:
                items = " ".join(sorted(chance.sample(held[store], chance.choice([1, 2]))))
                start = chance.choice(["", day(chance.randrange(100)).isoformat()])
                end = chance.choice(["", "", day(100 + chance.randrange(100)).isoformat()])
                rows.append(f"P{number:04},{store},{items},{start},{end}")
    builders.import_text(instance, "\n".join(lines) + "\n")
    builders.import_text(instance, "\n".join(rows) + "\n", now=NOW + timedelta(minutes=1))
    return instance


def plain_answer(engine: Engine, scope: Scope) -> dict[int, tuple[frozenset[str], frozenset[str], Certainty]]:
    """Judge person by person in a plain loop over everything held: slow, and easy to believe."""
    patterns: dict[int, tuple[set[TouchedPair], set[Listing]]] = defaultdict(lambda: (set(), set()))
    with reading(engine) as session:
        inventory = current_inventory(session)
        codes = dict(session.execute(sa.select(DataStore.id, DataStore.code)).all())
        sets = item_codes(session, range(1, 10_000))
        for row in session.scalars(sa.select(Holding)):
            for number, entry in enumerate(scope.stores):
                after_start = (
                    entry.touched_from is None or row.held_until is None or row.held_until >= entry.touched_from
                )
                before_end = (
                    entry.touched_until is None or row.held_from is None or row.held_from <= entry.touched_until
                )
                if codes[row.store_id] == entry.store and after_start and before_end and row.retracted_at is None:
                    patterns[row.customer_id][0].add(TouchedPair(entry=number, items=sets[row.item_set_id]))
        for member in session.scalars(sa.select(CustomerListMember)):
            for number, listed in enumerate(scope.lists):
                if listed.list_id == member.list_id:
                    items = sets[member.item_set_id] if member.item_set_id else None
                    patterns[member.customer_id][1].add(Listing(entry=number, items=items))
    found = {}
    for customer, (pairs, listings) in patterns.items():
        judgement = judge(Pattern(pairs=frozenset(pairs), listings=frozenset(listings)), scope, inventory)
        if judgement is not None:
            found[customer] = (judgement.items, judgement.confirmed, judgement.certainty)
    return found


def stored_answer(engine: Engine, incident: IncidentId) -> dict[str, tuple[str, ...]]:
    return {row.customer_number: (row.certainty, *row.items_en) for row in everybody(engine, incident)}


def everybody(engine: Engine, incident: IncidentId, **narrowed: object) -> Iterator[impact_views.AffectedView]:
    last = None
    while page := impact_views.affected_page(engine, incident, after=last, limit=7, **narrowed):
        yield from page
        last = page[-1].customer_number


def scopes_to_try(engine: Engine, incident: IncidentId) -> list[Scope]:
    some = "customer_number,items\n" + "".join(f"P{number:04},name email\n" for number in range(0, 60, 3))
    others = "customer_number\n" + "".join(f"P{number:04}\n" for number in range(40, 300))
    confirmed, only, these_items, out = (
        builders.a_list(engine, incident, some),
        builders.a_list(engine, incident, others, relation=ListRelation.ONLY),
        builders.a_list(engine, incident, some + "P0062,name\n", relation=ListRelation.ONLY),
        builders.a_list(engine, incident, others + "P0399\n", relation=ListRelation.RULES_OUT),
    )
    member = TouchedStore(store="member-db", certainty=Certainty.ASSUMED)
    billing = TouchedStore(
        store="billing-db", certainty=Certainty.CONFIRMED, touched_from=day(50), touched_until=day(120)
    )
    basis = {"harms": frozenset({Harm.CONFIDENTIALITY}), "cause": Cause.UNAUTHORISED_ACCESS}
    return [
        Scope(**basis, stores=(member,)),
        Scope(**basis, stores=(member, billing)),
        Scope(**basis, stores=(member, billing), lists=(confirmed,)),
        Scope(**basis, stores=(member, billing), lists=(confirmed, only)),
        Scope(**basis, stores=(member, billing), lists=(these_items,)),
        Scope(**basis, stores=(member, billing), lists=(out,)),
        Scope(**basis, lists=(confirmed,)),
    ]


def determine(engine: Engine, incident: IncidentId, scope: Scope) -> impact.Determined:
    scopes.set_scope(engine, incident, scope, note="what is known by now", actor=builders.author(engine).actor, now=NOW)
    return impact.determine_impact(engine, incident, actor=builders.author(engine).actor, now=NOW)


def test_a_determination_says_of_everybody_what_a_plain_loop_says_and_a_preview_says_the_same(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    cache = PreviewCache()
    with reading(crowd) as session:
        numbers = dict(session.execute(sa.select(Customer.id, Customer.customer_number)).all())
    for scope in scopes_to_try(crowd, view.id):
        expected = plain_answer(crowd, scope)
        assert len(expected) > 15
        preview = preview_scope(crowd, cache, view.id, scope)
        found = determine(crowd, view.id, scope)
        rows = {row.customer_number: row.certainty for row in everybody(crowd, view.id)}
        assert rows == {numbers[customer]: said[2] for customer, said in expected.items()}
        for customer in list(expected)[:5]:
            explained = impact_views.explain_customer(crowd, view.id, numbers[customer])
            assert len(explained.items_en) == len(expected[customer][0])
        summary = impact_views.get_impact(crowd, view.id).summary
        assert summary == preview.summary
        assert summary["by_certainty"] == found.by_certainty
        affected = [said for said in expected.values() if said[2] is not Certainty.RULED_OUT]
        assert sum(summary["by_kind"].values()) == sum(summary["by_jurisdiction"].values()) == len(affected)
        for item, number in summary["by_item"].items():
            assert number == sum(item in said[0] for said in affected)
        for item, number in summary["confirmed_by_item"].items():
            assert number == sum(item in said[1] for said in affected)
    assert set(impact_verification.verify_impact(crowd, view.id).values()) == {Repetition.REPEATS}


def test_a_preview_stores_nothing_and_says_what_would_change(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    narrow, wide, *_ = scopes_to_try(crowd, view.id)
    cache = PreviewCache()
    first = preview_scope(crowd, cache, view.id, narrow)
    assert (first.compared_with, first.removed, first.changed) == (None, 0, 0)
    determine(crowd, view.id, narrow)
    same = preview_scope(crowd, cache, view.id, narrow)
    assert (same.compared_with, same.added, same.removed, same.changed) == (1, 0, 0, 0)
    wider = preview_scope(crowd, cache, view.id, wide)
    assert impact_views.get_impact(crowd, view.id).versions == (1,)
    determine(crowd, view.id, wide)
    difference = impact_views.diff_versions(crowd, view.id, 1, 2)
    assert (wider.added, wider.removed, wider.changed) == (difference.added, difference.removed, difference.changed)
    assert difference.added > 0
    assert difference.removed == 0  # a wider scope never removes anybody


def test_a_preview_after_an_import_knows_what_came_in(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    scope, *_ = scopes_to_try(crowd, view.id)
    cache = PreviewCache()
    before = preview_scope(crowd, cache, view.id, scope)
    builders.import_text(crowd, "customer_number,name\nNEW1,新 人\n", now=NOW + timedelta(hours=1))
    builders.import_text(crowd, "customer_number,store,items\nNEW1,member-db,name\n", now=NOW + timedelta(hours=2))
    after = preview_scope(crowd, cache, view.id, scope)
    assert after.summary["by_certainty"]["assumed"] == before.summary["by_certainty"]["assumed"] + 1
    assert after.summary["by_kind"]["person"] == before.summary["by_kind"]["person"] + 1


def test_pages_keep_to_a_ring_or_an_item_and_end(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    determine(crowd, view.id, scopes_to_try(crowd, view.id)[2])
    whole = list(everybody(crowd, view.id))
    assert len({row.customer_number for row in whole}) == len(whole)
    sure = [row.customer_number for row in whole if row.certainty is Certainty.CONFIRMED]
    assert [row.customer_number for row in everybody(crowd, view.id, certainty=Certainty.CONFIRMED)] == sure
    cards = [row.customer_number for row in whole if "card number" in row.items_en]
    assert [row.customer_number for row in everybody(crowd, view.id, item="card-number")] == cards
    assert 0 < len(cards) < len(whole)
    assert impact_views.affected_page(crowd, view.id, item="balance") == []
    with pytest.raises(NotFound):
        impact_views.affected_page(crowd, view.id, after="nobody")


def test_an_altered_person_or_pattern_is_found_by_verifying(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    determine(crowd, view.id, scopes_to_try(crowd, view.id)[0])
    with crowd.begin() as connection:
        drop_guards(connection)
        shard = connection.execute(sa.select(AffectedShard).limit(1)).one()
        members = people(key for key in range(1, 400) if key % 2)
        connection.execute(
            sa.update(AffectedShard)
            .where(AffectedShard.pattern_id == shard.pattern_id)
            .values(members=pack(members), people=len(members)),
        )
    assert impact_verification.verify_impact(crowd, view.id) == {1: Repetition.DIFFERS}


def test_the_companies_that_the_data_concerns_are_stored_with_the_version_and_verified(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    determine(crowd, view.id, builders.a_scope("member-db", "billing-db"))
    found = impact_views.get_impact(crowd, view.id)
    assert found is not None
    card = [party for party in found.parties if "card-number" in items_at(crowd, party.code)]
    assert card
    assert all(
        party.reason_ja and party.reason_en and (party.items_en or party.uncertain_en) for party in found.parties
    )
    assert not any(party.code == "ourselves" for party in found.parties)
    assert impact_verification.verify_impact(crowd, view.id) == {1: Repetition.REPEATS}
    with crowd.begin() as connection:
        drop_guards(connection)
        connection.execute(sa.update(AffectedParty).values(reason_en="nobody"))
    assert impact_verification.verify_impact(crowd, view.id) == {1: Repetition.DIFFERS}


def test_a_version_from_before_companies_were_kept_still_verifies(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    determine(crowd, view.id, builders.a_scope("billing-db"))
    with crowd.begin() as connection:
        drop_guards(connection)
        connection.execute(sa.delete(AffectedParty))
    assert impact_verification.verify_impact(crowd, view.id) == {1: Repetition.REPEATS}


def test_where_published_and_actual_differ_the_items_are_named(crowd: Engine) -> None:
    with recording(crowd) as session:
        published = session.scalars(sa.select(Disclosure).where(Disclosure.item_code == "card-number").limit(1)).one()
        session.add(
            Disclosure(
                party_id=published.party_id,
                item_code="name",
                role=published.role,
                basis=DisclosureBasis.ACTUAL,
                purpose_ja="",
                purpose_en="",
                legal_basis="",
                recorded_at=NOW,
            ),
        )
        party = session.get_one(ThirdParty, published.party_id).code
        role = published.role
    view = builders.an_incident(crowd)
    determine(crowd, view.id, builders.a_scope("member-db", "billing-db"))
    found = impact_views.get_impact(crowd, view.id)
    assert found is not None
    rows = {row.basis: row for row in found.parties if row.code == party and row.role is role}
    assert rows[DisclosureBasis.ACTUAL].items_en == ("name",)
    assert rows[DisclosureBasis.PUBLISHED].only_here_en
    assert "name" not in rows[DisclosureBasis.PUBLISHED].only_here_en


def test_a_version_of_earlier_rules_is_not_called_verified(crowd: Engine) -> None:
    view = builders.an_incident(crowd)
    determine(crowd, view.id, scopes_to_try(crowd, view.id)[0])
    with crowd.begin() as connection:
        drop_guards(connection)
        connection.execute(sa.update(ImpactDetermination).values(rules_version=1))
    found = impact_verification.verify_impact(crowd, view.id)
    assert found == {1: Repetition.OTHER_RULES}
    assert not impact_verification.all_repeat(found)


def test_what_a_crash_left_half_built_is_seen_by_nobody_and_built_anew(
    crowd: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = builders.an_incident(crowd)
    scope = scopes_to_try(crowd, view.id)[1]

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(impact, "_seal", killed)
        with pytest.raises(KeyboardInterrupt):
            determine(crowd, view.id, scope)
    assert impact_views.get_impact(crowd, view.id) is None
    with building(crowd) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(AffectedShard)) > 0
    again = impact.determine_impact(crowd, view.id, actor=builders.author(crowd).actor, now=NOW)
    assert again.version == 1
    assert set(impact_verification.verify_impact(crowd, view.id).values()) == {Repetition.REPEATS}


def test_whom_evidence_names_is_affected_even_if_we_find_nothing_of_theirs(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    named = builders.a_list(instance, view.id, "customer_number\nC5\nC1\n")
    determine(instance, view.id, builders.a_scope("billing-db", certainty=Certainty.ASSUMED, lists=[named]))
    unknown = impact_views.explain_customer(instance, view.id, "C5")
    assert (unknown.certainty, unknown.items_en) == (Certainty.CONFIRMED, ())
    assert any("not known yet" in reason for reason in unknown.because_en)


def test_a_telephone_number_matches_however_it_is_written(instance: Engine) -> None:
    builders.import_text(instance, "customer_number,name,phone\nT1,電話 一,03-1234-5678\nT2,電話 二,+81 90 1111 2222\n")
    view = builders.an_incident(instance)
    named = builders.a_list(instance, view.id, "phone,items\n＋８１（３）１２３４ー５６７８,name\n090-1111-2222,name\n")
    determine(instance, view.id, builders.a_scope(lists=[named]))
    assert {row.customer_number for row in everybody(instance, view.id)} == {"T1", "T2"}


def test_affected_people_outside_the_inventory_count(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    outsider = involved.Outsider(
        role=InvolvedRole.AFFECTED, name="外の人", contact="outside@example.net", items=frozenset({"name"})
    )
    involved.add_person(instance, view.id, outsider, actor=builders.author(instance).actor, now=NOW)
    determine(instance, view.id, builders.a_scope("member-db"))
    with reading(instance) as session:
        counted = number_for_law(session, view.id)
    assert counted is not None
    assert counted.value == 6  # five customers, and one whom no inventory knows
    assert "1" in counted.basis_ja
