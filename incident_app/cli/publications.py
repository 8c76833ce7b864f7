"""`incident-app publications`: public notice, its desk, and whom it covers."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from incident_app.cli.context import FILE, MOMENT, World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.publications import Desk, Published
from incident_app.paths import read_text
from incident_app.services import publications as service
from incident_app.services.publications_cover import Named, cover_people


@click.group()
def publications() -> None:
    """Record public notices, and whom they cover because nothing else reaches them."""


@publications.command()
@click.argument("reference")
@click.option("--place", required=True, help="Where it was published: the home page, a newspaper ...")
@click.option("--url", default="")
@click.option("--text", "text_file", type=FILE, help="The text that was published.")
@click.option("--report", "report_id", type=int, help="The public statement or FAQ that was published, instead.")
@click.option("--published-at", type=MOMENT, help="Now, unless told otherwise.")
@click.option("--desk-phone", default="", help="Where people can ask whether they are among those affected.")
@click.option("--desk-hours", default="")
@click.option("--desk-until", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which the desk is open.")
@command
def add(
    world: World,
    reference: str,
    *,
    place: str,
    url: str,
    text_file: Path | None,
    report_id: int | None,
    published_at: datetime | None,
    desk_phone: str,
    desk_hours: str,
    desk_until: datetime | None,
) -> None:
    """Record what was published, where, and with which desk."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    desk = Desk(phone=desk_phone.strip(), hours=desk_hours.strip(), until=desk_until.date() if desk_until else None)
    added = service.add_publication(
        world.engine,
        view.id,
        Published(place=place, url=url.strip(), published_at=published_at or world.now, desk=desk),
        text=read_text(text_file) if text_file else "",
        report_id=report_id,
        actor=account.actor,
        now=world.now,
    )
    text = f"Publication {added.version} recorded."
    if not added.may_cover:
        text += " It names no open desk (telephone, hours, last day), so that it covers nobody."
    world.show(added, text)


@publications.command()
@click.argument("reference")
@click.argument("version", type=int)
@click.option("--reason", required=True)
@command
def withdraw(world: World, reference: str, version: int, reason: str) -> None:
    """Say that a publication no longer stands; whom it covered is not reached again."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    people = service.withdraw_publication(
        world.engine, view.id, version, reason=reason, actor=account.actor, now=world.now
    )
    text = f"Publication {version} is withdrawn; {people:,} people are not reached again."
    world.show({"version": version, "not_reached_again": people}, text)


@publications.command()
@click.argument("reference")
@click.argument("version", type=int)
@click.argument("customer_numbers", nargs=-1)
@click.option("--unreachable", is_flag=True, help="Everybody whom neither mail nor post nor telephone reaches.")
@click.option("--list", "list_file", type=FILE, help="A file with one customer number a line.")
@click.option("--outside", type=int, multiple=True, metavar="PERSON", help="A person of `scope people`, by number.")
@click.option("--reason", required=True)
@command
def cover(
    world: World,
    reference: str,
    version: int,
    customer_numbers: tuple[str, ...],
    *,
    unreachable: bool,
    list_file: Path | None,
    outside: tuple[int, ...],
    reason: str,
) -> None:
    """Take a publication with an open desk for telling people whom nothing else reaches, each with the reason."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    listed = tuple(line.strip() for line in read_text(list_file).splitlines() if line.strip()) if list_file else ()
    named = Named(numbers=(*customer_numbers, *listed), outside=outside)
    if unreachable == bool(named.numbers or named.outside):
        raise BadInput(field="numbers", problem="name people, or choose everybody whom nothing else reaches")
    done = cover_people(
        world.engine,
        view.id,
        version,
        named=None if unreachable else named,
        reason=reason,
        actor=account.actor,
        now=world.now,
    )
    why = ", ".join(f"{because} {number:,}" for because, number in done.because.items())
    text = f"Publication {version} covers {done.people:,} people ({why})."
    if done.left_out:
        text += f" {done.left_out:,} who were told already or are being written to were left out."
    world.show(done, text)


@publications.command("list")
@click.argument("reference")
@command
def list_(world: World, reference: str) -> None:
    """List the publications of an incident with their desks and how many people each covers."""
    view, _ = world.incident(reference)
    found = service.list_publications(world.engine, view.id, now=world.now)
    lines = [line for row in found for line in _lines(row)]
    world.show(found, "\n".join(lines) or "Nothing was published yet.")


def _lines(row: service.PublicationView) -> list[str]:
    end = f", withdrawn {jst(row.withdrawn_at)}" if row.withdrawn_at else ""
    desk = f"{row.desk.phone}, {row.desk.hours}, until {_day(row.desk.until)}" if row.desk.is_given else "no desk"
    why = ", ".join(f"{because} {number:,}" for because, number in row.because)
    return [
        f"{row.version}: {row.place} {row.url or ''}".rstrip() + f", published {jst(row.published_at)}{end}",
        f"  {desk}; covers {row.covered:,} people now" + (f" (ever: {why})" if why else ""),
    ]


def _day(day: date | None) -> str:
    return day.isoformat() if day else "-"
