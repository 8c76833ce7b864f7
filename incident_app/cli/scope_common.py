"""What the commands of a scope share: the scope to change, and setting its next version."""

from __future__ import annotations

from collections.abc import Callable

import click

from incident_app.cli.context import World
from incident_app.domain.scope_changes import NOTHING_YET
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import Certainty
from incident_app.services import scope_edits, scopes
from incident_app.services.accounts import Account
from incident_app.services.incidents import IncidentView
from incident_app.services.preview import Preview, PreviewCache, preview_scope

CERTAINTY = click.Choice([word.value for word in Certainty])


def current_scope(world: World, view: IncidentView) -> Scope:
    """Return the newest scope, or the one to begin with."""
    found = scopes.find_newest_scope(world.engine, view.id)
    return found[1] if found else NOTHING_YET


PREVIEW = click.option("--preview", is_flag=True, help="Show the effect on people; store nothing.")


def set_changed(
    world: World,
    view: IncidentView,
    account: Account,
    change: Callable[[Scope], Scope],
    reason: str | None,
    *,
    preview: bool = False,
    **shown: object,
) -> None:
    """Set the next version and say its number, or only show what it would do."""
    if preview:
        found = preview_scope(
            world.engine,
            PreviewCache(),
            view.id,
            change(current_scope(world, view)),
            designated_operator=world.settings.designated_operator,
        )
        world.show({"preview": found, **shown}, preview_text(found))
        return
    version = scope_edits.change_scope(world.engine, view.id, change, note=reason, actor=account.actor, now=world.now)
    world.show({"version": version, **shown}, f"Scope version {version} is set.")


def preview_text(found: Preview) -> str:
    """Write a preview for people."""
    rings = ", ".join(f"{number:,} {ring}" for ring, number in found.summary["by_certainty"].items()) or "nobody"
    lines = ["Preview, nothing is stored.", f"  people: {rings}"]
    if found.compared_with is not None:
        changes = f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed"
        lines.append(f"  against version {found.compared_with}: {changes}")
    for title, numbers in (
        ("categories", found.summary["by_category"]),
        ("sensitive kinds, unprotected", found.summary["by_flag"]),
        ("countries", found.summary["by_jurisdiction"]),
    ):
        lines.append(f"  {title}: " + (", ".join(f"{code} {number:,}" for code, number in numbers.items()) or "none"))
    for title, duties in (
        ("new duty", found.duties.added),
        ("duty that would vanish", found.duties.removed),
        ("duty that would change", found.duties.changed),
    ):
        lines += [f"  {title}: {duty.en}" for duty in duties]
    lines += [f"  {store}: no list from them yet, so this is a maximum" for store in found.upper_bounds]
    lines += [f"  {store}: who used it is not known; a list is needed" for store in found.people_unknown]
    return "\n".join(lines)
