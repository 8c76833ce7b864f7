"""Facts as somebody types them: read as what they are, refused where they cannot be."""

import pytest

from incident_app.domain.given_facts import FactNotUnderstood, FactsContradict, read_facts


def problem(*facts: str) -> str:
    with pytest.raises((FactNotUnderstood, FactsContradict)) as refusal:
        read_facts(facts)
    assert refusal.value.message("ja") != refusal.value.message("en")
    return str(refusal.value)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (["people"], "name=value"),
        (["nobody=1"], "there is no fact nobody"),
        (["people=many"], "whole number"),
        (["people=-1"], "whole number"),
        (["people=²"], "whole number"),
        (["people=99999999999"], "whole number"),
        (["improper_purpose=perhaps"], "true, false or unknown"),
        (["flags=secret"], "known words are"),
        (["jurisdictions=Japan"], "two capital letters"),
        (["people=5", "people=9"], "people=5 and people=9"),
        (["anybody_affected=no", "people=3"], "anybody_affected=false and people=3"),
        (["anybody_affected=yes", "people=0"], "anybody_affected=true and people=0"),
        (["my_number_people=200", "people=100"], "my_number_people=200 and people=100"),
        (["encryption_exempt=yes", "flags=contact"], "encryption_exempt=true and flags=contact"),
        (["payable_combination=no", "flags=card_number"], "payable_combination=false and flags=card_number"),
        (["no_risk_to_people=yes", "high_risk_to_people=yes"], "high_risk_to_people=true"),
    ],
)
def test_facts_that_cannot_be_are_refused_with_what_is_wrong(facts: list[str], told: str) -> None:
    assert told in problem(*facts)


def test_facts_are_read_as_what_they_are() -> None:
    words = ["people=1001", "people=1001", "flags=contact, my_number", "improper_purpose=TRUE", "material=unknown"]
    assert read_facts(words) == {
        "people": 1001,
        "flags": frozenset({"contact", "my_number"}),
        "improper_purpose": True,
        "material": None,
    }


@pytest.mark.parametrize("hours", ["8785", "2147483647", "99999999999999"])
def test_hours_that_no_contract_gives_are_refused_before_anything_is_counted(hours: str) -> None:
    with pytest.raises(FactNotUnderstood, match="contract_hours is a whole number from 0 to 8784") as refusal:
        read_facts([f"contract_hours={hours}"])
    assert "0 から 8784 まで" in refusal.value.message("ja")
    assert read_facts(["contract_hours=8784"]) == {"contract_hours": 8784}
