"""What people type for a fact of a report: read as the kind of thing that the fact is, and said in both languages."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from zoneinfo import ZoneInfo

from incident_app.domain.errors import BadInput
from incident_app.domain.report_facts import Codes, FactKind, FactValue, ReportFact
from incident_app.domain.report_forms import FormField
from incident_app.domain.words import Words

JST = ZoneInfo("Asia/Tokyo")
UNKNOWN = Words(ja="不明", en="unknown")
_NUMBER = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,15})\s*(?:人|名|件|people|persons)?")
_DAY = re.compile(r"(\d{4})[-/年](\d{1,2})[-/月](\d{1,2})日?(?:[ 　]*(\d{1,2}):(\d{2}))?(?:（日本時間）| ?JST)?")
_BETWEEN = re.compile(r"[、,]\s*")


def read_value(field: FormField, fact: ReportFact, text: str, english: str = "") -> FactValue:
    """Read what was typed for a field; refused with the field when it is not the kind of thing that is asked for."""
    wanted = text.strip() or english.strip()
    if field.choices:
        return _chosen(field, fact, wanted)
    if fact.kind is FactKind.NUMBER:
        return number_words(_number(field, wanted), fact)
    if fact.kind is FactKind.MOMENT:
        return _moment(field, wanted)
    return Words(ja=wanted, en=english.strip() or wanted)


def _chosen(field: FormField, fact: ReportFact, text: str) -> Codes:
    whole = field.choice(text)
    parts = [text] if whole or fact.kind is FactKind.CHOICE else _BETWEEN.split(text)
    found = [field.choice(part) for part in parts]
    if None in found:
        known = ", ".join(choice.code for choice in field.choices)
        raise BadInput(field=field.code, problem=f"must be one of {known}")
    return Codes(codes=tuple(dict.fromkeys(choice.code for choice in found if choice)))


def _number(field: FormField, text: str) -> int:
    found = _NUMBER.fullmatch(unicodedata.normalize("NFKC", text))
    if found is None:
        raise BadInput(field=field.code, problem="write a whole number")
    return int(found[1].replace(",", ""))


def number_words(number: int, fact: ReportFact) -> Words:
    """Say a number with what it counts."""
    unit = fact.unit or Words(ja="", en="")
    return Words(ja=f"{number:,}{unit.ja}", en=f"{number:,} {unit.en}".rstrip())


def _moment(field: FormField, text: str) -> Words:
    if text in {UNKNOWN.ja, UNKNOWN.en}:
        return UNKNOWN
    try:
        return _written_moment(unicodedata.normalize("NFKC", text))
    except ValueError:
        raise BadInput(field=field.code, problem="write a day like 2026-11-24, a time with it, or: unknown") from None


def _written_moment(text: str) -> Words:
    found = _DAY.fullmatch(text)
    if found is None:
        return moment_words(_aware(datetime.fromisoformat(text)))
    day = date(int(found[1]), int(found[2]), int(found[3]))
    if found[4] is None:
        return day_words(day)
    return moment_words(datetime(day.year, day.month, day.day, int(found[4]), int(found[5]), tzinfo=JST))


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment


def day_words(day: date) -> Words:
    """Say a day."""
    return Words(ja=f"{day.year}年{day.month}月{day.day}日", en=day.isoformat())


def moment_words(moment: datetime) -> Words:
    """Say a time in Japan."""
    local = moment.astimezone(JST)
    return Words(ja=f"{day_words(local.date()).ja} {local:%H:%M}（日本時間）", en=f"{local:%Y-%m-%d %H:%M} JST")


def local_day(moment: datetime) -> date:
    """Return the day in Japan."""
    return moment.astimezone(JST).date()
