"""`incident-app channel`: which company runs which channel to the people we write to."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.contact_safety import LeftOutBecause
from incident_app.domain.vocabulary import Channel
from incident_app.services import contact_safety

CHANNEL = click.Choice([word.value for word in Channel])


@click.group()
def channel() -> None:
    """Record which channels other companies run: one at which data leaks is not used without a reason."""


@channel.command()
@click.argument("party")
@click.argument("way", type=CHANNEL)
@click.option("--domain", default="", help="Only the mail of this domain; without it all of the channel.")
@command
def add(world: World, party: str, way: str, domain: str) -> None:
    """Record that a company of the register runs a channel."""
    account = world.account(Permission.INVENTORY_WRITE)
    contact_safety.record_channel(
        world.engine, party, Channel(way), mail_domain=domain, actor=account.actor, now=world.now
    )
    world.show({"party": party, "channel": way, "mail_domain": domain}, f"{party} runs {way} {domain}".rstrip() + ".")


@channel.command()
@click.argument("party")
@click.argument("way", type=CHANNEL)
@click.option("--domain", default="")
@command
def drop(world: World, party: str, way: str, domain: str) -> None:
    """Record that a company no longer runs a channel."""
    account = world.account(Permission.INVENTORY_WRITE)
    contact_safety.drop_channel(
        world.engine, party, Channel(way), mail_domain=domain, actor=account.actor, now=world.now
    )
    text = f"{party} no longer runs {way} {domain}".rstrip() + "."
    world.show({"party": party, "channel": way, "mail_domain": domain}, text)


@channel.command("list")
@command
def list_channels(world: World) -> None:
    """List the channels that other companies run."""
    world.account(Permission.INCIDENT_READ)
    found = contact_safety.run_channels(world.engine)
    lines = [f"{entry.party}  {entry.channel}  {entry.mail_domain or 'all of it'}" for entry in found]
    world.show(found, "\n".join(lines) or "No company is known to run a channel.")


def safety_lines(safety: contact_safety.WaveSafety) -> list[str]:
    """Say what is to be known of the contacts of a wave."""
    lines = [f"  {safety.people:,} people, {safety.addresses:,} addresses, {safety.messages:,} messages"]
    if safety.is_earlier:
        lines.append(f"  contacts as of {jst(safety.contacts_as_of)}: addresses changed since are not used")
    lines += [f"  left out, {LEFT_OUT[reason]}: {number:,} people" for reason, number in safety.left_out.items()]
    if safety.told_apart:
        lines.append(
            f"  WARNING: {safety.told_apart:,} messages go to addresses shared by people who do not belong together; "
            "each can read the others'"
        )
    lines += [f"  {entry.spelled} leaks and is used all the same: {reason}" for entry, reason in safety.allowed]
    return lines


LEFT_OUT = {
    LeftOutBecause.NO_ADDRESS: "without an e-mail address",
    LeftOutBecause.ADDRESS_CLOSED: "address closed by returned mail or a complaint",
    LeftOutBecause.CONTACT_CHANGED: "address changed since the day before the attack",
    LeftOutBecause.CHANNEL_LEAKING: "mail run by a company at which the data leaked",
}
