"""One builder at a time: two people who do the same at once never leave a half of it behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.ids import IncidentId
from incident_app.persistence.incidents import CustomerList, CustomerListMember
from incident_app.services import impact, lists, scopes
from incident_app.services.half_built import HalfBuilt, TakenUpElsewhere
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW


@pytest.fixture
def incident(instance: Engine) -> IncidentId:
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    scope = builders.a_scope("member-db", "billing-db")
    scopes.set_scope(instance, incident, scope, actor=builders.SYSTEM, now=NOW)
    return incident


def interrupted(act: Callable[[], object], step: Callable[..., object], *, at: int = 1) -> Callable[..., object]:
    """Return a step that, when it is taken for the nth time, lets somebody else act before it goes on."""
    taken = 0

    def taking(*args: object, **named: object) -> object:
        nonlocal taken
        taken += 1
        if taken == at:
            act()
        return step(*args, **named)

    return taking


@pytest.mark.parametrize(
    ("owner", "step", "at"), [(HalfBuilt, "chunk", at) for at in (1, 2, 3, 4)] + [(impact, "_seal", 1)]
)
def test_of_two_determinations_at_once_one_counts_and_is_whole(
    instance: Engine, incident: IncidentId, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, at: int
) -> None:
    """Whatever is the next step: to clear what was there, to store patterns, to store people, to seal."""
    answered: list[impact.Determined] = []

    def determine() -> impact.Determined:
        return impact.determine_impact(instance, incident, actor=builders.SYSTEM, now=NOW)

    act = interrupted(lambda: answered.append(determine()), getattr(owner, step), at=at)
    monkeypatch.setattr(owner, step, act)
    with pytest.raises(TakenUpElsewhere):
        determine()


@pytest.mark.parametrize("moment", ["_build", "_seal"])
def test_of_two_people_who_load_one_list_at_once_one_loads_all_of_it(
    instance: Engine, incident: IncidentId, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    loaded: list[lists.LoadedList] = []

    def load() -> lists.LoadedList:
        return lists.load_list(
            instance,
            incident,
            b"customer_number\nC1\nC2\nC9\n",
            source="the same file",
            address_key=builders.KEY,
            actor=builders.SYSTEM,
            now=NOW,
        )

    monkeypatch.setattr(lists, moment, interrupted(lambda: loaded.append(load()), getattr(lists, moment)))
    with pytest.raises(TakenUpElsewhere):
        load()
    assert [(found.matched, found.unmatched_lines) for found in loaded] == [(2, (4,))]
    again = load()
    assert (again.unchanged, again.matched) == (True, 2)
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(CustomerListMember)) == again.matched
        assert session.scalars(sa.select(CustomerList.builder)).all() == [None]


def test_a_list_that_matches_nobody_leaves_nothing_behind(instance: Engine, incident: IncidentId) -> None:
    with pytest.raises(lists.ListMatchesNobody):
        builders.a_list(instance, incident, "customer_number\nNOBODY\n")
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(CustomerList)) == 0
