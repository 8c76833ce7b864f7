"""Duties of the regimes: switched on by what the company is, counted from acts, and never changed by a later file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import FaultyFile
from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import CountKind, DutyStatus, FulfilmentKind
from incident_app.services import deadline_rules, facts, obligations, recounting, setup
from incident_app.services.obligations import ObligationView
from incident_app.services.playbooks import PlaybookKind, newest
from incident_app.services.transaction import reading, transaction
from tests import builders
from tests.builders import NOW, SYSTEM, a_scope, an_incident, author, determined, playbook_files, with_customers


def leak(engine: Engine) -> IncidentId:
    view = an_incident(engine)
    determined(engine, view.id, a_scope("member-db", "billing-db"))
    return view.id


def duties(engine: Engine, incident: IncidentId) -> dict[str, ObligationView]:
    return {duty.rule: duty for duty in obligations.list_obligations(engine, incident)}


def derive(engine: Engine, incident: IncidentId, now: datetime = NOW) -> None:
    obligations.derive_obligations(engine, incident, actor=author(engine).actor, now=now)


def decide(engine: Engine, incident: IncidentId, fact: str, *, value: bool, now: datetime = NOW) -> None:
    facts.decide_fact(engine, incident, fact, value=value, reason="確かめた", actor=author(engine).actor, now=now)
    derive(engine, incident, now)


def test_my_numbers_that_somebody_found_bring_the_duties_of_my_number(instance: Engine) -> None:
    """No item of the register is a My Number; a copy of a resident record may still bear one."""
    with_customers(instance)
    incident = leak(instance)
    assert "jp-mynumber:preliminary" not in duties(instance, incident)
    recounting.set_count_and_derive(
        instance,
        incident,
        kind=CountKind.MAXIMUM,
        value=1,
        basis="copies of resident records",
        subject="my-number",
        reason=None,
        actor=author(instance).actor,
        now=NOW,
    )
    found = duties(instance, incident)["jp-mynumber:preliminary"]
    assert (found.status, found.addressee_ref) == (DutyStatus.OPEN, "ppc")  # one person, improper purpose


def test_editing_a_regime_file_never_changes_an_existing_obligation(instance: Engine, tmp_path: Path) -> None:
    with_customers(instance)
    before_edit = leak(instance)
    before = obligations.list_obligations(instance, before_edit)
    builders.load_edited(
        instance, tmp_path, "regimes", "jp-appi.toml", lambda text: text.replace("amount = 60", "amount = 10")
    )
    assert obligations.list_obligations(instance, before_edit) == before
    derive(instance, before_edit, NOW + timedelta(hours=2))
    assert obligations.list_obligations(instance, before_edit, superseded=True) == before  # derived anew, and the same
    later = duties(instance, leak(instance))["jp-appi:definitive"].due_at
    assert later is not None
    assert later < duties(instance, before_edit)["jp-appi:definitive"].due_at  # type: ignore[operator]


def test_what_the_company_is_switches_regimes_on_for_incidents_from_then_on(instance: Engine, tmp_path: Path) -> None:
    with_customers(instance)
    before = leak(instance)
    unsaid = deadline_rules.compute(instance, "card-brands", "detailed", NOW).explanation["en"][-1]
    assert unsaid == "Our policy does not say whether this regime applies to us: state it in its designations."
    builders.designated(instance, tmp_path, "privacymark_holder", "card_merchant", "outside_gdpr")
    after = duties(instance, leak(instance))
    derive(instance, before, NOW + timedelta(hours=2))
    standing = {duty.regime for duty in duties(instance, before).values() if duty.status is not DutyStatus.TO_DECIDE}
    assert standing == {"policy", "jp-appi", "eu-gdpr"}
    assert {duty.regime for duty in after.values()} == {"policy", "jp-appi", "jp-privacymark", "card-brands"}
    assert after["card-brands:visa-report"].confidence == "reading"
    assert after["card-brands:first"].deadline_state == "no_fixed_deadline"
    assert after["jp-privacymark:definitive"].status is DutyStatus.OPEN
    rules = {(rule.regime, rule.entry): rule for rule in deadline_rules.list_rules(instance)}
    authority = rules["eu-gdpr", "authority"]
    assert (authority.is_on, authority.only_for, authority.not_for) == (False, (), ("outside_gdpr",))
    off = [
        deadline_rules.compute(instance, regime, report, NOW).explanation["en"][-1]
        for regime, report in (("eu-gdpr", "people"), ("us-sec", "authority"), ("jp-privacymark", "definitive"))
    ]
    assert [line == "By our policy this regime does not apply to us." for line in off] == [True, True, False]


def test_what_the_policy_does_not_state_is_to_decide_and_says_where_to_state_it(
    instance: Engine, tmp_path: Path
) -> None:
    """The shipped policy says nothing of card payments and the PrivacyMark: out of the box that was a silent no."""
    with_customers(instance)
    incident = leak(instance)
    found = {duty.rule: duty for duty in duties(instance, incident).values()}
    for rule in ("card-brands:first", "card-brands:mastercard", "jp-privacymark:definitive"):
        assert found[rule].status is DutyStatus.TO_DECIDE
        assert "stated in the designations of its policy" in (found[rule].decide_en or "")
        assert "designations" in (found[rule].decide_ja or "")
    assert not {"us-sec:authority", "us-hipaa:authority", "us-california:authority"} & found.keys()
    decide(instance, incident, "card_merchant", value=False)
    assert "card-brands:first" not in duties(instance, incident)
    builders.designated(instance, tmp_path)  # an empty list says that the company is none of it
    stated = duties(instance, leak(instance))
    assert {duty.regime for duty in stated.values()} == {"policy", "jp-appi", "eu-gdpr"}


def test_a_designation_can_be_decided_for_one_incident(instance: Engine) -> None:
    with_customers(instance)
    incident = leak(instance)
    decide(instance, incident, "privacymark_holder", value=True)
    assert "jp-privacymark:preliminary" in duties(instance, incident)
    decide(instance, incident, "privacymark_holder", value=False, now=NOW + timedelta(minutes=5))
    assert "jp-privacymark:preliminary" not in duties(instance, incident)


def test_what_nobody_has_decided_is_to_decide_and_says_who_decides_what(instance: Engine, tmp_path: Path) -> None:
    with_customers(instance)
    builders.designated(instance, tmp_path, "nis2_entity", "special_infrastructure_operator", "sec_registrant")
    found = duties(instance, leak(instance))
    for rule, word in (
        ("eu-nis2:early_warning", "NIS2"),
        ("jp-cyber-response:first", "important computer"),
        ("us-sec:authority", "material"),
    ):
        assert found[rule].status is DutyStatus.TO_DECIDE
        assert word in (found[rule].decide_en or "")
        assert found[rule].decide_ja


def test_the_final_report_counts_from_the_filing_of_the_notification(instance: Engine, tmp_path: Path) -> None:
    with_customers(instance)
    builders.designated(instance, tmp_path, "nis2_entity")
    incident = leak(instance)
    decide(instance, incident, "significant_incident", value=True)
    waiting = duties(instance, incident)["eu-nis2:final"]
    assert (waiting.status, waiting.due_at) == (DutyStatus.CLOCK_NOT_STARTED, None)
    filed_at = NOW + timedelta(hours=20)
    with transaction(instance, actor=author(instance).actor, now=filed_at) as act:
        row = obligations.get_obligation(act.session, incident, duties(instance, incident)["eu-nis2:notification"].id)
        obligations.fulfil(act, row, kind=FulfilmentKind.REPORT_SUBMISSION, reference="test", at=filed_at)
    derive(instance, incident, filed_at)
    final = duties(instance, incident)["eu-nis2:final"]
    assert final.status is DutyStatus.OPEN
    assert final.due_at == datetime.fromisoformat("2026-12-21T23:59:59+01:00")


def test_four_business_days_count_from_the_decision_that_it_is_material(instance: Engine, tmp_path: Path) -> None:
    with_customers(instance)
    builders.designated(instance, tmp_path, "sec_registrant")
    incident = leak(instance)
    assert duties(instance, incident)["us-sec:authority"].due_at is None
    decide(instance, incident, "material", value=True, now=NOW + timedelta(days=2))
    due = duties(instance, incident)["us-sec:authority"]
    # Decided on a Sunday, with Thanksgiving on the Thursday between.
    assert due.due_at == datetime.fromisoformat("2026-11-27T23:59:59-05:00")
    assert any("Thanksgiving" in line for line in due.calculation_en)
    decide(instance, incident, "material", value=False, now=NOW + timedelta(days=3))
    assert "us-sec:authority" not in duties(instance, incident)


def test_residents_of_california_are_a_count_of_their_own(instance: Engine, tmp_path: Path) -> None:
    with_customers(instance)
    builders.designated(instance, tmp_path, "california_business")
    incident = leak(instance)
    assert duties(instance, incident)["us-california:people"].status is DutyStatus.TO_DECIDE
    for value, expected in (
        (500, {"us-california:people"}),
        (501, {"us-california:people", "us-california:authority"}),
    ):
        recounting.set_count_and_derive(
            instance,
            incident,
            kind=CountKind.EXACT,
            value=value,
            basis="住所の照合",
            subject="california",
            reason="数え直し",
            actor=author(instance).actor,
            now=NOW + timedelta(minutes=value),
        )
        assert {rule for rule in duties(instance, incident) if rule.startswith("us-")} == expected


OWN = """code = "own"
version = "1"
name_ja = "社内規程"
name_en = "our own rule"
source = "company rule 12"
[[situations]]
code = "cards"
name_ja = "カード番号が漏えいした"
name_en = "card numbers have leaked"
source = "company rule 12"
  [[situations.all]]
  fact = "items"
  operator = "includes"
  value = "card-number"
  [[situations.all]]
  fact = "categories"
  operator = "includes_any"
  value = ["transactions"]
  [[situations.all]]
  fact = "rings"
  operator = "includes"
  value = "RING"
  [[situations.all]]
  fact = "harms"
  operator = "includes"
  value = "confidentiality"
[[reports]]
code = "board"
title_ja = "役員会への報告"
title_en = "report to the board"
kind = "party"
situations = ["cards"]
source = "company rule 12"
confidence = "found"
decide_ja = "社長が判断します"
decide_en = "the president decides"
  [[reports.addressees]]
  ref = "board"
  name_ja = "役員会"
  name_en = "the board"
  [[reports.deadlines]]
  unit = "business_days"
  amount = 1
  first_day_counts = false
  calendar = "jp-business"
"""


@pytest.mark.parametrize(("ring", "is_due"), [("confirmed", True), ("assumed", False)])
def test_a_rule_of_ones_own_reads_items_categories_and_how_sure_it_is(
    instance: Engine, tmp_path: Path, ring: str, *, is_due: bool
) -> None:
    with_customers(instance)
    mine = tmp_path / "own.toml"
    mine.write_text(OWN.replace("RING", ring), encoding="utf-8")

    def files(folder: str) -> list[Path]:
        return [*playbook_files(folder), *([mine] if folder == "regimes" else [])]

    setup.load_playbooks(instance, files, policy="gpu-cloud-bygmo", actor=SYSTEM, now=NOW)
    found = duties(instance, leak(instance))
    assert ("own:board" in found) is is_due
    if is_due:  # known on a Friday; Monday is a holiday
        assert found["own:board"].due_at == datetime.fromisoformat("2026-11-24T23:59:59+09:00")


@pytest.mark.parametrize("same_days", [True, False])
def test_a_second_file_of_one_regime_is_named_and_nothing_is_kept(
    instance: Engine, tmp_path: Path, *, same_days: bool
) -> None:
    shipped = next(path for path in playbook_files("regimes") if path.name == "us-sec.toml")
    text = shipped.read_text(encoding="utf-8").replace('version = "', 'version = "mine-', 1)
    if not same_days:
        text = text.replace("valid_from = 2023-12-18", "valid_from = 2019-01-01\nvalid_until = 2023-12-17")
    second = tmp_path / "us-sec-old.toml"
    second.write_text(text, encoding="utf-8")
    with pytest.raises(FaultyFile, match=r"us-sec-old\.toml.*us-sec.*us-sec\.toml") as refusal:
        setup.load_playbooks(
            instance,
            lambda folder: [*playbook_files(folder), *([second] if folder == "regimes" else [])],
            policy="gpu-cloud-bygmo",
            actor=SYSTEM,
            now=NOW,
        )
    assert ("valid_from" in refusal.value.fault_list[0].partition(":")[0]) is same_days
    with reading(instance) as session:
        assert not [entry for entry in newest(session, PlaybookKind.REGIME) if entry.version.startswith("mine")]
