"""`incident-app scope`: what was touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypedDict, Unpack

import click

from incident_app.cli import scope_evidence, scope_lists, scope_people, scope_versions
from incident_app.cli.context import MOMENT, World, command
from incident_app.cli.scope_common import CERTAINTY, PREVIEW, set_changed
from incident_app.domain.access import Permission
from incident_app.domain.scope_changes import with_party, with_store, without_list, without_store
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm
from incident_app.services import scopes


class Said(TypedDict):
    """What the options of `scope add-store` say of the entry."""

    certainty: str
    items: tuple[str, ...]
    categories: tuple[str, ...]
    without: tuple[str, ...]
    touched_from: datetime | None
    touched_until: datetime | None
    evidence_id: int | None
    acquiring: bool | None
    key_compromised: bool
    reason: str | None


@click.group()
def scope() -> None:
    """Set what an incident touched. Every change makes a new version."""


@scope.command("set")
@click.argument("reference")
@click.option("--cause", type=click.Choice([word.value for word in Cause]), required=True)
@click.option("--harm", "harms", multiple=True, required=True, type=click.Choice([word.value for word in Harm]))
@click.option("--reason")
@PREVIEW
@command
def set_cause(
    world: World, reference: str, *, cause: str, harms: tuple[str, ...], reason: str | None, preview: bool
) -> None:
    """Say cause and harm; what was touched stays. Enough where only people outside the register are affected."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    set_changed(
        world,
        view,
        account,
        lambda current: replace(current, cause=Cause(cause), harms=frozenset(Harm(word) for word in harms)),
        reason,
        preview=preview,
    )


@scope.command("add-store")
@click.argument("reference")
@click.argument("store")
@click.option("--certainty", type=CERTAINTY, required=True)
@click.option("--item", "items", multiple=True, help="Only these items; leaving others out needs --reason.")
@click.option("--category", "categories", multiple=True, help="Only the items under this category.")
@click.option("--without", multiple=True, help="Leave this item out; needs --reason.")
@click.option("--from", "touched_from", type=MOMENT)
@click.option("--until", "touched_until", type=MOMENT)
@click.option("--evidence", "evidence_id", type=int, help="Number of the evidence; needed to rule out.")
@click.option("--beside", is_flag=True, help="Keep what was said of this store before; add a second entry.")
@click.option(
    "--acquiring/--stored",
    default=None,
    help="Data was taken while people typed it in; a list says who they were. By default so for an input page.",
)
@click.option("--key-compromised", is_flag=True, help="The key was touched too: encryption protects nobody.")
@click.option("--cause", type=click.Choice([word.value for word in Cause]))
@click.option("--harm", "harms", multiple=True, type=click.Choice([word.value for word in Harm]))
@click.option("--reason")
@PREVIEW
@command
def add_store(
    world: World,
    reference: str,
    store: str,
    *,
    beside: bool,
    cause: str | None,
    harms: tuple[str, ...],
    preview: bool,
    **said: Unpack[Said],
) -> None:
    """Add a store, or say anew how it was touched. Without --item or --category: everything that it holds."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    entry = _entry(world, store, said)

    def change(current: Scope) -> Scope:
        changed = with_store(current, entry, beside=beside)
        return replace(
            changed,
            cause=Cause(cause) if cause else changed.cause,
            harms=frozenset(Harm(word) for word in harms) or changed.harms,
        )

    set_changed(world, view, account, change, said["reason"], preview=preview)


def _entry(world: World, store: str, said: Said) -> TouchedStore:
    return TouchedStore(
        store=store,
        items=scopes.chosen_items(
            world.engine, store, items=said["items"], categories=said["categories"], without=said["without"]
        ),
        touched_from=said["touched_from"],
        touched_until=said["touched_until"],
        certainty=Certainty(said["certainty"]),
        reason=said["reason"],
        evidence_id=said["evidence_id"],
        acquiring=scopes.is_input_page(world.engine, store) if said["acquiring"] is None else said["acquiring"],
        key_compromised=said["key_compromised"],
    )


@scope.command("add-party")
@click.argument("reference")
@click.argument("party")
@click.option("--certainty", type=CERTAINTY, default="assumed", show_default=True)
@click.option("--from", "touched_from", type=MOMENT)
@click.option("--until", "touched_until", type=MOMENT)
@click.option("--reason")
@PREVIEW
@command
def add_party(
    world: World,
    reference: str,
    party: str,
    certainty: str,
    touched_from: datetime | None,
    touched_until: datetime | None,
    reason: str | None,
    preview: bool,
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
    set_changed(world, view, account, lambda current: with_party(current, entries), reason, preview=preview)


@scope.command("remove-store")
@click.argument("reference")
@click.argument("store")
@click.option("--reason", required=True, help="Why it was not touched after all; stays visible.")
@PREVIEW
@command
def remove_store(world: World, reference: str, store: str, reason: str, preview: bool) -> None:
    """Take a store out of the newest version, with the reason; earlier versions stay as they were."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    set_changed(world, view, account, lambda current: without_store(current, store), reason, preview=preview)


@scope.command("remove-list")
@click.argument("reference")
@click.argument("list_id", metavar="LIST", type=int)
@click.option("--reason", required=True, help="Why it no longer counts; stays visible.")
@PREVIEW
@command
def remove_list(world: World, reference: str, list_id: int, reason: str, preview: bool) -> None:
    """Take a list of customers out of the newest version, with the reason."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    set_changed(world, view, account, lambda current: without_list(current, list_id), reason, preview=preview)


PARTS: tuple[click.Command, ...] = (
    scope_lists.add_list,
    scope_lists.lists,
    scope_lists.list_unmatched,
    scope_people.add_person,
    scope_people.people,
    scope_people.confirm_deletion,
    scope_people.erase_person,
    scope_versions.show_scope,
    scope_versions.diff,
    scope_versions.party,
    scope_evidence.evidence,
)
for part in PARTS:
    scope.add_command(part)
