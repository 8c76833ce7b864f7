"""Dates in a notice: one way of writing them, each with its year."""

from __future__ import annotations

import re
from collections.abc import Iterator

from incident_app.domain.words import Words

_DIGITS = str.maketrans("０１２３４５６７８９／", "0123456789/")
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_STYLES = {
    "2026年11月23日": re.compile(r"\d{4}年\d{1,2}月\d{1,2}日"),
    "令和8年11月23日": re.compile(r"(?:令和|平成|昭和)\s?(?:\d{1,2}|元)年\d{1,2}月\d{1,2}日"),
    "2026-11-23": re.compile(r"(?<![\d-])\d{4}-\d{1,2}-\d{1,2}(?![\d-])"),
    "2026/11/23": re.compile(r"(?<![\d/])\d{1,4}/\d{1,2}/\d{1,4}(?![\d/])"),
    "23 November 2026": re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)? {_MONTH},? \d{{4}}\b"),
    "November 23, 2026": re.compile(rf"\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?, \d{{4}}\b"),
}
_NO_YEAR = re.compile(r"(?<![\d年])\d{1,2}月\d{1,2}日")

Fault = tuple[int, Words, Words]


def date_faults(text: str) -> Iterator[Fault]:
    """Yield the first date that is written unlike the others, and each whose year is not said before on its line."""
    text = text.translate(_DIGITS)
    dates = sorted((found.start(), style) for style, form in _STYLES.items() for found in form.finditer(text))
    if dates:
        usual = dates[0][1]
        for position, style in dates:
            if style != usual:
                what = Words(
                    ja=f"日付の書き方が混ざっています（「{usual}」と「{style}」）。",
                    en=f"Dates are written in several ways (like {usual} and like {style}).",
                )
                yield position, what, Words(ja="書き方を一つにそろえてください。", en="Write all of them alike.")
                break
    for found in _NO_YEAR.finditer(text):
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        if not any(form.search(line) for form in _STYLES.values()):
            what = Words(ja="年のない日付があります。", en="A date has no year.")
            yield found.start(), what, Words(ja="年を書いてください。", en="Write the year.")
