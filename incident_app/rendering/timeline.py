"""The timeline as CSV, JSON and Markdown: the same rows in the same order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from incident_app.domain.zones import JST
from incident_app.rendering.tabular import csv_text, markdown_table

COLUMNS = (
    "sequence",
    "occurred_at",
    "recorded_at",
    "incident",
    "kind",
    "actor",
    "summary_ja",
    "summary_en",
    "corrects",
    "hash",
)


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One event as people read it."""

    sequence: int
    occurred_at: datetime
    recorded_at: datetime
    incident_reference: str | None
    kind: str
    actor_name: str
    summary_ja: str
    summary_en: str
    corrects: int | None
    hash: str


def timeline_csv(entries: Sequence[TimelineEntry]) -> str:
    """Write the timeline as CSV; times are ISO 8601 in Japan time with their offset."""
    return csv_text(COLUMNS, (_cells(entry) for entry in entries))


def timeline_json(entries: Sequence[TimelineEntry], *, head: tuple[int, str]) -> str:
    """Write the timeline as one JSON document with the head of the chain."""
    rows = [dict(zip(COLUMNS, _cells(entry), strict=True)) for entry in entries]
    document = {"chain_head": {"sequence": head[0], "hash": head[1]}, "events": rows}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def timeline_markdown(entries: Sequence[TimelineEntry], *, language: str, head: tuple[int, str]) -> str:
    """Write the timeline for people to read."""
    japanese = language == "ja"
    title = "タイムライン" if japanese else "Timeline"
    header = (
        ("番号", "起きた時刻 (JST)", "記録した時刻 (JST)", "記録者", "出来事")
        if japanese
        else (
            "No.",
            "Occurred (JST)",
            "Recorded (JST)",
            "By",
            "Event",
        )
    )
    rows = (
        (
            entry.sequence,
            f"{entry.occurred_at.astimezone(JST):%Y-%m-%d %H:%M}",
            f"{entry.recorded_at.astimezone(JST):%Y-%m-%d %H:%M}",
            entry.actor_name,
            entry.summary_ja if japanese else entry.summary_en,
        )
        for entry in entries
    )
    foot = "記録の鎖の末尾" if japanese else "Head of the event chain"
    return f"# {title}\n\n{markdown_table(header, rows)}\n{foot}: {head[0]} `{head[1]}`\n"


def _cells(entry: TimelineEntry) -> tuple[object, ...]:
    return (
        entry.sequence,
        entry.occurred_at.astimezone(JST).isoformat(),
        entry.recorded_at.astimezone(JST).isoformat(),
        entry.incident_reference,
        entry.kind,
        entry.actor_name,
        entry.summary_ja,
        entry.summary_en,
        entry.corrects,
        entry.hash,
    )
