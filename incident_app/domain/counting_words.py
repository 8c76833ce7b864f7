"""Rules of counting in words: how long, which day is the first, and whether a closed last day moves."""

from __future__ import annotations

from incident_app.domain.deadlines import HOME, DeadlineRule, DeadlineUnit
from incident_app.domain.known_facts import FACTS
from incident_app.domain.words import Words

PROMPTLY = Words(ja="日数の定めなし（速やかに）", en="no number (promptly)")
AWARENESS_WORDS = Words(ja="認識した時", en="when we became aware")


def counted(rule: DeadlineRule) -> Words:
    """Say how a rule counts, in one line."""
    if rule.unit is DeadlineUnit.NONE:
        return PROMPTLY
    length = _length(rule)
    ja, en = [length.ja], [length.en]
    if rule.from_year_end:
        ja.append("年末から")
        en.append("from the end of the year")
    elif rule.unit is not DeadlineUnit.HOURS:
        ja.append("初日を数える" if rule.first_day_counts else "初日を数えない")
        en.append("the first day counts" if rule.first_day_counts else "the first day is left out")
    if rule.moves_when_closed:
        ja.append("休みの日なら次に開く日まで")
        en.append("a closed last day moves to the next open one")
    if rule.guideline:
        ja.append("目安")
        en.append("a guideline")
    if rule.zone != HOME:
        ja.append(f"{rule.zone} の時刻")
        en.append(f"in the time of {rule.zone}")
    return Words(ja="、".join(ja), en=", ".join(en))


def _length(rule: DeadlineRule) -> Words:
    if rule.amount_fact is not None:
        name_ja, name_en = FACTS[rule.amount_fact]
        return Words(ja=name_ja, en=name_en)
    units = {
        DeadlineUnit.HOURS: ("時間", "hours"),
        DeadlineUnit.CALENDAR_DAYS: ("日", "days"),
        DeadlineUnit.BUSINESS_DAYS: ("営業日", "business days"),
        DeadlineUnit.MONTHS: ("か月", "months"),
    }
    ja, en = units[rule.unit]
    return Words(ja=f"{rule.amount}{ja}", en=f"{rule.amount} {en if rule.amount > 1 else en.removesuffix('s')}")


def clock_words(clock: str) -> Words:
    """Say what a clock begins with."""
    kind, _, what = clock.partition(":")
    if kind == "filed":
        return Words(ja=f"先の届出（{what}）をした時", en=f"the earlier filing ({what})")
    if kind == "decided":
        return Words(ja=f"「{FACTS[what][0]}」と判断した時", en=f"the decision: {FACTS[what][1]}")
    if kind == "passed":
        fact, _, number = what.partition(":")
        return Words(
            ja=f"{FACTS[fact][0]}が {number} を超えた時", en=f"the moment it passed {number}: {FACTS[fact][1]}"
        )
    return AWARENESS_WORDS
