"""`incident-app db`: bring the schema up to date, tell whether everything is whole."""

from __future__ import annotations

import sys

import click

from incident_app.cli.context import REFUSED, World, command
from incident_app.cli.reports import forms_of
from incident_app.persistence import schema
from incident_app.services import setup
from incident_app.services.outbox_checks import outbox_faults
from incident_app.services.timeline import verify_timeline


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@command
def upgrade(world: World) -> None:
    """Create or update the tables, then load the policy and playbooks that are new."""
    schema.upgrade(world.raw_engine)
    loaded = setup.load_playbooks(
        world.raw_engine,
        world.playbook_files,
        policy=world.settings.policy,
        forms=forms_of(world).codes(),
        actor=setup.SYSTEM,
        now=world.now,
    )
    world.show(
        {"database": "ready", "playbooks_loaded": loaded}, f"The database is ready; {loaded} playbooks were new."
    )


@db.command()
@command
def check(world: World) -> None:
    """Say whether schema, guards, event chain and outbox are whole. Exit 1 when they are not."""
    faults = schema.schema_faults(world.raw_engine)
    verification = None if faults and "no tables" in faults[0] else verify_timeline(world.raw_engine)
    if not faults:  # a schema that is not as needed cannot be asked
        faults += outbox_faults(world.raw_engine, now=world.now)
    if verification is not None and verification.broken is not None:
        faults.append(verification.broken.en)
    events = verification.events if verification else 0
    text = "\n".join(faults) if faults else f"Schema, guards, chain and outbox are whole ({events:,} events)."
    world.show({"whole": not faults, "faults": faults, "events": events}, text)
    if faults:
        sys.exit(REFUSED)
