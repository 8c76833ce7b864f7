"""A chain that was forged by whoever owns the database: the first event that does not hold is named, never a crash."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.timeline import Damage
from incident_app.services import timeline
from tests.builders import NOW, author

SQLITE_ONLY = pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)


def forge(engine: Engine, statement: str) -> timeline.Verification:
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for name in connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(statement)
    return timeline.verify_timeline(engine)


def test_a_head_that_was_deleted_is_told(instance: Engine) -> None:
    found = forge(instance, "DELETE FROM chain_head")
    assert found.broken is not None
    assert found.broken.damage is Damage.HEAD_DIFFERS
    assert "head is missing" in found.broken.en


def test_an_altered_event_is_named_even_when_the_head_is_gone_too(instance: Engine) -> None:
    forge(instance, "DELETE FROM chain_head")
    found = forge(instance, "UPDATE events SET actor = 'user:9' WHERE sequence = 5")
    assert found.broken is not None
    assert (found.broken.sequence, found.broken.damage) == (5, Damage.COLUMNS_DIFFER)


@SQLITE_ONLY
@pytest.mark.parametrize("column", ["occurred_at", "recorded_at"])
@pytest.mark.parametrize("value", ["'garbage'", "''", "7", "x'ff00'"])
def test_a_time_that_is_none_is_named_as_an_event_that_differs(instance: Engine, column: str, value: str) -> None:
    found = forge(instance, f"UPDATE events SET {column} = {value} WHERE sequence = 5")
    assert found.broken is not None
    assert (found.broken.sequence, found.broken.damage) == (5, Damage.COLUMNS_DIFFER)


@SQLITE_ONLY
@pytest.mark.parametrize("statement", ["UPDATE events SET body = x'ff00'", "UPDATE events SET kind = x'ff00'"])
def test_bytes_in_the_place_of_text_are_named(instance: Engine, statement: str) -> None:
    found = forge(instance, f"{statement} WHERE sequence = 5")
    assert found.broken is not None
    assert found.broken.sequence == 5


@SQLITE_ONLY
@pytest.mark.parametrize(
    "statement", ["UPDATE chain_head SET sequence = 'x'", "UPDATE chain_anchors SET sequence = 'x', at = 'x'"]
)
def test_a_place_that_is_no_number_is_found(instance: Engine, statement: str) -> None:
    timeline.anchor_chain(instance, placed_where="notary", actor=author(instance).actor, now=NOW)
    assert timeline.verify_timeline(instance).broken is None
    found = forge(instance, statement)
    assert found.broken is not None
    assert found.broken.damage is Damage.CUT_OFF
