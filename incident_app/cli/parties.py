"""`incident-app parties`: messages from and to other companies, and the customers who entrusted data to us."""

from __future__ import annotations

from datetime import datetime

import click

from incident_app.cli.context import MOMENT, World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.parties import NINE_ITEMS, Message
from incident_app.domain.vocabulary import MessageDirection, MessageKind
from incident_app.rendering.tenant_packs import pack_document
from incident_app.services import contracts, entrusting
from incident_app.services import parties as messages
from incident_app.services.tenant_packs import tenant_pack


@click.group()
def parties() -> None:
    """Record messages with other companies, and tell customers whose entrusted data leaked."""


@parties.command("list")
@click.argument("reference")
@command
def list_messages(world: World, reference: str) -> None:
    """List the messages of an incident in the order in which they went."""
    view, _ = world.incident(reference)
    found = messages.list_messages(world.engine, view.id)
    lines = [
        f"{row.id:>4}  {jst(row.at)}  {row.direction:<8} {row.kind:<18} {row.with_en}"
        + (f"  items {', '.join(row.items_known)}" if row.items_known else "")
        + ("  started the clock" if row.started_clock else "")
        for row in found
    ]
    world.show(found, "\n".join(lines) or "No messages yet.")


@parties.command()
@click.argument("reference")
@click.argument("kind", type=click.Choice([kind.value for kind in MessageKind]))
@click.option("--direction", type=click.Choice([way.value for way in MessageDirection]), required=True)
@click.option("--at", type=MOMENT, required=True, help="When the message went, not when you record it.")
@click.option("--party", help="Code of a company in the register.")
@click.option("--customer", help="Number of a customer who entrusted data to us.")
@click.option("--item", "items", multiple=True, type=click.Choice(list(NINE_ITEMS)), help="Which of the nine it told.")
@click.option("--text", default="", help="What it said; kept apart from the timeline.")
@click.option("--evidence", "evidence_id", type=int, help="The number of the evidence that holds it.")
@click.option("--starts-clock", is_flag=True, help="We became aware by this first report.")
@click.option("--offer-to-report", is_flag=True, help="A data sheet offers that we report on their behalf.")
@command
def record(
    world: World,
    reference: str,
    kind: str,
    direction: str,
    at: datetime,
    party: str | None,
    customer: str | None,
    items: tuple[str, ...],
    text: str,
    evidence_id: int | None,
    starts_clock: bool,
    offer_to_report: bool,
) -> None:
    """Record a message; it may start our clock, and a data sheet settles what we owe a customer."""
    view, account = world.incident(reference, Permission.INCIDENT_WRITE)
    number = messages.record_message(
        world.engine,
        view.id,
        Message(
            kind=MessageKind(kind),
            direction=MessageDirection(direction),
            at=at,
            party=party,
            customer=customer,
            items_known=frozenset(items),
            text=text,
            evidence_id=evidence_id,
            starts_clock=starts_clock,
        ),
        offers_report=offer_to_report,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    world.show({"message_id": number}, f"Message {number} is on record.")


@parties.command()
@click.argument("reference")
@command
def customers(world: World, reference: str) -> None:
    """List the customers whose entrusted data is affected: our role, their contract, and whether they were told."""
    view, _ = world.incident(reference)
    found = entrusting.list_entrusting(world.engine, view.id)
    lines = []
    for row in found:
        hours = f"{row.notice_hours} h" if row.notice_hours else "no hours on record"
        told = ("told, the impact has changed since" if row.told_before else "told") if row.told else "not told yet"
        lines.append(f"{row.customer_number:<12} {', '.join(sorted(row.our_roles))}  {hours}  {told}")
    lines = lines or ["No entrusted data of an organisation is affected, as far as is known."]
    persons = entrusting.entrusting_people(world.engine, view.id)
    if persons.total:
        numbers = ", ".join(row.customer_number for row in persons.first)
        more = ", ..." if persons.total > len(persons.first) else ""
        lines.append(f"Natural persons who entrusted data: {persons.total:,} ({numbers}{more})")
    world.show([*found, *persons.first], "\n".join(lines))


@parties.command()
@click.argument("reference")
@click.argument("customer")
@click.option("--offer-to-report", is_flag=True, help="Say that we can report on their behalf.")
@command
def pack(world: World, reference: str, customer: str, offer_to_report: bool) -> None:
    """Show the pack of one customer: the nine items as known, their own count, their estimated deadline."""
    view, _ = world.incident(reference)
    found = tenant_pack(world.engine, view.id, customer, offers_report=offer_to_report, now=world.now)
    lines = [f"{found.incident_reference}  customer {found.customer_number}"]
    lines += [words.en for words in found.role_words]
    lines += [
        f"{item.number}. {item.title.en}: {item.text.en if item.text else 'not known yet'}" for item in found.items
    ]
    if found.estimate:
        basis = "as if told now" if found.estimate.is_assumed else "from when they were told"
        lines.append(f"Their preliminary report, ESTIMATED ({basis}): {jst(found.estimate.due_at)}")
    world.show(pack_document(found), "\n".join(lines))


@parties.command()
@click.argument("reference")
@click.argument("customer")
@click.option("--hours", type=int, help="Hours within which the contract wants the customer told.")
@click.option("--none-agreed", is_flag=True, help="The contract gives no number.")
@click.option("--reference", "contract", default="", help="Which contract says so.")
@command
def contract(world: World, reference: str, customer: str, hours: int | None, none_agreed: bool, contract: str) -> None:
    """Record what a customer's contract says about being told; its clock stands beside the statutory ones."""
    if (hours is None) is not none_agreed:
        raise click.UsageError("give either --hours or --none-agreed")
    view, account = world.incident(reference, Permission.OBLIGATION_DECIDE)
    contracts.record_contract(
        world.engine,
        view.id,
        customer,
        notice_hours=hours,
        reference=contract,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    world.show({"customer": customer, "notice_hours": hours}, f"Customer {customer}: the duties were derived anew.")
