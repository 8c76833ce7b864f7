"""Texts and papers: strict, escaped, only one person's items, the same rows in every format."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from incident_app.domain.errors import BadInput
from incident_app.domain.notice_lint import lint, stops
from incident_app.domain.notices import PersonalItem, personal_facts, reference_code
from incident_app.domain.reports import FieldState, check_ready, fill_form
from incident_app.domain.vocabulary import Harm, ItemFlag, Language, PersonKind, Relation
from incident_app.domain.words import Words
from incident_app.rendering.notices import PersonalText, TemplateFaulty
from incident_app.rendering.reports import report_json
from incident_app.rendering.tabular import csv_text
from incident_app.rendering.timeline import TimelineEntry, timeline_csv, timeline_json, timeline_markdown
from tests.builders import FORMS, TEMPLATES, sample_facts

NAME = PersonalItem(name=Words(ja="氏名", en="name"), flags=frozenset())
PASSWORD = PersonalItem(name=Words(ja="パスワード", en="password"), flags=frozenset({ItemFlag.CREDENTIAL}))
AT = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)


def a_person(*items: PersonalItem, name: str = "髙橋 一郎", **changes: object) -> object:
    values = {
        "name": name,
        "kind": PersonKind.PERSON,
        "relation": Relation.CUSTOMER,
        "language": Language.JA,
        "confirmed": items or (NAME,),
        "possible": (),
        "harms": {Harm.CONFIDENTIALITY},
        "token": "0123456789abcdef01234567",
        **changes,
    }
    return personal_facts(**values)


@pytest.mark.parametrize("kind", TEMPLATES.kinds())
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_template_asks_for_exactly_its_facts_and_passes_the_linter(kind: str, language: str) -> None:
    facts = {fact.name: sample_facts()[language].get(fact.name, "x") for fact in TEMPLATES.facts_needed(kind, language)}
    text = TEMPLATES.draft(kind, language, facts)
    assert "\n" not in text.subject
    assert stops(lint(language=language, subject=text.subject, text=text.text, html=text.html)) == ()
    items = {fact.law_item for fact in TEMPLATES.facts_needed(kind, language)}
    assert items >= {"1", "4", "5", "9"}  # item 2 is each person's own list
    assert "[[your_information]]" in text.text


def test_a_hostile_name_is_escaped_in_html_and_left_alone_in_text() -> None:
    person = a_person(name="<script>alert(1)</script> & [[your_title]]")
    html = PersonalText.compile("<p>[[recipient]]</p>[[your_information]]", html=True, language="ja").fill(person)
    sentence = person.your_information[0].sentence
    assert html == (
        f"<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp; [[your_title]] 様</p><p>{sentence}</p><ul><li>氏名</li></ul>"
    )


def test_an_incident_fact_cannot_smuggle_in_template_code_or_placeholders() -> None:
    facts = {**sample_facts()["ja"], "cause": "{{ 7 * 7 }} {% for x in y %}"}
    text = TEMPLATES.draft("leak_notice", "ja", facts)
    assert "{{ 7 * 7 }}" in text.text
    with pytest.raises(BadInput):
        TEMPLATES.draft("leak_notice", "ja", {**facts, "cause": "[[recipient]]"})


def test_an_unknown_placeholder_is_refused_by_name() -> None:
    with pytest.raises(TemplateFaulty, match="nickname"):
        PersonalText.compile("[[nickname]]", html=False, language="ja")


def test_people_are_asked_to_do_what_their_own_items_call_for() -> None:
    with_password, without = a_person(NAME, PASSWORD), a_person(NAME)
    assert any("パスワードを変更" in request for request in with_password.your_requests)
    assert not any("パスワードを変更" in request for request in without.your_requests)


def information(person: object, language: str = "ja") -> str:
    return PersonalText.compile("[[your_information]]", html=False, language=language).fill(person)


def test_what_is_confirmed_and_what_is_only_possible_stand_apart() -> None:
    both = information(a_person(NAME, possible=(PASSWORD,)))
    sure, possible = both.split("次の情報が漏えいしたおそれがあります。")
    assert "漏えいしたことを確認しました。\n・氏名\n" in sure
    assert "パスワード" not in sure
    assert possible.endswith("\n・パスワード")
    assert "確認しました" not in information(a_person(confirmed=(), possible=(NAME,)))
    assert "おそれ" not in information(a_person(NAME))


def test_the_harm_is_called_what_it_is() -> None:
    lost = information(a_person(harms={Harm.AVAILABILITY}))
    assert "失われた" in lost
    assert "漏えい" not in lost
    both = information(a_person(harms={Harm.INTEGRITY, Harm.CONFIDENTIALITY}, language=Language.EN), "en")
    assert "was disclosed and altered" in both


def test_everybody_is_called_what_they_are_and_shown_to_their_own_desk() -> None:
    shareholder = a_person(relation=Relation.SHAREHOLDER, desk_note=Words(ja="名義書換代理人へ", en="transfer agent"))
    assert (shareholder.your_title, shareholder.your_desk) == ("株主様", "名義書換代理人へ")
    assert a_person().your_desk == ""
    titles = {a_person(relation=relation).your_title for relation in Relation}
    assert len(titles) == len(Relation)


def test_the_salutation_follows_the_person_and_an_empty_list_is_refused() -> None:
    assert a_person(kind=PersonKind.ORGANISATION, name="株式会社みなと").recipient == "株式会社みなと 御中"
    assert a_person(language=Language.EN, name="Ada").recipient == "Dear Ada"
    assert reference_code("0123456789abcdef01234567") == "0123-4567-89AB"
    with pytest.raises(BadInput, match="empty list"):
        a_person(confirmed=())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("お得なキャンペーン", "advertising"),
        ("https://example.jp/?id=12345", "parameters"),
        ("{{ left }}", "Left-over"),
        ("〇〇について", "Left-over"),
        ("[[nickname]]", "Unknown placeholder"),
    ],
)
def test_the_linter_stops_what_should_not_leave(text: str, found: str) -> None:
    good = "[[recipient]] [[your_information]]"
    findings = stops(lint(language="ja", subject="件名", text=good + text, html=good))
    assert any(found in finding.what.en for finding in findings)
    assert stops(lint(language="ja", subject="件名", text=good, html=good)) == ()


def test_the_nine_items_stand_in_the_order_of_the_law_and_gaps_are_stated() -> None:
    form = FORMS.form("jp-appi-definitive")
    assert list(dict.fromkeys(field.item for field in form.fields)) == [str(number) for number in range(10)]
    empty = fill_form(form, {}, {})
    assert set(empty.gaps) == {field.code for field in form.fields if field.required}
    stated = fill_form(form, {"people": Words(ja="5人", en="5")}, dict.fromkeys(empty.gaps, "調査中"))
    check_ready(stated)
    by_code = {field.code: field for field in stated.fields}
    assert by_code["people"].state is FieldState.FILLED
    assert by_code["cause"].state is FieldState.STATED_GAP
    assert by_code["cause"].reason == "調査中"


def test_a_report_reads_the_same_as_json_and_as_a_document() -> None:
    form = FORMS.form("eu-gdpr-authority")
    filled = fill_form(form, {"people": Words(ja="5人<b>", en="5")}, {"contact": "調査中"})
    head = {"reference": "INC-2026-0001", "version": 1, "written_at": "2026-11-20", "head": (7, "f" * 64)}
    document = json.loads(report_json(filled, **head))
    html = FORMS.html(filled, language="ja", **head)
    assert [field["code"] for field in document["fields"]] == [field.code for field in form.fields]
    assert "5人&lt;b&gt;" in html
    assert "調査中" in html
    assert "f" * 64 in html
    assert document["digest"] == filled.digest


def entries() -> list[TimelineEntry]:
    return [
        TimelineEntry(
            sequence=number,
            occurred_at=AT,
            recorded_at=AT,
            incident_reference="INC-2026-0001",
            kind="note.recorded",
            actor_name="=cmd()",
            summary_ja=f"出来事 {number} | 改行\nあり",
            summary_en=f"event {number}",
            corrects=None,
            hash=str(number) * 64,
        )
        for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "cell",
    ['=HYPERLINK("x")', "+1", "-1+1", "@SUM(A1)", " =1", "\t1", "\r1", "\n=1", "\u3000=1", "＝1", "＋1", "－1", "＠x"],
)
def test_no_cell_of_a_csv_is_run_as_a_formula(cell: str) -> None:
    ((found, number, plain),) = list(
        csv.reader(io.StringIO(csv_text(("a", "b", "c"), [(cell, -5, "1-1")]), newline=""))
    )[1:]
    assert found == f"'{cell}"
    assert (number, plain) == ("-5", "1-1")


def test_a_field_without_value_and_reason_is_a_gap_or_left_open_and_never_a_stated_gap() -> None:
    for code in FORMS.codes():
        form = FORMS.form(code)
        empty = fill_form(form, dict.fromkeys((field.fact for field in form.fields), Words(ja=" ", en="")), {})
        states = {field.code: field.state for field in empty.fields}
        wanted = {field.code: FieldState.GAP if field.required else FieldState.LEFT_OPEN for field in form.fields}
        assert states == wanted, code
    preliminary = fill_form(FORMS.form("jp-appi-preliminary"), {}, {})
    assert {"medium", "occurred-on"} <= set(preliminary.gaps)
    head = {"reference": "INC-2026-0001", "version": 1, "written_at": "2026-11-20", "head": (7, "f" * 64)}
    assert "未記入（任意の項目）" in FORMS.html(preliminary, language="ja", **head)


def test_measures_done_and_planned_come_from_two_facts() -> None:
    """Rules art. 8(1) item 8 wants what is done and what is planned apart."""
    for code in ("jp-appi-preliminary", "jp-appi-definitive"):
        fact_of = {field.code: field.fact for field in FORMS.form(code).fields}
        assert (fact_of["measures-done"], fact_of["measures-planned"]) == ("our_measures", "prevention_planned")


def test_every_export_holds_the_same_rows_in_the_same_order_with_offsets() -> None:
    head = (3, "3" * 64)
    rows = list(csv.DictReader(io.StringIO(timeline_csv(entries()))))
    events = json.loads(timeline_json(entries(), head=head))["events"]
    markdown = timeline_markdown(entries(), language="ja", head=head)
    assert [row["sequence"] for row in rows] == [str(event["sequence"]) for event in events] == ["1", "2", "3"]
    assert rows[0]["occurred_at"] == events[0]["occurred_at"] == "2026-11-20T17:20:00+09:00"
    assert rows[0]["actor"] == "'=cmd()"  # a spreadsheet must not run it
    lines = [line for line in markdown.splitlines() if line.startswith("| ") and "改行" in line]
    assert [line.split(" | ")[0] for line in lines] == ["| 1", "| 2", "| 3"]
    assert all(line.count(" | ") == 4 for line in lines)
