"""Response playbooks: kinds of incident and the steps that each calls for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from incident_app.domain.access import Role
from incident_app.domain.tables import Document, Table, unique_codes
from incident_app.domain.words import Words


class Anchor(StrEnum):
    """The moment from which a step's due time counts."""

    DETECTED = "detected"
    AWARE = "aware"
    OPENED = "opened"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do."""

    code: str
    title: Words
    guidance: Words
    owner_role: Role
    anchor: Anchor
    offset_minutes: int | None
    """None: no time of our own; it is done when its turn comes."""
    needs_result: bool
    needs: tuple[str, ...]
    serves: str | None
    """The part of the policy's promise that it serves."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """One kind of incident."""

    code: str
    version: str
    name: Words
    improper_purpose: bool | None
    """Whether this kind is by its nature an act of improper purpose; None when it must be decided."""
    steps: tuple[Step, ...]


@lru_cache(maxsize=32)  # the same text is read at every derivation
def read_response(text: str, *, file: str) -> Response:
    """Read a response playbook; FaultyFile names every fault, also a circle of steps that wait for each other."""
    document = Document(text, file=file)
    root = document.root
    tables = root.tables("steps")
    codes = unique_codes(tables)
    improper = root.raw("improper_purpose")
    if improper is not None and not isinstance(improper, bool):
        root.fault("improper_purpose", "must be true or false, or left out when it must be decided")
    response = Response(
        code=root.text("code"),
        version=root.text("version"),
        name=Words(ja=root.text("name_ja"), en=root.text("name_en")),
        improper_purpose=improper if isinstance(improper, bool) else None,
        steps=tuple(_step(table, codes) for table in tables),
    )
    if circle := find_circle({step.code: step.needs for step in response.steps}):
        root.fault("steps", f"these steps wait for each other: {', '.join(circle)}")
    root.finish()
    document.finish()
    return response


def find_circle(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the steps of a circle, or nothing."""
    settled: set[str] = set()
    while True:
        ready = {code for code, wanted in needs.items() if code not in settled and settled.issuperset(wanted)}
        if not ready:
            return tuple(sorted(set(needs) - settled))
        settled |= ready


def due_at(step: Step, anchors: Mapping[str, datetime | None]) -> datetime | None:
    """Return when a step is due; None while its anchor is not known or it has no time."""
    anchor = anchors.get(step.anchor)
    if anchor is None or step.offset_minutes is None:
        return None
    return anchor + timedelta(minutes=step.offset_minutes)


def _step(table: Table, codes: frozenset[str]) -> Step:
    step = Step(
        code=table.text("code"),
        title=Words(ja=table.text("title_ja"), en=table.text("title_en")),
        guidance=Words(ja=table.text("guidance_ja", ""), en=table.text("guidance_en", "")),
        owner_role=table.word("owner_role", Role),
        anchor=table.word("anchor", Anchor, Anchor.OPENED),
        offset_minutes=table.find_number("offset_minutes"),
        needs_result=table.truth("needs_result"),
        needs=table.all_known("needs", codes, "step"),
        serves=table.find_text("serves"),
    )
    table.finish()
    return step
