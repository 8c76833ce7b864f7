"""Nobody in the chain: what staff type freely stands apart from the events, which nobody can ever erase."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput
from incident_app.persistence.timeline import ChainAnchor, EventRow
from incident_app.services import accounts, incidents, people, timeline
from tests import builders
from tests.builders import NOW, author

WHO = "山田花子 090-0000-0001"


def test_free_words_are_shown_on_the_timeline_and_stand_in_no_event(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    actor = author(instance).actor
    people.record_told(
        instance,
        view.id,
        ["C1"],
        standing=Standing.INFORMED_OTHERWISE,
        how=f"電話 {WHO}",
        reason=f"本人 {WHO}",
        actor=actor,
        now=NOW,
    )
    timeline.anchor_chain(instance, placed_where=f"{WHO} へのメール", actor=actor, now=NOW)
    with instance.connect() as connection:
        bodies = connection.scalars(sa.select(EventRow.body)).all()
        anchored = connection.scalars(sa.select(ChainAnchor.placed_where)).all()
    assert not [body for body in (*bodies, *anchored) if WHO in body]
    told = {entry.kind: entry.summary_ja for entry in timeline.entries(instance, None)}
    assert f"電話 {WHO} 本人 {WHO}" in told["people.informed"]
    assert f"{WHO} へのメール" in told["chain.anchored"]


def test_what_a_member_is_to_an_incident_is_a_word_of_a_closed_set(instance: Engine) -> None:
    view = builders.an_incident(instance)
    auditor = accounts.get_account_by_email(instance, "auditor@example.jp")
    with pytest.raises(BadInput, match="observer"):
        accounts.add_member(instance, view.id, auditor.id, role=f"{WHO}の上司", actor=author(instance).actor, now=NOW)
    accounts.add_member(instance, view.id, auditor.id, role="observer", actor=author(instance).actor, now=NOW)


def test_an_incident_whose_impact_nobody_determined_is_closed_only_with_a_reason(instance: Engine) -> None:
    view, actor = builders.an_incident(instance), author(instance).actor
    for reason in (None, " "):
        with pytest.raises(BadInput, match="no impact was determined"):
            incidents.close_incident(instance, view.id, reason=reason, actor=actor, now=NOW)
    incidents.close_incident(instance, view.id, reason="誤報でした", actor=actor, now=NOW)
    last = timeline.entries(instance, view.id)[-1]
    assert (last.kind, "誤報でした" in last.summary_ja) == ("incident.closed", True)


@pytest.mark.parametrize("place", ["", " ", "x" * 301])
def test_an_anchor_says_where_it_was_written_down(instance: Engine, place: str) -> None:
    with pytest.raises(BadInput):
        timeline.anchor_chain(instance, placed_where=place, actor=author(instance).actor, now=NOW)
