"""`incident-app incident` and `clock`: record an incident and its times."""

from __future__ import annotations

from datetime import datetime

import click

from incident_app.cli.context import MOMENT, World, command, jst
from incident_app.domain.access import Membership, Permission
from incident_app.domain.incidents import Opening
from incident_app.domain.vocabulary import ClockSource
from incident_app.services import accounts, clock_book, closing, incidents, obligations


@click.group()
def incident() -> None:
    """Record and show incidents."""


@incident.command("open")
@click.option("--kind", required=True, help="Code of a response playbook, e.g. unauthorised-access.")
@click.option("--title", required=True, help="What happened, in a few words; no personal data.")
@click.option("--detected-at", type=MOMENT, required=True)
@click.option("--occurred-from", type=MOMENT)
@click.option("--occurred-until", type=MOMENT)
@click.option("--aware-at", type=MOMENT, help="When any department knew; later than detection needs --aware-reason.")
@click.option("--aware-reason")
@click.option("--aware-source", type=click.Choice([source.value for source in ClockSource]), default="department")
@click.option("--known-by", default="", help="Which department knew.")
@click.option("--external-reference", help="The same reference twice returns the incident that exists.")
@click.option("--exercise", is_flag=True, help="Never reaches a real address.")
@command
def open_incident(world: World, **given: object) -> None:
    """Open an incident. Occurred, detected and became aware are three times."""
    account = world.account(Permission.INCIDENT_WRITE)
    opening = Opening(**{**given, "aware_source": ClockSource(str(given["aware_source"]))})  # type: ignore[arg-type]
    view = incidents.open_incident(world.engine, opening, actor=account.actor, now=world.now)
    world.show(view, f"{view.reference} is open.")


@incident.command("list")
@command
def list_incidents(world: World) -> None:
    """List the incidents that this person belongs to."""
    found = incidents.list_incidents(world.engine, world.account(Permission.INCIDENT_READ))
    lines = [f"{view.reference}  {view.phase}  aware {jst(view.aware_at)}  {view.title}" for view in found]
    world.show(found, "\n".join(lines) or "There is no incident that you belong to.")


@incident.command("show")
@click.argument("reference")
@command
def show_incident(world: World, reference: str) -> None:
    """Show one incident."""
    view, _ = world.incident(reference)
    world.show(
        view,
        f"{view.reference}  {view.title}\n"
        f"  occurred  {jst(view.occurred_from)} - {jst(view.occurred_until)}\n"
        f"  detected  {jst(view.detected_at)}\n"
        f"  aware     {jst(view.aware_at)}",
    )


@incident.command("close")
@click.argument("reference")
@click.option("--reason", help="Needed when no impact was determined; kept on the timeline.")
@command
def close_incident(world: World, reference: str, reason: str | None) -> None:
    """Settle the promises that are kept, then close; refused while a duty is open. Unjudged it needs a reason."""
    view, account = world.incident(reference, Permission.INCIDENT_WRITE)
    closing.settle_and_close(world.engine, view.id, reason=reason, actor=account.actor, now=world.now)
    world.show({"closed": view.reference}, f"{view.reference} is closed.")


@incident.command("member")
@click.argument("reference")
@click.argument("email")
@click.option(
    "--role", type=click.Choice([word.value for word in Membership]), default=Membership.MEMBER.value, show_default=True
)
@command
def add_member(world: World, reference: str, email: str, role: str) -> None:
    """Let one more person see an incident (need to know)."""
    view, account = world.incident(reference, Permission.INCIDENT_WRITE)
    joining = accounts.get_account_by_email(world.engine, email)
    accounts.add_member(world.engine, view.id, joining.id, role=role, actor=account.actor, now=world.now)
    world.show({"member": joining.id}, f"Account {joining.id} belongs to {view.reference}.")


@click.group()
def clock() -> None:
    """Record when clocks began."""


@clock.command()
@click.argument("reference")
@click.option("--aware-at", type=MOMENT, required=True)
@click.option("--source", type=click.Choice([source.value for source in ClockSource]), default="department")
@click.option("--known-by", default="")
@click.option("--reason", help="Needed when later than detection, and for a correction.")
@command
def start(world: World, reference: str, aware_at: datetime, source: str, known_by: str, reason: str | None) -> None:
    """Record when we became aware, or correct it with a reason; duties are derived anew."""
    view, account = world.incident(reference, Permission.INCIDENT_WRITE)
    incidents.record_awareness(
        world.engine,
        view.id,
        aware_at=aware_at,
        source=ClockSource(source),
        known_by=known_by,
        reason=reason,
        actor=account.actor,
        now=world.now,
    )
    obligations.derive_if_determined(
        world.engine,
        view.id,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    world.show({"aware_at": aware_at}, f"Awareness: {jst(aware_at)}.")


@clock.command()
@click.argument("reference")
@command
def show(world: World, reference: str) -> None:
    """Show every clock with all its entries: which one counts, who knew, and why it was corrected."""
    view, _ = world.incident(reference)
    found = clock_book.list_clocks(world.engine, view.id)
    lines = [
        f"{entry.id:>4}  {'counts' if entry.counts else 'corrected':<10} {entry.subject}: {jst(entry.at)}"
        f" ({entry.source})" + (f"; {entry.reason}" if entry.reason else "")
        for entry in found
    ]
    world.show(found, "\n".join(lines))


@clock.command()
@click.argument("reference")
@click.argument("subject")
@click.option("--at", type=MOMENT, required=True)
@click.option("--reason", required=True)
@command
def correct(world: World, reference: str, subject: str, at: datetime, reason: str) -> None:
    """Correct when the clock of a passed threshold began, with the reason; duties are derived anew."""
    view, account = world.incident(reference, Permission.INCIDENT_WRITE)
    clock_book.correct_clock(world.engine, view.id, subject, at=at, reason=reason, actor=account.actor, now=world.now)
    obligations.derive_if_determined(
        world.engine,
        view.id,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    world.show({"subject": subject, "at": at}, f"{subject}: {jst(at)}.")
