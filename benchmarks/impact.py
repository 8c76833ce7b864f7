"""Determining, previewing and reading impact against one hand-written `insert ... select ... group by`.

`python -m benchmarks.impact [--json] [--customers N] [--rounds N] [--databases sqlite,postgresql]`
"""

from __future__ import annotations

import functools
import resource
import statistics
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.measure import beside_others, machine, option, ratio, show, timed
from benchmarks.population import TOUCHED, population
from incident_app.domain.ids import IncidentId
from incident_app.domain.incidents import Opening
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm
from incident_app.persistence.database import make_engine
from incident_app.persistence.incidents import Incident
from incident_app.services import impact, impact_views, incidents, scopes, timeline
from incident_app.services.preview import PreviewCache, preview_scope
from tests.builders import NOW, author

CUSTOMERS = 200_000
ROUNDS = 3
SAMPLES = 30


def run() -> dict[str, Any]:
    customers, rounds = option("--customers", CUSTOMERS), option("--rounds", ROUNDS)
    databases = ("sqlite", "postgresql")
    chosen = next((word.split("=")[1].split(",") for word in sys.argv if word.startswith("--databases=")), databases)
    figures: dict[str, Any] = {"customers": customers, "holdings": 3 * customers}
    ratios: dict[str, Any] = {}
    for database in chosen:
        with population(database, customers) as engine:
            found, measured = _measure(engine, customers, rounds)
        suffix = "" if database == "sqlite" else "@postgresql"
        figures |= {f"{database}: {name}": value for name, value in found.items()}
        ratios |= {f"{name}{suffix}": values for name, values in measured.items()}
    return {"machine": machine(), "figures": figures, "ratios": ratios}


def _measure(engine: Engine, customers: int, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    me = author(engine).actor
    view = incidents.open_incident(
        engine, Opening(kind="general", title="bench", detected_at=NOW, aware_at=NOW), actor=me, now=NOW
    )
    seconds: dict[str, list[float]] = {"determination": [], "bare": [], "preview": []}
    cache = PreviewCache()
    scope = _scope(0)
    seconds["warm-up"] = [timed(lambda: preview_scope(engine, cache, view.id, scope))]
    for number in range(rounds):
        scope = _scope(number)
        scopes.set_scope(engine, view.id, scope, actor=me, now=NOW)
        seconds["determination"].append(timed(lambda: impact.determine_impact(engine, view.id, actor=me, now=NOW)))
        seconds["bare"].append(timed(lambda: _bare(engine)))
        preview_scope(engine, cache, view.id, scope)  # the window is new to it
        seconds["preview"].append(timed(functools.partial(preview_scope, engine, cache, view.id, scope)))
    found = impact_views.get_impact(engine, view.id)
    if found is None:
        raise RuntimeError("nothing was determined")
    assert preview_scope(engine, cache, view.id, _scope(rounds - 1)).summary == found.summary
    figures: dict[str, Any] = {
        "affected": sum(found.summary["by_certainty"].values()),
        **{f"{name} s": round(statistics.median(values), 3) for name, values in seconds.items()},
        **_reading_figures(engine, view.id, customers),
        **_beside_others(engine, view.id, rounds),
    }
    ratios = {
        "determination/bare-sql": ratio(seconds["determination"], seconds["bare"], goal=2.0),
        "preview/determination": ratio(seconds["preview"], seconds["determination"], goal=0.02),
    }
    return figures, ratios


def _scope(number: int) -> Scope:
    """Return a scope with another window each time: the same question would be answered from what is stored."""
    until = NOW + timedelta(minutes=number)
    return Scope(
        harms=frozenset({Harm.CONFIDENTIALITY}),
        cause=Cause.UNAUTHORISED_ACCESS,
        stores=tuple(
            TouchedStore(store=store, certainty=Certainty.CONFIRMED, touched_until=until) for store in TOUCHED
        ),
    )


def _bare(engine: Engine) -> None:
    bits = "bit_or(1::bigint << item_set_id::int)" if engine.dialect.name == "postgresql" else "sum(1 << item_set_id)"
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bare (customer_id BIGINT PRIMARY KEY, sets BIGINT)")
        connection.exec_driver_sql(
            f"INSERT INTO bare SELECT customer_id, {bits} FROM holdings "
            "WHERE store_id IN (SELECT id FROM data_stores WHERE code IN ('member-db', 'web-logs')) "
            "GROUP BY customer_id",
        )
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE bare")


def _reading_figures(engine: Engine, incident: IncidentId, customers: int) -> Mapping[str, float]:
    """Measure what people wait for on pages, in milliseconds: the slowest of a few places."""
    places = [1 + (customers - 1) * part // SAMPLES for part in range(SAMPLES)]
    numbers = [f"C{1_000_000_000 + place}" for place in places]
    explain = [timed(lambda n=n: impact_views.explain_customer(engine, incident, n)) for n in numbers]
    pages = [timed(lambda n=n: impact_views.affected_page(engine, incident, after=n)) for n in numbers]
    rare = [timed(lambda n=n: impact_views.affected_page(engine, incident, after=n, item="password")) for n in numbers]
    return {
        "explain ms": round(max(explain) * 1000, 1),
        "page ms": round(max(pages) * 1000, 1),
        "page of one item ms": round(max(rare) * 1000, 1),
    }


def _beside_others(engine: Engine, incident: IncidentId, rounds: int) -> Mapping[str, float]:
    """Determine in a process of its own while somebody else writes to the timeline; report waits and memory."""
    me = author(engine).actor
    scopes.set_scope(engine, incident, _scope(rounds), actor=me, now=NOW)
    url = engine.url.render_as_string(hide_password=False)
    peak, waits = beside_others(
        _determine_alone,
        (url,),
        lambda: timeline.record_note(engine, incident, "note", occurred_at=NOW, actor=me, now=NOW),
    )
    return {"peak memory of the determination MB": round(peak / 1024), **waits}


def _determine_alone(url: str, answers: Any) -> None:  # noqa: ANN401 - a queue of multiprocessing
    engine = make_engine(url)
    with engine.connect() as connection:
        incident = IncidentId(connection.execute(sa.select(sa.func.max(Incident.id))).scalar_one())
    answers.put("ready")
    impact.determine_impact(engine, incident, actor=author(engine).actor, now=NOW)
    answers.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    engine.dispose()


if __name__ == "__main__":
    show(run())
