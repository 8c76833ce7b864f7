"""The linter: a table of good and bad sentences, where each finding points, and no false alarm on our own texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.notice_lint import Expectations, Finding, LintRule, Severity, lint, stops, unwaived
from incident_app.domain.vocabulary import Certainty
from tests.builders import TEMPLATES, sample_facts

BODY = {
    "ja": "[[recipient]]\n\n■ 対象の情報\n[[your_information]]\n",
    "en": "[[recipient]],\n\nDATA\n[[your_information]]\n",
}
ASSUMED = Expectations(rings=frozenset({Certainty.ASSUMED}))
S, B, W = Severity.STOPS, Severity.BLOCKS, Severity.WARNS


def found(sentence: str, language: str = "ja", *, subject: str = "件名", **expected: object) -> list[Finding]:
    text = BODY[language] + sentence
    return list(
        lint(language=language, subject=subject, text=text, html="[[recipient]][[your_information]]", **expected)
    )


@pytest.mark.parametrize(
    ("language", "sentence", "severity", "rule"),
    [
        ("ja", "お得なキャンペーンのお知らせ", S, LintRule.ADVERTISING),
        ("en", "A SPECIAL OFFER for you", S, LintRule.ADVERTISING),
        ("ja", "担当：〇〇", S, LintRule.LEFT_OVER),
        ("ja", "発生日：　年　　月　　日", S, LintRule.LEFT_OVER),
        ("en", "Signed: [insert name]", S, LintRule.LEFT_OVER),
        ("ja", "{% if x %}", S, LintRule.LEFT_OVER),
        ("ja", "https://example.jp/news?id=7", S, LintRule.TRACKING_LINK),
        ("ja", "https://example.jp/login", B, LintRule.SIGN_IN_LINK),
        ("ja", "次のURLからログインしてください https://example.jp/", B, LintRule.SIGN_IN_LINK),
        ("en", "Please log in at https://www.example.com/", B, LintRule.SIGN_IN_LINK),
        ("ja", "[[recipient]] 様", B, LintRule.HONORIFIC),
        ("ja", "[[recipient]]御中", B, LintRule.HONORIFIC),
        ("ja", "[[your_title]]様の情報", B, LintRule.HONORIFIC),
        ("ja", "お客様各位様", B, LintRule.HONORIFIC),
        ("en", "Dear [[recipient]],", B, LintRule.HONORIFIC),
        ("ja", "・\n", B, LintRule.EMPTY_LIST),
        ("ja", "\n■ 原因\n\n■ 二次被害\nおそれがあります。", B, LintRule.EMPTY_LIST),
        ("ja", "\n■ 原因\n", B, LintRule.EMPTY_LIST),
        ("en", "\nCAUSE\n\nLIKELY CONSEQUENCES\nFraud.", B, LintRule.EMPTY_LIST),
        ("en", "\nCAUSE\n", B, LintRule.EMPTY_LIST),
        ("ja", "被害は一切発生しません。", W, LintRule.OVER_CERTAIN),
        ("ja", "二次被害のおそれはございません。", W, LintRule.OVER_CERTAIN),
        ("en", "There is no risk.", W, LintRule.OVER_CERTAIN),
        ("ja", "2026年11月20日に発生し、2026/11/21に発見しました。", W, LintRule.DATES),
        ("ja", "２０２６年１１月２０日に発生し、2026-11-21に発見しました。", W, LintRule.DATES),
        ("ja", "11月20日に発生しました。", W, LintRule.DATES),
        ("en", "It began on 20 November 2026 and ended on November 21, 2026.", W, LintRule.DATES),
        ("ja", "このメールにはリンクや添付ファイルはありません。\nhttps://example.jp/", W, LintRule.LINK),
    ],
)
def test_a_bad_sentence_is_found(language: str, sentence: str, severity: Severity, rule: LintRule) -> None:
    assert (severity, rule) in {(entry.severity, entry.rule) for entry in found(sentence, language)}


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("ja", "漏えいしたおそれがあります。"),
        ("ja", "現時点で、情報の悪用は確認されていません。"),
        ("ja", "2026年11月20日 17:20に検知し、11月21日に遮断しました。"),
        ("ja", "受付は毎日 9:00〜21:00（24/7 ではありません）、電話 0120-000-000。"),
        ("ja", "お客様、[[your_title]]の情報。株式会社みなと様式の書類。"),
        ("ja", "公式サイト https://www.example.jp/ の「お知らせ」をご覧ください。"),
        ("ja", "会員ページのメニューからパスワードを変更してください。"),
        ("ja", "\n■ 原因\n設定の誤りです。\n\n■ 二次被害\n・不審なメール\n・なりすまし"),
        ("en", "It began on 20 November 2026, 08:20 JST, and ended on 21 November 2026."),
        ("en", "[[recipient]],\nYour data may have been disclosed."),
        ("en", "\nCAUSE\nA mistake.\n\nACME CORP\nTaro Mihon"),
        ("en", "Change your password on the member pages."),
    ],
)
def test_a_good_sentence_raises_no_alarm(language: str, sentence: str) -> None:
    assert found(sentence, language) == []


@pytest.mark.parametrize(
    ("language", "sentence", "bad"),
    [
        ("ja", "お客様の情報が漏えいしました。", True),
        ("ja", "情報の流出が判明しました。", True),
        ("ja", "情報が漏えいしたおそれがあります。", False),
        ("ja", "情報が漏えいした可能性を調べています。", False),
        ("en", "Your data was stolen.", True),
        ("en", "Your data may have been disclosed, which is not confirmed.", False),
        ("en", "Your data have been leaked.", True),
        ("en", "Your data may be involved.", False),
    ],
)
def test_people_of_whom_nothing_is_confirmed_are_not_told_that_it_is(
    language: str, sentence: str, *, bad: bool
) -> None:
    rules = {(entry.severity, entry.rule) for entry in found(sentence, language, expected=ASSUMED)}
    assert ((B, LintRule.OVER_CERTAIN) in rules) is bad
    assert (B, LintRule.OVER_CERTAIN) not in {(entry.severity, entry.rule) for entry in found(sentence, language)}


@pytest.mark.parametrize(
    ("html", "severity", "rule"),
    [
        ('<p><a href="https://example.jp/login">詳しくはこちら</a></p>', B, LintRule.SIGN_IN_LINK),
        ('<img src="https://example.jp/p.gif?u=1">', S, LintRule.TRACKING_LINK),
        ("<p>クーポンをどうぞ</p>", S, LintRule.ADVERTISING),
        ("<p>TODO</p>", S, LintRule.LEFT_OVER),
    ],
)
def test_what_stands_only_in_the_html_is_found_there(html: str, severity: Severity, rule: LintRule) -> None:
    (finding,) = lint(
        language="ja", subject="件名", text=BODY["ja"], html=f"[[recipient]]\n[[your_information]]\n{html}"
    )
    assert (finding.severity, finding.rule) == (severity, rule)
    assert finding.place.en == "HTML text, line 3"


def test_what_stands_in_text_and_html_is_said_once() -> None:
    both = "次のURLからログインしてください https://example.jp/ 〇〇 クーポン"
    findings = lint(
        language="ja", subject="件名", text=BODY["ja"] + both, html=f"[[recipient]][[your_information]]{both}"
    )
    assert sorted(entry.rule for entry in findings) == ["advertising", "left_over", "sign_in_link"]


def test_an_item_that_law_demands_is_named_with_who_demands_it() -> None:
    expected = Expectations(required={"4": "jp-appi", "5": "jp-appi, eu-gdpr"}, covered={"5"})
    (finding,) = found("", expected=expected)
    assert (finding.severity, finding.rule) == (B, LintRule.REQUIRED_ITEM)
    assert "原因" in finding.what.ja
    assert "jp-appi" in finding.what.en


def test_the_name_of_a_service_is_no_advertising() -> None:
    expected = Expectations(names=["お得プラン"])
    assert found("お得プランをご利用の方へ", expected=expected) == []
    assert stops(tuple(found("お得プランがお得になりました", expected=expected)))


def test_a_finding_says_where_why_and_what_to_do() -> None:
    (finding,) = found("被害は発生しません。")
    assert (finding.place.ja, finding.place.en) == ("本文の5行目", "Text, line 5")
    assert finding.what.ja
    assert finding.remedy.en


def test_what_blocks_can_be_accepted_and_what_stops_cannot() -> None:
    findings = tuple(found("https://example.jp/login\n〇〇"))
    assert len(unwaived(findings, set())) == 2
    left = unwaived(findings, {("ja", "sign_in_link"), ("ja", "left_over")})
    assert [entry.rule for entry in left] == [LintRule.LEFT_OVER]
    assert len(unwaived(findings, {("en", "sign_in_link")})) == 2


@pytest.mark.parametrize("kind", TEMPLATES.kinds())
@pytest.mark.parametrize("language", ["ja", "en"])
def test_our_own_templates_raise_no_alarm(kind: str, language: str) -> None:
    needed = {fact.name for fact in TEMPLATES.facts_needed(kind, language)}
    facts = {name: value for name, value in sample_facts()[language].items() if name in needed}
    facts |= dict.fromkeys(needed - set(facts), "試験" if language == "ja" else "a test")
    text = TEMPLATES.draft(kind, language, facts)
    about = TEMPLATES.about(kind)
    expected = Expectations(rings=about.rings or frozenset(Certainty))
    assert lint(language=language, subject=text.subject, text=text.text, html=text.html, expected=expected) == ()


@given(st.text(max_size=300), st.sampled_from(["ja", "en"]))
def test_no_text_breaks_the_linter_and_every_line_it_names_exists(text: str, language: str) -> None:
    lines = text.count("\n") + 1
    for finding in lint(language=language, subject="件名", text=text, html=text):
        digits = "".join(character for character in finding.place.en if character.isascii() and character.isdigit())
        assert not digits or 1 <= int(digits) <= lines


@given(st.sampled_from([rule.value for rule in LintRule]), st.integers(min_value=0, max_value=5))
def test_more_waivers_never_leave_more_findings(rule: str, repeat: int) -> None:
    findings = tuple(found("https://example.jp/login\n[[recipient]] 様\n・\n" * (repeat + 1)))
    assert set(unwaived(findings, {("ja", rule)})) <= set(unwaived(findings, set()))
