"""Merging records of one person: proposed by rules, confirmed, undone, and visible in the numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import CustomerId, DeterminationId, IncidentId
from incident_app.domain.merging import (
    AlreadyDismissed,
    AlreadyMerged,
    AlreadyUndone,
    DifferentKinds,
    MergeState,
)
from incident_app.domain.person_counts import CountOrigin
from incident_app.domain.vocabulary import CountKind
from incident_app.persistence.affected import people_by_pattern
from incident_app.persistence.customers import Customer
from incident_app.persistence.merging import PersonMerge
from incident_app.services import incidents, merge_proposals, merging, person_counts, recounting
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, SYSTEM

HEADER = "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
PEOPLE = HEADER + (
    "M1,person,customer,ja,JP,髙橋 一郎,ichiro@example.jp,東京都試験町1,050-0000-0001\n"
    "M2,person,customer,ja,JP,髙橋　一郎,ICHIRO@example.jp,,\n"
    "M3,person,customer,ja,JP,髙橋 一郎,other@example.jp,東京都試験町1,\n"
    "M4,person,customer,ja,JP,髙橋 花子,hanako@example.jp,東京都試験町1,050-0000-0001\n"
    "M5,person,customer,ja,JP,髙橋 二郎,ichiro@example.jp,,\n"
    "M6,organisation,customer,ja,JP,みなと,info@works.example,,\n"
    "M7,person,customer,ja,JP,みなと,info@works.example,,\n"
    "M8,person,customer,ja,JP,無 宛先,,,\n"
    "M9,person,customer,ja,JP,無 宛先,,,\n"
)
HOLDINGS = "customer_number,store,items\n" + "".join(f"M{n},member-db,name email\n" for n in range(1, 10))


@pytest.fixture
def people(instance: Engine) -> Engine:
    builders.import_text(instance, PEOPLE)
    builders.import_text(instance, HOLDINGS)
    return instance


def propose(engine: Engine, **changes: int) -> merge_proposals.Proposed:
    return merge_proposals.propose(engine, actor=SYSTEM, now=NOW, **changes)


def pairs(engine: Engine, state: MergeState | None = MergeState.OPEN) -> dict[tuple[str, str], list[str]]:
    return {
        (view.first.customer_number, view.second.customer_number): [words.en for words in view.reasons]
        for view in merge_proposals.list_proposals(engine, state=state)
    }


def proposal_of(engine: Engine, one: str, other: str) -> int:
    (found,) = [
        view.id
        for view in merge_proposals.list_proposals(engine, state=None)
        if (view.first.customer_number, view.second.customer_number) == (one, other)
    ]
    return found


def confirm(engine: Engine, one: str, other: str) -> merging.Merged:
    return merging.confirm(engine, proposal_of(engine, one, other), actor=SYSTEM, now=NOW)


def an_incident(engine: Engine) -> tuple[IncidentId, DeterminationId]:
    view = builders.an_incident(engine)
    found = builders.determined(engine, view.id, builders.a_scope("member-db"))
    return view.id, found.id


def number(engine: Engine, incident: IncidentId) -> int:
    with reading(engine) as session:
        found = person_counts.number_for_law(session, incident)
        assert found is not None
        return found.value


def test_only_records_that_share_address_and_name_are_proposed(people: Engine) -> None:
    assert propose(people) == merge_proposals.Proposed(new=2, known=0, is_complete=True)
    assert pairs(people) == {
        ("M1", "M2"): ["same name and same e-mail address"],
        ("M1", "M3"): ["same name and same postal address"],
    }


def test_looking_again_finds_nothing_new(people: Engine) -> None:
    propose(people)
    assert propose(people) == merge_proposals.Proposed(new=0, known=2, is_complete=True)


def test_a_further_reason_is_added_to_a_known_pair(people: Engine) -> None:
    propose(people)
    builders.import_text(
        people, HEADER + "M2,person,customer,ja,JP,髙橋 一郎,ichiro@example.jp,,050-0000-0001\n", now=NOW + timedelta(1)
    )
    assert propose(people).new == 0
    assert pairs(people)["M1", "M2"] == ["same name and same e-mail address", "same name and same phone number"]


def test_an_address_that_is_no_longer_in_use_proposes_nothing(people: Engine) -> None:
    row = "M2,person,customer,ja,JP,髙橋 一郎,new@example.jp,,\n"
    builders.import_text(people, HEADER + row, now=NOW + timedelta(days=1))
    propose(people)
    assert ("M1", "M2") not in pairs(people)


def test_the_search_stops_at_its_limit_and_goes_on_when_called_again(
    people: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge_proposals, "ADDRESSES_AT_ONCE", 1)
    assert propose(people, limit=1).is_complete is False
    assert len(pairs(people)) == 1
    assert propose(people).is_complete
    assert len(pairs(people)) == 2


def test_proposals_are_shown_masked_with_what_agrees(people: Engine) -> None:
    propose(people)
    (view,) = [v for v in merge_proposals.list_proposals(people) if v.second.customer_number == "M2"]
    assert view.first.name == view.second.name == "髙…"
    assert view.first.email == "i…@example.jp"
    assert view.agreeing == ("name", "email")
    assert "一郎" not in repr(view)


def test_a_telephone_number_agrees_however_it_is_written(instance: Engine) -> None:
    """The page said "same phone number" in the reasons, and left the mark off beside the two numbers."""
    builders.import_text(
        instance,
        HEADER + "N1,person,customer,ja,JP,髙橋,n1@example.jp,,050-0000-0001\n"
        "N2,person,customer,ja,JP,髙橋,n2@example.jp,,+81 5000000001\n",
    )
    propose(instance)
    (view,) = merge_proposals.list_proposals(instance)
    assert [words.en for words in view.reasons] == ["same name and same phone number"]
    assert view.agreeing == ("name", "phone")


def test_proposals_are_paged(people: Engine) -> None:
    propose(people)
    (first,) = merge_proposals.list_proposals(people, limit=1)
    (second,) = merge_proposals.list_proposals(people, after=first.id)
    assert second.id > first.id


def test_a_person_may_propose_what_no_rule_sees_but_never_a_person_with_an_organisation(people: Engine) -> None:
    with pytest.raises(DifferentKinds):
        merge_proposals.propose_by_hand(people, "M6", "M7", reason="same", actor=SYSTEM, now=NOW)
    with pytest.raises(BadInput):
        merge_proposals.propose_by_hand(people, "M4", "M4", reason="same", actor=SYSTEM, now=NOW)
    with pytest.raises(BadInput):
        merge_proposals.propose_by_hand(people, "M4", "M5", reason=" ", actor=SYSTEM, now=NOW)
    with pytest.raises(NotFound):
        merge_proposals.propose_by_hand(people, "M4", "M99", reason="same", actor=SYSTEM, now=NOW)
    found = merge_proposals.propose_by_hand(people, "M5", "M4", reason="asked by phone", actor=SYSTEM, now=NOW)
    assert proposal_of(people, "M4", "M5") == found
    assert pairs(people) == {("M4", "M5"): ["named by a person: asked by phone"]}


def test_confirming_makes_one_person_fewer_and_leaves_who_is_affected(people: Engine) -> None:
    incident, determination = an_incident(people)
    propose(people)
    assert number(people, incident) == 9
    merged = confirm(people, "M1", "M2")
    (effect,) = merged.effects
    assert (effect.people_before, effect.people_after) == (9, 8)
    assert (effect.notices_before, effect.notices_after) == (9, 8)
    assert number(people, incident) == 8
    newest = person_counts.history(people, incident, "all")[-1]
    assert newest.count.origin is CountOrigin.MERGING
    assert newest.count.basis_en == "before 9, after 8: records of one person merged"
    assert newest.composition is not None
    assert newest.composition.natural_persons == 8
    with reading(people) as session:
        assert merging.merged_duplicates(session, determination) == 1
        rows = sum(len(whom) for whom in people_by_pattern(session, determination).values())
    assert rows == 9


def test_groups_are_transitive_and_undoing_one_link_leaves_the_other(people: Engine) -> None:
    incident, determination = an_incident(people)
    propose(people)
    first = confirm(people, "M1", "M2")
    confirm(people, "M1", "M3")
    assert number(people, incident) == 7
    with reading(people) as session:
        ids = {row.customer_number: CustomerId(row.id) for row in session.scalars(sa.select(Customer))}
        persons = merging.persons_of(session, ids.values())
    assert persons[ids["M1"]] == persons[ids["M2"]] == persons[ids["M3"]]
    assert persons[ids["M4"]] == ids["M4"]
    undone = merging.undo(people, first.merge_id, reason="two people", actor=SYSTEM, now=NOW)
    assert (undone.effects[0].people_before, undone.effects[0].people_after) == (7, 8)
    assert number(people, incident) == 8
    with reading(people) as session:
        persons = merging.persons_of(session, ids.values())
        assert persons[ids["M2"]] == ids["M2"]
        assert persons[ids["M1"]] == persons[ids["M3"]]
        assert merging.merged_duplicates(session, determination) == 1


def test_a_link_that_joins_nothing_new_changes_no_number(people: Engine) -> None:
    incident, _ = an_incident(people)
    propose(people)
    confirm(people, "M1", "M2")
    confirm(people, "M1", "M3")
    merge_proposals.propose_by_hand(people, "M2", "M3", reason="same", actor=SYSTEM, now=NOW)
    rows = len(person_counts.history(people, incident))
    assert confirm(people, "M2", "M3").effects == ()
    assert len(person_counts.history(people, incident)) == rows


def test_what_was_merged_is_known_as_of_its_time(people: Engine) -> None:
    _, determination = an_incident(people)
    propose(people)
    merge = confirm(people, "M1", "M2").merge_id
    later = NOW + timedelta(hours=2)
    merging.undo(people, merge, reason="two people", actor=SYSTEM, now=later)
    with reading(people) as session:
        assert merging.merged_duplicates(session, determination) == 0
        assert merging.merged_duplicates(session, determination, known_at=NOW) == 1
        assert merging.merged_duplicates(session, determination, known_at=NOW - timedelta(seconds=1)) == 0
        assert merging.merged_duplicates(session, determination, known_at=later) == 0


def test_a_later_determination_counts_merged_records_once(people: Engine) -> None:
    propose(people)
    confirm(people, "M1", "M2")
    incident, _ = an_incident(people)
    assert number(people, incident) == 8
    determined = person_counts.history(people, incident, "all")[0]
    assert "; 1 record merged" in determined.count.basis_en


def test_a_closed_incident_keeps_its_numbers(people: Engine) -> None:
    incident, _ = an_incident(people)
    propose(people)
    with people.begin() as connection:
        connection.execute(sa.text("UPDATE incidents SET phase = 'closed'"))
    assert confirm(people, "M1", "M2").effects == ()
    assert number(people, incident) == 9


def test_an_exact_number_of_a_person_stands_and_the_merge_becomes_a_finding(people: Engine) -> None:
    incident, _ = an_incident(people)
    person_counts.set_count(
        people, incident, kind=CountKind.EXACT, value=9, basis="counted by hand", actor=SYSTEM, now=NOW
    )
    propose(people)
    confirm(people, "M1", "M2")
    view = person_counts.show_numbers(people, incident)[0]
    assert view.for_law is not None
    assert view.for_law.value == 9
    assert len(view.findings) == 1


def test_confirming_twice_undoing_twice_and_dismissed_ones_are_refused(people: Engine) -> None:
    propose(people)
    merged = confirm(people, "M1", "M2")
    with pytest.raises(AlreadyMerged):
        confirm(people, "M1", "M2")
    with pytest.raises(BadInput):
        merging.undo(people, merged.merge_id, reason=" ", actor=SYSTEM, now=NOW)
    merging.undo(people, merged.merge_id, reason="no", actor=SYSTEM, now=NOW)
    with pytest.raises(AlreadyUndone):
        merging.undo(people, merged.merge_id, reason="no", actor=SYSTEM, now=NOW)
    with pytest.raises(NotFound):
        merging.undo(people, 999, reason="no", actor=SYSTEM, now=NOW)
    with pytest.raises(NotFound):
        merging.confirm(people, 999, actor=SYSTEM, now=NOW)
    other = proposal_of(people, "M1", "M3")
    merge_proposals.dismiss(people, other, reason="father and son", actor=SYSTEM, now=NOW)
    with pytest.raises(AlreadyDismissed):
        merging.confirm(people, other, actor=SYSTEM, now=NOW)
    with pytest.raises(AlreadyDismissed):
        merge_proposals.dismiss(people, other, reason="again", actor=SYSTEM, now=NOW)
    assert list(pairs(people, MergeState.DISMISSED)) == [("M1", "M3")]
    assert list(pairs(people, MergeState.UNDONE)) == [("M1", "M2")]
    assert pairs(people) == {}


def test_an_undone_merge_can_be_confirmed_again_and_both_rows_stay(people: Engine) -> None:
    propose(people)
    merging.undo(people, confirm(people, "M1", "M2").merge_id, reason="no", actor=SYSTEM, now=NOW)
    confirm(people, "M1", "M2")
    with reading(people) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PersonMerge)) == 2
    assert list(pairs(people, MergeState.CONFIRMED)) == [("M1", "M2")]


def test_the_duties_follow_a_merge(people: Engine) -> None:
    incident, _ = an_incident(people)
    propose(people)
    author = builders.author(people)
    merged = recounting.confirm_and_derive(people, proposal_of(people, "M1", "M2"), actor=author.actor, now=NOW)
    assert [effect.incident_id for effect in merged.effects] == [incident]
    again = recounting.undo_and_derive(people, merged.merge_id, reason="no", actor=author.actor, now=NOW)
    assert again.effects[0].people_after == 9
    assert incidents.list_incidents(people, author)
