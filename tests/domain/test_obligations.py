"""What is due to whom: the regimes as shipped, judged on facts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.calendars import read_closures
from incident_app.domain.conditions import Answer, Condition, Operator, all_of, any_of
from incident_app.domain.deadlines import DeadlineState
from incident_app.domain.errors import FaultyFile
from incident_app.domain.obligations import Clock, DerivedObligation, IncidentFacts, derive
from incident_app.domain.policies import read_policy
from incident_app.domain.regimes import read_regime, valid_on
from incident_app.domain.responses import find_circle, read_response
from incident_app.domain.vocabulary import BusinessLine, DutyStatus, ItemFlag, OurRole, Relation
from tests.builders import ROOT, playbook_files

AWARE = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
REGIMES = [read_regime(path.read_text(encoding="utf-8"), file=path.name) for path in playbook_files("regimes")]
OFFICES = read_closures((ROOT / "playbooks/closures/jp-government.toml").read_text(encoding="utf-8"), file="closures")
POLICY = read_policy((ROOT / "playbooks/policies/gpu-cloud-bygmo.toml").read_text(encoding="utf-8"), file="policy")


def duties(**changes: object) -> dict[tuple[str, str], DerivedObligation]:
    """A small leak of customers' names that nobody meant; then whatever the test changes."""
    values: dict[str, object] = {
        "anybody_affected": True,
        "people": 10,
        "flags": frozenset({ItemFlag.CONTACT}),
        "relations": frozenset({Relation.CUSTOMER}),
        "jurisdictions": frozenset({"JP"}),
        "our_roles": frozenset({OurRole.OWN_CONTROLLER}),
        "business_lines": frozenset({BusinessLine.TELECOM}),
        "payable_combination": False,
        "improper_purpose": False,
        "communications_secrecy": False,
        "encryption_exempt": False,
        "high_risk_to_people": False,
        **changes,
    }
    derived = derive(
        IncidentFacts(**values),
        regimes=REGIMES,
        commitments=POLICY.commitments,
        clocks={"awareness": Clock(at=AWARE)},
        calendars={"jp-government": OFFICES},
    )
    return {(duty.rule, duty.addressee_ref): duty for duty in derived if duty.regime != "policy"}


def test_the_promise_of_the_policy_is_due_for_every_leak_also_when_no_law_demands_it() -> None:
    derived = derive(
        IncidentFacts(anybody_affected=True, **dict.fromkeys(("improper_purpose", "communications_secrecy"), False)),
        regimes=[],
        commitments=POLICY.commitments,
        clocks={"awareness": Clock(at=AWARE)},
        calendars={},
    )
    assert [duty.stage for duty in derived] == ["the_facts", "promptly", "to_the_people", "quick_and_proper"]
    promptly = derived[1]
    assert promptly.due.state is DeadlineState.NO_FIXED_DEADLINE
    assert promptly.due.due_at is None
    assert promptly.internal_target_at == AWARE + timedelta(hours=72)


def test_a_small_accidental_leak_is_reported_to_nobody() -> None:
    assert duties() == {}


@pytest.mark.parametrize(("people", "reportable"), [(999, False), (1000, False), (1001, True)])
def test_more_than_a_thousand_means_a_thousand_and_one(people: int, *, reportable: bool) -> None:
    assert (("jp-appi:preliminary", "mic-bureau") in duties(people=people)) is reportable


def test_thirty_days_become_sixty_with_an_improper_purpose_also_beside_other_situations() -> None:
    thirty = duties(people=1001)["jp-appi:definitive", "mic-bureau"].due.due_at
    sixty = duties(people=1001, improper_purpose=True)["jp-appi:definitive", "mic-bureau"].due.due_at
    assert thirty == datetime(2026, 12, 21, 14, 59, 59, tzinfo=UTC)  # day 30 is Saturday 19 December
    assert sixty == datetime(2027, 1, 18, 14, 59, 59, tzinfo=UTC)


def test_while_the_purpose_is_open_the_earlier_date_is_kept() -> None:
    duty = duties(people=1001, improper_purpose=None)["jp-appi:definitive", "mic-bureau"]
    assert duty.due.due_at == datetime(2026, 12, 21, 14, 59, 59, tzinfo=UTC)
    assert duty.status is DutyStatus.OPEN


def test_an_unknown_fact_that_matters_gives_a_duty_to_decide_and_says_who_decides_what() -> None:
    duty = duties(improper_purpose=None)["jp-appi:preliminary", "mic-bureau"]
    assert duty.status is DutyStatus.TO_DECIDE
    assert duty.decide is not None
    assert "不正の目的" in duty.decide.ja
    assert "improper purpose" in duty.decide.en


def test_the_addressee_follows_the_people_and_the_business() -> None:
    refs = {ref for rule, ref in duties(people=5000, relations=frozenset({Relation.STAFF})) if "preliminary" in rule}
    assert refs == {"ppc"}
    both = duties(people=5000, relations=frozenset({Relation.STAFF, Relation.CUSTOMER}))
    assert {ref for rule, ref in both if "preliminary" in rule} == {"ppc", "mic-bureau"}
    other = duties(people=5000, business_lines=frozenset({BusinessLine.OTHER}))
    assert {ref for rule, ref in other if "preliminary" in rule} == {"ppc"}


def test_strong_encryption_releases_and_an_open_key_state_does_not() -> None:
    assert duties(people=5000, encryption_exempt=True) == {}
    undecided = duties(people=5000, encryption_exempt=None)["jp-appi:preliminary", "mic-bureau"]
    assert undecided.status is DutyStatus.TO_DECIDE


def test_one_communication_is_enough_for_the_telecommunications_act() -> None:
    found = duties(people=1, communications_secrecy=True)
    assert found["jp-telecom:first", "mic-bureau"].due.state is DeadlineState.NO_FIXED_DEADLINE
    assert found["jp-telecom:detailed", "mic-bureau"].due.due_at == datetime(2026, 12, 21, 14, 59, 59, tzinfo=UTC)


def test_specified_user_information_is_reported_by_a_designated_operator_alone() -> None:
    leak = {"people": 1001, "flags": frozenset({ItemFlag.SPECIFIED_USER_INFORMATION})}
    rule = ("jp-telecom:user-information-detailed", "mic-bureau")
    found = duties(**leak, designated_operator=True)
    assert found[rule].status is DutyStatus.OPEN
    assert found[rule].form == found["jp-telecom:user-information-detailed", "mic-bureau"].form == "jp-telecom-detailed"
    assert ("jp-telecom:user-information-first", "mic-bureau") in found
    assert ("jp-telecom:detailed", "mic-bureau") not in found  # no secrecy of communications: each is its own report
    assert rule not in duties(**leak, designated_operator=False)
    assert rule not in duties(**{**leak, "people": 1000}, designated_operator=True)
    assert rule not in duties(people=1001, designated_operator=True)
    assert rule not in duties(**leak, designated_operator=True, relations=frozenset({Relation.STAFF}))


def test_the_two_reports_of_secrecy_have_two_forms() -> None:
    found = duties(communications_secrecy=True)
    forms = [found[f"jp-telecom:{stage}", "mic-bureau"].form for stage in ("first", "detailed")]
    assert forms == ["jp-telecom-first", "jp-telecom-detailed"]


def roles(*found: OurRole, **changes: object) -> dict[str, DutyStatus]:
    """What is due by our role, for a leak of the fourth situation with people in Germany."""
    facts = {"people": 5000, "jurisdictions": frozenset({"JP", "DE"}), **changes}
    return {rule: duty.status for (rule, _), duty in duties(our_roles=frozenset(found), **facts).items()}


def test_a_role_that_nobody_decided_gives_the_stricter_row_to_decide_and_no_other() -> None:
    ours = roles(OurRole.OWN_CONTROLLER)
    assert set(ours.values()) == {DutyStatus.OPEN}
    assert set(ours) == {
        *("jp-appi:preliminary", "jp-appi:definitive", "jp-appi:people"),
        "eu-gdpr:authority",
    }
    assert roles(OurRole.UNDECIDED) == dict.fromkeys(ours, DutyStatus.TO_DECIDE)
    beside = roles(OurRole.UNDECIDED, OurRole.PROCESSOR)
    assert beside["jp-appi:preliminary"] is DutyStatus.TO_DECIDE
    assert beside["jp-appi:tenant"] is DutyStatus.OPEN
    assert "jp-appi:preliminary-as-processor" not in beside
    assert roles(OurRole.UNDECIDED, OurRole.OWN_CONTROLLER).items() >= ours.items()  # one store of ours is enough


def test_a_processor_tells_its_tenant_and_reports_until_it_has_done_so() -> None:
    open_ones = roles(OurRole.PROCESSOR)
    told = roles(OurRole.PROCESSOR, entrusting_party_told=True)
    reports = {"jp-appi:preliminary-as-processor", "jp-appi:definitive-as-processor"}
    assert set(open_ones) == {*reports, "jp-appi:tenant", "eu-gdpr:controller"}
    assert "jp-appi:people" not in open_ones  # the tenant tells the people
    assert told == {}
    assert not reports & set(roles(OurRole.PROCESSOR, OurRole.OWN_CONTROLLER))  # our own report says it already
    assert not reports & set(roles(OurRole.PROCESSOR, encryption_exempt=True))


def test_for_data_that_we_do_not_handle_only_the_tenant_is_told() -> None:
    assert set(roles(OurRole.CLOUD_NOT_HANDLING)) == {"jp-appi:tenant-not-handling"}
    assert roles(OurRole.CLOUD_NOT_HANDLING, entrusting_party_told=True) == {}


@given(st.sets(st.sampled_from(sorted(OurRole)), min_size=1), st.sampled_from(sorted(OurRole)))
def test_an_undecided_member_turns_a_no_into_not_known_and_never_a_yes(roles: set[str], wanted: str) -> None:
    facts = {"our_roles": frozenset(roles)}
    answers = {
        operator: Condition(fact="our_roles", operator=operator, value=wanted).answer(facts)
        for operator in (Operator.INCLUDES, Operator.MAY_INCLUDE, Operator.EXCLUDES)
    }
    inside, undecided = wanted in roles, "undecided" in roles
    assert answers[Operator.INCLUDES] is (Answer.YES if inside else Answer.NO)
    assert answers[Operator.EXCLUDES] is (Answer.NO if inside else Answer.YES)
    assert answers[Operator.MAY_INCLUDE] is (Answer.YES if inside else Answer.UNKNOWN if undecided else Answer.NO)


def test_people_in_the_eea_start_seventy_two_hours_and_others_do_not() -> None:
    found = duties(jurisdictions=frozenset({"JP", "DE"}))
    assert found["eu-gdpr:authority", "eu-authorities-de"].due.due_at == AWARE + timedelta(hours=72)
    elsewhere = duties(jurisdictions=frozenset({"JP", "GB", "US"}))
    assert not [key for key in elsewhere if key[0] == "eu-gdpr:authority"]


def test_each_member_state_with_people_has_an_authority_of_its_own_unless_one_leads() -> None:
    def told(**changes: object) -> dict[str, str]:
        found = duties(**changes)
        return {ref: duty.addressee_name.en for (rule, ref), duty in found.items() if rule == "eu-gdpr:authority"}

    several = frozenset({"JP", "FR", "DE"})
    assert told(jurisdictions=several) == {
        "eu-authorities-de": "the supervisory authority of Germany",
        "eu-authorities-fr": "the supervisory authority of France",
    }
    assert set(told(jurisdictions=None)) == {"eu-authorities"}
    assert set(told(jurisdictions=several, eu_establishment=True)) == {"eu-lead-authority"}


def test_notice_to_people_has_no_date_of_our_own() -> None:
    duty = duties(people=5000)["jp-appi:people", "people"]
    assert (duty.due.state, duty.due.due_at) == (DeadlineState.NO_FIXED_DEADLINE, None)


def test_a_regime_counts_only_while_it_is_in_force() -> None:
    assert {regime.code for regime in valid_on(REGIMES, AWARE.date())} >= {"jp-appi", "jp-telecom", "eu-gdpr"}
    assert "jp-appi" not in {regime.code for regime in valid_on(REGIMES, AWARE.date().replace(year=2023))}


def test_three_answers_combine_without_a_silent_no() -> None:
    assert all_of([Answer.YES, Answer.UNKNOWN]) is Answer.UNKNOWN
    assert all_of([Answer.NO, Answer.UNKNOWN]) is Answer.NO
    assert any_of([Answer.NO, Answer.UNKNOWN]) is Answer.UNKNOWN
    assert any_of([Answer.YES, Answer.UNKNOWN]) is Answer.YES
    assert any_of([]) is Answer.NO


def test_faults_of_a_regime_are_all_named_with_their_lines() -> None:
    text = (ROOT / "playbooks/regimes/jp-telecom.toml").read_text(encoding="utf-8")
    broken = text.replace('fact = "communications_secrecy"', 'fact = "secrecy"').replace("amount = 30", "amount = 0")
    with pytest.raises(FaultyFile) as refusal:
        read_regime(broken, file="mine.toml")
    assert "'secrecy' is not a fact" in str(refusal.value)
    assert "amount" in str(refusal.value)
    assert "line" in str(refusal.value)


def test_every_shipped_response_parses_and_a_circle_of_steps_is_refused() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in playbook_files("responses")}
    assert set(texts) == {"general", "leak-at-processor", "misdirected-mail", "unauthorised-access"}
    for name, text in texts.items():
        assert read_response(text, file=name).steps
    assert find_circle({"a": ["b"], "b": ["a"], "c": []}) == ("a", "b")
    looped = texts["general"].replace('code = "stop-the-spread"', 'code = "stop-the-spread"\nneeds = ["review"]')
    with pytest.raises(FaultyFile, match="wait for each other"):
        read_response(looped, file="looped")
