"""`incident-app approval`: decisions of a second person."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command
from incident_app.domain.access import Permission
from incident_app.domain.ids import Actor
from incident_app.domain.vocabulary import Subject
from incident_app.services import approvals

SUBJECTS = [Subject.CAMPAIGN.value, Subject.REPORT.value, Subject.NOTICE.value]


@click.group()
def approval() -> None:
    """Ask for approval, grant it, or send something back."""


@approval.command()
@click.argument("reference")
@click.argument("subject", type=click.Choice(SUBJECTS))
@click.argument("subject_id", type=int)
@command
def request(world: World, reference: str, subject: str, subject_id: int) -> None:
    """Put a wave, a report or the text of a notice before a second person, exactly as it is now."""
    view, account = world.incident(reference, Permission.NOTICE_WRITE)
    number = approvals.request_approval(
        world.engine, view.id, Subject(subject), subject_id, actor=account.actor, now=world.now
    )
    world.show({"request_id": number}, f"Approval request {number}.")


@approval.command("list")
@click.argument("reference")
@command
def list_requests(world: World, reference: str) -> None:
    """List what waits for a decision."""
    view, _ = world.incident(reference)
    found = approvals.pending_approvals(world.engine, view.id)
    lines = [f"{row.id}: {row.subject} {row.subject_id}, digest {row.content_digest[:12]}" for row in found]
    world.show(found, "\n".join(lines) or "Nothing waits for a decision.")


@approval.command()
@click.argument("reference")
@click.argument("request_id", type=int)
@command
def grant(world: World, reference: str, request_id: int) -> None:
    """Approve what was put forward. The author cannot; content changed since is refused."""
    account = _decider(world, reference, request_id)
    approvals.grant(world.engine, request_id, actor=account, now=world.now)
    world.show({"granted": request_id}, f"Request {request_id} is approved.")


@approval.command()
@click.argument("reference")
@click.argument("request_id", type=int)
@click.option("--reason", required=True)
@command
def reject(world: World, reference: str, request_id: int, reason: str) -> None:
    """Send something back with a reason."""
    account = _decider(world, reference, request_id)
    approvals.reject(world.engine, request_id, reason=reason, actor=account, now=world.now)
    world.show({"rejected": request_id}, f"Request {request_id} was sent back.")


def _decider(world: World, reference: str, request_id: int) -> Actor:
    view, account = world.incident(reference, Permission.APPROVE)
    approvals.check_belongs(world.engine, request_id, view.id)
    return account.actor
