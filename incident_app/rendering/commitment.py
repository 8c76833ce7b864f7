"""The Commitment page as CSV, JSON and Markdown: what was promised, what discharged it, or what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from incident_app.domain.zones import JST
from incident_app.rendering.tabular import csv_text, markdown_table


@dataclass(frozen=True, kw_only=True)
class CommitmentRow:
    """One part of the policy's promise, as it stands for one incident."""

    clause: str
    part: str
    section: str
    promise_ja: str
    promise_en: str
    measurable_end_ja: str
    measurable_end_en: str
    discharged: bool
    waived: bool
    """True when a second person judged it not required and nothing has discharged it."""
    confirmable: bool
    """True when somebody may confirm it by hand."""
    found_ja: str
    found_en: str
    """What discharged it, or what is missing."""
    at: datetime | None
    evidence_ja: str
    evidence_en: str


COLUMNS = ("clause", "part", "section", "promise", "measurable_end", "discharged", "found", "at", "evidence")


def commitment_csv(rows: Sequence[CommitmentRow]) -> str:
    """Write the page as CSV, Japanese and English side by side."""
    header = (
        *COLUMNS[:3],
        "promise_ja",
        "promise_en",
        "end_ja",
        "end_en",
        "discharged",
        "found_ja",
        "found_en",
        "at",
        "evidence_ja",
        "evidence_en",
    )
    return csv_text(
        header,
        (
            (
                row.clause,
                row.part,
                row.section,
                row.promise_ja,
                row.promise_en,
                row.measurable_end_ja,
                row.measurable_end_en,
                "waived" if row.waived else "yes" if row.discharged else "no",
                row.found_ja,
                row.found_en,
                _at(row.at),
                row.evidence_ja,
                row.evidence_en,
            )
            for row in rows
        ),
    )


def commitment_json(rows: Sequence[CommitmentRow]) -> str:
    """Write the page as one JSON document."""
    document = [{**vars_of(row), "at": _at(row.at) or None} for row in rows]
    return json.dumps({"commitment": document}, ensure_ascii=False, indent=2) + "\n"


def commitment_markdown(rows: Sequence[CommitmentRow], *, language: str) -> str:
    """Write the page for people to read."""
    japanese = language == "ja"
    title = "お約束と、その果たし方" if japanese else "What we promised, and how it was kept"
    header = (
        ("お約束", "果たしたと言える状態", "結果", "果たしたもの・足りないもの", "時刻 (JST)", "証拠")
        if japanese
        else (
            "Promise",
            "When it is kept",
            "Result",
            "What discharged it, or what is missing",
            "At (JST)",
            "Evidence",
        )
    )
    done, missing, waived = ("果たした", "まだ", "不要と判断") if japanese else ("kept", "not yet", "not required")
    body = (
        (
            row.promise_ja if japanese else row.promise_en,
            row.measurable_end_ja if japanese else row.measurable_end_en,
            waived if row.waived else done if row.discharged else missing,
            row.found_ja if japanese else row.found_en,
            f"{row.at.astimezone(JST):%Y-%m-%d %H:%M}" if row.at else "",
            row.evidence_ja if japanese else row.evidence_en,
        )
        for row in rows
    )
    return f"# {title}\n\n{markdown_table(header, body)}"


def vars_of(row: CommitmentRow) -> dict[str, object]:
    """Return the row by column name."""
    return {name: getattr(row, name) for name in CommitmentRow.__dataclass_fields__}


def _at(moment: datetime | None) -> str:
    return moment.astimezone(JST).isoformat() if moment else ""
