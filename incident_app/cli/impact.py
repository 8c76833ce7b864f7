"""`incident-app impact`: who is affected, with which data, and why."""

from __future__ import annotations

import sys

import click

from incident_app.cli.context import REFUSED, World, command
from incident_app.cli.scope_common import set_changed
from incident_app.cli.scope_people import outside_to_do
from incident_app.domain.access import Permission
from incident_app.services import impact_verification, impact_views, obligations
from incident_app.services.affected_parties import AffectedPartyView
from incident_app.services.impact_verification import Repetition

VERIFIED = {
    Repetition.REPEATS: "repeats",
    Repetition.DIFFERS: "DIFFERS",
    Repetition.MISSING: "IS MISSING: the timeline says that it was determined, but it is not stored any more",
    Repetition.OTHER_RULES: "was determined by earlier rules; use the program of that time to repeat it",
}


@click.group()
def impact() -> None:
    """Work out and explain the impact."""


@impact.command()
@click.argument("reference")
@command
def determine(world: World, reference: str) -> None:
    """Work out who is affected by the newest scope, then list the people to inform and derive the duties."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    found = obligations.determine_and_derive(
        world.engine,
        view.id,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    counts = ", ".join(f"{number:,} {certainty}" for certainty, number in found.by_certainty.items())
    world.show(
        found, f"Impact version {found.version}{' (unchanged)' if found.unchanged else ''}: {counts or 'nobody'}"
    )


@impact.command()
@click.argument("reference")
@command
def preview(world: World, reference: str) -> None:
    """Show what determining the newest scope would say, against the newest version. Nothing is stored."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    set_changed(world, view, account, lambda current: current, None, preview=True)


@impact.command()
@click.argument("reference")
@click.option("--version", type=int)
@command
def show(world: World, reference: str, version: int | None) -> None:
    """Show a version with its patterns, and the companies that the data concerns."""
    view, _ = world.incident(reference)
    found = impact_views.get_impact(world.engine, view.id, version)
    if found is None:
        world.show({"version": None}, "The impact was not determined yet.")
        return
    lines = [f"Impact version {found.version}"]
    lines += [f"  {row.people:>8,}  {row.certainty}: {', '.join(row.items_en)}" for row in found.patterns]
    lines += [f"  {_party_in_words(party)}" for party in found.parties]
    lines += outside_to_do(world, view.id)
    world.show(found, "\n".join(lines))


def _party_in_words(party: AffectedPartyView) -> str:
    items = ", ".join([*party.items_en, *(f"{name} (left open)" for name in party.uncertain_en)])
    only_here = f" Only here: {', '.join(party.only_here_en)}." if party.only_here_en else ""
    return f"{party.name_en}, {party.role} ({party.basis}): {items}. {party.reason_en}{only_here}"


@impact.command()
@click.argument("reference")
@click.argument("customer_number")
@command
def explain(world: World, reference: str, customer_number: str) -> None:
    """Say exactly which items of one customer are affected, from where, and why."""
    view, _ = world.incident(reference, Permission.RECIPIENTS_READ)
    found = impact_views.explain_customer(world.engine, view.id, customer_number)
    lines = [f"{customer_number}: {found.certainty or 'not affected'}", f"  {', '.join(found.items_en)}"]
    lines += [f"  {reason}" for reason in found.because_en]
    lines += [f"  list {named.number} comes from: {named.source}" for named in found.lists]
    lines += [f"  lay protected: {name} ({word})" for name, word in found.protected_en.items()]
    world.show(found, "\n".join(lines))


@impact.command()
@click.argument("reference")
@click.argument("older", type=int)
@click.argument("newer", type=int)
@command
def diff(world: World, reference: str, older: int, newer: int) -> None:
    """Count who was added, removed or changed between two versions."""
    view, _ = world.incident(reference)
    found = impact_views.diff_versions(world.engine, view.id, older, newer)
    world.show(found, f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed")


@impact.command()
@click.argument("reference")
@command
def verify(world: World, reference: str) -> None:
    """Re-run every stored version from its inputs and compare digests. Exit 1 when one differs."""
    view, _ = world.incident(reference)
    found = impact_verification.verify_impact(world.engine, view.id)
    same = impact_verification.all_repeat(found)
    lines = [f"version {version}: {VERIFIED[outcome]}" for version, outcome in found.items()]
    world.show({"versions": found, "repeats": same}, "\n".join(lines) or "There is no version yet.")
    if not same:
        sys.exit(REFUSED)
