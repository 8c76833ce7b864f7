"""`incident-app scope evidence`: files behind the entries of a scope."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from incident_app.cli.context import FILE, REFUSED, World, command, jst
from incident_app.domain.access import Permission
from incident_app.services import evidence as keeping
from incident_app.services.evidence import Condition


@click.group()
def evidence() -> None:
    """Keep evidence (add), list it (list), and prove that its bytes are what they were (verify)."""


@evidence.command("add")
@click.argument("reference")
@click.argument("file", type=FILE)
@command
def add(world: World, reference: str, file: Path) -> None:
    """Keep a file as evidence; its number is what `--evidence` asks for."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    number = keeping.add_evidence(
        world.engine,
        view.id,
        file,
        folder=world.evidence_folder,
        file_name=file.name,
        actor=account.actor,
        now=world.now,
    )
    world.show({"evidence": number}, f"Evidence {number} is kept.")


@evidence.command("list")
@click.argument("reference")
@command
def list_evidence(world: World, reference: str) -> None:
    """List the evidence of an incident."""
    view, _ = world.incident(reference)
    found = keeping.list_evidence(world.engine, view.id)
    lines = [f"{one.id:>4}  {one.sha256[:12]}  {one.size:,} bytes  {jst(one.stored_at)}" for one in found]
    world.show(found, "\n".join(lines) or "No evidence is kept for this incident.")


@evidence.command("verify")
@click.argument("reference")
@command
def verify(world: World, reference: str) -> None:
    """Recompute the digest of every file and compare; exit code 1 when one was altered or is missing."""
    view, _ = world.incident(reference)
    found = keeping.list_evidence(world.engine, view.id, folder=world.evidence_folder)
    lines = [f"{one.id:>4}  {one.sha256[:12]}  {one.condition}" for one in found]
    whole = all(one.condition is Condition.WHOLE for one in found)
    world.show({"whole": whole, "evidence": found}, "\n".join(lines) or "No evidence is kept for this incident.")
    if not whole:
        sys.exit(REFUSED)
