"""The notice linter: what should not leave the house (K15)."""

from __future__ import annotations

import re
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
    """Look through one drafted text; the personal placeholders must all be there, and nothing that misleads or tracks."""
    found = []

    def note(severity: Severity, ja: str, en: str) -> None:
        found.append(Finding(severity=severity, language=language, what=Words(ja=ja, en=en)))

    if "\n" in subject or "\r" in subject:
        note(Severity.STOPS, "件名が1行ではありません。", "The subject is not one line.")
    if _PLACEHOLDER.search(subject):
        note(Severity.STOPS, "件名に個人ごとの値が入っています。", "The subject holds a personal value.")
    for part in (text, html):
        present = set(_PLACEHOLDER.findall(part))
        for name in sorted(present - set(PERSONAL)):
            note(Severity.STOPS, f"知らない差し込み [[{name}]] があります。", f"Unknown placeholder [[{name}]].")
        for name in ("recipient", "your_items", "your_certainty"):
            if name not in present:
                note(Severity.STOPS, f"差し込み [[{name}]] がありません。", f"The placeholder [[{name}]] is missing.")
    for pattern in sorted(set(_LEFT_OVER.findall(subject + text))):
        note(Severity.STOPS, f"書きかけの文字「{pattern}」が残っています。", f"Left-over text {pattern!r}.")
    for word in MARKETING:
        if word.lower() in text.lower():
            note(Severity.STOPS, f"広告の言葉「{word}」があります。", f"An advertising word: {word!r}.")
    if _LINK_WITH_QUERY.search(text):
        note(
            Severity.STOPS,
            "個別のリンクや追跡のあるリンクは使えません。",
            "A link with parameters can track people; it is not allowed.",
        )
    if _OVER_CERTAIN.search(text):
        note(
            Severity.WARNS, "言い切りすぎていないか確かめてください。", "Check whether this claims more than is known."
        )
    return tuple(found)


def stops(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings that must be mended before approval."""
    return tuple(finding for finding in findings if finding.severity is Severity.STOPS)
