"""`incident-app readiness`: the number that the team can move before anything happens."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.readiness import Score
from incident_app.services import readiness as scores


@click.group()
def readiness() -> None:
    """Say how ready we are, and what lowers it."""


@readiness.command()
@command
def show(world: World) -> None:
    """Show the score as it is now, what lowers it, and the scores recorded before."""
    found = scores.measure(world.engine, now=world.now)
    history = scores.list_scores(world.engine)
    lines = [*_lines(found), *(f"{jst(entry.at)}  {entry.value}" for entry in history)]
    world.show({"now": found, "history": history}, "\n".join(lines))


@readiness.command()
@command
def record(world: World) -> None:
    """Take the score and keep it; run it once a week."""
    account = world.account(Permission.INVENTORY_WRITE)
    found = scores.record_score(world.engine, actor=account.actor, now=world.now)
    world.show(found, "\n".join(_lines(found)))


def _lines(found: Score) -> list[str]:
    return [f"Readiness: {found.value} of 100.", *(f"  -{entry.lost}  {entry.said.en}" for entry in found.findings)]
