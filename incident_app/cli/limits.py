"""`incident-app limits`: how much leaves altogether and to each mail domain, whatever number of workers send."""

from __future__ import annotations

from datetime import datetime

import click

from incident_app.cli.context import MOMENT, World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.services import limits as services

COUNT = click.IntRange(min=1)


@click.group()
def limits() -> None:
    """Limit how much is sent, by all workers together."""


@limits.command("show")
@command
def show(world: World) -> None:
    """Show what is limited, and how many messages wait in the queue of each limited domain."""
    world.account(Permission.INCIDENT_READ)
    found = services.show_limits(world.engine)
    lines = [f"Altogether: {_said(found.per_second, 'a second')}, {_said(found.per_hour, 'an hour')}."]
    for one in found.domains:
        parts = [_said(one.per_minute, "a minute")]
        parts += [f"{one.connections:,} at once"] if one.connections else []
        parts += [f"paused until {jst(one.paused_until)}"] if one.paused_until else []
        lines.append(f"{one.domain}: {', '.join(parts)}; {one.waiting:,} wait.")
    world.show(found, "\n".join(lines))


@limits.command("set")
@click.option("--per-second", type=COUNT, help="Messages a second, all workers together.")
@click.option("--per-hour", type=COUNT, help="Messages an hour, all workers together.")
@click.option("--domain", help="Limit this mail domain instead.")
@click.option("--per-minute", type=COUNT, help="Messages a minute to the domain.")
@click.option("--connections", type=COUNT, help="Messages to the domain that may be under way at once.")
@click.option("--paused-until", type=MOMENT, help="Nothing leaves to the domain before this time.")
@command
def set_(
    world: World,
    *,
    per_second: int | None,
    per_hour: int | None,
    domain: str | None,
    per_minute: int | None,
    connections: int | None,
    paused_until: datetime | None,
) -> None:
    """Set what may leave altogether, or to one domain, in the place of what was set; what is not named is unlimited."""
    account = world.account(Permission.DISPATCH_RUN)
    if domain is None and (per_minute or connections or paused_until):
        raise BadInput(field="domain", problem="name the mail domain that is limited")
    if domain is not None and (per_second or per_hour):
        raise BadInput(field="domain", problem="a domain is limited by the minute")
    if domain is None:
        services.set_limits(world.engine, per_second=per_second, per_hour=per_hour, actor=account.actor, now=world.now)
        text = f"Altogether: {_said(per_second, 'a second')}, {_said(per_hour, 'an hour')}."
    else:
        services.limit_domain(
            world.engine,
            domain,
            per_minute=per_minute,
            connections=connections,
            paused_until=paused_until,
            actor=account.actor,
            now=world.now,
        )
        text = f"{domain} is limited."
    world.show(services.show_limits(world.engine), text)


@limits.command("lift")
@click.argument("domain")
@command
def lift(world: World, domain: str) -> None:
    """Let messages to a domain leave as those to any other."""
    account = world.account(Permission.DISPATCH_RUN)
    services.lift_limit(world.engine, domain, actor=account.actor, now=world.now)
    world.show({"lifted": domain}, f"{domain} is no longer limited.")


def _said(limit: int | None, what: str) -> str:
    return f"{limit:,} {what}" if limit is not None else f"no limit {what}"
