"""A dozen workers killed with SIGKILL at random moments: nobody lost, nobody told twice, doubts within their bound."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import Engine

from incident_app.services import dispatch
from tests import builders
from tests.builders import NOW, author
from tests.killing import CONNECTIONS, Faults, Killer, LoggingSink

MESSAGES, KILLS = 300, 12


def a_crowd_to_tell(engine: Engine, count: int) -> None:
    """Put a started wave of so many messages into the database."""
    head = builders.CUSTOMERS.splitlines(keepends=True)[0]
    numbers = range(count)
    builders.import_text(
        engine, head + "".join(f"K{n},person,customer,ja,JP,試験 {n},k{n}@example.jp,,\n" for n in numbers)
    )
    builders.import_text(
        engine, "customer_number,store,items\n" + "".join(f"K{n},member-db,name email\n" for n in numbers)
    )
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(engine, view.id, builders.a_notice(engine, view.id))
    dispatch.start_campaign(engine, wave.filled.campaign_id, typed_count=count, actor=author(engine).actor, now=NOW)


def test_after_a_dozen_kills_the_rows_and_the_server_agree(instance_url: str, instance: Engine, tmp_path: Path) -> None:
    a_crowd_to_tell(instance, MESSAGES)
    faults = Faults(refused_for_now=0.03, refused_for_good=0.01, dropped_after_dot=0.005, closing=0.01)
    with LoggingSink(seed=7, pause_seconds=0.004, faults=faults) as sink:
        found = Killer(instance_url, tmp_path / "journals", sink, seed=11).run(kills=KILLS)
        cut = sink.kept.total() - sink.told.total()
    assert found.kills == KILLS
    assert (found.lost, found.twice, found.denied) == (0, 0, 0), found
    assert found.states["accepted"] + found.states["failed"] + found.states["uncertain"] == MESSAGES
    assert found.states["uncertain"] <= KILLS * CONNECTIONS + cut
    assert found.most_in_doubt <= CONNECTIONS + cut
    assert found.states["accepted"] >= MESSAGES - KILLS * CONNECTIONS - cut - len(sink.refused)
