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
    """List every regime and report that is loaded, how it is counted, its source and how sure it is."""
    found = deadline_rules.list_rules(world.engine, designated_operator=world.settings.designated_operator)
    lines = []
    for rule in found:
        why = "to be stated in the policy" if rule.is_unsaid else "off"
        off = "" if rule.is_on else f" ({why}: {', '.join(rule.only_for or rule.not_for)})"
        lines.append(f"{rule.regime:<17} {rule.report:<16} {rule.title_en}{off}")
        lines.extend(f"  {words}" for words in rule.counted_en)
        lines.append(f"  {rule.source} ({rule.confidence})")
    world.show(found, "\n".join(lines))


@deadlines.command()
@click.option("--regime", required=True)
@click.option("--report", required=True)
@click.option("--aware-at", type=MOMENT, required=True, help="The anchor of that clock.")
@click.option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="A fact, e.g. people=1001; or =unknown.")
@click.option("--situation", "situations", multiple=True, help="Situations that hold, e.g. item-3.")
@command
def compute(
    world: World, regime: str, report: str, aware_at: datetime, facts: tuple[str, ...], situations: tuple[str, ...]
) -> None:
    """Compute one due time and say in words how it was counted."""
    found = deadline_rules.compute(
        world.engine,
        regime,
        report,
        aware_at,
        frozenset(situations),
        facts=facts,
        designated_operator=world.settings.designated_operator,
    )
    when = f"{jst(found.due_at)} ({found.state})" if found.due_at else found.state
    source = f"  {found.source} ({found.confidence})"
    world.show(found, "\n".join([when, *(f"  {line}" for line in found.explanation["en"]), source]))
