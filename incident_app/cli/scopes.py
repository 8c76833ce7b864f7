"""`incident-app scope`: what was touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from incident_app.cli.context import FILE, MOMENT, World, command
from incident_app.domain.access import Permission
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm, ListRelation
from incident_app.services import lists, scopes
from incident_app.services.accounts import Account
from incident_app.services.incidents import IncidentView

CERTAINTY = click.Choice([word.value for word in Certainty])


@click.group()
def scope() -> None:
    """Set what an incident touched. Every change makes a new version."""


@scope.command("add-store")
@click.argument("reference")
@click.argument("store")
@click.option("--certainty", type=CERTAINTY, required=True)
@click.option("--item", "items", multiple=True, help="Only these items; leaving others out needs --reason.")
@click.option("--from", "touched_from", type=MOMENT)
@click.option("--until", "touched_until", type=MOMENT)
@click.option("--cause", type=click.Choice([word.value for word in Cause]))
@click.option("--harm", "harms", multiple=True, type=click.Choice([word.value for word in Harm]))
@click.option("--reason")
@command
def add_store(
    world: World,
    reference: str,
    store: str,
    certainty: str,
    items: tuple[str, ...],
    touched_from: datetime | None,
    touched_until: datetime | None,
    cause: str | None,
    harms: tuple[str, ...],
    reason: str | None,
) -> None:
    """Add a store, or say anew how it was touched."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    entry = TouchedStore(
        store=store,
        items=frozenset(items) if items else None,
        touched_from=touched_from,
        touched_until=touched_until,
        certainty=Certainty(certainty),
        reason=reason,
    )
    current = _current(world, view)
    kept = tuple(known for known in current.stores if known.store != store)
    changed = replace(
        current,
        stores=(*kept, entry),
        cause=Cause(cause) if cause else current.cause,
        harms=frozenset(Harm(word) for word in harms) or current.harms,
    )
    _set(world, view, account, changed, reason)


@scope.command("add-party")
@click.argument("reference")
@click.argument("party")
@click.option("--certainty", type=CERTAINTY, default="assumed", show_default=True)
@click.option("--from", "touched_from", type=MOMENT)
@click.option("--until", "touched_until", type=MOMENT)
@click.option("--reason")
@command
def add_party(
    world: World,
    reference: str,
    party: str,
    certainty: str,
    touched_from: datetime | None,
    touched_until: datetime | None,
    reason: str | None,
) -> None:
    """Add a recipient of the policy: the stores that it operates, with exactly what it received."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    entries = scopes.stores_at_party(
        world.engine,
        party,
        certainty=Certainty(certainty),
        touched_from=touched_from,
        touched_until=touched_until,
    )
    current = _current(world, view)
    kept = tuple(known for known in current.stores if known.store not in {entry.store for entry in entries})
    _set(world, view, account, replace(current, stores=(*kept, *entries), cause=Cause.AT_PROCESSOR), reason)


@scope.command("add-list")
@click.argument("reference")
@click.argument("file", type=FILE)
@click.option("--relation", type=click.Choice([word.value for word in ListRelation]), default="adds", show_default=True)
@click.option("--certainty", type=CERTAINTY, default="confirmed", show_default=True)
@click.option("--source", required=True, help="Where the list comes from, e.g. 'web access log, 20 Nov'.")
@click.option("--reason")
@command
def add_list(
    world: World, reference: str, file: Path, relation: str, certainty: str, source: str, reason: str | None
) -> None:
    """Load a list of customers from forensic evidence and add it to the scope."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    loaded = lists.load_list(
        world.engine,
        view.id,
        file.read_bytes(),
        source=source,
        address_key=world.address_key,
        actor=account.actor,
        now=world.now,
    )
    entry = TouchedList(
        list_id=loaded.list_id,
        list_digest=loaded.digest,
        relation=ListRelation(relation),
        certainty=Certainty(certainty),
        evidence_id=loaded.evidence_id,
    )
    current = _current(world, view)
    kept = tuple(known for known in current.lists if known.list_id != loaded.list_id)
    if loaded.unmatched_lines:
        shown = ", ".join(str(line) for line in loaded.unmatched_lines[:20])
        click.echo(f"{len(loaded.unmatched_lines)} lines match no customer: {shown}", err=True)
    _set(world, view, account, replace(current, lists=(*kept, entry)), reason)


@scope.command("show")
@click.argument("reference")
@command
def show_scope(world: World, reference: str) -> None:
    """Show the newest scope."""
    view, _ = world.incident(reference)
    found = scopes.find_newest_scope(world.engine, view.id)
    if found is None:
        world.show({"version": None}, "No scope was set yet. Start with `incident-app scope add-store`.")
        return
    version, current = found
    lines = [f"Scope version {version}: {', '.join(sorted(current.harms))}; cause {current.cause}"]
    lines += [f"  store {entry.store}: {entry.certainty}" for entry in current.stores]
    lines += [f"  list {entry.list_id}: {entry.relation}, {entry.certainty}" for entry in current.lists]
    world.show({"version": version, "scope": current}, "\n".join(lines))


def _current(world: World, view: IncidentView) -> Scope:
    found = scopes.find_newest_scope(world.engine, view.id)
    return found[1] if found else Scope(harms=frozenset({Harm.CONFIDENTIALITY}), cause=Cause.UNKNOWN)


def _set(world: World, view: IncidentView, account: Account, changed: Scope, reason: str | None) -> None:
    version = scopes.set_scope(world.engine, view.id, changed, note=reason, actor=account.actor, now=world.now)
    world.show({"version": version}, f"Scope version {version} is set.")
