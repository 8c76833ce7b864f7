"""Companies that a leak concerns: from what was touched, in which role, published and actual apart."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.affected_parties import AffectedPartyFinding, affected_parties
from incident_app.domain.inventory import (
    DataCategory,
    DataItem,
    Disclosure,
    Inventory,
    JointUseGroup,
    JointUseMember,
    Party,
    Store,
    StoreItem,
)
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import (
    BusinessLine,
    Cause,
    Certainty,
    DisclosureBasis,
    Harm,
    Medium,
    OurRole,
    PartyRole,
)

ITEMS = ("name", "card", "mail", "log")
PUBLISHED, ACTUAL = DisclosureBasis.PUBLISHED, DisclosureBasis.ACTUAL


def a_store(code: str, operator: str, *items: str) -> Store:
    return Store(
        code=code,
        name_ja=f"{code}庫",
        name_en=f"store {code}",
        medium=Medium.SYSTEM,
        country="JP",
        our_role=OurRole.OWN_CONTROLLER,
        operator=operator,
        business_line=BusinessLine.TELECOM,
        items=tuple(StoreItem(item=item) for item in items),
    )


def received(party: str, basis: DisclosureBasis, *items: str, role: PartyRole = PartyRole.PROCESSOR) -> Disclosure:
    return Disclosure(
        party=party, items=frozenset(items), role=role, basis=basis, purpose_ja="決済", purpose_en="payment"
    )


def an_inventory(*disclosures: Disclosure, groups: tuple[JointUseGroup, ...] = ()) -> Inventory:
    return Inventory(
        categories=(DataCategory(code="all", name_ja="全部", name_en="all"),),
        items=tuple(DataItem(code=code, category="all", name_ja=code, name_en=code) for code in ITEMS),
        parties=tuple(
            Party(code=code, name_ja=code, name_en=code, country="JP", is_ourselves=code == "us")
            for code in ("us", "gate", "mailer", "sister")
        ),
        stores=(a_store("ours", "us", "name", "card"), a_store("theirs", "gate", "name", "card", "log")),
        disclosures=disclosures,
        joint_use=groups,
    )


def a_scope(*entries: TouchedStore) -> Scope:
    return Scope(harms=frozenset({Harm.CONFIDENTIALITY}), cause=Cause.UNKNOWN, stores=entries)


def touched(store: str, *items: str, certainty: Certainty = Certainty.CONFIRMED) -> TouchedStore:
    return TouchedStore(store=store, items=frozenset(items) or None, certainty=certainty)


def found(inventory: Inventory, *entries: TouchedStore) -> dict[tuple[str, str, str], AffectedPartyFinding]:
    rows = affected_parties(a_scope(*entries), inventory, ())
    return {(row.party, row.role.value, row.basis.value): row for row in rows}


def test_only_what_was_touched_concerns_a_company_and_only_companies_that_have_it() -> None:
    inventory = an_inventory(received("gate", PUBLISHED, "card", "log"), received("mailer", PUBLISHED, "mail"))
    rows = found(inventory, touched("ours"))
    assert set(rows) == {("gate", "processor", "published")}
    row = rows["gate", "processor", "published"]
    assert row.items == {"card"}
    assert "公表したポリシー" in row.reason.ja
    assert "payment" in row.reason.en
    assert not found(inventory, touched("ours", "name"))


def test_published_and_actual_stand_apart() -> None:
    inventory = an_inventory(received("gate", PUBLISHED, "card", "name"), received("gate", ACTUAL, "card"))
    rows = found(inventory, touched("ours"))
    assert rows["gate", "processor", "published"].items == {"card", "name"}
    assert rows["gate", "processor", "actual"].items == {"card"}
    assert "提供記録" in rows["gate", "processor", "actual"].reason.ja


def test_who_operates_a_touched_store_is_concerned_in_the_role_that_is_known_or_in_an_undecided_one() -> None:
    rows = found(an_inventory(), touched("theirs", "log"))
    assert set(rows) == {("gate", "undecided", "actual")}
    assert rows["gate", "undecided", "actual"].items == {"log"}
    assert "theirs" in rows["gate", "undecided", "actual"].reason.en
    rows = found(an_inventory(received("gate", PUBLISHED, "card", role=PartyRole.RECIPIENT)), touched("theirs"))
    assert set(rows) == {("gate", "recipient", "actual"), ("gate", "recipient", "published")}


def test_joint_users_are_concerned_also_where_the_published_list_leaves_it_open() -> None:
    group = JointUseGroup(
        code="group",
        name_ja="グループ",
        name_en="the group",
        purpose_ja="",
        purpose_en="",
        responsible="us",
        members=(
            JointUseMember(party="us", since=date(2020, 1, 1)),
            JointUseMember(party="sister", since=date(2020, 1, 1)),
        ),
        items=frozenset({"name"}),
        uncertain=frozenset({"card", "log"}),
    )
    rows = found(an_inventory(groups=(group,)), touched("ours"))
    assert set(rows) == {("sister", "joint_user", "published")}
    row = rows["sister", "joint_user", "published"]
    assert (row.items, row.uncertain) == ({"name"}, {"card"})
    assert "グループ" in row.reason.ja
    assert found(an_inventory(groups=(group,)), touched("theirs", "log"))["sister", "joint_user", "published"].uncertain


def test_what_is_ruled_out_concerns_nobody() -> None:
    inventory = an_inventory(received("gate", PUBLISHED, "card"))
    assert not found(inventory, touched("theirs", certainty=Certainty.RULED_OUT))


@given(
    st.sets(st.sampled_from(ITEMS[:2]), min_size=1),
    st.lists(
        st.builds(
            received,
            st.sampled_from(["gate", "mailer", "sister"]),
            st.sampled_from(DisclosureBasis),
            st.sampled_from(ITEMS),
            role=st.sampled_from(PartyRole),
        ),
        max_size=6,
    ),
)
def test_a_wider_scope_never_takes_a_company_or_an_item_away(items: set[str], disclosures: list[Disclosure]) -> None:
    inventory = an_inventory(*disclosures)
    narrow, wide = found(inventory, touched("ours", *items)), found(inventory, touched("ours"), touched("theirs"))
    for key, row in narrow.items():
        assert key in wide
        assert row.items <= wide[key].items
        assert row.items <= items
