"""What was done toward each part of the promise, from events and duties, in the order in which it happened."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.domain.vocabulary import ClockSource
from incident_app.services import commitment, facts, incidents, people, steps
from incident_app.services.commitment_history import PartHistory, commitment_history
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import NOW, author

LATER = NOW + timedelta(hours=5)


@pytest.fixture
def leak(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


def histories(engine: Engine, view: IncidentView) -> dict[tuple[str, str], PartHistory]:
    return {(found.clause, found.part): found for found in commitment_history(engine, view.id)}


def test_every_clause_part_has_a_history_and_the_duty_begins_it(instance: Engine, leak: IncidentView) -> None:
    found = histories(instance, leak)
    assert set(found) == {(row.clause, row.part) for row in commitment.commitment_rows(instance, leak.id)}
    assert found["staff", "supervision"].entries == ()
    promptly = found["leak-response", "promptly"].entries
    assert [entry.what_en.split(":")[0] for entry in promptly] == ["Clock recorded", "Derived"]


def test_words_decisions_and_steps_stand_under_their_own_part_alone(instance: Engine, leak: IncidentView) -> None:
    act = {"actor": author(instance).actor, "now": LATER}
    commitment.confirm_promise(instance, leak.id, "staff", "supervision", note="研修を行った", **act)
    facts.decide_fact(instance, leak.id, "communications_secrecy", value=False, reason="通信ではない", **act)
    facts.decide_fact(instance, leak.id, "high_risk_to_people", value=False, reason="項目が少ない", **act)
    steps.skip_step(instance, leak.id, "prevent-recurrence", reason="別件で実施", **act)
    found = histories(instance, leak)
    assert [entry.what_ja for entry in found["staff", "supervision"].entries] == [
        "お約束 staff／supervision を確認しました（果たした：はい）：研修を行った"
    ]
    (decided,) = found["secrecy-of-communications", "compliance"].entries
    assert "通信ではない" in decided.what_ja
    assert "項目が少ない" not in str(found)
    (skipped,) = found["security", "measures"].entries
    assert (skipped.at, "別件で実施" in skipped.what_ja) == (LATER, True)
    assert skipped in found["leak-response", "quick_and_proper"].entries


def test_telling_by_telephone_and_a_corrected_clock_are_in_order(instance: Engine, leak: IncidentView) -> None:
    act = {"actor": author(instance).actor, "now": LATER}
    people.record_told(
        instance,
        leak.id,
        ["C1"],
        standing=Standing.INFORMED_OTHERWISE,
        how="電話",
        reason="本人に電話で伝えた",
        **act,
    )
    incidents.record_awareness(
        instance,
        leak.id,
        aware_at=NOW - timedelta(hours=9),
        source=ClockSource.DEPARTMENT,
        reason="請求担当が先に聞いていた",
        **act,
    )
    entries = histories(instance, leak)["leak-response", "promptly"].entries
    moments = [entry.at for entry in entries]
    assert moments == sorted(moments, key=str)
    assert "請求担当が先に聞いていた" in entries[0].what_ja
    assert any("People informed" in entry.what_en for entry in entries)
    told = histories(instance, leak)["leak-response", "to_the_people"].entries
    assert any("People to inform updated" in entry.what_en for entry in told)
    assert "山﨑" not in str(entries)
