"""Which part of an incident a recipient is told of, read out of the conditions that make them its recipient."""

from __future__ import annotations

import pytest

from incident_app.domain.regimes import Regime, read_regime
from incident_app.domain.report_shares import EVERY_PAIR, Share, share_of
from incident_app.domain.vocabulary import BusinessLine, Relation
from tests.builders import playbook_files

TELECOM, OTHER = BusinessLine.TELECOM, BusinessLine.OTHER


def regime(code: str) -> Regime:
    path = next(path for path in playbook_files("regimes") if path.stem == code)
    return read_regime(path.read_text(encoding="utf-8"), file=path.name)


def share(code: str, report: str, ref: str) -> Share:
    found = regime(code)
    return share_of(found, next(entry for entry in found.reports if entry.code == report), ref)


@pytest.mark.parametrize("report", ["preliminary", "definitive"])
def test_bureau_and_commission_share_every_person_between_them_and_nobody_twice(report: str) -> None:
    """law.md 1.8: telecom users to the bureau; staff, shareholders and other business to the Commission."""
    bureau, commission = share("jp-appi", report, "mic-bureau"), share("jp-appi", report, "ppc")
    assert bureau.pairs == {(relation, TELECOM) for relation in (Relation.CUSTOMER, Relation.BUSINESS_PARTNER)}
    assert bureau.pairs | commission.pairs == EVERY_PAIR
    assert not bureau.pairs & commission.pairs
    assert bureau.lines_of(Relation.STAFF) == frozenset()
    assert commission.lines_of(Relation.STAFF) == {TELECOM, OTHER}


def test_a_report_of_user_information_is_about_users_though_its_only_recipient_names_no_condition() -> None:
    found = share("jp-telecom", "user-information-detailed", "mic-bureau")
    assert {relation for relation, _ in found.pairs} == {Relation.CUSTOMER, Relation.BUSINESS_PARTNER}


@pytest.mark.parametrize(
    ("code", "report", "ref"), [("jp-mynumber", "preliminary", "ppc"), ("jp-telecom", "first", "mic-bureau")]
)
def test_without_such_a_condition_nothing_is_left_out(code: str, report: str, ref: str) -> None:
    assert share(code, report, ref).is_everything


@pytest.mark.parametrize(("code", "report"), [("eu-gdpr", "authority"), ("eu-nis2", "notification")])
def test_the_authority_of_a_country_is_told_what_the_entry_it_comes_from_says_and_not_of_nobody(
    code: str, report: str
) -> None:
    """The form for one authority said "0 people": the reference of a country matched no entry of the regime."""
    found = next(entry for entry in regime(code).reports if entry.code == report)
    for addressee in found.addressees:
        for recipient in addressee.where(frozenset(addressee.each)):
            assert share_of(regime(code), found, recipient.ref).is_everything, recipient.ref


def test_a_country_of_which_the_regime_knows_no_authority_is_nobody() -> None:
    assert share("eu-gdpr", "authority", "eu-authorities-jp").pairs == frozenset()
