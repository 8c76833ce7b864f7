"""Commands of `incident-app dispatch` beside its sending: the pace of a wave, a test to ourselves, a rehearsal."""

from __future__ import annotations

import sys
from typing import Any

import click

from incident_app.cli.context import REFUSED, World, command
from incident_app.cli.dispatch import wave_of
from incident_app.cli.pacing import asked, paced
from incident_app.cli.serve import outgoing_of, rehearsing_with
from incident_app.domain.access import Permission
from incident_app.services import paces, rehearsals
from incident_app.services.accounts import require
from incident_app.services.test_mails import send_test

COUNTED = ("sent", "failed", "skipped", "in_doubt", "waiting")


@click.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@paced
@command
def pace(world: World, reference: str, campaign_id: int, **options: Any) -> None:  # noqa: ANN401 - those of a pace
    """Set the sending hours and the ceiling an hour of a wave, also while it runs; what is not named is lifted."""
    wave, account = wave_of(world, reference, campaign_id)
    wanted = asked(**options)
    paces.set_pace(world.engine, wave.id, wanted.pace, calls=wanted.calls, actor=account.actor, now=world.now)
    world.show({"paced": campaign_id, "pace": wanted.pace, "calls": wanted.calls}, f"Wave {wave.wave}: {wanted.text}.")


@click.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@command
def rehearse(world: World, reference: str, campaign_id: int) -> None:
    """Send a copy of a wave to a sink on this machine, with faults and a killed worker. Exit 1 when it is not sound."""
    wave, account = wave_of(world, reference, campaign_id)
    found = rehearsals.rehearse(
        world.engine, wave.id, rehearsing_with(world.settings), actor=account.actor, now=world.now
    )
    report = found.report
    counts = " + ".join(f"{name.replace('_', ' ')} {report[name]:,}" for name in COUNTED)
    world.show(
        found,
        f"planned {report['planned']:,} = {counts}; lost {report['lost']}, unlisted duplicates {report['duplicates']}; "
        f"{report['workers_killed']} worker killed; {report['per_minute']:,} a minute; report {found.digest}",
    )
    if not report["is_sound"]:
        sys.exit(REFUSED)


@click.command("test-send")
@click.argument("reference")
@click.argument("campaign_id", type=int)
@click.option("--to", required=True, help="An account of ours, or an address in the sender's domain.")
@click.option("--customer", help="Whose mail; that of the first in the wave unless told.")
@command
def test_send(world: World, reference: str, campaign_id: int, to: str, customer: str | None) -> None:
    """Send one person's mail of a wave to somebody of ours, marked as a test; it counts for nobody."""
    wave, account = wave_of(world, reference, campaign_id)
    require(account, Permission.RECIPIENTS_READ)
    tested = send_test(
        world.engine,
        wave.id,
        outgoing_of(world.settings),
        to=to,
        customer_number=customer,
        actor=account.actor,
        now=world.now,
    )
    world.show(tested, f"Delivery {tested.delivery_id} as a test: {tested.outcome}.")
