"""`incident-app commitment`: what was promised, and what discharged it."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command
from incident_app.domain.access import Permission
from incident_app.services import commitment as promises
from incident_app.services import exports


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
    lines = [f"[{'x' if row.discharged else ' '}] {row.clause}/{row.part}: {row.found_en}" for row in found]
    world.show(found, "\n".join(lines))


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
