"""What was retired since: judged by when it was in use, and an input page known by its medium."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.ids import IncidentId
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Certainty, Medium
from incident_app.persistence.inventory import DataItem, DataStore, Disclosure, StoreItem, ThirdParty
from incident_app.services import scope_views, scopes
from incident_app.services.impact_verification import Repetition, verify_impact
from incident_app.services.impact_views import get_impact
from incident_app.services.inventory import list_stores, names
from incident_app.services.preview import PreviewCache, preview_scope
from incident_app.services.scope_inventory import RetiredBefore, WindowNeeded
from incident_app.services.scopes import NothingKept, chosen_items, is_input_page, stores_at_party
from incident_app.services.transaction import recording
from tests import builders
from tests.builders import NOW, author

DAY = timedelta(days=1)
LATER = NOW + timedelta(hours=2)
RETIRED = NOW + timedelta(hours=1)
CONFIRMED, ASSUMED = Certainty.CONFIRMED, Certainty.ASSUMED


def set_scope(engine: Engine, incident: IncidentId, scope: Scope, note: str | None = None) -> int:
    return scopes.set_scope(engine, incident, scope, note=note, actor=author(engine).actor, now=LATER)


def a_scope_of(*entries: TouchedStore) -> Scope:
    return replace(builders.a_scope(), stores=entries)


def retire(
    engine: Engine, *, stores: tuple[str, ...] = (), items: tuple[str, ...] = (), parties: tuple[str, ...] = ()
) -> None:
    """Retire these an hour after NOW, as an inventory that no longer names them does."""
    with recording(engine) as session:
        for table, codes in ((DataStore, stores), (DataItem, items), (ThirdParty, parties)):
            session.execute(sa.update(table).where(table.code.in_(codes)).values(retired_at=RETIRED))
        gone = sa.select(DataStore.id).where(DataStore.code.in_(stores))
        held = sa.or_(StoreItem.store_id.in_(gone), StoreItem.item_code.in_(items))
        session.execute(sa.update(StoreItem).where(held, StoreItem.retracted_at.is_(None)).values(retracted_at=RETIRED))
        theirs = Disclosure.party_id.in_(sa.select(ThirdParty.id).where(ThirdParty.code.in_(parties)))
        session.execute(sa.update(Disclosure).where(theirs, Disclosure.until.is_(None)).values(until=RETIRED))


def touched_from(days: int | None, store: str = "member-db", **changes: object) -> Scope:
    begin = None if days is None else NOW + days * DAY
    entry = TouchedStore(store=store, certainty=CONFIRMED, touched_from=begin, **changes)  # type: ignore[arg-type]
    return a_scope_of(entry)


def test_a_store_that_was_retired_since_is_accepted_where_it_was_in_use_and_its_people_are_affected(
    instance: Engine,
) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    before = builders.determined(instance, view.id, touched_from(-5))
    retire(instance, stores=("member-db",))
    assert "member-db" not in {store.code for store in list_stores(instance)}
    with pytest.raises(RetiredBefore):
        set_scope(instance, view.id, touched_from(1))
    with pytest.raises(WindowNeeded):
        set_scope(instance, view.id, touched_from(None))
    late = builders.determined(instance, view.id, touched_from(-5), now=LATER)
    assert late.by_certainty == before.by_certainty
    assert set(verify_impact(instance, view.id).values()) == {Repetition.REPEATS}
    entry = scope_views.show_scope(instance, view.id).entries[0]
    assert "password" in {item.code for item in entry.items}
    assert chosen_items(instance, "member-db", without=["password"])
    assert preview_scope(instance, PreviewCache(), view.id, touched_from(-5)).added == 0
    assert names(instance)["member-db"][0]


def test_an_item_that_was_retired_since_is_still_among_what_leaked(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    retire(instance, items=("password",))
    builders.determined(instance, view.id, touched_from(-5))
    found = get_impact(instance, view.id)
    assert found is not None
    assert found.summary["by_item"]["password"]
    some = frozenset({"password"})
    assert set_scope(instance, view.id, touched_from(-5, items=some, reason="only these"), note="less") == 2
    with pytest.raises(RetiredBefore):
        set_scope(instance, view.id, touched_from(1, items=some, reason="only these"), note="less")


def test_a_party_and_its_store_that_were_retired_are_offered_for_a_time_when_they_were_in_use(instance: Engine) -> None:
    view = builders.an_incident(instance)
    retire(instance, stores=("at-payment-gateway",), parties=("payment-gateway",))
    with pytest.raises(NothingKept):
        stores_at_party(instance, "payment-gateway", certainty=ASSUMED)
    with pytest.raises(NothingKept):
        stores_at_party(instance, "payment-gateway", certainty=ASSUMED, touched_from=NOW + DAY)
    entries = stores_at_party(instance, "payment-gateway", certainty=ASSUMED, touched_from=NOW - DAY)
    assert [entry.store for entry in entries] == ["at-payment-gateway"]
    assert set_scope(instance, view.id, a_scope_of(*entries)) == 1
    late = tuple(replace(entry, touched_from=NOW + DAY) for entry in entries)
    with pytest.raises(RetiredBefore):
        set_scope(instance, view.id, a_scope_of(*late))


def test_a_page_through_which_data_is_acquired_is_known_by_its_medium(instance: Engine) -> None:
    assert not is_input_page(instance, "member-db")
    with recording(instance) as session:
        page = sa.update(DataStore).where(DataStore.code.in_(["member-db", "at-payment-gateway"]))
        session.execute(page.values(medium=Medium.INPUT_PAGE))
    assert is_input_page(instance, "member-db")
    assert not is_input_page(instance, "nowhere")
    assert [store.code for store in list_stores(instance) if store.is_input_page] == ["member-db", "at-payment-gateway"]
    assert all(entry.acquiring for entry in stores_at_party(instance, "payment-gateway", certainty=ASSUMED))
