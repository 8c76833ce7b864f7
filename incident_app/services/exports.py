"""Exports: written from the same rows that pages show, each recorded with its purpose (H5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Engine

from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.errors import BadInput
from incident_app.domain.events import ExportMade
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.involved import contact_channel
from incident_app.rendering.commitment import commitment_csv, commitment_json, commitment_markdown
from incident_app.rendering.tabular import csv_text
from incident_app.rendering.timeline import timeline_csv, timeline_json, timeline_markdown
from incident_app.services.commitment import commitment_rows
from incident_app.services.people_outside import people_left_to_tell
from incident_app.services.timeline import chain_head, entries
from incident_app.services.transaction import reading, transaction

HandOver = Callable[[str], None]
"""Writes an export where it was asked for; called before the export is recorded, outside any transaction."""


def keep_in_hand(_text: str) -> None:
    """Write nothing: the caller hands the returned text over."""


FORMATS = ("csv", "json", "markdown")
BY_HAND_COLUMNS = ("person", "name", "channel", "contact", "items")


def export_timeline(
    engine: Engine,
    incident_id: IncidentId,
    form: str,
    *,
    language: str = "ja",
    purpose: str,
    hand_over: HandOver = keep_in_hand,
    actor: Actor,
    now: datetime,
) -> str:
    """Write the timeline as csv, json or markdown: the same rows in the same order, with the head of the chain."""
    _check(form, purpose)
    rows, head = entries(engine, incident_id), chain_head(engine)
    if form == "csv":
        text = timeline_csv(rows)
    elif form == "json":
        text = timeline_json(rows, head=head)
    else:
        text = timeline_markdown(rows, language=language, head=head)
    hand_over(text)
    _record(engine, incident_id, "timeline", len(rows), text, purpose, actor=actor, now=now)
    return text


def export_commitment(
    engine: Engine,
    incident_id: IncidentId,
    form: str,
    *,
    language: str = "ja",
    purpose: str,
    hand_over: HandOver = keep_in_hand,
    actor: Actor,
    now: datetime,
) -> str:
    """Write the Commitment page as csv, json or markdown."""
    _check(form, purpose)
    rows = commitment_rows(engine, incident_id)
    if form == "csv":
        text = commitment_csv(rows)
    elif form == "json":
        text = commitment_json(rows)
    else:
        text = commitment_markdown(rows, language=language)
    hand_over(text)
    _record(engine, incident_id, "commitment", len(rows), text, purpose, actor=actor, now=now)
    return text


def export_to_tell_by_hand(
    engine: Engine,
    incident_id: IncidentId,
    *,
    purpose: str,
    hand_over: HandOver = keep_in_hand,
    actor: Actor,
    now: datetime,
) -> str:
    """Write down whom somebody has to call, write to or visit: people outside the inventory who were not told yet.

    This has names and contacts, so the digest on the timeline covers the numbers of the people only.
    """
    _check("csv", purpose)
    with reading(engine) as session:
        people = people_left_to_tell(session, incident_id)
    rows = [
        (row.id, row.name, contact_channel(row.contact or ""), row.contact, " ".join(items)) for row, items in people
    ]
    text = csv_text(BY_HAND_COLUMNS, rows)
    hand_over(text)
    numbers = " ".join(str(row.id) for row, _ in people)
    _record(engine, incident_id, "people_outside", len(rows), numbers, purpose, actor=actor, now=now)
    return text


def _check(form: str, purpose: str) -> None:
    if form not in FORMATS:
        raise BadInput(field="format", problem=f"must be one of {', '.join(FORMATS)}")
    if not purpose.strip():
        raise BadInput(field="purpose", problem="say what the export is for; it is kept on the timeline")


def _record(
    engine: Engine,
    incident_id: IncidentId,
    what: str,
    rows: int,
    text: str,
    purpose: str,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    with transaction(engine, actor=actor, now=now) as act:
        kept = act.keep_text(purpose)
        act.record(
            ExportMade(what=what, rows=rows, digest=digest_of_bytes(text.encode()), purpose_digest=kept.digest),
            incident=incident_id,
        )
