"""`incident-app inventory`: load and list stores."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command
from incident_app.domain.access import Permission
from incident_app.paths import read_text
from incident_app.services import inventory as stores
from incident_app.services.setup import load_inventory


@click.group()
def inventory() -> None:
    """Look after the register of stores."""


@inventory.command("import")
@click.argument("file", type=FILE)
@command
def import_inventory(world: World, file: Path) -> None:
    """Load an inventory file against the policy in force; the same file twice changes nothing."""
    account = world.account(Permission.INVENTORY_WRITE)
    changed = load_inventory(world.engine, read_text(file), file=file.name, actor=account.actor, now=world.now)
    world.show({"changed": changed}, f"{changed} stores were new or changed.")


@inventory.command("list")
@command
def list_inventory(world: World) -> None:
    """List the stores, ours first, then those of third parties."""
    found = stores.list_stores(world.engine)
    lines = [f"{store.code:<22} {store.operator_en}: {len(store.items)} items" for store in found]
    world.show(found, "\n".join(lines) or "The inventory is empty. Load one with `incident-app inventory import`.")
