"""Forms of reports: data that is checked when it is read, filled in order, with answers and conditions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.errors import BadInput, FaultyFile
from incident_app.domain.regimes import AddresseeKind, read_regime
from incident_app.domain.report_facts import CHOSEN, Codes, FactKind, FactSource, ReportFact, read_fact_list
from incident_app.domain.report_forms import Choice, Form, FormField, Stage, read_form, read_part
from incident_app.domain.report_values import number_words, read_value
from incident_app.domain.reports import FieldState, fill_form
from incident_app.domain.words import Words
from tests.builders import FORMS, playbook_files

FACTS = read_fact_list(
    (
        "\n".join(
            f'[[facts]]\ncode = "{code}"\nfrom = "person"\nkind = "{kind}"\nlabel_ja = "事実"\nlabel_en = "fact"'
            for code, kind in (("story", "text"), ("people", "number"), ("day", "moment"), ("known", "choice"))
        ),
        "facts.toml",
    )
)
HEAD = (
    'code = "x"\nversion = "1"\ntitle_ja = "様式"\ntitle_en = "form"\naddressee_ja = "先"\naddressee_en = "to"\n'
    'source = "law"\n'
)
KNOWN = (
    '[[fields]]\ncode = "known"\nitem = "1"\nlabel_ja = "有無"\nlabel_en = "whether"\nfact = "known"\n'
    'choices = [{ code = "yes", ja = "有", en = "yes" }, { code = "no", ja = "無", en = "no" }]\n'
)


def a_field(code: str = "story", **changes: str) -> str:
    keys = {"item": '"1"', "label_ja": '"項目"', "label_en": '"field"', "fact": '"story"', **changes}
    return f'[[fields]]\ncode = "{code}"\n' + "\n".join(f"{key} = {value}" for key, value in keys.items()) + "\n"


def read(text: str, **values: object) -> Form:
    return read_form(HEAD + text, file="x/form.toml", facts=FACTS, **values)


@pytest.mark.parametrize("code", FORMS.codes())
def test_every_shipped_form_is_whole_in_both_languages(code: str) -> None:
    form = FORMS.form(code)
    for words in (form.title, form.addressee, *(field.label for field in form.fields)):
        assert any("\u3040" <= sign <= "\u9fff" for sign in words.ja) or words.ja.startswith("72")
        assert words.en.isascii()
    assert len(set(form.field_codes)) == len(form.fields)
    for field in form.fields:
        assert (form.facts[field.fact].kind in CHOSEN) == bool(field.choices)


def test_the_papers_of_the_issue_are_there() -> None:
    wanted = {"eu-gdpr-authority", "uk-gdpr-authority", "card-acquirer", "public-statement", "public-faq"}
    wanted |= {f"jp-appi-{stage}" for stage in ("preliminary", "follow-up", "definitive")}
    wanted |= {f"jp-{name}-{stage}" for name in ("mynumber", "privacymark") for stage in ("preliminary", "definitive")}
    wanted |= {"jp-telecom-first", "jp-telecom-detailed", "jp-common-ransomware", "jp-common-ddos"}
    wanted |= {"jp-cyber-response"}
    wanted |= {f"eu-nis2-{stage}" for stage in ("early-warning", "notification", "final")}
    assert set(FORMS.codes()) == wanted


def test_each_stage_of_nis2_asks_for_what_its_paragraph_asks_for_and_no_earlier() -> None:
    """NIS2 art. 23(4): (a) suspicion and borders; (b) severity, impact, indicators; (d) cause, measures."""
    required = {
        stage: {field.code for field in FORMS.form(f"eu-nis2-{stage}").fields if field.required}
        for stage in ("early-warning", "notification", "final")
    }
    assert {"suspected-cause", "cross-border"} <= set.intersection(*required.values())
    assert required["notification"] - required["early-warning"] >= {"severity", "business-impact", "indicators"}
    assert required["final"] - required["notification"] == {"cause", "course-of-events", "measures", "measures-planned"}
    assert "cause" not in FORMS.form("eu-nis2-early-warning").field_codes


def test_every_report_to_an_authority_has_its_form_but_for_the_examples_of_the_united_states() -> None:
    without = set()
    for path in playbook_files("regimes"):
        regime = read_regime(path.read_text(encoding="utf-8"), file=path.name)
        for report in regime.reports:
            assert report.form is None or report.form in FORMS.codes()
            if report.kind is AddresseeKind.AUTHORITY and report.form is None:
                without.add(regime.code)
    assert without == {"us-california", "us-hipaa", "us-sec"}


@pytest.mark.parametrize("code", ["jp-appi-follow-up", "jp-mynumber-definitive", "jp-appi-preliminary"])
def test_the_nine_items_stand_in_order_and_reporter_first(code: str) -> None:
    items = list(dict.fromkeys(field.item for field in FORMS.form(code).fields))
    assert items == [str(number) for number in range(10)]


def test_the_first_telecom_report_has_its_ten_items_in_order() -> None:
    items = list(dict.fromkeys(field.item for field in FORMS.form("jp-telecom-first").fields))
    assert items == [str(number) for number in range(1, 11)]


def test_the_report_of_a_designated_operator_has_its_seven_items_in_order() -> None:
    items = list(dict.fromkeys(field.item for field in FORMS.form("jp-cyber-response").fields))
    assert items == [str(number) for number in range(1, 8)]


def test_the_fields_of_the_commissions_form_are_all_asked_for() -> None:
    """law.md 1.10: what each of the nine items holds."""
    asked = set(FORMS.form("jp-appi-definitive").facts)
    assert asked >= {
        *("report_series", "reported_on", "company_name", "company_kana", "corporate_number", "industry"),
        *("company_address", "representative", "contact", "occurred_on", "discovered_on", "event_kind", "found_by"),
        *("rule_items", "entrusting", "processing", "course_of_events", "outside_investigation_state"),
        *("medium", "kinds_of_information", "item_kinds", "items", "people", "people_certainty", "people_with_cards"),
        *("where_it_happened", "cause_kind", "attack_method", "secondary_harm_known", "secondary_harm"),
        *("people_told_state", "people_told", "publication_state", "publication_means", "publication"),
        *("our_measures", "prevention_planned", "reports_filed", "police", "other"),
    }


def test_my_number_goes_by_its_own_rules_and_names_its_own_data() -> None:
    form = FORMS.form("jp-mynumber-preliminary")
    by_code = {field.code: field for field in form.fields}
    assert by_code["rule-items"].fact == "number_rule_items"
    assert "特定個人情報" in by_code["items"].label.ja
    assert form.field_codes == FORMS.form("jp-appi-preliminary").field_codes  # in the places of those they replace


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (a_field(fact='"stroy"'), "fields[0].fact", "'stroy' is not defined in facts.toml"),
        (a_field(colour='"red"'), "fields[0].colour", "unknown key"),
        (a_field() + a_field(), "fields[1].code", "stands twice"),
        (a_field(choices='[{ code = "a", ja = "あ", en = "a" }]'), "fields[0].choices", "any other has none"),
        (a_field("known", fact='"known"'), "fields[0].choices", "needs choices"),
        (a_field(required='"yes"'), "fields[0].required", "true or false"),
        (a_field(required_in='["never"]'), "fields[0].required_in", "'never' is not one of"),
        (a_field(required="true", required_in='["definitive"]'), "fields[0].required_in", "stands beside required"),
        (a_field(text_ja='"だけ"'), "fields[0].text_ja", "stand together"),
        (a_field(required_when='{ field = "nothing", is = ["yes"] }'), "fields", "'nothing', not in this form"),
        (KNOWN + a_field(required_when='{ field = "known", is = ["perhaps"] }'), "fields", "no answer perhaps"),
        ('stage = "last"\n' + a_field(), "stage", "'last' is not one of"),
        ('parts = ["nothing"]\n', "parts", "'nothing' is not defined"),
    ],
)
def test_a_faulty_form_is_refused_by_file_and_key(text: str, key: str, problem: str) -> None:
    with pytest.raises(FaultyFile) as refused:
        read(text)
    assert "x/form.toml" in str(refused.value)
    assert any(fault.startswith(key) and problem in fault for fault in refused.value.fault_list), refused.value


def test_a_faulty_list_of_facts_is_refused_by_file_and_key() -> None:
    text = '[[facts]]\ncode = "a"\nfrom = "heaven"\nkind = "song"\nlabel_ja = "あ"\n'
    with pytest.raises(FaultyFile) as refused:
        read_fact_list((text, "facts.toml"))
    faults = " | ".join(refused.value.fault_list)
    for key in ("facts[0].from", "facts[0].kind", "facts[0].label_en"):
        assert key in faults


def test_a_part_gives_its_fields_and_the_stage_says_what_is_required() -> None:
    part = read_part(a_field(required_in='["definitive"]') + a_field("day", fact='"day"'), file="p", facts=FACTS)
    preliminary = read('stage = "preliminary"\nparts = ["p"]\n', parts={"p": part})
    assert preliminary.stage is Stage.PRELIMINARY
    assert [field.required for field in preliminary.fields] == [False, False]
    definitive = read('stage = "definitive"\nparts = ["p"]\nleft_out = ["day"]\n', parts={"p": part})
    assert [(field.code, field.required) for field in definitive.fields] == [("story", True)]
    own = read('parts = ["p"]\n' + a_field(label_en='"ours"'), parts={"p": part})
    assert [field.label.en for field in own.fields] == ["ours", "field"]


def test_a_field_is_required_only_where_another_has_that_answer() -> None:
    form = read(KNOWN + a_field(required_when='{ field = "known", is = ["yes"] }'))

    def state(answer: str | None) -> FieldState:
        facts = {"known": Codes(codes=(answer,))} if answer else {}
        return fill_form(form, facts, {}).fields[1].state

    assert state("yes") is FieldState.GAP
    assert state("no") is FieldState.NOT_APPLICABLE
    assert state(None) is FieldState.LEFT_OPEN
    said = fill_form(form, {"known": Codes(codes=("no",)), "story": Words(ja="話", en="story")}, {})
    assert said.fields[1].state is FieldState.FILLED  # what somebody wrote is never hidden


def test_an_answer_is_said_in_the_words_of_the_form_and_one_it_lacks_is_other_or_open() -> None:
    form = FORMS.form("jp-appi-definitive")
    filled = {
        field.code: field
        for field in fill_form(form, {"item_kinds": Codes(codes=("my-number", "password", "name"))}, {}).fields
    }
    assert filled["item-kinds"].value == Words(ja="氏名、パスワード、その他", en="name, password, other")
    unknown = fill_form(form, {"found_by": Codes(codes=("nobody-we-know",)), "entrusting": Codes(codes=("x",))}, {})
    states = {field.code: field.state for field in unknown.fields}
    assert states["found-by"] is FieldState.FILLED
    assert states["entrusting"] is FieldState.GAP


def fact(kind: FactKind) -> ReportFact:
    words = Words(ja="事実", en="fact")
    unit = Words(ja="人", en="people")
    return ReportFact(code="f", label=words, kind=kind, source=FactSource.PERSON, unit=unit)


def field(*choices: str) -> FormField:
    words = Words(ja="項目", en="field")
    return FormField(
        code="f",
        item="1",
        label=words,
        fact="f",
        required=True,
        choices=tuple(Choice(code=code, words=Words(ja=f"{code}です", en=code.upper())) for code in choices),
    )


@pytest.mark.parametrize(
    ("text", "ja"),
    [
        ("2026-11-24", "2026年11月24日"),
        ("2026/1/4", "2026年1月4日"),
        ("2026年11月24日", "2026年11月24日"),
        ("２０２６年１１月２４日", "2026年11月24日"),
        ("2026-11-24 17:20", "2026年11月24日 17:20（日本時間）"),
        ("2026-11-24T08:20+00:00", "2026年11月24日 17:20（日本時間）"),
        ("不明", "不明"),
        ("unknown", "不明"),
    ],
)
def test_a_day_is_read_as_people_write_it(text: str, ja: str) -> None:
    assert read_value(field(), fact(FactKind.MOMENT), text).ja == ja


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "2026-02-30", "2026-11-24T08:20", "24", "2026-11-24 25:00"]
)
def test_what_is_no_day_is_refused_with_the_field(text: str) -> None:
    with pytest.raises(BadInput, match=r"^f: write a day"):
        read_value(field(), fact(FactKind.MOMENT), text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_number_is_read_back_as_it_is_said(number: int) -> None:
    said = number_words(number, fact(FactKind.NUMBER))
    assert read_value(field(), fact(FactKind.NUMBER), said.ja) == said
    assert read_value(field(), fact(FactKind.NUMBER), said.en) == said


@pytest.mark.parametrize("text", ["about 5", "-5", "1,00", "5人くらい", "1.5", "１，００"])
def test_what_is_no_number_is_refused_with_the_field(text: str) -> None:
    with pytest.raises(BadInput, match=r"^f: write a whole number"):
        read_value(field(), fact(FactKind.NUMBER), text)


def test_an_answer_is_given_by_its_code_or_its_words_and_nothing_else() -> None:
    one, many = fact(FactKind.CHOICE), fact(FactKind.CHOICES)
    assert read_value(field("a", "b"), one, "bです") == Codes(codes=("b",))
    assert read_value(field("a", "b"), many, "B, a、a") == Codes(codes=("b", "a"))
    for asked, text in ((one, "a, b"), (one, "c"), (many, "a, c"), (many, "a,,b")):
        with pytest.raises(BadInput, match="must be one of a, b"):
            read_value(field("a", "b"), asked, text)


def test_the_companys_items_are_called_what_authorities_call_them() -> None:
    known = FORMS.facts()
    items = {"mobile": frozenset({"contact"}), "admin-account": frozenset({"credential"}), "balance": frozenset()}
    assert set(known.kinds_of_items(items).codes) == {"telephone", "password", "other"}
    assert known.kinds_of_items({}) == Codes(codes=())
