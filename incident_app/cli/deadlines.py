"""`incident-app deadlines`: the rules of counting, and one date computed in words."""

from __future__ import annotations

from datetime import datetime

import click

from incident_app.cli.context import MOMENT, World, command, jst
from incident_app.services import deadline_rules


@click.group()
def deadlines() -> None:
    """Show rules and compute due times."""


@deadlines.command()
@command
def rules(world: World) -> None:
    """List every regime and report that is loaded."""
    found = deadline_rules.list_rules(world.engine)
    world.show(found, "\n".join(f"{rule.regime:<12} {rule.report:<14} {rule.title_en}" for rule in found))


@deadlines.command()
@click.option("--regime", required=True)
@click.option("--report", required=True)
@click.option("--aware-at", type=MOMENT, required=True, help="The anchor of that clock.")
@click.option("--situation", "situations", multiple=True, help="Situations that hold, e.g. item-3.")
@command
def compute(world: World, regime: str, report: str, aware_at: datetime, situations: tuple[str, ...]) -> None:
    """Compute one due time and say in words how it was counted."""
    found = deadline_rules.compute(world.engine, regime, report, aware_at, frozenset(situations))
    lines = [jst(found.due_at) if found.due_at else found.state, *(f"  {line}" for line in found.explanation["en"])]
    world.show(found, "\n".join(lines))
