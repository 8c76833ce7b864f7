"""The notice linter: what should not leave the house (K15), each with its place, the reason and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum

from incident_app.domain.lint_dates import date_faults
from incident_app.domain.notices import PERSONAL
from incident_app.domain.vocabulary import Certainty
from incident_app.domain.words import Words

MARKETING = (
    "キャンペーン",
    "お得",
    "新商品",
    "クーポン",
    "プレゼント",
    "special offer",
    "discount",
    "upgrade now",
    "newsletter",
)
_PLACEHOLDER = re.compile(r"\[\[\s*([A-Za-z_]*)\s*\]\]")
_LINK = re.compile(r"https?://[^\s<>\"'）」]+", re.IGNORECASE)
_LINK_WITH_QUERY = re.compile(r"https?://[^\s<>\"]*[?&][^\s<>\"]+", re.IGNORECASE)
_SIGN_IN_PATH = re.compile(r"/[^\s]*(log-?in|sign-?in|auth|my-?page|account|password|reset)", re.IGNORECASE)
_SIGN_IN_WORDS = re.compile(
    r"ログイン|サインイン|パスワードを(入力|変更|再設定)|log ?in|sign ?in|(enter|change|reset) your password",
    re.IGNORECASE,
)
_SAYS_NO_LINKS = re.compile(r"リンクや添付ファイルはありません|holds no links", re.IGNORECASE)
_LEFT_OVER = re.compile(
    r"\{\{|\}\}|\{%|%\}|【要記入】|〇〇|○○|●●|△△|XXX|TBD|TODO|FIXME|[XYMD]{2,4}[年月日]|\[insert[^\]]*\]|<insert[^>]*>"
    r"|lorem ipsum|年[ 　]+月[ 　]+日"
)
_OVER_CERTAIN = re.compile(
    r"漏えいは(一切)?ありません|被害は(一切)?発生しません|二次被害(のおそれ|の恐れ)?は(一切)?(ありません|ございません)"
    r"|絶対に|完全に安全|100[%％]|no harm (can|will) (occur|result)|completely safe|no risk|we guarantee",
    re.IGNORECASE,
)
_SAID_AS_CERTAIN = re.compile(
    r"(漏えい|漏洩|流出)(しました|いたしました|した(こと|の)が?(判明|確認)|が(発生|判明)しました|を確認しました)"
    r"|\b(was|were|has been|(?<!may )(?<!might )(?<!could )have been) (disclosed|leaked|stolen|exposed)",
    re.IGNORECASE,
)
_HONORIFIC = "様|さま|御中|殿|各位"
_DOUBLED = re.compile(
    rf"\[\[\s*(?:recipient|your_title)\s*\]\][ 　]*(?:{_HONORIFIC})|(?:様|御中|各位)[ 　]*(?:{_HONORIFIC})"
    r"|(?:Dear|Mr\.?|Mrs\.?|Ms\.?)\s+\[\[\s*recipient\s*\]\]"
)
_HEADING_JA = re.compile(r"■.+")
_HEADING_EN = re.compile(r"[A-Z][A-Z ,']{2,}")
_EMPTY_ENTRY = re.compile(r"^[ 　]*(?:[・●\-*])[ 　]*$")


class Severity(StrEnum):
    """What a finding does: a draft is not kept with it, or not approved unless it is waived, or it is only shown."""

    STOPS = "stops"
    BLOCKS = "blocks"
    WARNS = "warns"


class LintRule(StrEnum):
    """What the linter looks for."""

    SUBJECT_LINES = "subject_lines"
    SUBJECT_PERSONAL = "subject_personal"
    PLACEHOLDER = "placeholder"
    LEFT_OVER = "left_over"
    ADVERTISING = "advertising"
    TRACKING_LINK = "tracking_link"
    REQUIRED_ITEM = "required_item"
    EMPTY_LIST = "empty_list"
    SIGN_IN_LINK = "sign_in_link"
    LINK = "link"
    HONORIFIC = "honorific"
    OVER_CERTAIN = "over_certain"
    DATES = "dates"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the linter found."""

    severity: Severity
    rule: LintRule
    language: str
    place: Words
    what: Words
    remedy: Words


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """What a text must say and may say, beyond what every text must."""

    required: Mapping[str, str] = field(default_factory=dict)
    """Items that law demands of a notice to people, each with who demands it."""
    covered: AbstractSet[str] = frozenset()
    """Those of the items that the text has."""
    rings: AbstractSet[Certainty] = frozenset({Certainty.CONFIRMED, Certainty.ASSUMED})
    """How sure we are of the people it goes to."""
    names: Collection[str] = ()
    """Names of services and companies: what they are called is no advertising."""


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """One text under the linter."""

    language: str
    subject: str
    text: str
    html: str
    expected: Expectations


Found = tuple[Severity, LintRule, Words, Words, Words]


def lint(
    *, language: str, subject: str, text: str, html: str, expected: Expectations | None = None
) -> tuple[Finding, ...]:
    """Look through one drafted text: complete, finished, no surer than we are; nothing that advertises or tracks."""
    draft = _Draft(language=language, subject=subject, text=text, html=html, expected=expected or Expectations())
    found = dict.fromkeys(entry for check in _CHECKS for entry in check(draft))
    order = list(Severity)
    return tuple(
        Finding(severity=severity, rule=rule, language=language, place=place, what=what, remedy=remedy)
        for severity, rule, place, what, remedy in sorted(found, key=lambda entry: order.index(entry[0]))
    )


def stops(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings that must be mended before the draft is kept."""
    return tuple(finding for finding in findings if finding.severity is Severity.STOPS)


def unwaived(findings: tuple[Finding, ...], waived: AbstractSet[tuple[str, str]]) -> tuple[Finding, ...]:
    """Return the findings that stop approval: those that block, less the waived pairs of language and rule."""
    blocking = {Severity.STOPS, Severity.BLOCKS}
    return tuple(
        finding
        for finding in findings
        if finding.severity in blocking
        and (finding.severity is Severity.STOPS or (finding.language, finding.rule.value) not in waived)
    )


_IN_SUBJECT = Words(ja="件名", en="Subject")
_IN_TEXT = Words(ja="本文", en="Text")
_IN_HTML = Words(ja="HTMLの本文", en="HTML text")


def _line(text: str, position: int) -> Words:
    number = text.count("\n", 0, position) + 1
    return Words(ja=f"本文の{number}行目", en=f"Text, line {number}")


def _in_subject(_subject: str, _position: int) -> Words:
    return _IN_SUBJECT


def _html_line(html: str, position: int) -> Words:
    number = html.count("\n", 0, position) + 1
    return Words(ja=f"HTMLの本文の{number}行目", en=f"HTML text, line {number}")


def _matches(draft: _Draft, form: re.Pattern[str]) -> Iterator[tuple[str, Words]]:
    """Yield what is found in the text, and in the html what the text does not have: most people see only the html."""
    for found in form.finditer(draft.text):
        yield found[0], _line(draft.text, found.start())
    for found in form.finditer(draft.html):
        if found[0] not in draft.text:
            yield found[0], _html_line(draft.html, found.start())


def _subject_faults(draft: _Draft) -> Iterator[Found]:
    if "\n" in draft.subject or "\r" in draft.subject:
        what = Words(ja="件名が1行ではありません。", en="The subject is not one line.")
        yield Severity.STOPS, LintRule.SUBJECT_LINES, _IN_SUBJECT, what, _WRITE_ONE_LINE
    if _PLACEHOLDER.search(draft.subject):
        what = Words(ja="件名に個人ごとの値が入っています。", en="The subject holds a personal value.")
        yield Severity.STOPS, LintRule.SUBJECT_PERSONAL, _IN_SUBJECT, what, _MOVE_TO_TEXT


_WRITE_ONE_LINE = Words(ja="1行にしてください。", en="Write one line.")
_MOVE_TO_TEXT = Words(
    ja="件名は通知の一覧でほかの人の目に触れます。本文に移してください。",
    en="Others may see subjects in a list of mails. Move it into the text.",
)


def _placeholder_faults(draft: _Draft) -> Iterator[Found]:
    for part, place in ((draft.text, _IN_TEXT), (draft.html, _IN_HTML)):
        present = set(_PLACEHOLDER.findall(part))
        for name in sorted(present - set(PERSONAL)):
            what = Words(ja=f"知らない差し込み [[{name}]] があります。", en=f"Unknown placeholder [[{name}]].")
            remedy = Words(ja="取り除いてください。", en="Remove it.")
            yield Severity.STOPS, LintRule.PLACEHOLDER, place, what, remedy
        for name in ("recipient", "your_information"):
            if name not in present:
                what = Words(ja=f"差し込み [[{name}]] がありません。", en=f"The placeholder [[{name}]] is missing.")
                remedy = Words(ja=f"[[{name}]] を入れてください。", en=f"Put in [[{name}]].")
                yield Severity.STOPS, LintRule.PLACEHOLDER, place, what, remedy


def _left_over_faults(draft: _Draft) -> Iterator[Found]:
    remedy = Words(ja="書き終えてから保存してください。", en="Finish the text first.")
    in_subject = [(found[0], _IN_SUBJECT) for found in _LEFT_OVER.finditer(draft.subject)]
    for word, place in (*in_subject, *_matches(draft, _LEFT_OVER)):
        what = Words(ja=f"書きかけの文字「{word}」が残っています。", en=f"Left-over text {word!r}.")
        yield Severity.STOPS, LintRule.LEFT_OVER, place, what, remedy


def _advertising_faults(draft: _Draft) -> Iterator[Found]:
    remedy = Words(
        ja="通知に広告を載せることはできません。取り除いてください。", en="A notice never advertises. Remove it."
    )
    told: set[str] = set()
    for part, place_of in ((draft.subject, _in_subject), (draft.text, _line), (draft.html, _html_line)):
        plain = part.lower()
        for name in sorted(filter(str.strip, draft.expected.names), key=len, reverse=True):
            plain = plain.replace(name.lower(), "\0" * len(name.lower()))
        for word in MARKETING:
            position = plain.find(word.lower())
            if position >= 0 and not (place_of is _html_line and word in told):
                told.add(word)
                what = Words(ja=f"広告の言葉「{word}」があります。", en=f"An advertising word: {word!r}.")
                yield Severity.STOPS, LintRule.ADVERTISING, place_of(part, position), what, remedy


def _link_faults(draft: _Draft) -> Iterator[Found]:
    for _, place in _matches(draft, _LINK_WITH_QUERY):
        what = Words(
            ja="個別のリンクや追跡のあるリンクは使えません。",
            en="A link with parameters can track people; it is not allowed.",
        )
        yield Severity.STOPS, LintRule.TRACKING_LINK, place, what, _NAME_THE_PAGE
    around = draft.text.splitlines() + draft.html.splitlines()
    for link, place in _matches(draft, _LINK):
        beside = " ".join(line.replace(link, "") for line in around if link in line)
        if _SIGN_IN_PATH.search(link.partition("://")[2]) or _SIGN_IN_WORDS.search(beside):
            what = Words(
                ja="ログインを求めるリンクがあります。偽の通知と見分けがつきません。",
                en="A link asks people to sign in, as forged notices do.",
            )
            yield Severity.BLOCKS, LintRule.SIGN_IN_LINK, place, what, _NAME_THE_PAGE
        if _SAYS_NO_LINKS.search(draft.text):
            what = Words(
                ja="リンクはないと書きながら、リンクがあります。",
                en="The text says that it holds no links, but it does.",
            )
            yield Severity.WARNS, LintRule.LINK, place, what, _NAME_THE_PAGE


_NAME_THE_PAGE = Words(
    ja="公式サイトのトップページとメニューの名前を、文字で案内してください。",
    en="Name the official top page and the menu in words instead.",
)


def _required_faults(draft: _Draft) -> Iterator[Found]:
    for item, demanded_by in draft.expected.required.items():
        if item not in draft.expected.covered:
            name = ITEMS.get(item, Words(ja=item, en=item))
            what = Words(
                ja=f"法令が求める項目「{name.ja}」がありません（{demanded_by}）。",
                en=f"An item that law demands is missing: {name.en} ({demanded_by}).",
            )
            remedy = Words(ja=f"{name.ja}を書いてください。", en=f"State {name.en}.")
            yield Severity.BLOCKS, LintRule.REQUIRED_ITEM, _IN_TEXT, what, remedy


ITEMS: Mapping[str, Words] = {
    "1": Words(ja="概要", en="what happened"),
    "2": Words(ja="本人の情報の項目", en="which data of the person"),
    "4": Words(ja="原因", en="the cause"),
    "5": Words(ja="二次被害またはそのおそれ", en="secondary harm or its likelihood"),
    "9": Words(ja="本人ができることと問い合わせ先", en="what people can do and whom to contact"),
    "measures": Words(ja="当社の対応", en="the measures taken"),
}
"""The items of Enforcement Rules art. 10 by number, and what other laws demand besides."""


def _empty_list_faults(draft: _Draft) -> Iterator[Found]:
    form, end = (_HEADING_JA, "■ end") if draft.language == "ja" else (_HEADING_EN, "END")
    position, waiting, may_head = 0, None, True
    for line in [*draft.text.split("\n"), "", end]:
        is_heading = may_head and form.fullmatch(line.strip()) is not None  # headings stand by themselves
        if _EMPTY_ENTRY.match(line):
            what = Words(ja="中身のない箇条書きがあります。", en="A list has an entry without words.")
            yield Severity.BLOCKS, LintRule.EMPTY_LIST, _line(draft.text, position), what, _FILL_OR_REMOVE
        if is_heading and waiting is not None:
            what = Words(ja="見出しの下に何もありません。", en="Nothing stands below a heading.")
            yield Severity.BLOCKS, LintRule.EMPTY_LIST, _line(draft.text, waiting), what, _FILL_OR_REMOVE
        if is_heading:
            waiting = position
        elif line.strip():
            waiting = None
        may_head = is_heading or not line.strip()
        position += len(line) + 1


_FILL_OR_REMOVE = Words(ja="書き足すか、取り除いてください。", en="Fill it in or remove it.")


def _honorific_faults(draft: _Draft) -> Iterator[Found]:
    for found in _DOUBLED.finditer(draft.text):
        what = Words(
            ja=f"敬称が重なります（{found[0]}）。差し込みには「様」「御中」が付いています。",
            en=f"The form of address is doubled ({found[0]}): the placeholder brings its own.",
        )
        remedy = Words(ja="差し込みの前後の敬称を取り除いてください。", en="Remove the words beside the placeholder.")
        yield Severity.BLOCKS, LintRule.HONORIFIC, _line(draft.text, found.start()), what, remedy


def _certainty_faults(draft: _Draft) -> Iterator[Found]:
    for found in _OVER_CERTAIN.finditer(draft.text):
        what = Words(ja="言い切りすぎていないか確かめてください。", en="Check whether this claims more than is known.")
        remedy = Words(
            ja="「現時点では確認されていません」のように書いてください。", en="Write what is known as of today."
        )
        yield Severity.WARNS, LintRule.OVER_CERTAIN, _line(draft.text, found.start()), what, remedy
    if Certainty.CONFIRMED in draft.expected.rings:
        return
    for part, in_subject in ((draft.subject, True), (draft.text, False)):
        for found in _SAID_AS_CERTAIN.finditer(part):
            what = Words(
                ja="漏えいを確認していない人に、漏えいしたと言い切っています。",
                en="It tells people as certain what is not confirmed of them.",
            )
            remedy = Words(ja="「おそれがあります」と書いてください。", en="Write that it may have happened.")
            place = _IN_SUBJECT if in_subject else _line(part, found.start())
            yield Severity.BLOCKS, LintRule.OVER_CERTAIN, place, what, remedy


def _date_faults(draft: _Draft) -> Iterator[Found]:
    for position, what, remedy in date_faults(draft.text):
        yield Severity.WARNS, LintRule.DATES, _line(draft.text, position), what, remedy


_CHECKS: tuple[Callable[[_Draft], Iterator[Found]], ...] = (
    _subject_faults,
    _placeholder_faults,
    _left_over_faults,
    _advertising_faults,
    _link_faults,
    _required_faults,
    _empty_list_faults,
    _honorific_faults,
    _certainty_faults,
    _date_faults,
)
