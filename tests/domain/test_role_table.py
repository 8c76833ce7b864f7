"""Who reports and who tells, by role: the table of the policy's clauses held against the regimes as shipped (C10)."""

from __future__ import annotations

import pytest

from incident_app.domain.inventory import Disclosure, Party
from incident_app.domain.policy_stores import store_at
from incident_app.domain.regimes import AddresseeKind, read_regime
from incident_app.domain.role_table import duties_of_role
from incident_app.domain.vocabulary import BusinessLine, DisclosureBasis, OurRole, PartyRole
from tests.builders import playbook_files

REGIMES = [read_regime(path.read_text(encoding="utf-8"), file=path.name) for path in playbook_files("regimes")]
AUTHORITY, PEOPLE, TENANT = AddresseeKind.AUTHORITY, AddresseeKind.PEOPLE, AddresseeKind.PARTY


def kinds(role: OurRole, regime: str = "jp-appi") -> tuple[set[AddresseeKind], set[bool]]:
    found = [duty for duty in duties_of_role(role, REGIMES) if duty.regime == regime]
    return {duty.kind for duty in found}, {duty.is_certain for duty in found}


@pytest.mark.parametrize(
    ("role", "told", "certain"),
    [
        (OurRole.OWN_CONTROLLER, {AUTHORITY, PEOPLE}, {True}),
        (OurRole.PROCESSOR, {AUTHORITY, TENANT}, {True}),  # we and the tenant report; the tenant tells the people
        (OurRole.CLOUD_NOT_HANDLING, {TENANT}, {True}),  # the tenant reports; its contract says how fast it is told
        (OurRole.UNDECIDED, {AUTHORITY, PEOPLE}, {False}),  # the stricter row, to decide
    ],
)
def test_each_role_has_the_row_of_the_table(role: OurRole, told: set[AddresseeKind], certain: set[bool]) -> None:
    assert kinds(role) == (told, certain)


def test_undecided_is_the_stricter_row_in_every_regime_that_asks_for_roles() -> None:
    def of(role: OurRole) -> set[tuple[str, str]]:
        return {(duty.regime, duty.report) for duty in duties_of_role(role, REGIMES)}

    assert of(OurRole.UNDECIDED) == of(OurRole.OWN_CONTROLLER)
    assert not any(duty.is_certain for duty in duties_of_role(OurRole.UNDECIDED, REGIMES))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (PartyRole.PROCESSOR, OurRole.OWN_CONTROLLER),  # a leak at our processor is ours to report and to tell
        (PartyRole.RECIPIENT, OurRole.UNDECIDED),  # by reading they report: it starts to decide
        (PartyRole.JOINT_USER, OurRole.UNDECIDED),
        (PartyRole.UNDECIDED, OurRole.UNDECIDED),
    ],
)
def test_a_leak_at_another_company_is_judged_by_its_role(theirs: PartyRole, ours: OurRole) -> None:
    party = Party(code="other", name_ja="相手", name_en="other", country="JP")
    received = Disclosure(
        party="other",
        items=frozenset({"name"}),
        role=theirs,
        basis=DisclosureBasis.PUBLISHED,
        purpose_ja="発送",
        purpose_en="mailing",
    )
    assert store_at(party, [received], BusinessLine.TELECOM).our_role is ours


def test_what_does_not_ask_for_our_role_is_in_no_row() -> None:
    found = {duty.regime for role in OurRole for duty in duties_of_role(role, REGIMES)}
    assert "contract" not in found
    assert {"jp-appi", "eu-gdpr", "uk-gdpr", "jp-mynumber"} <= found
