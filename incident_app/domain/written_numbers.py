"""Whole numbers as people write them: 12,345 and 1万2,345 and 一万二千三百四十五 and twelve thousand are read alike."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

DIGITS = "〇一二三四五六七八九"
_FORMAL = str.maketrans("零壱壹弐貳参參伍拾佰仟阡萬", "〇一一二二三三五十百千千万")
"""Numerals of contracts and cheques, by their everyday sign."""
_GROUPING_SPACE = re.compile("(?<=\\d)[\u00a0\u2009\u202f'’](?=\\d{3}(?!\\d))")
_UNSEEN = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SPACES = re.compile(r"\s{2,}")
_TENS = {"千": 1_000, "百": 100, "十": 10}
_MYRIADS = {"兆": 10**12, "億": 10**8, "万": 10**4}
NUMERALS = f"0-9{DIGITS}{''.join(_TENS)}{''.join(_MYRIADS)}"
"""What a run of numerals consists of, inside a pattern."""
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_GROUPED_BY_DOTS = re.compile(r"\d{1,3}(?:\.\d{3})+")
_PLAIN = re.compile(r"\d+(?:\.\d+)?")
_PLACES = re.compile(
    rf"(?:([\d.]+|[{DIGITS}])?千)?(?:([\d.]+|[{DIGITS}])?百)?(?:([\d.]+|[{DIGITS}])?十)?(\d+|[{DIGITS}])?"
)
_SCALES = {"k": 10**3, "thousand": 10**3, "m": 10**6, "mn": 10**6, "million": 10**6, "hundred": 100}
_SMALL = (  # noqa: SIM905 - one word a line would hide the order
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split(" ")
_SPOKEN = {word: number for number, word in enumerate(_SMALL)} | {
    word: 10 * number
    for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)  # noqa: SIM905
}
SPOKEN_WORDS = "|".join(sorted((*_SPOKEN, "hundred", "thousand", "million"), key=len, reverse=True))
"""The English words that numbers consist of, inside a pattern."""


def plain_text(text: str) -> str:
    """Return a text with one sign for each numeral: full-width and formal ones, and spaces inside numbers, are gone.

    So are characters that nobody sees, which would cut a number in two, and all but one of several spaces in a row.
    """
    seen = _UNSEEN.sub("", text)
    plain = unicodedata.normalize("NFKC", _GROUPING_SPACE.sub(",", seen)).translate(_FORMAL)
    return _SPACES.sub(lambda spaces: "\n" if "\n" in spaces[0] else " ", plain)


def read_number(run: str) -> int | None:
    """Read numerals, Japanese ones, Arabic ones or both; None for what is no whole number: a date, a version."""
    rest, total, found = run, Decimal(0), False
    for sign, worth in _MYRIADS.items():
        if sign in rest:
            section, _, rest = rest.partition(sign)
            value = _section(section)
            if value is None:
                return None
            total, found = total + value * worth, True
    if rest or not found:
        value = _section(rest, alone=not found)
        if value is None:
            return None
        total += value
    return int(total) if total == total.to_integral_value() else None


def _section(text: str, *, alone: bool = False) -> Decimal | None:
    """Read what stands before 万 or 億, or after it; `alone` tells that no such sign is there at all."""
    if alone and _GROUPED_BY_DOTS.fullmatch(text):
        return Decimal(text.replace(".", ""))
    if _GROUPED.fullmatch(text) or _PLAIN.fullmatch(text):
        leading_zero = len(text) > 1 and text[0] == "0" and text[1] != "."
        return None if leading_zero and alone else Decimal(text.replace(",", ""))
    if text and all(sign in DIGITS for sign in text):
        return Decimal("".join(str(DIGITS.index(sign)) for sign in text))
    places = _PLACES.fullmatch(text)
    if not text or places is None:
        return None
    total = Decimal(0)
    for place, (sign, worth) in enumerate(_TENS.items(), start=1):
        if sign in text:
            value = _digit(places[place] or "1")
            if value is None:
                return None
            total += value * worth
    return total + (_digit(places[4] or "0") or 0)


def _digit(text: str) -> Decimal | None:
    if text in DIGITS:
        return Decimal(DIGITS.index(text))
    return Decimal(text) if _PLAIN.fullmatch(text) else None


def scaled(number: str, scale: str) -> int | None:
    """Read 12.5 and "thousand", 2 and "million"."""
    value = _section(number)
    if value is None:
        return None
    value *= _SCALES[scale.lower()]
    return int(value) if value == value.to_integral_value() else None


def read_spoken(text: str) -> int:
    """Read an English number in words, e.g. twelve thousand three hundred and five."""
    total = part = 0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _SPOKEN:
            part += _SPOKEN[word]
        elif word == "hundred":
            part = (part or 1) * 100
        elif word in _SCALES:
            total, part = total + (part or 1) * _SCALES[word], 0
    return total + part
