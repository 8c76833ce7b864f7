"""`incident-app scope add-list`, `lists`, `list-unmatched`: customers named by forensic evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypedDict, TypeVar, Unpack

import click

from incident_app.cli.context import FILE, World, command, jst
from incident_app.cli.scope_common import CERTAINTY
from incident_app.domain.access import Permission
from incident_app.domain.encodings import Encoding
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.lists import Reading, by_profile, column_use
from incident_app.domain.scope_changes import with_list
from incident_app.domain.scopes import Scope, TouchedList
from incident_app.domain.vocabulary import Certainty, ListRelation
from incident_app.services import list_views, profiles, scope_edits, scopes
from incident_app.services import lists as loading
from incident_app.services.lists import LoadedList

RELATION = click.Choice([word.value for word in ListRelation] + ["rules-out"])
P = ParamSpec("P")
R = TypeVar("R")
OUTPUT = click.Path(dir_okay=False, writable=True, path_type=Path)


class Told(TypedDict):
    """What the options say of how to read a file."""

    columns: tuple[str, ...]
    encoding: str | None
    delimiter: str | None
    no_header: bool
    profile: str | None


def reading_options(function: Callable[P, R]) -> Callable[P, R]:
    """Give a command the options of a file: columns, profile, encoding, delimiter, header."""
    for option in (
        click.option("--no-header", is_flag=True, help="The first row is data already; columns are then 1, 2, 3, ..."),
        click.option("--profile", metavar="NAME", help="The saved column profile to read the file by."),
        click.option("--delimiter", help="What stands between columns; found by itself otherwise."),
        click.option("--encoding", help=f"One of {', '.join(Encoding)}; found by itself otherwise."),
        click.option(
            "--column",
            "columns",
            multiple=True,
            help="What a column means: NAME=KEY, NAME=KEY:ITEM, NAME=:ITEM; KEY is customer_number, email or phone.",
        ),
    ):
        function = option(function)
    return function


@click.command("add-list")
@click.argument("reference")
@click.argument("file", type=FILE)
@click.option("--relation", type=RELATION, default="adds", show_default=True)
@click.option("--certainty", type=CERTAINTY, help="By default confirmed; ruled_out for a list that rules out.")
@click.option("--source", required=True, help="Where the list comes from, e.g. 'web access log, 20 Nov'.")
@click.option("--store", help="The store that these people used, e.g. a tampered input page.")
@reading_options
@click.option("--allow-empty", is_flag=True, help="Load the list even when it matches nobody.")
@click.option("--match-again", is_flag=True, help="Look for its people anew, e.g. after more customers were imported.")
@click.option("--reason")
@command
def add_list(
    world: World,
    reference: str,
    file: Path,
    *,
    relation: str,
    certainty: str | None,
    source: str,
    store: str | None,
    allow_empty: bool,
    match_again: bool,
    reason: str | None,
    **told: Unpack[Told],
) -> None:
    """Load a list of customers from forensic evidence and add it to the scope."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    if store is not None:
        scopes.chosen_items(world.engine, store)  # an unknown store refuses the list before it is loaded
    loaded = loading.load_list(
        world.engine,
        view.id,
        file,
        source=source,
        address_key=world.address_key,
        how=_reading(world, told),
        evidence_folder=world.evidence_folder,
        allow_empty=allow_empty,
        match_again=match_again,
        actor=account.actor,
        now=world.now,
    )
    for line in _remarks(loaded):
        click.echo(line, err=True)
    version = _add(world, view.id, _use_of(loaded, relation, certainty, store), reason, account.actor)
    lines = [f"List {loaded.list_id}: {loaded.matched:,} people.", f"Scope version {version} is set."]
    world.show({"version": version, "list": loaded}, "\n".join(lines))


def _add(world: World, incident_id: IncidentId, entry: TouchedList, reason: str | None, actor: Actor) -> int:
    def change(current: Scope) -> Scope:
        return with_list(current, entry)

    return scope_edits.change_scope(world.engine, incident_id, change, note=reason, actor=actor, now=world.now)


def _use_of(loaded: LoadedList, relation: str, certainty: str | None, store: str | None) -> TouchedList:
    word = ListRelation(relation.replace("-", "_"))
    default = Certainty.RULED_OUT if word is ListRelation.RULES_OUT else Certainty.CONFIRMED
    return TouchedList(
        list_id=loaded.list_id,
        list_digest=loaded.digest,
        relation=word,
        certainty=Certainty(certainty) if certainty else default,
        evidence_id=loaded.evidence_id,
        store=store,
    )


def _reading(world: World, told: Told) -> Reading:
    name = told["profile"]
    reading = Reading(
        columns=tuple(column_use(text) for text in told["columns"]),
        encoding=told["encoding"],
        delimiter=_one_character(told["delimiter"]),
        has_header=not told["no_header"],
    )
    return by_profile(reading, profiles.get_profile(world.profile_folder, name)) if name else reading


def _one_character(delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    found = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(found) != 1 or found in '"\r\n':
        raise BadInput(field="delimiter", problem="give one character, or tab")
    return found


def _remarks(loaded: LoadedList) -> list[str]:
    lines = []
    if loaded.unchanged:
        lines.append(f"This list was loaded before (list {loaded.list_id}).")
    if loaded.known_more_since:
        lines.append("Customers were imported since; to look for its people anew, add --match-again.")
    if loaded.unmatched:
        shown = ", ".join(str(line) for line in loaded.unmatched_lines[:20])
        more = ", ..." if loaded.unmatched > len(loaded.unmatched_lines[:20]) else ""
        lines.append(f"{loaded.unmatched} lines match no customer: {shown}{more}")
    return lines


@click.command("lists")
@click.argument("reference")
@command
def lists(world: World, reference: str) -> None:
    """List the lists of customers of an incident: source, people, and how their rows were matched."""
    view, _ = world.incident(reference)
    found = list_views.lists_of(world.engine, view.id)
    lines = [
        f"{one.id:>4}  {one.people:,} people, {one.unmatched:,} rows unmatched; "
        f"{', '.join(f'{key} {number:,}' for key, number in one.matched_by.items()) or '-'}; "
        f"{one.source}; loaded {jst(one.loaded_at)}; versions {', '.join(map(str, one.in_versions)) or '-'}"
        for one in found
    ]
    world.show(found, "\n".join(lines) or "No list was loaded. Load one with `incident-app scope add-list`.")


@click.command("list-unmatched")
@click.argument("reference")
@click.argument("list_id", metavar="LIST", type=int)
@click.option("--out", type=OUTPUT, help="Write the CSV into this file instead of showing it.")
@command
def list_unmatched(world: World, reference: str, list_id: int, out: Path | None) -> None:
    """Give the rows that named nobody or are to be looked at, as CSV: line and reason, never the content."""
    view, _ = world.incident(reference)
    parts = list_views.unmatched_csv(world.engine, view.id, list_id)
    if out is None:
        text = "".join(parts)
        world.show({"list": list_id, "csv": text}, text.rstrip("\n"))
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        rows = sum(file.write(part) and part.count("\n") for part in parts) - 1
    world.show({"list": list_id, "rows": rows, "out": str(out)}, f"{rows:,} rows are in {out}.")
