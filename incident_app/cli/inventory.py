"""`incident-app inventory`: the register of stores goes in and out; its gaps; what recipients really received."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import World, command
from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.gaps import MONTHS
from incident_app.domain.inventory_changes import Change
from incident_app.domain.vocabulary import DisclosureBasis, PartyRole
from incident_app.services import inventory as stores
from incident_app.services import inventory_files, readiness


@click.group()
def inventory() -> None:
    """Look after the register of stores."""


@inventory.command("import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--preview", is_flag=True, help="Say what would change, and change nothing.")
@command
def import_inventory(world: World, path: Path, preview: bool) -> None:
    """Load an inventory file: JSON, TOML, or CSV (a folder, a zip, one table); the same file twice changes nothing.

    A table that the file holds replaces the whole table; one that it lacks stays as it is. Whatever a file no longer
    names is retracted, never deleted. Every fault is listed, and nothing is stored while there is one.
    """
    account = world.account(Permission.INVENTORY_WRITE)
    plan = inventory_files.plan_import(world.engine, _files(path), name=f"{path.name}/" if path.is_dir() else path.name)
    if not preview:
        inventory_files.apply_import(world.engine, plan, actor=account.actor, now=world.now)
    counts = plan.counts
    said = f"{counts['added']} added, {counts['changed']} changed, {counts['retracted']} retracted."
    if not plan.changes:
        said = "The register already says this: nothing was changed."
    elif preview:
        said = f"Nothing was stored yet. It would be: {said}"
    world.show(
        {"changed": plan.stores_touched, "counts": counts, "applied": not preview, "changes": plan.changes},
        "\n".join([*map(_line, plan.changes), said]),
    )


@inventory.command("export")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["json", "csv"]), help="By default what the name ends with.")
@command
def export_inventory(world: World, out: Path, form: str | None) -> None:
    """Write the register: OUT.json is one document, OUT.zip or a folder one CSV file per table.

    Equal registers give equal bytes, and what is written can be imported again without loss.
    """
    world.account()
    if form is None:
        form = "json" if out.suffix == ".json" else "csv"
    if form == "json":
        _write(out, inventory_files.export_json(world.engine))
        written = [out.name]
    else:
        files = inventory_files.export_csv(world.engine)
        written = sorted(files)
        if out.suffix == ".zip":
            _write(out, inventory_files.zipped(files))
        else:
            _folder(out)
            for name, content in files.items():
                _write(out / name, content)
    world.show({"written": written}, f"Written: {', '.join(written)}")


@inventory.command("list")
@command
def list_inventory(world: World) -> None:
    """List the stores, ours first, then those of third parties."""
    found = stores.list_stores(world.engine)
    lines = [f"{store.code:<22} {store.operator_en}: {len(store.items)} items" for store in found]
    world.show(found, "\n".join(lines) or "The inventory is empty. Load one with `incident-app inventory import`.")


@inventory.command("gaps")
@click.option(
    "--months", type=click.IntRange(1, 120), default=MONTHS, show_default=True, help="A review lasts so long."
)
@click.option(
    "--numbers",
    type=click.Choice([lacking.value for lacking in readiness.Lacking]),
    help="Write the numbers of customers without e-mail, or of organisations without any contact, as CSV.",
)
@click.option("--purpose", help="What the list of numbers is for; it is kept on the timeline.")
@command
def gaps(world: World, months: int, numbers: str | None, purpose: str | None) -> None:
    """List what is missing: owners, items, reviews, roles, contacts, contracts, transfer lists, data kept too long."""
    if numbers is not None:
        account = world.account(Permission.INVENTORY_WRITE)
        text, digest = readiness.export_numbers(
            world.engine, readiness.Lacking(numbers), purpose=purpose or "", actor=account.actor, now=world.now
        )
        world.show({"numbers": text.split()[1:], "digest": digest}, text.rstrip("\r\n"))
        return
    found = readiness.list_gaps(world.engine, now=world.now, months=months)
    lines = [f"{gap.said.en} {gap.to_do.en}" for gap in found]
    world.show(found, "\n".join([*lines, f"{len(found)} gaps."]) if found else "No gaps.")


@inventory.command("disclose")
@click.argument("party")
@click.option("--item", "items", multiple=True, help="An item that the party receives; may be given again.")
@click.option("--category", "categories", multiple=True, help="Every item of a category and below it.")
@click.option("--basis", type=click.Choice([DisclosureBasis.ACTUAL.value]), default=DisclosureBasis.ACTUAL.value)
@click.option("--role", type=click.Choice([role.value for role in PartyRole]), required=True)
@click.option("--legal-basis", default="", help="What allows it.")
@click.option("--purpose", default="", help="What for.")
@command
def disclose(
    world: World,
    party: str,
    items: tuple[str, ...],
    categories: tuple[str, ...],
    basis: str,  # noqa: ARG001 - what is published comes from the policy; the word makes the command say what it records
    role: str,
    legal_basis: str,
    purpose: str,
) -> None:
    """Record everything a party receives by its contract or transfer list; it beats what the policy publishes."""
    account = world.account(Permission.INVENTORY_WRITE)
    plan = inventory_files.record_disclosure(
        world.engine,
        party,
        items=frozenset(items),
        categories=frozenset(categories),
        role=PartyRole(role),
        legal_basis=legal_basis,
        purpose=purpose,
        actor=account.actor,
        now=world.now,
    )
    text = "\n".join(map(_line, plan.changes)) or "This is what the register says already: nothing was changed."
    world.show({"counts": plan.counts, "changes": plan.changes}, text)


def _line(change: Change) -> str:
    columns = f" ({', '.join(change.columns)})" if change.columns else ""
    return f"{change.kind.value:<9} {change.table}: {change.entry}{columns}"


def _files(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {file.name: file.read_bytes() for file in sorted(path.iterdir()) if not file.name.startswith(".")}
    return {path.name: path.read_bytes()}


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise BadInput(field="out", problem=f"cannot be made: {fault.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as fault:
        raise BadInput(field="out", problem=f"cannot be written: {fault.strerror}") from None
