"""`incident-app scope add-person`, `people`, `confirm-deletion`, `erase-person`: people in no inventory."""

from __future__ import annotations

from datetime import datetime

import click

from incident_app.cli.context import MOMENT, World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.ids import IncidentId
from incident_app.domain.involved import Outsider
from incident_app.domain.vocabulary import InvolvedRole
from incident_app.services import involved, people_outside

ROLE = click.Choice([word.value for word in InvolvedRole])


@click.command("add-person")
@click.argument("reference")
@click.option("--role", type=ROLE, required=True)
@click.option("--name", default="")
@click.option("--contact", default="", help="An address or telephone number.")
@click.option("--items", default="", help="Item codes separated by spaces or commas.")
@command
def add_person(world: World, reference: str, role: str, name: str, contact: str, items: str) -> None:
    """Add a person who is in no inventory. Their name and contact stand in no event and can be erased."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    person = Outsider(
        role=InvolvedRole(role), name=name, contact=contact, items=frozenset(items.replace(",", " ").split())
    )
    number = involved.add_person(world.engine, view.id, person, actor=account.actor, now=world.now)
    world.show({"person": number}, f"Person {number} is added.")


@click.command("people")
@click.argument("reference")
@command
def people(world: World, reference: str) -> None:
    """List the people outside the inventory, masked."""
    view, _ = world.incident(reference)
    found = involved.list_people(world.engine, view.id)
    lines = []
    for one in found:
        shown = "erased" if one.erased_at else " ".join(filter(None, (one.masked_name, one.masked_contact)))
        line = f"{one.id:>4}  {one.role}: {shown}; {' '.join(one.items) or '-'}"
        if one.role is InvolvedRole.RECEIVED_THE_DATA:
            confirmed = one.deletion_confirmed_at
            line += f"; deletion confirmed {jst(confirmed)}" if confirmed else "; deletion NOT confirmed yet"
        elif one.role is InvolvedRole.AFFECTED:
            line += f"; {one.standing or 'not counted yet'}"
        lines.append(line)
    lines += outside_to_do(world, view.id)
    world.show(found, "\n".join(lines) or "Nobody outside the inventory is on record.")


def outside_to_do(world: World, incident_id: IncidentId) -> list[str]:
    """Say what is still to be done about people outside the inventory."""
    waiting = people_outside.not_counted(world.engine, incident_id)
    left = people_outside.left_to_tell(world.engine, incident_id)
    lines = [f"{waiting:,} people outside the inventory were added since; determine again."] if waiting else []
    if left:
        lines.append(f"{left:,} people outside the inventory are to be told by hand: `person to-tell`, `person told`.")
    return lines


@click.command("confirm-deletion")
@click.argument("reference")
@click.argument("person", type=int)
@click.option("--at", "confirmed_at", type=MOMENT, help="When they confirmed it; now by default.")
@click.option("--evidence", "evidence_id", type=int, help="Number of the evidence, e.g. their letter.")
@click.option("--note", help="How it was confirmed, when there is no file.")
@command
def confirm_deletion(
    world: World,
    reference: str,
    person: int,
    confirmed_at: datetime | None,
    evidence_id: int | None,
    note: str | None,
) -> None:
    """Record that somebody who received the data says that it is deleted."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    now = world.now
    involved.confirm_deletion(
        world.engine,
        view.id,
        person,
        confirmed_at=confirmed_at or now,
        evidence_id=evidence_id,
        note=note,
        actor=account.actor,
        now=now,
    )
    world.show({"person": person, "confirmed": True}, f"The confirmation of person {person} is recorded.")


@click.command("erase-person")
@click.argument("reference")
@click.argument("person", type=int)
@command
def erase_person(world: World, reference: str, person: int) -> None:
    """Erase name and contact of a person; they still count."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    involved.erase_person(world.engine, view.id, person, actor=account.actor, now=world.now)
    world.show({"person": person, "erased": True}, f"Name and contact of person {person} are erased.")
