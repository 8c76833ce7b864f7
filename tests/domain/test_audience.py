"""Several customers behind one address: who belongs together, and that nobody is lost or told twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.audience import Candidate, Record, belonging, plan_messages
from incident_app.domain.merging import Link, person_keys
from incident_app.domain.vocabulary import PersonKind, Relation


def a_candidate(number: int, *, address: str = "a" * 64, name: str = "山田 太郎", language: str = "ja") -> Candidate:
    return Candidate(
        person_id=number,
        customer_id=number,
        contact_id=number,
        address_digest=address,
        name=name,
        language=language,
        item_set_id=1,
        confirmed_item_set_id=1,
        certainty="confirmed",
    )


def a_record(number: int, **changes: object) -> Record:
    values = {
        "customer_id": number,
        "kind": PersonKind.ORGANISATION,
        "relation": Relation.CUSTOMER,
        "language": "ja",
        "name": "株式会社みなと",
        **changes,
    }
    return Record(**values)


def test_one_organisation_under_several_numbers_belongs_together_however_its_name_is_spelled() -> None:
    keys = belonging([a_record(1), a_record(2, name="株式会社　みなと"), a_record(3, name="株式会社みさき")], {})
    assert keys[1] == keys[2] != keys[3]


def test_organisations_of_another_relation_or_language_are_told_by_themselves() -> None:
    keys = belonging([a_record(1), a_record(2, relation=Relation.BUSINESS_PARTNER), a_record(3, language="en")], {})
    assert len(set(keys.values())) == 3


def test_people_of_one_name_are_joined_only_when_somebody_confirmed_it() -> None:
    records = [a_record(number, kind=PersonKind.PERSON, name="山田 太郎") for number in (1, 2, 3)]
    assert belonging(records, {}) == {}
    keys = belonging(records, person_keys([Link(first=1, second=3)]))
    assert keys[1] == keys[3]
    assert 2 not in keys


def test_nameless_records_never_belong_together() -> None:
    assert belonging([a_record(1, name=""), a_record(2, name=" ")], {}) == {}


def test_a_message_is_told_apart_only_when_others_share_its_address() -> None:
    alone, together, apart = plan_messages(
        [a_candidate(1, address="b" * 64), a_candidate(2), a_candidate(3), a_candidate(4)], {2: "k", 3: "k"}
    )
    assert [len(message.people) for message in (alone, together, apart)] == [1, 2, 1]
    assert (alone.told_apart_by, together.told_apart_by, apart.told_apart_by) == ("", "2", "4")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "k", "l"])), max_size=30),
)
def test_everybody_is_in_exactly_one_message_and_messages_never_mix_addresses(drawn: list[tuple[str, str]]) -> None:
    candidates = [a_candidate(number, address=address * 64) for number, (address, _) in enumerate(drawn, start=1)]
    together = {number: key for number, (_, key) in enumerate(drawn, start=1) if key}
    messages = plan_messages(candidates, together)
    assert Counter(person.person_id for message in messages for person in message.people) == Counter(
        candidate.person_id for candidate in candidates
    )
    for message in messages:
        assert len({person.address_digest for person in message.people}) == 1
        if len(message.people) > 1:
            assert len({together.get(person.customer_id) for person in message.people}) == 1
            assert message.people[0].customer_id in together
    marks = [(message.first.address_digest, message.told_apart_by) for message in messages]
    assert len(set(marks)) == len(marks)
