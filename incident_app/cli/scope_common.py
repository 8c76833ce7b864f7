"""What the commands of a scope share: the scope to change, and setting its next version."""

from __future__ import annotations

import click

from incident_app.cli.context import World
from incident_app.domain.scope_changes import NOTHING_YET
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import Certainty
from incident_app.services import scopes
from incident_app.services.accounts import Account
from incident_app.services.incidents import IncidentView

CERTAINTY = click.Choice([word.value for word in Certainty])


def current_scope(world: World, view: IncidentView) -> Scope:
    """Return the newest scope, or the one to begin with."""
    found = scopes.find_newest_scope(world.engine, view.id)
    return found[1] if found else NOTHING_YET


def set_changed(
    world: World, view: IncidentView, account: Account, changed: Scope, reason: str | None, **shown: object
) -> None:
    """Set the next version and say its number."""
    version = scopes.set_scope(world.engine, view.id, changed, note=reason, actor=account.actor, now=world.now)
    world.show({"version": version, **shown}, f"Scope version {version} is set.")
