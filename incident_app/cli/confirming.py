"""What a person looks at before a wave is sent, and the number that they type (J5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from incident_app.cli.context import World
from incident_app.services.waves import CampaignView

TOP_DOMAINS = 5


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """How many messages, to which domains, of which text, and to whom first."""

    messages: int
    people: int
    notice_version: int
    domains: tuple[tuple[str, int], ...]
    first_recipients: tuple[str, ...]
    """Masked."""

    @property
    def text(self) -> str:
        """Say it for whoever is about to send."""
        domains = ", ".join(f"{name} {number:,}" for name, number in self.domains)
        return (
            f"{self.messages:,} messages to {self.people:,} people, version {self.notice_version} of the notice.\n"
            f"Domains: {domains}\nFirst recipients: {'; '.join(self.first_recipients)}\n"
            "What is sent cannot be taken back."
        )


def confirmation_of(wave: CampaignView, first_three: Sequence[tuple[str, str]]) -> Confirmation:
    """Return what has to be confirmed of a wave."""
    return Confirmation(
        messages=wave.totals.planned,
        people=wave.people,
        notice_version=wave.notice_version,
        domains=wave.domains[:TOP_DOMAINS],
        first_recipients=tuple(f"{name} {address}" for name, address in first_three),
    )


def typed_count(world: World, confirmation: Confirmation) -> int:
    """Show what is about to be sent and let the person type the number of messages."""
    if world.as_json:
        raise click.UsageError("with --json the number of messages is given as --count")
    click.echo(confirmation.text, err=True)
    return int(click.prompt("Type the number of messages", type=int, err=True))
