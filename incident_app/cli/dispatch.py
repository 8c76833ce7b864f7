"""`incident-app dispatch` and `person`: waves, their control, and people told otherwise."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from incident_app.cli.channels import safety_lines
from incident_app.cli.confirming import confirmation_of, typed_count
from incident_app.cli.context import MOMENT, REFUSED, World, command, jst
from incident_app.cli.pacing import asked, paced
from incident_app.cli.serve import mail_signer
from incident_app.domain.access import Permission
from incident_app.domain.contact_safety import ContactChoice
from incident_app.domain.delivery import AudienceRule, CampaignStatus, Standing, WhenUncertain
from incident_app.domain.errors import NotFound
from incident_app.domain.forecast import Bound, Forecast
from incident_app.domain.ids import CampaignId, NoticeId
from incident_app.services import (
    all_clear,
    campaigns,
    canaries,
    contact_safety,
    exports,
    forecasts,
    paces,
    people,
    rehearsals,
    waves,
)
from incident_app.services import dispatch as control
from incident_app.services.accounts import Account
from incident_app.services.setup import sender_of

NOTHING_YET = dict.fromkeys(("planned", "sent", "failed", "skipped", "in_doubt", "waiting"), 0)


@click.group()
def dispatch() -> None:
    """Fill, start, watch and stop waves of notices."""


@dispatch.command()
@command
def dkim(world: World) -> None:
    """Show the DNS record that publishes the key with which mails are signed."""
    signer = mail_signer(world.settings)
    if signer is None:
        raise NotFound(what="DKIM key", name="INCIDENT_APP_DKIM_KEY_FILE")
    name, record = f"{signer.selector}._domainkey.{signer.domain}", signer.dns_record()
    world.show({"name": name, "type": "TXT", "record": record}, f"{name}  TXT  {record}")


@dispatch.command()
@click.argument("reference")
@click.argument("notice_id", type=int)
@click.option(
    "--rule",
    type=click.Choice([rule.value for rule in AudienceRule if rule is not AudienceRule.LIST]),
    default="everyone_to_inform",
)
@click.option("--item", "items", multiple=True, help="Only people of whom one of these items was affected.")
@click.option("--when-uncertain", type=click.Choice([word.value for word in WhenUncertain]), default="ask")
@click.option("--contacts-as-of", type=MOMENT, help="Leave out people whose address was changed since.")
@click.option("--channel-reason", default="", help="Why a channel may be used that a leaking company runs.")
@paced
@command
def fill(
    world: World,
    reference: str,
    notice_id: int,
    *,
    rule: str,
    items: tuple[str, ...],
    when_uncertain: str,
    contacts_as_of: datetime | None,
    channel_reason: str,
    **pace: Any,  # noqa: ANN401 - the options of a pace
) -> None:
    """Build a wave: one durable row per message, frozen with a digest."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    wanted = asked(**pace)
    filled = campaigns.fill_campaign(
        world.engine,
        view.id,
        NoticeId(notice_id),
        rule=AudienceRule(rule),
        sender=sender_of(world.engine, world.settings.sender_address),
        when_uncertain=WhenUncertain(when_uncertain),
        items=frozenset(items),
        contacts=ContactChoice(as_of=contacts_as_of, channel_reason=channel_reason),
        actor=account.actor,
        now=world.now,
    )
    if wanted.is_any:
        paces.set_pace(
            world.engine, filled.campaign_id, wanted.pace, calls=wanted.calls, actor=account.actor, now=world.now
        )
    text = f"Wave {filled.wave} (campaign {filled.campaign_id}): {filled.people:,} people, {filled.planned:,} messages"
    lines = [f"{text}, {filled.unreachable:,} without a valid e-mail address."]
    lines += safety_lines(contact_safety.safety_of(world.engine, filled.campaign_id))
    world.show(filled, "\n".join(lines))


@dispatch.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@click.option("--count", type=int, help="The number of messages, typed by you; you are asked for it unless given.")
@click.option("--canary", type=int, help="Send so many messages first, then hold until `dispatch go`.")
@paced
@command
def start(
    world: World,
    reference: str,
    campaign_id: int,
    count: int | None,
    canary: int | None,
    **pace: Any,  # noqa: ANN401 - the options of a pace
) -> None:
    """Let an approved wave go; a worker sends it."""
    wave, account = wave_of(world, reference, campaign_id)
    wanted = asked(**pace)
    confirmation = confirmation_of(wave, waves.first_recipients(world.engine, wave.id))
    count = typed_count(world, confirmation) if count is None else count
    if wanted.is_any:
        paces.set_pace(world.engine, wave.id, wanted.pace, calls=wanted.calls, actor=account.actor, now=world.now)
    control.start_campaign(world.engine, wave.id, typed_count=count, canary=canary, actor=account.actor, now=world.now)
    text = f"Wave {wave.wave} was started. `incident-app worker` sends it."
    if canary is not None:
        text = f"Wave {wave.wave} was started: {canary:,} messages are sent, then it holds until `dispatch go`."
    world.show({"started": campaign_id, "canary": canary, "confirmed": confirmation}, text)


@dispatch.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@command
def go(world: World, reference: str, campaign_id: int) -> None:
    """Let the rest of a wave go after a look at its canary."""
    wave, account = wave_of(world, reference, campaign_id)
    canaries.go_on(world.engine, wave.id, actor=account.actor, now=world.now)
    world.show({"went_on": campaign_id}, f"Wave {wave.wave} goes on; {wave.totals.waiting:,} messages are left.")


@dispatch.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@click.option("--reason")
@command
def pause(world: World, reference: str, campaign_id: int, reason: str | None) -> None:
    """Stop a wave; what is under way is finished, nothing further is begun."""
    wave, account = wave_of(world, reference, campaign_id)
    control.pause_campaign(world.engine, wave.id, reason=reason, actor=account.actor, now=world.now)
    world.show({"paused": campaign_id}, f"Wave {wave.wave} is paused.")


@dispatch.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@command
def resume(world: World, reference: str, campaign_id: int) -> None:
    """Go on with a paused wave."""
    wave, account = wave_of(world, reference, campaign_id)
    control.resume_campaign(world.engine, wave.id, actor=account.actor, now=world.now)
    world.show({"resumed": campaign_id}, f"Wave {wave.wave} goes on.")


@dispatch.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@click.option("--reason", required=True)
@command
def cancel(world: World, reference: str, campaign_id: int, reason: str) -> None:
    """End a wave before all of it is sent; says how many messages stay unsent."""
    wave, account = wave_of(world, reference, campaign_id)
    unsent = control.cancel_campaign(world.engine, wave.id, reason=reason, actor=account.actor, now=world.now)
    world.show({"cancelled": campaign_id, "unsent": unsent}, f"Wave {wave.wave} is cancelled; {unsent:,} stay unsent.")


@dispatch.command()
@click.argument("reference")
@command
def status(world: World, reference: str) -> None:
    """Show every wave; planned = sent + failed + skipped + in doubt + waiting, always."""
    view, _ = world.incident(reference)
    found = waves.list_campaigns(world.engine, view.id)
    filling = waves.being_filled(world.engine, view.id)
    foreseen = {
        wave.id: forecasts.forecast_of(
            world.engine, wave, configured_per_second=world.settings.smtp_per_second, now=world.now
        )
        for wave in found
    }
    safety = {wave.id: contact_safety.safety_of(world.engine, wave.id) for wave in found}
    shown: list[dict[str, object]] = [
        {
            "campaign": wave,
            "totals": _totals(wave),
            "withheld": waves.withheld_by_reason(world.engine, wave.id),
            "contacts": safety[wave.id],
            "awaits_look": wave.awaits_look,
            "forecast": foreseen[wave.id],
            "rehearsal": rehearsals.latest_rehearsal(world.engine, wave.id),
        }
        for wave in found
    ]
    shown += [
        {"campaign": {"wave": wave, "status": CampaignStatus.BUILDING, "since": since}, "totals": NOTHING_YET}
        for wave, since in filling
    ]
    lines = [line for wave in found for line in (*_lines(wave, foreseen[wave.id]), *safety_lines(safety[wave.id]))]
    lines += [f"Wave {wave} (building): being filled since {jst(since)}" for wave, since in filling]
    world.show(shown, "\n".join(lines) or "There is no wave yet.")


@dispatch.command()
@click.argument("reference")
@click.argument("delivery_id", type=int)
@click.argument("resolution", type=click.Choice([word.value for word in control.Resolution]))
@click.option("--reason", required=True, help="How you know.")
@command
def resolve(world: World, reference: str, delivery_id: int, resolution: str, reason: str) -> None:
    """Settle a message in doubt."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    control.resolve(
        world.engine,
        view.id,
        delivery_id,
        control.Resolution(resolution),
        reason=reason,
        actor=account.actor,
        now=world.now,
    )
    world.show({"delivery_id": delivery_id, "resolution": resolution}, f"Delivery {delivery_id}: {resolution}.")


@dispatch.command()
@click.argument("reference")
@click.argument("campaign_id", type=int)
@command
def verify(world: World, reference: str, campaign_id: int) -> None:
    """Recompute the digests over attempts that the timeline holds. Exit 1 when one differs."""
    wave, _ = wave_of(world, reference, campaign_id, Permission.INCIDENT_READ)
    agrees = control.verify_attempts(world.engine, wave.id)
    world.show({"agrees": agrees}, "Attempts and timeline agree." if agrees else "Attempts and timeline DIFFER.")
    if not agrees:
        sys.exit(REFUSED)


@click.group()
def person() -> None:
    """Record how people were told."""


@person.command()
@click.argument("reference")
@click.argument("customer_numbers", nargs=-1)
@click.option("--outside", type=int, multiple=True, metavar="PERSON", help="A person of `scope people`, by number.")
@click.option(
    "--standing",
    type=click.Choice([word.value for word in Standing if word not in {Standing.TO_INFORM, Standing.INFORMED}]),
    default="informed_otherwise",
    show_default=True,
)
@click.option("--how", required=True, help="phone, letter, in person, public notice ...")
@click.option("--reason", required=True)
@command
def told(
    world: World,
    reference: str,
    customer_numbers: tuple[str, ...],
    *,
    outside: tuple[int, ...],
    standing: str,
    how: str,
    reason: str,
) -> None:
    """Record that people were told by other means, or why nobody has to tell them."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    number = people.record_told(
        world.engine,
        view.id,
        list(customer_numbers),
        outside=outside,
        standing=Standing(standing),
        how=how,
        reason=reason,
        actor=account.actor,
        now=world.now,
    )
    world.show({"people": number}, f"Recorded for {number:,} people.")


@person.command()
@click.argument("reference")
@command
def cleared(world: World, reference: str) -> None:
    """List whom an all-clear goes to: people who were told and are not affected by the newest determination."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    listed = all_clear.list_cleared(world.engine, view.id, actor=account.actor, now=world.now)
    world.show(listed, f"{listed.added:,} people added, {listed.exempted:,} affected again.")


@person.command("to-tell")
@click.argument("reference")
@click.option("--purpose", required=True, help="Why it is exported; kept on the timeline.")
@click.option("--out", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="The file to write.")
@command
def to_tell(world: World, reference: str, purpose: str, out: Path | None) -> None:
    """Export whom somebody has to tell by hand: people outside the inventory, with name and contact, as CSV."""
    view, account = world.incident(reference, Permission.RECIPIENTS_READ)
    with world.file_for(out) as write:
        text = exports.export_to_tell_by_hand(
            world.engine, view.id, purpose=purpose, hand_over=write, actor=account.actor, now=world.now
        )
    world.show_file(text, out)


def wave_of(
    world: World, reference: str, campaign_id: int, permission: Permission = Permission.DISPATCH_RUN
) -> tuple[waves.CampaignView, Account]:
    """Return a wave of an incident that this person may see, and the person."""
    view, account = world.incident(reference, permission)
    return waves.get_wave_of(world.engine, view.id, CampaignId(campaign_id)), account


def _lines(wave: waves.CampaignView, forecast: Forecast | None) -> list[str]:
    lines = [f"Wave {wave.wave} ({wave.status}): " + ", ".join(f"{k} {v:,}" for k, v in _totals(wave).items())]
    if wave.stop is not None:
        lines.append(f"  {wave.stop.summary_en}" + (f": {wave.stop.reason}" if wave.stop.reason else ""))
    if wave.awaits_look:
        lines.append(f"  `incident-app dispatch go REFERENCE {wave.id}` lets the rest go.")
    if forecast is not None:
        lines.append("  " + _foreseen(forecast))
    return lines


def _foreseen(forecast: Forecast) -> str:
    rate = f"{forecast.per_minute:,g} a minute ({forecast.basis})"
    end = f"ends about {jst(forecast.ends_at)}" if forecast.ends_at else "no end in sight"
    limit = f"; deadline {jst(forecast.deadline)}" if forecast.deadline else ""
    bound = "" if forecast.bound_by is Bound.RATE else f", held by {_BOUND[forecast.bound_by]}"
    hours = forecast.within_hours
    within = f", sent from {hours.begin}:00 to {hours.end}:00" if hours else ""
    again = f"; {forecast.retries:,} are to be tried again" if forecast.retries else ""
    text = f"{forecast.left:,} left at {rate}: {end}{bound}{within}{again}{limit}"
    return text + (" - TOO LATE" if forecast.is_late else "")


_BOUND = {
    Bound.PER_SECOND: "the limit a second",
    Bound.PER_HOUR: "the limit an hour",
    Bound.CEILING: "the ceiling of the wave",
    Bound.DOMAIN: "the limit of a mail domain",
    Bound.RETRIES: "what is tried again",
}


def _totals(wave: waves.CampaignView) -> dict[str, int]:
    totals = wave.totals
    return {
        "planned": totals.planned,
        "sent": totals.sent,
        "failed": totals.failed,
        "skipped": totals.skipped,
        "in_doubt": totals.in_doubt,
        "waiting": totals.waiting,
    }
