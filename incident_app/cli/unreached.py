"""`incident-app person unreached` and what is recorded of telling people by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from incident_app.cli.context import FILE, MOMENT, World, command
from incident_app.cli.dispatch import person
from incident_app.cli.letters import lines_given
from incident_app.domain.access import Permission
from incident_app.domain.unreached import Completion, ContactOutcome, ContactWay, NextChannel, UnreachedBecause
from incident_app.services import unreached, unreached_contacts
from incident_app.services.unreached import Unreached, Wanted
from incident_app.services.unreached_contacts import Contact, RecordView

__all__ = ["person"]

CHANNEL = click.Choice([channel.value for channel in NextChannel])
BECAUSE = click.Choice([because.value for because in UnreachedBecause])


@person.command("unreached")
@click.argument("reference")
@click.option("--channel", type=CHANNEL, help="Whose next channel this is.")
@click.option("--because", type=BECAUSE, help="Why mail does not reach them.")
@click.option("--after", type=int, default=0, help="Go on after this person.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=unreached.SHOWN_AT_ONCE, show_default=True)
@click.option("--purpose", help="With --out: why it is exported; kept on the timeline.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write all with names and contacts as CSV."
)
@command
def list_unreached(
    world: World,
    reference: str,
    *,
    channel: str | None,
    because: str | None,
    after: int,
    limit: int,
    purpose: str | None,
    out: Path | None,
) -> None:
    """List the people whom mail does not reach, why, and by which channel to tell them next; or write all as CSV."""
    wanted = Wanted(
        channel=NextChannel(channel) if channel else None, because=UnreachedBecause(because) if because else None
    )
    if out is not None:
        _export(world, reference, wanted, purpose or "", out)
        return
    view, _ = world.incident(reference, Permission.DISPATCH_RUN)
    done = unreached.completion(world.engine, view.id)
    rows = unreached.list_unreached(world.engine, view.id, wanted, after=after, limit=limit)
    counts = {
        "done": done.done,
        "open": done.open,
        "total": done.total,
        "told_otherwise": done.told_otherwise,
        "covered": done.covered,
        "by_channel": done.by_channel,
        "by_reason": done.by_reason,
        "in_letters": done.in_letters,
    }
    world.show({"completion": counts, "people": rows}, "\n".join([*_counts(done), *map(_line, rows)]))


def _export(world: World, reference: str, wanted: Wanted, purpose: str, out: Path) -> None:
    view, account = world.incident(reference, Permission.RECIPIENTS_READ)
    with world.file_for(out) as write:
        text = unreached.export_unreached(
            world.engine, view.id, wanted, purpose=purpose, hand_over=write, actor=account.actor, now=world.now
        )
    world.show_file(text, out)


@person.command()
@click.argument("reference")
@click.argument("customer_numbers", nargs=-1)
@click.option("--list", "list_file", type=FILE, help="A file with one customer number a line.")
@click.option("--way", type=click.Choice([way.value for way in ContactWay]), required=True)
@click.option(
    "--outcome",
    type=click.Choice([outcome.value for outcome in ContactOutcome]),
    default=ContactOutcome.TOLD.value,
    show_default=True,
)
@click.option("--at", type=MOMENT, help="When; now by default.")
@click.option("--reason", required=True, help="By whom and how, for whoever asks later.")
@command
def contacted(
    world: World,
    reference: str,
    customer_numbers: tuple[str, ...],
    *,
    list_file: Path | None,
    way: str,
    outcome: str,
    at: datetime | None,
    reason: str,
) -> None:
    """Record a call, a message in the portal or a conversation, by person or by list; told, or tried in vain."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    now = world.now
    contact = Contact(way=ContactWay(way), outcome=ContactOutcome(outcome), at=at or now, reason=reason)
    found = unreached_contacts.record_contacts(
        world.engine, view.id, lines_given(customer_numbers, list_file), contact, actor=account.actor, now=now
    )
    records = ", ".join(map(str, found.records)) or "none"
    world.show(found, f"Recorded for {found.people:,} people ({found.unchanged:,} known before); records: {records}.")


@person.command()
@click.argument("reference")
@click.option("--before", type=int, default=0, help="Go on with what was recorded before this record.")
@command
def contacts(world: World, reference: str, before: int) -> None:
    """List what was recorded of people told by hand, newest first, with the numbers for `take-back`."""
    view, _ = world.incident(reference, Permission.DISPATCH_RUN)
    found = unreached_contacts.list_records(world.engine, view.id, before=before)
    world.show(found, "\n".join(map(_record_line, found)) or "Nothing is recorded.")


@person.command("take-back")
@click.argument("reference")
@click.argument("record", type=int)
@click.argument("customer_numbers", nargs=-1)
@click.option("--reason", required=True, help="What was wrong with the record.")
@command
def take_back(world: World, reference: str, record: int, customer_numbers: tuple[str, ...], reason: str) -> None:
    """Take back a record of contacts, for all of its people or for those that are named."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    people = unreached_contacts.take_back(
        world.engine, view.id, record, numbers=customer_numbers, reason=reason, actor=account.actor, now=world.now
    )
    world.show({"record": record, "people": people}, f"Record {record} is taken back for {people:,} people.")


def _counts(done: Completion) -> list[str]:
    channels = ", ".join(f"{channel} {number:,}" for channel, number in done.by_channel.items()) or "none"
    reasons = ", ".join(f"{because} {number:,}" for because, number in done.by_reason.items()) or "none"
    return [
        f"{done.done:,} of {done.total:,} done ({done.told_otherwise:,} told otherwise, {done.covered:,} covered).",
        f"  next: {channels}",
        f"  why: {reasons}",
    ]


def _line(one: Unreached) -> str:
    letter = f"  letter {one.letter}" if one.letter else ""
    return f"{one.person_id:>6}  {one.customer_number}  {one.name}  {one.because}  next: {one.channel}{letter}"


def _record_line(one: RecordView) -> str:
    undone = f", {one.undone:,} taken back" if one.undone else ""
    numbers = " ".join(one.customer_numbers)
    return f"{one.record:>6}  {one.at.isoformat()}  {one.way}: {one.outcome}  {one.people:,} people{undone}  {numbers}"
