"""Numbers of people that stand in texts, however they are written; days, times, versions and money are none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from incident_app.domain.written_numbers import NUMERALS, SPOKEN_WORDS, plain_text, read_number, read_spoken, scaled

_RUN = re.compile(rf"[{NUMERALS}](?:[{NUMERALS},.]*[{NUMERALS}])?")
_SCALE = re.compile(r"k\b|\s*(?:thousand|million|mn)\b", re.IGNORECASE)
_SPOKEN = re.compile(rf"\b(?:{SPOKEN_WORDS})(?:(?:[ -]|\sand\s)(?:{SPOKEN_WORDS}))*\b", re.IGNORECASE)

_WHOSE = (
    r"人|名(?![前称義刺簿詞目札字声産所作])|件(?!名)|様(?!式|子|態|々)|客(?!観|体)|者|アカウント|口座(?!番号)|ユーザー?"
    r"|会員|加入者|利用者|契約者|顧客|お客|本人|従業員|社員|職員|株主|患者|学生|生徒|住民"
)
_UNIT_JA = re.compile(
    r"\s*\+?\s*(?:余り?|弱|強|超|以上|程度|ほど|前後|近い|を超える|を上回る)?\s*"
    rf"(?:も?の\s*(?:方(?![法式針向面])|{_WHOSE})|(?P<unit>{_WHOSE}))"
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_QUALIFIER = (
    rf"(?!(?:{_MONTHS})[a-z]*\b)(?:of|our|the|or|more|other|data|user|customer|[a-z]+(?:ed|al|ive|ate|ian"
    r"|ese|ish|ly|ant|ent|ous|ern|ean|er|que|ct))"
)
_PEOPLE = (
    r"people|persons?|individuals?|customers?|clients?|consumers?|users?|subscribers?|members?|accounts?|data subjects?"
    r"|employees?|staff|shareholders?|patients?|residents?|guests?|students?|victims?|citizens?|donors?|applicants?"
    r"|passengers?|(?:card|policy|account)[ -]?holders?"
)
_UNIT_EN = re.compile(
    rf"(?:\+|-plus)?[\s-]+(?:{_QUALIFIER}\s+){{0,4}}?(?:{_PEOPLE})\b(?! (?:hours|days|minutes|service))", re.IGNORECASE
)
_RANGE = re.compile(rf"\s*(?:人|名|件)?\s*(?:から|[~〜–—-]|(?:to|and)\b)\s*(?={_RUN.pattern})", re.IGNORECASE)
_ABOUT = r"(?:約|およそ|最大|計|合計|延べ|about|approximately|around|up to|at most|some)?\s*"
_LABEL = re.compile(
    rf"(?:(?:人|者|件|名|会員|顧客|ユーザー?|アカウント|お客様|本人の?)数"
    rf"|number of (?:[a-z]+ ){{0,3}}?(?:{_PEOPLE})(?: affected)?"
    rf"|(?:{_PEOPLE}) affected)\s*(?:[はがを:=]|is|was|are|were)\s*[:=]?\s*{_ABOUT}$",
    re.IGNORECASE,
)
_OTHER_UNIT = re.compile(
    r"\s*(?:[年月日時分秒円%％ドル台社]|か月|回|hours?\b|days?\b|yen\b|percent\b)|[-:/]\d", re.IGNORECASE
)
_NO_COUNT_BEFORE = re.compile(
    r"\d[-:/]$|[A-Za-z]-?$|[#§$€£¥\\]\s*$|(?:第|数|何|幾)\s*$"
    r"|\b(?:USD|JPY|EUR|GBP|version|ver\.?|art\.?|articles?|sections?|chapter|clause|rule|no\.|page|step|item|port"
    r"|level|phase|windows|office|tel\.?)\s*$",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_YEAR_BEFORE = re.compile(
    rf"\b(?:(?:{_MONTHS})[a-z]*\.?,?|in|since|during|until|before|after)\s+(?:\d{{1,2}},\s*)?$", re.IGNORECASE
)
_DAY_BEFORE = re.compile(rf"\b(?:{_MONTHS})[a-z]*\.?\s+$", re.IGNORECASE)
_OTHER_CASES = (
    r"問い?合わ?せ|照会|苦情|相談|通報|報告|事案|案件|事件|事故|アラート|警告|通信|アクセス|リクエスト|要求"
    r"|ログ(?!イン)|ファイル"
)
_CASES_BEFORE = re.compile(rf"(?:{_OTHER_CASES})[^、。\n]{{0,6}}$")
_CASES_AFTER = re.compile(rf"\s*の\s*(?:お|ご)?(?:{_OTHER_CASES})")
_ONE_SIGN = "一二三四五六七八九十百千"
_LAST_DAY = 31
_MOST_PEOPLE = 10**12
"""Beyond it a number counts nobody; what somebody pastes may be longer than can be stored."""


def numbers_of_people(texts: Iterable[str]) -> frozenset[int]:
    """Return the numbers of people that stand in texts."""
    return frozenset(number for text in texts for number in _in_text(plain_text(text)) if number < _MOST_PEOPLE)


def _in_text(text: str) -> Iterator[int]:
    for run in _RUN.finditer(text):
        before = text[max(0, run.start() - 40) : run.start()]
        if _NO_COUNT_BEFORE.search(before):
            continue
        number, after = _value(text, run.group(), run.end(), before)
        if number is None:
            continue
        upper = _RANGE.match(text, after)
        if upper and (last := _RUN.match(text, upper.end())):
            number_last, after_last = _value(text, last.group(), last.end(), before)
            if number_last and number_last > number and _counts_people(text, last.group(), before, after_last):
                yield from (number, number_last)
                continue
        if _counts_people(text, run.group(), before, after) or _labelled(text, before, after):
            yield number
    for spoken in _SPOKEN.finditer(text):
        if spoken.group().lower() != "one" and _UNIT_EN.match(text, spoken.end()):
            if text[: spoken.start()].rstrip()[-1:].isdigit():  # "12 thousand" is read above
                continue
            yield read_spoken(spoken.group())


def _value(text: str, run: str, end: int, before: str) -> tuple[int | None, int]:
    """Return the number that a run of numerals says, scale words included, and where it ends."""
    if scale := _SCALE.match(text, end):
        return scaled(run, scale.group().strip()), scale.end()
    if _YEAR.fullmatch(run) and _YEAR_BEFORE.search(before):
        return None, end
    number = read_number(run)
    while number is None and "," in run:  # a list, not a number: its last part is what the unit belongs to
        run = run.partition(",")[2]
        number = read_number(run)
    if number is not None and number <= _LAST_DAY and _DAY_BEFORE.search(before):
        return None, end
    return number, end


def _counts_people(text: str, run: str, before: str, after: int) -> bool:
    if _UNIT_EN.match(text, after):
        return True
    found = _UNIT_JA.match(text, after)
    return found is not None and not _is_idiom(run, found["unit"] or "", before, text[found.end() :])


def _is_idiom(run: str, unit: str, before: str, after: str) -> bool:
    """Tell 第三者, 一様 and 一人ひとり, and cases that are no records of people, from counts."""
    if unit == "人" and run in {"一", "1"} and _every_one(before, after):
        return True
    if run in _ONE_SIGN and unit in {"者", "様", "客"}:
        return True
    if unit != "件":
        return False
    other = _CASES_BEFORE.search(before) or _CASES_AFTER.match(after) or read_number(run) == 0
    return bool(other) or (run == "一" and re.search(r"(?:この|その|今回の|本)$", before) is not None)


def _every_one(before: str, after: str) -> bool:
    if before.endswith(("お", "一人", "1人", "誰")):
        return True
    return after.startswith(("ひとり", "一人", "1人", "ずつ", "でも", "暮", "あたり", "当たり"))


def _labelled(text: str, before: str, after: int) -> bool:
    """Tell a number that stands after what it counts: 対象者数：2,000."""
    return _LABEL.search(before) is not None and _OTHER_UNIT.match(text, after) is None
