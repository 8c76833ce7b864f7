"""`incident-app policy`: check a policy file, show the one in force."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command
from incident_app.domain.policies import read_policy
from incident_app.paths import read_text
from incident_app.services.policies import any_policy
from incident_app.services.transaction import reading


@click.group()
def policy() -> None:
    """Check and show the company's policy."""


@policy.command()
@click.argument("path", type=FILE)
@command
def check(world: World, path: Path) -> None:
    """Validate a policy file; name key, line and reason of every fault. Exit 1 when there is one."""
    found = read_policy(read_text(path), file=path.name)
    text = (
        f"{path.name}: {len(found.items)} items in {len(found.categories)} categories, {len(found.parties)} parties, "
    )
    text += f"{len(found.commitments)} parts of promises. No fault."
    lines = [text, *(f"  warning: {warning}" for warning in found.warnings)]
    world.show({"valid": True, "digest": found.digest, "warnings": found.warnings}, "\n".join(lines))


@policy.command()
@command
def show(world: World) -> None:
    """Show the policy in force."""
    with reading(world.engine) as session:
        found = any_policy(session)
    lines = [f"{found.name.en} ({found.code}, version {found.version})"]
    for category in found.categories:
        items = ", ".join(item.name_en for item in found.items if item.category == category.code)
        lines.append(f"  {category.name_en}: {items}")
    world.show(found, "\n".join(lines))
