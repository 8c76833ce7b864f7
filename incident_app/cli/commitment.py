"""`incident-app commitment`: what was promised, and what discharged it."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command, jst
from incident_app.domain.access import Permission
from incident_app.services import commitment as promises
from incident_app.services import commitment_history, exports


@click.group()
def commitment() -> None:
    """Show and export the Commitment page."""


@commitment.command()
@click.argument("reference")
@command
def show(world: World, reference: str) -> None:
    """Show each part of the policy's promise, what discharged it, when, or what is missing."""
    view, _ = world.incident(reference)
    found = promises.commitment_rows(world.engine, view.id)
    lines = []
    for row in found:
        mark = "-" if row.waived else "x" if row.discharged else " "
        seen = f"  ({jst(row.at)}; {row.evidence_en})" if row.at else ""
        lines.append(f"[{mark}] {row.clause}/{row.part}: {row.found_en}{seen}")
    world.show(found, "\n".join(lines))


@commitment.command()
@click.argument("reference")
@command
def history(world: World, reference: str) -> None:
    """Show what was done toward each part of the policy's promise, oldest first."""
    view, _ = world.incident(reference)
    found = commitment_history.commitment_history(world.engine, view.id)
    lines = []
    for part in found:
        lines.append(f"{part.clause}/{part.part}: {part.promise_en}")
        lines += [f"    {jst(entry.at)}  {entry.what_en}" for entry in part.entries] or ["    nothing yet"]
    world.show(found, "\n".join(lines))


@commitment.command()
@click.argument("reference")
@command
def settle(world: World, reference: str) -> None:
    """Fulfil the duties whose promise is kept by now, and open those again where it no longer is."""
    view, account = world.incident(reference, Permission.OBLIGATION_DECIDE)
    number = promises.discharge_promises(world.engine, view.id, actor=account.actor, now=world.now)
    left = [row for row in promises.commitment_rows(world.engine, view.id) if not (row.discharged or row.waived)]
    lines = [f"{number} duties were fulfilled.", *(f"[ ] {row.clause}/{row.part}: {row.found_en}" for row in left)]
    world.show({"fulfilled": number, "left": left}, "\n".join(lines))


@commitment.command()
@click.argument("reference")
@click.argument("clause")
@click.argument("part")
@click.option("--note", required=True, help="What you looked at and what you found; no personal data.")
@click.option("--evidence", "evidence_id", type=int, help="The number of the evidence that shows it.")
@click.option("--not-kept", is_flag=True, help="You found that it was not kept.")
@command
def confirm(
    world: World, reference: str, clause: str, part: str, note: str, evidence_id: int | None, not_kept: bool
) -> None:
    """Confirm a part of the promise that the program cannot tell by itself; the latest word counts."""
    view, account = world.incident(reference, Permission.OBLIGATION_DECIDE)
    promises.confirm_promise(
        world.engine,
        view.id,
        clause,
        part,
        kept=not not_kept,
        note=note,
        evidence_id=evidence_id,
        actor=account.actor,
        now=world.now,
    )
    said = "not kept" if not_kept else "kept"
    world.show({"clause": clause, "part": part, "kept": not not_kept}, f"{clause}/{part}: {said}.")


@commitment.command()
@click.argument("reference")
@click.option("--format", "form", type=click.Choice(["csv", "json", "markdown"]), default="markdown", show_default=True)
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@click.option("--purpose", required=True)
@command
def export(world: World, reference: str, form: str, language: str, purpose: str) -> None:
    """Export the Commitment page; the purpose is kept on the timeline."""
    view, account = world.incident(reference, Permission.TIMELINE_EXPORT)
    text = exports.export_commitment(
        world.engine, view.id, form, language=language, purpose=purpose, actor=account.actor, now=world.now
    )
    world.show_file(text, None)
