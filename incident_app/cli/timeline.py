"""`incident-app timeline`: entries, exports, verification."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from incident_app.cli.context import MOMENT, REFUSED, World, command, jst
from incident_app.domain.access import Permission
from incident_app.services import exports
from incident_app.services import timeline as record


@click.group()
def timeline() -> None:
    """Read, add to, export and verify the timeline."""


@timeline.command()
@click.argument("reference")
@click.option("--at", "occurred_at", type=MOMENT, required=True, help="When it happened.")
@click.option("--corrects", type=int, help="The number of an entry that this one corrects.")
@click.argument("text")
@command
def add(world: World, reference: str, occurred_at: datetime, corrects: int | None, text: str) -> None:
    """Add an entry by hand, or correct an earlier one by a further entry."""
    view, account = world.incident(reference, Permission.TIMELINE_WRITE)
    if corrects is None:
        number = record.record_note(
            world.engine, view.id, text, occurred_at=occurred_at, actor=account.actor, now=world.now
        )
    else:
        number = record.correct_note(world.engine, view.id, corrects, text, actor=account.actor, now=world.now)
    world.show({"sequence": number}, f"Entry {number} was recorded.")


@timeline.command("list")
@click.argument("reference")
@command
def list_entries(world: World, reference: str) -> None:
    """List the entries of an incident."""
    view, _ = world.incident(reference)
    found = record.entries(world.engine, view.id)
    world.show(
        found, "\n".join(f"{entry.sequence:>5}  {jst(entry.occurred_at)}  {entry.summary_en}" for entry in found)
    )


@timeline.command()
@click.argument("reference")
@click.option("--format", "form", type=click.Choice(["csv", "json", "markdown"]), default="markdown", show_default=True)
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@click.option("--purpose", required=True, help="Why it is exported; kept on the timeline.")
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output otherwise."
)
@command
def export(world: World, reference: str, form: str, language: str, purpose: str, target: Path | None) -> None:
    """Export the timeline; every format holds the same rows in the same order."""
    view, account = world.incident(reference, Permission.TIMELINE_EXPORT)
    with world.file_for(target) as hand_over:
        text = exports.export_timeline(
            world.engine,
            view.id,
            form,
            language=language,
            purpose=purpose,
            hand_over=hand_over,
            actor=account.actor,
            now=world.now,
        )
    world.show_file(text, target)


@timeline.command()
@command
def verify(world: World) -> None:
    """Walk the whole chain; name the first altered, removed or reordered event. Exit 1 when there is one."""
    found = record.verify_timeline(world.engine)
    text = found.broken.en if found.broken else f"{found.events:,} events, unbroken. Head {found.head_hash}"
    world.show({"whole": found.broken is None, **vars(found)}, text)
    if found.broken:
        sys.exit(REFUSED)


@timeline.command()
@click.option("--where", required=True, help="Where you write the head down (a mail, a notary, another system).")
@command
def anchor(world: World, where: str) -> None:
    """Write down the head of the chain, so that a cut-off end is found later."""
    sequence, head = record.anchor_chain(
        world.engine, placed_where=where, actor=world.account(Permission.TIMELINE_WRITE).actor, now=world.now
    )
    world.show({"sequence": sequence, "hash": head}, f"Event {sequence}: {head}")
