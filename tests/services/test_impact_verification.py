"""Verifying the impact: every alteration is found, and ordinary upkeep is never called one."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import BuildStatus, Certainty, Protection
from incident_app.persistence.impact import AffectedShard, ImpactDetermination, ImpactPattern, PersonCount
from incident_app.persistence.triggers import drop_guards
from incident_app.services import customers, impact, impact_views, setup
from incident_app.services.impact_verification import Repetition, verify_impact
from incident_app.services.preview import PreviewCache, preview_scope
from tests import builders
from tests.builders import NOW, ROOT

LATER = NOW + timedelta(hours=1)
EXAMPLE = ROOT / "playbooks" / "inventories" / "gpu-cloud-example.toml"


def determined(engine: Engine) -> IncidentId:
    """A determination of which every part says something: people, protection, reasons, counts."""
    builders.with_customers(engine)
    incident = builders.an_incident(engine).id
    named = builders.a_list(engine, incident, "customer_number,items\nC3,email\n")
    builders.determined(
        engine, incident, builders.a_scope("member-db", "billing-db", certainty=Certainty.ASSUMED, lists=[named])
    )
    return incident


def without_guards(engine: Engine, *statements: sa.Executable) -> None:
    """Do what somebody can do who owns the database."""
    with engine.begin() as connection:
        drop_guards(connection)
        for statement in statements:
            assert connection.execute(statement).rowcount


ALTERATIONS = {
    "the reasons": sa.update(ImpactPattern).values(because={"ja": [], "en": ["Nothing leaked."]}),
    "what protected them": sa.update(ImpactPattern).values(mitigated={"email": Protection.HASHED}),
    "where it leaked from": sa.update(ImpactPattern).values(pairs=[]),
    "how sure it is": sa.update(ImpactPattern).values(certainty=Certainty.CONFIRMED),
    "how many share a pattern": sa.update(ImpactPattern).values(people=ImpactPattern.people + 1),
    "how many are in a shard": sa.update(AffectedShard).values(people=AffectedShard.people + 1),
    "the summary": sa.update(ImpactDetermination).values(summary={"by_certainty": {"assumed": 1}}),
    "the digest of the result": sa.update(ImpactDetermination).values(result_digest="0" * 64),
    "the moment": sa.update(ImpactDetermination).values(at=NOW - timedelta(days=1)),
    "the name": sa.update(ImpactDetermination).values(by="user:7"),
    "the number that papers quote": sa.update(PersonCount).values(value=PersonCount.value + 1),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_whoever_alters_a_stored_version_is_found(instance: Engine, what: str) -> None:
    incident = determined(instance)
    assert verify_impact(instance, incident) == {1: Repetition.REPEATS}
    without_guards(instance, ALTERATIONS[what])
    assert verify_impact(instance, incident) == {1: Repetition.DIFFERS}


def test_a_version_that_is_hidden_or_renumbered_is_missed(instance: Engine) -> None:
    incident = determined(instance)
    without_guards(instance, sa.update(ImpactDetermination).values(version=7))
    assert verify_impact(instance, incident) == {1: Repetition.MISSING, 7: Repetition.DIFFERS}
    without_guards(instance, sa.update(ImpactDetermination).values(status=BuildStatus.BUILDING))
    assert verify_impact(instance, incident) == {1: Repetition.MISSING}


def test_upkeep_of_the_register_does_not_make_an_old_version_differ(instance: Engine) -> None:
    """The upper bound at a party stands for what our own stores held, by the inventory of that day."""
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("at-mailing-house", certainty=Certainty.ASSUMED))
    changed = EXAMPLE.read_text(encoding="utf-8").replace(
        'code = "billing-db"', 'code = "billing-db"\noperator = "mailing-house"', 1
    )
    setup.load_inventory(instance, changed, file=EXAMPLE.name, actor=builders.SYSTEM, now=LATER)
    assert verify_impact(instance, incident) == {1: Repetition.REPEATS}


class Killed(Exception):
    pass


@pytest.fixture
def half_imported(instance: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An import that was cut off after it had moved C1 from Japan to Germany."""
    builders.with_customers(instance)

    def die(*_: object) -> None:
        raise Killed

    moved = builders.CUSTOMERS.replace("C1,person,customer,ja,JP", "C1,person,customer,ja,DE")
    monkeypatch.setattr(customers, "PEOPLE_AT_ONCE", 1)
    with monkeypatch.context() as patched:
        patched.setattr(customers._Loading, "_advance", die)
        with pytest.raises(Killed):
            builders.import_text(instance, moved, now=LATER)
    return instance


def test_an_import_under_way_changes_neither_a_preview_nor_a_determination(half_imported: Engine) -> None:
    incident = builders.an_incident(half_imported).id
    scope = builders.a_scope("member-db")
    shown = preview_scope(half_imported, PreviewCache(), incident, scope)
    assert shown.summary["by_jurisdiction"] == {"JP": 4, "DE": 1}
    builders.determined(half_imported, incident, scope, now=LATER)
    stored = impact_views.get_impact(half_imported, incident)
    assert stored is not None
    assert stored.summary == shown.summary
    moved = builders.CUSTOMERS.replace("C1,person,customer,ja,JP", "C1,person,customer,ja,DE")
    builders.import_text(half_imported, moved, now=LATER)
    assert verify_impact(half_imported, incident) == {1: Repetition.REPEATS}
    again = impact.determine_impact(half_imported, incident, actor=builders.SYSTEM, now=LATER)
    assert not again.unchanged
    later = impact_views.get_impact(half_imported, incident)
    assert later is not None
    assert later.summary["by_jurisdiction"] == {"JP": 3, "DE": 2}
