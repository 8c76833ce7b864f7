"""`incident-app customers`: import people and what is held of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command, jst
from incident_app.cli.progress import progress_bar
from incident_app.domain.access import Permission
from incident_app.domain.column_profiles import DELIMITERS, ColumnProfile
from incident_app.domain.encodings import encoding_named
from incident_app.domain.errors import BadInput
from incident_app.services import profiles
from incident_app.services.abandoning import abandon_import
from incident_app.services.customers import ImportResult, RefusedTo, import_file, list_imports

TARGET = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.group()
def customers() -> None:
    """Import customers and holdings."""


@customers.command("import")
@click.argument("file", type=FILE)
@click.option("--keep-good", is_flag=True, help="Take the good rows and list the others, instead of refusing the file.")
@click.option("--profile", metavar="NAME", help="The column profile to read the file by.")
@click.option("--encoding", metavar="NAME", help="The encoding of the file; it is detected otherwise.")
@click.option("--delimiter", type=click.Choice(sorted(DELIMITERS)), help="What separates values; seen from the header.")
@click.option("--refused", type=TARGET, metavar="OUT", help="Write line and reason of each refused row to a CSV file.")
@click.option("--refused-with-rows", is_flag=True, help="Copy each refused row beside its reason (personal data).")
@command
def import_customers(
    world: World,
    file: Path,
    keep_good: bool,
    profile: str | None,
    encoding: str | None,
    delimiter: str | None,
    refused: Path | None,
    refused_with_rows: bool,
) -> None:
    """Import a CSV, TSV or Parquet file of customers or of holdings (told apart by columns).

    The same file twice changes nothing. An import that was cut off is finished by importing the same file again.
    """
    account = world.account(Permission.INVENTORY_WRITE)
    if refused_with_rows and refused is None:
        raise BadInput(field="--refused-with-rows", problem="name the file with --refused too")
    with progress_bar("Importing") as progress:
        result = import_file(
            world.engine,
            file,
            address_key=world.address_key,
            keep_good=keep_good,
            actor=account.actor,
            now=world.now,
            progress=progress,
            profile=_profile(world, profile, encoding, delimiter),
            refused_to=RefusedTo(path=refused, rows=refused_with_rows) if refused else None,
            folder=world.settings.home,
        )
    world.show(result, _in_words(result))


def _profile(world: World, name: str | None, encoding: str | None, delimiter: str | None) -> ColumnProfile:
    profile = profiles.get_profile(world.profile_folder, name) if name else ColumnProfile()
    if encoding is not None:
        profile = replace(profile, encoding=encoding if encoding.lower() == "utf-16" else encoding_named(encoding))
    return profile if delimiter is None else replace(profile, delimiter=DELIMITERS[delimiter])


def _in_words(result: ImportResult) -> str:
    if result.unchanged:
        lines = [f"This file was imported before (import {result.import_id}); nothing was changed."]
    else:
        lines = [f"{result.kind}: {result.rows_kept:,} of {result.rows_read:,} rows kept (read as {result.encoding})."]
    if result.also_valid:
        others = ", ".join(result.also_valid)
        lines.append(f"  It could also be {others}. Look at a few names; if they are wrong, say --encoding.")
    for refusal in result.refusals:
        kept = " (the person was kept)" if refusal.person_kept else ""
        lines.append(f"  line {refusal.line}: {refusal.reason}{kept}")
    if result.rows_refused > len(result.refusals):
        lines.append("  ... and more: --refused OUT.csv lists every refused row.")
    return "\n".join(lines)


@customers.command("imports")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many to list.")
@command
def imports(world: World, limit: int) -> None:
    """List imports, newest first: sealed, abandoned, or building (under way or cut off)."""
    world.account(Permission.INVENTORY_WRITE)
    found = list_imports(world.engine, limit=limit)
    lines = [
        f"{row.id:>5}  {jst(row.at)}  {row.kind:<9}  {row.status:<9}  "
        f"{row.rows_kept:,} of {row.rows_read:,} rows kept, {row.rows_refused:,} refused"
        for row in found
    ]
    world.show(found, "\n".join(lines) or "Nothing was imported yet: incident-app customers import FILE")


@customers.command("abandon-import")
@click.argument("import_id", type=int)
@click.option("--confirm", type=int, metavar="ID", help="The same number again, instead of being asked.")
@command
def abandon(world: World, import_id: int, confirm: int | None) -> None:
    """Take back an import that was cut off: what it added becomes invisible, what it ended is given back."""
    account = world.account(Permission.INVENTORY_WRITE)
    if confirm is None:
        confirm = click.prompt(f"Type {import_id} to abandon import {import_id}", type=int, err=True)
    if confirm != import_id:
        raise BadInput(field="--confirm", problem="it is not the number of the import; nothing was changed")
    taken_back = abandon_import(world.engine, import_id, actor=account.actor, now=world.now)
    world.show(
        {"import_id": import_id, "holdings_taken_back": taken_back},
        f"Import {import_id} was abandoned; {taken_back:,} holdings taken back.",
    )


@customers.command("profile")
@click.argument("action", type=click.Choice(["add", "list", "show", "remove"]))
@click.argument("name", required=False)
@click.argument("file", type=FILE, required=False)
@command
def profile_command(world: World, action: str, name: str | None, file: Path | None) -> None:
    """Keep column profiles: `add NAME FILE`, `list`, `show NAME`, `remove NAME` (see docs/files.md)."""
    world.account(Permission.INVENTORY_WRITE)
    folder = world.profile_folder
    if action == "list":
        names = profiles.profile_names(folder)
        world.show(names, "\n".join(names) or "No profiles are kept yet: incident-app customers profile add NAME FILE")
        return
    if name is None:
        raise click.UsageError("name the profile")
    if action == "add":
        if file is None:
            raise click.UsageError("name the TOML file of the profile")
        world.show(profiles.keep_profile(folder, name, _text(file)), f"Profile {name} is kept.")
    elif action == "show":
        world.show(profiles.get_profile(folder, name), profiles.profile_text(folder, name))
    else:
        profiles.remove_profile(folder, name)
        world.show({"removed": name}, f"Profile {name} was removed.")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(field="file", problem="a profile is TOML in UTF-8") from None
