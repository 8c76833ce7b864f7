"""`incident-app customers`: import people and what is held of them."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command
from incident_app.cli.progress import progress_bar
from incident_app.domain.access import Permission
from incident_app.services.customers import import_file


@click.group()
def customers() -> None:
    """Import customers and holdings."""


@customers.command("import")
@click.argument("file", type=FILE)
@click.option("--keep-good", is_flag=True, help="Take the good rows and list the others, instead of refusing the file.")
@command
def import_customers(world: World, file: Path, keep_good: bool) -> None:
    """Import a CSV file of customers or of holdings (told apart by columns). The same file twice changes nothing."""
    account = world.account(Permission.INVENTORY_WRITE)
    with progress_bar("Importing") as progress:
        result = import_file(
            world.engine,
            file.read_bytes(),
            address_key=world.address_key,
            keep_good=keep_good,
            actor=account.actor,
            now=world.now,
            progress=progress,
        )
    lines = [f"{result.kind}: {result.rows_kept:,} of {result.rows_read:,} rows kept."]
    if result.unchanged:
        lines = [f"This file was imported before (import {result.import_id}); nothing was changed."]
    for refusal in result.refusals:
        kept = " (the person was kept)" if refusal.person_kept else ""
        lines.append(f"  line {refusal.line}: {refusal.reason}{kept}")
    world.show(result, "\n".join(lines))
