"""Events, errors and states: complete, in both languages, and without people."""

import importlib
import pkgutil
import re
import string
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

import incident_app
from incident_app.domain.delivery import (
    NEXT_CAMPAIGN_STATUS,
    NEXT_STATE,
    CampaignStatus,
    DeliveryEvent,
    DeliveryState,
    DeliveryTotals,
    next_state,
)
from incident_app.domain.digests import canonical_text, digest_of
from incident_app.domain.errors import IllegalMove, IncidentAppError
from incident_app.domain.events import KINDS, summary

PERSONAL = ("name", "address", "email", "phone", "title", "text", "body")


def placeholders(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_event_reads_in_both_languages_from_its_own_facts(kind: str) -> None:
    cls = KINDS[kind]
    names = {field.name for field in fields(cls)}
    assert placeholders(cls.ja) <= names
    assert placeholders(cls.en) <= names
    assert re.fullmatch(r"[a-z]+\.[a-z]+ed|[a-z]+\.(set|made|begun|told)", kind), kind
    assert not names & set(PERSONAL)
    assert summary(kind, dict.fromkeys(names, 1), "ja") != kind


def test_an_event_of_a_newer_version_reads_as_its_kind() -> None:
    assert summary("future.happened", {}, "en") == "future.happened"


def all_errors() -> list[type[IncidentAppError]]:
    for module in pkgutil.walk_packages(incident_app.__path__, "incident_app."):
        if ".migrations" not in module.name and "._shipped" not in module.name:
            importlib.import_module(module.name)
    found, queue = [], [IncidentAppError]
    while queue:
        for cls in queue.pop().__subclasses__():
            found.append(cls)
            queue.append(cls)
    return found


def test_every_refusal_is_said_in_both_languages_with_the_same_facts() -> None:
    errors = all_errors()
    assert len(errors) > 20
    for cls in errors:
        assert cls.__doc__, cls
        assert "ja" in vars(cls), cls
        assert placeholders(cls.ja) == placeholders(cls.__doc__), cls


def test_every_state_of_a_delivery_is_reachable_and_nothing_else_moves() -> None:
    reached, queue = {DeliveryState.QUEUED}, [DeliveryState.QUEUED]
    while queue:
        state = queue.pop()
        for (start, _), target in NEXT_STATE.items():
            if start is state and target not in reached:
                reached.add(target)
                queue.append(target)
    assert reached == set(DeliveryState)
    for state in DeliveryState:
        for event in DeliveryEvent:
            if (state, event) not in NEXT_STATE:
                with pytest.raises(IllegalMove):
                    next_state(state, event)


def test_a_finished_or_cancelled_wave_cannot_be_cancelled() -> None:
    ends = {status for status, event in NEXT_CAMPAIGN_STATUS if event == "cancelled"}
    assert ends == set(CampaignStatus) - {CampaignStatus.FINISHED, CampaignStatus.CANCELLED}


@given(st.dictionaries(st.sampled_from(list(DeliveryState)), st.integers(min_value=0, max_value=10**6)))
def test_the_totals_always_agree_with_what_was_planned(by_state: dict[DeliveryState, int]) -> None:
    totals = DeliveryTotals(planned=sum(by_state.values()), by_state=by_state)
    assert totals.agrees
    assert not DeliveryTotals(planned=totals.planned + 1, by_state=by_state).agrees


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans()))
def test_the_canonical_text_does_not_depend_on_order(value: dict[str, object]) -> None:
    assert canonical_text(value) == canonical_text(dict(reversed(value.items())))
    assert digest_of(value) == digest_of(dict(value))


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical_text({"share": 0.5})
    with pytest.raises(TypeError):
        canonical_text({1: "x"})
