"""Gaps of the register: each is found when it is there, and only then."""

from dataclasses import replace
from datetime import date

import pytest

from incident_app.domain.gaps import (
    GapCode,
    PeopleCounts,
    StoreFacts,
    all_gaps,
    months_before,
    register_gaps,
)
from incident_app.domain.inventory import Disclosure, Inventory, Party
from incident_app.domain.policy_stores import with_actual
from incident_app.domain.vocabulary import DisclosureBasis, OurRole, PartyRole
from tests.domain.test_inventory_files import INVENTORY

TODAY = date(2026, 11, 20)
NOBODY = PeopleCounts(customers=0, without_email=0, organisations=0, organisations_unreachable=0)


def found(inventory: Inventory, months: int = 12) -> set[tuple[GapCode, str]]:
    return {(gap.code, gap.subject) for gap in register_gaps(inventory, today=TODAY, months=months)}


def changed(store: str, **parts: object) -> Inventory:
    stores = tuple(replace(entry, **parts) if entry.code == store else entry for entry in INVENTORY.stores)
    return replace(INVENTORY, stores=stores)


def test_the_example_leaves_exactly_what_the_policy_cannot_know() -> None:
    subjects = {subject for _, subject in found(INVENTORY)}
    recipients = ["payment-gateway", "receivables-firm", "debt-collector", "mailing-house"]
    assert subjects == {*recipients, *(f"at-{code}" for code in recipients)}
    assert {code for code, subject in found(INVENTORY) if subject == "payment-gateway"} == {
        GapCode.PARTY_WITHOUT_CONTACT,
        GapCode.PARTY_WITHOUT_CONTRACT,
        GapCode.PARTY_NOT_AUDITED,
    }


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"owner": " "}, GapCode.STORE_WITHOUT_OWNER),
        ({"items": ()}, GapCode.STORE_WITHOUT_ITEMS),
        ({"reviewed_on": None}, GapCode.STORE_NOT_REVIEWED),
        ({"reviewed_on": date(2025, 11, 19)}, GapCode.STORE_NOT_REVIEWED),
        ({"our_role": OurRole.UNDECIDED}, GapCode.ROLE_UNDECIDED),
    ],
)
def test_what_a_store_does_not_say_is_a_gap_of_that_store(parts: dict[str, object], code: GapCode) -> None:
    assert found(changed("member-db", **parts)) - found(INVENTORY) == {(code, "member-db")}


def test_a_review_a_year_ago_to_the_day_still_counts() -> None:
    assert found(changed("member-db", reviewed_on=date(2025, 11, 20))) == found(INVENTORY)
    assert (GapCode.STORE_NOT_REVIEWED, "member-db") in found(INVENTORY, months=4)


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 11, 20), 12, date(2025, 11, 20)),
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
        (date(2026, 12, 31), 120, date(2016, 12, 31)),
    ],
)
def test_months_are_counted_to_the_same_day_or_the_last_of_the_month(day: date, months: int, before: date) -> None:
    assert months_before(day, months) == before


def test_a_party_with_contact_contract_and_audit_leaves_no_gap() -> None:
    def ready(party: Party) -> Party:
        return replace(party, incident_contact="24h desk", contract_reference="A-1", audited_on=date(2026, 6, 1))

    whole = replace(INVENTORY, parties=tuple(ready(party) for party in INVENTORY.parties))
    assert {code for code, subject in found(whole) if not subject.startswith("at-")} == {GapCode.PUBLISHED_CREDENTIALS}


def test_published_credentials_are_asked_about_until_a_list_says_what_is_true() -> None:
    asked = {subject for code, subject in found(INVENTORY) if code is GapCode.PUBLISHED_CREDENTIALS}
    assert asked == {"debt-collector", "mailing-house"}
    (gap,) = [
        gap
        for gap in register_gaps(INVENTORY, today=TODAY)
        if (gap.code, gap.subject) == (GapCode.PUBLISHED_CREDENTIALS, "debt-collector")
    ]
    assert gap.said.en.endswith("credentials: administrator account, password. Really?")
    assert "パスワード" in gap.said.ja


def actual(party: str, *items: str) -> Disclosure:
    return Disclosure(
        party=party,
        items=frozenset(items),
        role=PartyRole.PROCESSOR,
        basis=DisclosureBasis.ACTUAL,
        purpose_ja="",
        purpose_en="",
    )


def test_a_list_that_differs_from_what_is_published_is_told_in_both_directions() -> None:
    listed = with_actual(INVENTORY, actual("debt-collector", "name", "passport-copy"))
    codes = {gap.code: gap for gap in register_gaps(listed, today=TODAY) if gap.subject == "debt-collector"}
    assert "copy of passport" in codes[GapCode.ACTUAL_NOT_PUBLISHED].said.en
    assert "password" in codes[GapCode.PUBLISHED_NOT_ACTUAL].said.en
    assert GapCode.PUBLISHED_CREDENTIALS not in codes


def test_a_store_that_says_other_than_the_disclosures_is_told() -> None:
    store = INVENTORY.store("at-mailing-house")
    less = changed("at-mailing-house", items=store.items[1:])
    assert (GapCode.STORE_DIFFERS_FROM_DISCLOSURES, "at-mailing-house") in found(less) - found(INVENTORY)


def test_holdings_and_people_add_their_own_gaps() -> None:
    facts = {store.code: StoreFacts(holdings=1) for store in INVENTORY.stores}
    facts["at-mailing-house"] = StoreFacts(holdings=0)
    facts["web-logs"] = StoreFacts(holdings=5, unknown_items=frozenset({"name"}), past_retention=1234)
    facts["member-db"] = StoreFacts(holdings=0)
    people = PeopleCounts(customers=1000, without_email=12, organisations=30, organisations_unreachable=4)
    gaps = all_gaps(INVENTORY, people, facts, today=TODAY)
    new = {(gap.code, gap.subject): gap for gap in gaps if gap not in register_gaps(INVENTORY, today=TODAY)}
    assert set(new) == {
        (GapCode.NO_TRANSFER_LIST, "at-mailing-house"),
        (GapCode.UNLISTED_ITEMS, "web-logs"),
        (GapCode.PAST_RETENTION, "web-logs"),
        (GapCode.ORGANISATIONS_WITHOUT_CONTACT, "customers"),
        (GapCode.CUSTOMERS_WITHOUT_EMAIL, "customers"),
    }
    assert "1,234 people" in new[GapCode.PAST_RETENTION, "web-logs"].said.en
    assert new[GapCode.CUSTOMERS_WITHOUT_EMAIL, "customers"].said.en.startswith("12 of 1,000 customers")
    assert all_gaps(INVENTORY, NOBODY, {}, today=TODAY) != gaps


def test_every_gap_says_in_both_languages_what_to_do() -> None:
    for gap in register_gaps(INVENTORY, today=TODAY):
        assert gap.said.ja.endswith(("。", "か。"))
        assert gap.to_do.ja.endswith("。")
        assert gap.said.en.endswith((".", "?"))
        assert gap.to_do.en.endswith(".")
