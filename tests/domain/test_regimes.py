"""Regime files: validity by the day, and every fault named by file and key."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.errors import FaultyFile
from incident_app.domain.obligations import Clock, DerivedObligation, IncidentFacts, derive
from incident_app.domain.periods import Period, find_gap
from incident_app.domain.policies import read_policy
from incident_app.domain.regime_sets import check_hidden, check_together
from incident_app.domain.regimes import read_regime
from incident_app.domain.vocabulary import DutyStatus
from tests.builders import ROOT, playbook_files
from tests.domain.test_counting import CALENDARS

SMALL = """code = "mine"
version = "1"
name_ja = "自社"
name_en = "mine"
source = "x"
[[situations]]
code = "a"
name_ja = "あ"
name_en = "a"
source = "x"
  [[situations.all]]
  fact = "people"
  operator = "more_than"
  value = 5
[[reports]]
code = "first"
title_ja = "報告"
title_en = "report"
kind = "authority"
situations = ["a"]
source = "x"
confidence = "found"
decide_ja = "決める"
decide_en = "decide"
  [[reports.addressees]]
  ref = "x"
  name_ja = "x"
  name_en = "x"
  [[reports.deadlines]]
  unit = "hours"
  amount = 72
"""
LATER = SMALL[SMALL.index("[[reports]]") :]


def faults(text: str) -> str:
    with pytest.raises(FaultyFile) as refusal:
        read_regime(text, file="mine.toml")
    assert "mine.toml" in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SMALL + LATER, "reports[1].code (line 33): 'first' stands twice"),
        (
            SMALL.replace('"found"', '"found"\nvalid_until = 2027-06-30')
            + LATER.replace('"found"', '"found"\nvalid_from = 2027-06-01'),
            "'first' is in force twice on 2027-06-01",
        ),
        (
            SMALL.replace('"found"', '"found"\nvalid_until = 2027-06-30')
            + LATER.replace('"found"', '"found"\nvalid_from = 2027-06-30'),
            "'first' is in force twice on 2027-06-30",  # the last day still belongs to the first entry
        ),
        (
            SMALL.replace('"found"', '"found"\nvalid_from = 2027-06-30\nvalid_until = 2027-06-01'),
            "lies before valid_from",
        ),
        (SMALL + "  valid_from = 2027-01-01\n", "no deadline for every situation is in force on 0001-01-01"),
        (SMALL + '  [[reports.deadlines]]\n  unit = "hours"\n  amount = 96\n', "two deadlines for the same situations"),
        (SMALL.replace('"hours"', '"fortnights"'), "'fortnights' is not one of"),
        (SMALL.replace("amount = 72", "amount = 72\n  zone = 'Mars/Base'"), "'Mars/Base' is not a time zone"),
        (SMALL.replace("amount = 72", "amount = 99999"), "amount (line 31): must be at least 1 and at most"),
        (SMALL.replace('unit = "hours"', 'unit = "business_days"'), "is needed where business days are counted"),
        (SMALL.replace("amount = 72", "amount_fact = 'flags'"), "'flags' is no fact that is a number"),
        (SMALL.replace("amount = 72", "amount = 72\n  amount_fact = 'contract_hours'"), "leave it out where a fact"),
        (SMALL.replace("amount = 72", "amount = 72\n  from_year_end = true"), "never moved and never run from"),
        (
            SMALL.replace("amount = 72", "amount = 72\n  situations = ['a']"),
            "one deadline must hold for every situation",
        ),
        (SMALL.replace('source = "x"\nconfidence', 'clock = "noon"\nsource = "x"\nconfidence'), "'noon' is no clock"),
        (SMALL.replace("value = 5", 'value = "five"'), "value (line 14): must be a whole number"),
        (SMALL.replace("more_than", "includes"), "includes does not fit people"),
        (SMALL.replace('"people"', '"flags"').replace("more_than", "includes"), "5 is no word of flags"),
        (SMALL.replace('"people"', '"material"').replace('"more_than"', '"is"'), "must be true or false"),
        (SMALL.replace('code = "mine"', 'code = "mine"\nvalid_form = 2026-01-01'), "valid_form (line 2): unknown key"),
    ],
)
def test_a_regime_that_cannot_be_meant_is_refused_with_file_and_key(text: str, told: str) -> None:
    assert told in faults(text)


def test_law_that_changes_on_a_day_is_two_entries_and_the_day_chooses() -> None:
    before = SMALL.replace("amount = 72", "amount = 72\n  valid_until = 2027-06-30")
    text = before + '  [[reports.deadlines]]\n  unit = "hours"\n  amount = 96\n  valid_from = 2027-07-01\n'
    regime = read_regime(text, file="mine.toml")
    amounts = [regime.on(day).reports[0].deadlines[0].rule.amount for day in (date(2027, 6, 30), date(2027, 7, 1))]
    assert amounts == [72, 96]
    ended = read_regime(SMALL.replace('"found"', '"found"\nvalid_until = 2027-06-30'), file="mine.toml")
    assert ended.on(date(2027, 6, 30)).reports
    assert not ended.on(date(2027, 7, 1)).reports
    gone = read_regime(SMALL.replace('name_en = "a"', 'name_en = "a"\nvalid_until = 2027-06-30'), file="mine.toml")
    assert not gone.on(date(2027, 7, 1)).reports  # a report without a situation is due to nobody


def test_a_duty_whose_length_nobody_knows_is_to_decide_though_it_surely_applies() -> None:
    text = SMALL.replace("amount = 72", 'amount_fact = "contract_hours"')
    at = datetime(2026, 11, 20, tzinfo=UTC)

    def due(hours: int | None) -> DerivedObligation:
        found = derive(
            IncidentFacts(people=6, contract_hours=hours),
            regimes=[read_regime(text, file="mine.toml")],
            commitments=[],
            clocks={"awareness": Clock(at=at)},
            calendars={},
        )
        return found[0]

    unknown = due(None)
    assert (unknown.status, unknown.due.due_at) == (DutyStatus.TO_DECIDE, None)
    assert "hours that the contract gives" in (unknown.decide.en if unknown.decide else "")
    assert (due(24).status, due(24).due.due_at) == (DutyStatus.OPEN, at + timedelta(hours=24))


periods = st.builds(
    Period,
    valid_from=st.none() | st.dates(date(2026, 1, 1), date(2026, 3, 1)),
    valid_until=st.none() | st.dates(date(2026, 3, 2), date(2026, 5, 1)),
)


@given(found=st.lists(periods, max_size=4), whole=periods)
def test_a_gap_is_a_day_that_nobody_covers(found: Sequence[Period], whole: Period) -> None:
    gap = find_gap(found, whole)
    if gap is not None:
        assert whole.covers(gap)
        assert not any(period.covers(gap) for period in found)
    else:
        for days in range(150):
            day = date(2025, 12, 20) + timedelta(days=days)
            assert not whole.covers(day) or any(period.covers(day) for period in found)


def test_two_files_of_one_regime_are_refused_by_file_and_key() -> None:
    mine = read_regime(SMALL, file="mine.toml")
    with pytest.raises(FaultyFile, match=r"second\.toml.*valid_from: mine is in force twice.*first\.toml"):
        check_together({"first.toml": mine, "second.toml": mine}, [])
    early = read_regime("valid_until = 2026-12-31\n" + SMALL, file="x")
    late = read_regime("valid_from = 2027-01-01\n" + SMALL, file="x")
    with pytest.raises(FaultyFile, match="put later law into that file"):
        check_together({"first.toml": early, "second.toml": late}, [])


def test_what_a_regime_names_must_be_there() -> None:
    moving = read_regime(
        SMALL.replace('unit = "hours"', 'unit = "calendar_days"\n  moves_when_closed = true\n  calendar = "mars"'),
        file="x",
    )
    with pytest.raises(FaultyFile, match=r"mine\.toml.*reports\.deadlines\.calendar.*'mars'"):
        check_together({"mine.toml": moving}, ["jp-government"])
    for clock in ("filed:mine:second", "decided:nothing"):
        text = SMALL.replace('source = "x"\nconfidence', f'clock = "{clock}"\nsource = "x"\nconfidence')
        with pytest.raises(FaultyFile, match=r"reports\.clock: first"):
            check_together({"mine.toml": read_regime(text, file="x")}, [])
    shipped = {path.name: path.read_text(encoding="utf-8") for path in playbook_files("regimes")}
    check_together({name: read_regime(text, file=name) for name, text in shipped.items()}, set(CALENDARS))


POLICY = (ROOT / "playbooks/policies/gpu-cloud-bygmo.toml").read_text(encoding="utf-8")


def test_what_the_company_is_is_read_from_its_policy_and_a_misspelt_word_is_a_fault() -> None:
    assert read_policy(POLICY, file="policy").designations == frozenset()
    listed = POLICY.replace("[policy]\n", '[policy]\ndesignations = ["privacymark_holder", "card_merchant"]\n', 1)
    assert read_policy(listed, file="policy").designations == {"privacymark_holder", "card_merchant"}
    with pytest.raises(
        FaultyFile, match=r"mine\.toml.*policy\.designations \(line \d+\): 'card_merchent' is not one of"
    ):
        read_policy(listed.replace("card_merchant", "card_merchent"), file="mine.toml")


def with_clock(clock: str, *, code: str = "first", of: str = "reports") -> str:
    """The small regime, with a clock for its report or for its situation."""
    text = SMALL.replace('code = "first"', f'code = "{code}"')
    if of == "situations":
        return text.replace(
            'source = "x"\n  [[situations.all]]', f'source = "x"\nclock = "{clock}"\n  [[situations.all]]'
        )
    return text.replace('source = "x"\nconfidence', f'clock = "{clock}"\nsource = "x"\nconfidence')


def refused_together(*texts: str, forms: Sequence[str] | None = None) -> str:
    regimes = {f"file{number}.toml": read_regime(text, file="x") for number, text in enumerate(texts)}
    with pytest.raises(FaultyFile) as refusal:
        check_together(regimes, [], forms)
    return str(refusal.value)


SECOND = LATER.replace('"first"', '"second"').replace('source = "x"\n', 'clock = "filed:mine:first"\nsource = "x"\n', 1)


@pytest.mark.parametrize(
    "texts",
    [
        [with_clock("filed:mine:first")],
        [with_clock("filed:mine:first", of="situations")],
        [with_clock("filed:mine:second") + SECOND],
        [
            with_clock("filed:other:first"),
            with_clock("filed:mine:first").replace('code = "mine"', 'code = "other"', 1),
        ],
    ],
)
def test_clocks_that_wait_for_each_other_are_refused_because_none_would_begin(texts: Sequence[str]) -> None:
    assert "reports.clock: first counts from a filing that counts from its own filing" in refused_together(*texts)
    check_together({"mine.toml": read_regime(SMALL + SECOND, file="x")}, [])


@pytest.mark.parametrize(
    ("clock", "told"),
    [
        ("passed:items:5", "the passing of 'items', which is no count"),
        ("passed:contract_hours:5", "which is no count"),
        ("decided:people", "the decision of 'people', which nobody decides"),
        ("passed:people:4", "begins above 4 of people, which no condition"),
        ("passed:people:6", "begins above 6 of people, which no condition"),
        ("passed:my_number_people:5", "begins above 5 of my_number_people, which no condition"),
    ],
)
@pytest.mark.parametrize("of", ["reports", "situations"])
def test_a_clock_that_would_never_begin_is_refused(clock: str, told: str, of: str) -> None:
    found = refused_together(with_clock(clock, of=of))
    assert f"{of}.clock: " in found
    assert told in found
    assert "file0.toml" in found


def test_a_clock_begins_where_a_condition_compares() -> None:
    at_least = SMALL.replace("more_than", "at_least")
    for text, number in ((SMALL, 5), (at_least, 4)):
        clock = f'source = "x"\nclock = "passed:people:{number}"\n  [[situations.all]]'
        fits = text.replace('source = "x"\n  [[situations.all]]', clock)
        check_together({"mine.toml": read_regime(fits, file="x")}, [])


@pytest.mark.parametrize("code", ["policy", "../x", "x:y", "Mine", "a b", "-a", "x" * 31])
def test_a_code_that_is_taken_or_no_code_is_refused(code: str) -> None:
    found = refused_together(SMALL.replace('code = "mine"', f'code = "{code}"'))
    assert f"code: '{code}'" in found
    for key, place in (("a", "situations.code"), ("first", "reports.code")):
        if code != "policy":
            text = SMALL.replace(f'code = "{key}"', f'code = "{code}"').replace(
                '["a"]', f'["{code}"]' if key == "a" else '["a"]'
            )
            assert f"{place}: '{code}' is no code" in refused_together(text)
    if code not in {"policy", "x" * 31}:
        assert f"reports.addressees.ref: '{code}'" in refused_together(SMALL.replace('ref = "x"', f'ref = "{code}"'))


def test_a_form_that_nobody_has_is_refused() -> None:
    text = SMALL.replace('kind = "authority"', 'kind = "authority"\nform = "mine-first"')
    assert "reports.form: first is written on 'mine-first'" in refused_together(text, forms=["jp-appi-preliminary"])
    check_together({"mine.toml": read_regime(text, file="x")}, [], ["mine-first"])


def test_a_file_that_takes_the_place_of_a_shipped_one_by_its_name_alone_is_refused() -> None:
    mine, shipped = read_regime(SMALL, file="x"), read_regime(SMALL.replace('"mine"', '"jp-appi"', 1), file="x")
    with pytest.raises(FaultyFile, match=r"jp-appi\.toml.*code: 'mine' would take the place of 'jp-appi'"):
        check_hidden({"jp-appi.toml": shipped}, {"jp-appi.toml": mine})
    check_hidden({"jp-appi.toml": shipped}, {"jp-appi.toml": shipped, "mine.toml": mine})
