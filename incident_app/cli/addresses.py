"""`incident-app addresses`: corrected mail addresses of people who were not reached."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.address_fixes import AddressSource
from incident_app.services import address_fixes as service
from incident_app.services.address_fixes import Corrected, Why

SOURCE = click.option(
    "--source",
    type=click.Choice([word.value for word in AddressSource]),
    required=True,
    help="Where the new address comes from.",
)
REASON = click.option("--reason", required=True, help="How you know.")
DESPITE = click.option("--despite-complaint", is_flag=True, help="Also people who complained about our mail.")


@click.group()
def addresses() -> None:
    """Correct mail addresses, so that a wave for those not reached takes the new ones."""


@addresses.command()
@click.argument("reference")
@click.argument("customer_number")
@click.option("--address", help="Asked for when it is not given: what stands on a command line is seen by others.")
@SOURCE
@REASON
@DESPITE
@command
def correct(
    world: World,
    reference: str,
    customer_number: str,
    *,
    address: str | None,
    source: str,
    reason: str,
    despite_complaint: bool,
) -> None:
    """Give one person another mail address; what was sent to the old one stays as it was."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    given = address if address is not None else str(click.prompt("New mail address", err=True))
    done = service.correct_address(
        world.engine,
        view.id,
        customer_number,
        given,
        Why(source=source, reason=reason, despite_complaint=despite_complaint),
        address_key=world.address_key,
        actor=account.actor,
        now=world.now,
    )
    world.show(done, _said(done))


@addresses.command()
@click.argument("reference")
@click.argument("file", type=FILE)
@SOURCE
@REASON
@DESPITE
@command
def load(world: World, reference: str, file: Path, *, source: str, reason: str, despite_complaint: bool) -> None:
    """Correct the addresses of a CSV file with the columns customer_number and email; twice changes nothing."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    done = service.correct_from_file(
        world.engine,
        view.id,
        file.read_bytes(),
        Why(source=source, reason=reason, despite_complaint=despite_complaint),
        address_key=world.address_key,
        actor=account.actor,
        now=world.now,
    )
    world.show(done, _said(done))


@addresses.command("list")
@click.argument("reference")
@click.option("--after", type=int, default=0, help="Go on behind this number.")
@command
def list_(world: World, reference: str, after: int) -> None:
    """List the corrections of an incident, newest first, addresses masked."""
    view, _ = world.incident(reference, Permission.RECIPIENTS_READ)
    found = service.list_corrections(world.engine, view.id, after=after)
    lines = [
        f"{row.id}: {row.customer_number} {row.before or '-'} -> {row.after} ({row.source}, {jst(row.corrected_at)}"
        + (", despite a complaint)" if row.despite_complaint else ")")
        for row in found
    ]
    world.show(found, "\n".join(lines) or "No address was corrected.")


def _said(done: Corrected) -> str:
    text = f"Corrected the addresses of {done.people:,} people; {done.unchanged:,} had theirs already."
    if done.complaints:
        text += f" {done.complaints:,} of them complained about our mail before; that stays on record."
    return text
