"""One committing place, one chain: an act and its events, or neither."""

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.events import NoteRecorded
from incident_app.domain.ids import Actor
from incident_app.domain.timeline import Damage
from incident_app.persistence.customers import ItemSet
from incident_app.persistence.timeline import EventRow
from incident_app.services.timeline import anchor_chain, verify_timeline
from incident_app.services.transaction import NothingRecorded, reading, transaction

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
ME = Actor("system:test")


def note(engine: Engine, text: str) -> None:
    with transaction(engine, actor=ME, now=NOW) as act:
        act.record(NoteRecorded(text_digest=text))


def test_a_change_without_an_event_is_refused_and_not_saved(engine: Engine) -> None:
    with pytest.raises(NothingRecorded), transaction(engine, actor=ME, now=NOW) as act:
        act.session.add(ItemSet(digest="a" * 64, item_codes=[]))
    with reading(engine) as session:
        assert session.scalars(sa.select(ItemSet)).all() == []


def test_an_act_that_fails_leaves_neither_change_nor_event(engine: Engine) -> None:
    with pytest.raises(KeyError), transaction(engine, actor=ME, now=NOW) as act:
        act.session.add(ItemSet(digest="a" * 64, item_codes=[]))
        act.record(NoteRecorded(text_digest="x"))
        raise KeyError
    with reading(engine) as session:
        assert session.scalars(sa.select(EventRow)).all() == []
    assert verify_timeline(engine).broken is None


def test_forty_appends_at_once_give_one_unbroken_chain(engine: Engine) -> None:
    threads = [threading.Thread(target=note, args=(engine, f"{number}")) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify_timeline(engine)
    assert (found.events, found.broken) == (40, None)


def tamper(engine: Engine, *statements: str) -> None:
    """Do what the guards refuse: whoever owns the file can drop them first."""
    with engine.begin() as connection:
        for action in ("update", "delete"):
            suffix = " ON events" if engine.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TRIGGER guard_events_{action}{suffix}")
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "sequence", "damage"),
    [
        ("UPDATE events SET body = replace(body, '\"three\"', '\"THREE\"') WHERE sequence = 3", 3, Damage.ALTERED),
        ("UPDATE events SET actor = 'user:9' WHERE sequence = 2", 2, Damage.COLUMNS_DIFFER),
        ("DELETE FROM events WHERE sequence = 4", 4, Damage.REMOVED),
        ("DELETE FROM events WHERE sequence = 5", 5, Damage.CUT_OFF),
        ("UPDATE events SET previous_hash = 'f' WHERE sequence = 3", 3, Damage.REORDERED),
    ],
)
def test_the_first_damaged_event_is_named(engine: Engine, statement: str, sequence: int, damage: Damage) -> None:
    for text in ("one", "two", "three", "four", "five"):
        note(engine, text)
    tamper(engine, statement)
    broken = verify_timeline(engine).broken
    assert broken is not None
    assert (broken.sequence, broken.damage) == (sequence, damage)


def test_a_cut_off_end_with_a_forged_head_is_found_by_its_anchor(engine: Engine) -> None:
    for text in ("one", "two", "three"):
        note(engine, text)
    anchor_chain(engine, placed_where="a notary", actor=ME, now=NOW)
    with reading(engine) as session:
        kept = session.scalars(sa.select(EventRow.hash).where(EventRow.sequence == 2)).one()
    tamper(
        engine,
        "DELETE FROM events WHERE sequence > 2",
        f"UPDATE chain_head SET sequence = 2, hash = '{kept}'",
    )
    broken = verify_timeline(engine).broken
    assert broken is not None
    assert broken.damage is Damage.CUT_OFF
