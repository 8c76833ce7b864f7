"""`incident-app step`: the response steps of an incident."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command, jst
from incident_app.domain.access import Permission
from incident_app.services import steps


@click.group()
def step() -> None:
    """Work on response steps."""


@step.command("list")
@click.argument("reference")
@command
def list_steps(world: World, reference: str) -> None:
    """List the steps with due times, and what they wait for."""
    view, _ = world.incident(reference)
    found = steps.list_steps(world.engine, view.id)
    lines = []
    for entry in found:
        waiting = f"  waits for: {', '.join(entry.waiting_for_en)}" if entry.waiting_for_en else ""
        lines.append(f"{entry.status:<8} {jst(entry.due_at)}  {entry.code}: {entry.title_en}{waiting}")
    world.show(found, "\n".join(lines))


@step.command()
@click.argument("reference")
@click.argument("code")
@command
def start(world: World, reference: str, code: str) -> None:
    """Take a step up."""
    view, account = world.incident(reference, Permission.STEP_WORK)
    steps.start_step(world.engine, view.id, code, actor=account.actor, now=world.now)
    world.show({"started": code}, f"{code} is under way.")


@step.command()
@click.argument("reference")
@click.argument("code")
@click.option("--result", help="What came of it; some steps cannot be finished without.")
@command
def finish(world: World, reference: str, code: str, result: str | None) -> None:
    """Finish a step."""
    view, account = world.incident(reference, Permission.STEP_WORK)
    steps.finish_step(world.engine, view.id, code, result=result, actor=account.actor, now=world.now)
    world.show({"finished": code}, f"{code} is finished.")


@step.command()
@click.argument("reference")
@click.argument("code")
@click.option("--reason", required=True)
@command
def skip(world: World, reference: str, code: str, reason: str) -> None:
    """Leave a step out, with the reason."""
    view, account = world.incident(reference, Permission.STEP_WORK)
    steps.skip_step(world.engine, view.id, code, reason=reason, actor=account.actor, now=world.now)
    world.show({"skipped": code}, f"{code} was left out.")
