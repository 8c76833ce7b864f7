"""The notice linter: what should not leave the house (K15)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.notices import PERSONAL
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
_LINK_WITH_QUERY = re.compile(r"https?://[^\s<>\"]*[?&][^\s<>\"]+", re.IGNORECASE)
_LEFT_OVER = re.compile(r"\{\{|\}\}|\{%|%\}|【要記入】|〇〇|○○|XXX|TBD")
_OVER_CERTAIN = re.compile(
    r"漏えいは(一切)?ありません|被害は(一切)?発生しません|no harm (can|will) (occur|result)", re.IGNORECASE
)


class Severity(StrEnum):
    """Whether a finding stops the notice."""

    STOPS = "stops"
    WARNS = "warns"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the linter found."""

    severity: Severity
    language: str
    what: Words


def lint(*, language: str, subject: str, text: str, html: str) -> tuple[Finding, ...]:
    """Look through one drafted text: its placeholders, and nothing that misleads, advertises or tracks."""
    placeholders = [*_placeholder_faults(text), *_placeholder_faults(html)]
    stopping = [*_subject_faults(subject), *placeholders, *_word_faults(subject, text)]
    found = [Finding(severity=Severity.STOPS, language=language, what=what) for what in dict.fromkeys(stopping)]
    if _OVER_CERTAIN.search(text):
        what = Words(ja="言い切りすぎていないか確かめてください。", en="Check whether this claims more than is known.")
        found.append(Finding(severity=Severity.WARNS, language=language, what=what))
    return tuple(found)


def _subject_faults(subject: str) -> Iterator[Words]:
    if "\n" in subject or "\r" in subject:
        yield Words(ja="件名が1行ではありません。", en="The subject is not one line.")
    if _PLACEHOLDER.search(subject):
        yield Words(ja="件名に個人ごとの値が入っています。", en="The subject holds a personal value.")


def _placeholder_faults(part: str) -> Iterator[Words]:
    present = set(_PLACEHOLDER.findall(part))
    for name in sorted(present - set(PERSONAL)):
        yield Words(ja=f"知らない差し込み [[{name}]] があります。", en=f"Unknown placeholder [[{name}]].")
    for name in ("recipient", "your_information"):
        if name not in present:
            yield Words(ja=f"差し込み [[{name}]] がありません。", en=f"The placeholder [[{name}]] is missing.")


def _word_faults(subject: str, text: str) -> Iterator[Words]:
    for pattern in sorted(set(_LEFT_OVER.findall(subject + text))):
        yield Words(ja=f"書きかけの文字「{pattern}」が残っています。", en=f"Left-over text {pattern!r}.")
    for word in MARKETING:
        if word.lower() in text.lower():
            yield Words(ja=f"広告の言葉「{word}」があります。", en=f"An advertising word: {word!r}.")
    if _LINK_WITH_QUERY.search(text):
        yield Words(
            ja="個別のリンクや追跡のあるリンクは使えません。",
            en="A link with parameters can track people; it is not allowed.",
        )


def stops(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings that must be mended before approval."""
    return tuple(finding for finding in findings if finding.severity is Severity.STOPS)
