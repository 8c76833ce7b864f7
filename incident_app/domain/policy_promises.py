"""The promises of a policy: each part, when it counts as kept, and what tells that it was."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.policy_checks import at_least, refuse_doubles
from incident_app.domain.tables import Table
from incident_app.domain.words import Words


class MeasuredBy(StrEnum):
    """How the program tells whether a part of a promise was kept."""

    EVERY_PERSON_INFORMED = "every_person_informed"
    FACTS_IN_THE_NOTICE = "facts_in_the_notice"
    FIRST_NOTICE_AFTER_AWARENESS = "first_notice_after_awareness"
    STEPS_FINISHED = "steps_finished"
    DESK_NAMED_IN_THE_NOTICE = "desk_named_in_the_notice"
    BY_HAND = "by_hand"


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """One part of a promise, and what tells that it was kept."""

    clause: str
    part: str
    promise: Words
    measurable_end: Words
    measured_by: MeasuredBy
    steps: tuple[str, ...]
    """Response steps that show it, when it is measured by hand: all of them that an incident has must be done."""
    decided_fact: str | None
    """A fact whose decision shows it, when it is measured by hand."""
    internal_target_hours: int | None
    for_every_leak: bool
    section: str


def read_commitments(root: Table, decidable: Collection[str]) -> tuple[Commitment, ...]:
    """Read every part of every promise; at least one holds for every leak."""
    tables = root.tables("commitments")
    found = tuple(_commitment(table, decidable) for table in tables)
    refuse_doubles(tables, "clause", "part")
    if not any(entry.for_every_leak for entry in found):
        root.fault("commitments", "no part has for_every_leak = true: the promise for leaks is missing")
    return found


def _commitment(table: Table, decidable: Collection[str]) -> Commitment:
    entry = Commitment(
        clause=table.text("clause"),
        part=table.text("part"),
        promise=Words(ja=table.text("promise_ja"), en=table.text("promise_en")),
        measurable_end=Words(ja=table.text("measurable_end_ja"), en=table.text("measurable_end_en")),
        measured_by=table.word("measured_by", MeasuredBy),
        steps=table.texts("steps"),
        decided_fact=table.find_text("decided_fact"),
        internal_target_hours=at_least(table, "internal_target_hours", table.find_number("internal_target_hours"), 1),
        for_every_leak=table.truth("for_every_leak"),
        section=table.text("section", ""),
    )
    if entry.decided_fact is not None and entry.decided_fact not in decidable:
        table.fault("decided_fact", f"{entry.decided_fact!r} is not one of {', '.join(decidable)}")
    for key, value in (("steps", entry.steps), ("decided_fact", entry.decided_fact)):
        if value and entry.measured_by is not MeasuredBy.BY_HAND:
            table.fault(key, "counts only where measured_by is by_hand")
    table.finish()
    return entry
