"""One committing place, one chain: an act and its events, or neither."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.events import NoteRecorded
from incident_app.domain.ids import Actor
from incident_app.domain.timeline import GENESIS, Damage, event_hash
from incident_app.persistence.customers import ItemSet
from incident_app.persistence.timeline import EventRow, TextRow
from incident_app.services.timeline import anchor_chain, verify_timeline
from incident_app.services.transaction import NothingRecorded, building, reading, recording, transaction

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
ME = Actor("system:test")


def note(engine: Engine, text: str) -> None:
    with transaction(engine, actor=ME, now=NOW) as act:
        act.record(NoteRecorded(text_digest=text))


def heads(engine: Engine) -> list[tuple[int, str]]:
    """Return number and hash of every stored event."""
    with reading(engine) as session:
        return [tuple(row) for row in session.execute(sa.select(EventRow.sequence, EventRow.hash).order_by("sequence"))]


def test_a_change_is_saved_together_with_its_events(engine: Engine) -> None:
    with transaction(engine, actor=ME, now=NOW) as act:
        act.session.add(ItemSet(digest="a" * 64, item_codes=[]))
        assert [act.record(NoteRecorded(text_digest=text)) for text in ("x", "y")] == [1, 2]
    with reading(engine) as session:
        assert session.scalars(sa.select(ItemSet.digest)).all() == ["a" * 64]
    found = verify_timeline(engine)
    assert (found.events, found.broken) == (2, None)


def test_an_event_without_a_change_is_saved(engine: Engine) -> None:
    note(engine, "x")
    assert len(heads(engine)) == 1


def test_an_act_that_the_database_refuses_leaves_no_event(engine: Engine) -> None:
    note(engine, "first")
    with pytest.raises(IntegrityError), transaction(engine, actor=ME, now=NOW) as act:
        act.record(NoteRecorded(text_digest="x"))
        act.session.add_all(ItemSet(digest="a" * 64, item_codes=[]) for _ in range(2))
    found = verify_timeline(engine)
    assert (found.events, found.broken, len(heads(engine))) == (1, None, 1)
    note(engine, "second")
    assert verify_timeline(engine).broken is None


def test_reading_saves_nothing(engine: Engine) -> None:
    with reading(engine) as session:
        session.add(ItemSet(digest="a" * 64, item_codes=[]))
        session.flush()
    with reading(engine) as session:
        assert session.scalars(sa.select(ItemSet)).all() == []


def test_readers_do_not_wait_for_an_act_that_is_open(engine: Engine) -> None:
    note(engine, "first")
    with transaction(engine, actor=ME, now=NOW) as act:
        act.record(NoteRecorded(text_digest="x"))
        assert len(heads(engine)) == 1
    assert len(heads(engine)) == 2


@pytest.mark.parametrize("side_door", [building, recording])
def test_a_side_door_saves_without_an_event_and_an_error_saves_nothing(
    engine: Engine, side_door: Callable[[Engine], AbstractContextManager[Session]]
) -> None:
    with side_door(engine) as session:
        session.add(ItemSet(digest="a" * 64, item_codes=[]))
    with pytest.raises(KeyError), side_door(engine) as session:
        session.add(ItemSet(digest="b" * 64, item_codes=[]))
        session.flush()
        raise KeyError
    with reading(engine) as session:
        assert session.scalars(sa.select(ItemSet.digest)).all() == ["a" * 64]
    assert heads(engine) == []


def test_a_naive_time_is_refused_before_anything_is_saved(engine: Engine) -> None:
    with pytest.raises(ValueError, match="naive"), transaction(engine, actor=ME, now=NOW.replace(tzinfo=None)) as act:
        act.record(NoteRecorded(text_digest="x"))
    assert heads(engine) == []


def test_a_text_is_kept_apart_from_its_event_and_can_be_erased(engine: Engine) -> None:
    with transaction(engine, actor=ME, now=NOW) as act:
        kept = act.keep_text("電話で確認した")
        digest = kept.digest
        act.record(NoteRecorded(text_digest=digest))
    with transaction(engine, actor=ME, now=NOW) as act:
        again = act.keep_text("電話で確認した")
        assert again.digest != digest, "nobody can guess a text from its digest"
        row = act.session.scalars(sa.select(TextRow).where(TextRow.digest == digest)).one()
        row.salt, row.body, row.erased_at = None, None, NOW
        act.record(NoteRecorded(text_digest="erased"))
    with reading(engine) as session:
        bodies = session.scalars(sa.select(EventRow.body)).all()
    assert not any("電話" in body for body in bodies)
    assert verify_timeline(engine).broken is None


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


def test_an_act_that_fails_among_many_leaves_no_gap(engine: Engine) -> None:
    def act_and_fail(number: int) -> None:
        if number % 4:
            note(engine, f"{number}")
            return
        with pytest.raises(KeyError), transaction(engine, actor=ME, now=NOW) as act:
            act.record(NoteRecorded(text_digest="x"))
            raise KeyError

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act_and_fail, range(20)))
    found = verify_timeline(engine)
    assert (found.events, found.broken) == (15, None)
    assert [sequence for sequence, _ in heads(engine)] == list(range(1, 16))


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
        ("UPDATE events SET kind = 'scope.set' WHERE sequence = 4", 4, Damage.COLUMNS_DIFFER),
        ("UPDATE events SET occurred_at = '2026-11-19 08:20:00+00:00' WHERE sequence = 1", 1, Damage.COLUMNS_DIFFER),
        ("UPDATE events SET body = 'not json' WHERE sequence = 2", 2, Damage.ALTERED),
        ("DELETE FROM events", 1, Damage.CUT_OFF),
        ("UPDATE chain_head SET sequence = 4", 5, Damage.HEAD_DIFFERS),
    ],
)
def test_the_first_damaged_event_is_named(engine: Engine, statement: str, sequence: int, damage: Damage) -> None:
    for text in ("one", "two", "three", "four", "five"):
        note(engine, text)
    tamper(engine, statement)
    broken = verify_timeline(engine).broken
    assert broken is not None
    assert (broken.sequence, broken.damage) == (sequence, damage)


def test_two_events_that_changed_places_are_found_at_the_first_of_them(engine: Engine) -> None:
    for text in ("one", "two", "three", "four", "five"):
        note(engine, text)
    tamper(
        engine,
        "UPDATE events SET sequence = 99 WHERE sequence = 2",
        "UPDATE events SET sequence = 2 WHERE sequence = 3",
        "UPDATE events SET sequence = 3 WHERE sequence = 99",
    )
    broken = verify_timeline(engine).broken
    assert broken is not None
    assert (broken.sequence, broken.damage) == (2, Damage.REORDERED)


def test_a_chain_that_was_written_anew_with_fitting_hashes_is_found_by_its_anchor(engine: Engine) -> None:
    for text in ("one", "two", "three"):
        note(engine, text)
    anchor_chain(engine, placed_where="a notary", actor=ME, now=NOW)
    with reading(engine) as session:
        rows = session.execute(sa.select(EventRow.sequence, EventRow.body).order_by(EventRow.sequence)).all()
    previous, statements = str(GENESIS), []
    for sequence, body in rows:
        forged = body.replace('"two"', '"TWO"')
        digest = event_hash(previous, forged)
        statements.append(
            f"UPDATE events SET body = '{forged}', previous_hash = '{previous}', hash = '{digest}' "
            f"WHERE sequence = {sequence}"
        )
        previous = digest
    tamper(engine, *statements, f"UPDATE chain_head SET hash = '{previous}'")
    broken = verify_timeline(engine).broken
    assert broken is not None
    assert (broken.sequence, broken.damage) == (3, Damage.ALTERED)


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
