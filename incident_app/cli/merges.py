"""`incident-app merge`: records of one person, proposed with reasons, confirmed, and undone."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command
from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.merging import MergeState
from incident_app.services import incidents, merge_proposals, recounting
from incident_app.services.accounts import Account
from incident_app.services.merge_proposals import ProposalView
from incident_app.services.merging import Effect, Merged


@click.group()
def merge() -> None:
    """Merge records of one person, so that they count once; can be undone."""


@merge.command()
@click.option("--limit", type=click.IntRange(min=1), default=10_000, show_default=True, help="Stop after so many.")
@click.option("--records", nargs=2, metavar="NUMBER NUMBER", help="Propose these two customer numbers yourself.")
@click.option("--reason", default="", help="Why they are of one person; needed with --records.")
@command
def propose(world: World, limit: int, records: tuple[str, str] | None, reason: str) -> None:
    """Look for records that share an address and a name, or propose two of them yourself."""
    account = world.account(Permission.OBLIGATION_DECIDE)
    if records:
        proposal_id = merge_proposals.propose_by_hand(
            world.engine, *records, reason=reason, actor=account.actor, now=world.now
        )
        world.show({"proposal_id": proposal_id}, f"Proposal {proposal_id}; confirm it with `merge confirm`.")
        return
    if reason:
        raise BadInput(field="reason", problem="belongs to --records; the rules state their own reasons")
    found = merge_proposals.propose(world.engine, limit=limit, actor=account.actor, now=world.now)
    more = "" if found.is_complete else " There may be more: run it again."
    world.show(found, f"{found.new:,} new proposals, {found.known:,} known before.{more}")


@merge.command("list")
@click.option("--state", type=click.Choice([*(state.value for state in MergeState), "all"]), default="open")
@click.option("--after", type=int, default=0, help="Go on after this proposal.")
@command
def list_merges(world: World, state: str, after: int) -> None:
    """List proposals, masked values side by side."""
    world.account(Permission.RECIPIENTS_READ)
    found = merge_proposals.list_proposals(
        world.engine, state=None if state == "all" else MergeState(state), after=after
    )
    lines = [line for view in found for line in _lines(view)]
    world.show(found, "\n".join(lines) or "No such proposal. `merge propose` looks for records of one person.")


@merge.command()
@click.argument("proposal_id", type=int)
@command
def confirm(world: World, proposal_id: int) -> None:
    """Confirm that two records are one person; says what it changes for each of your open incidents."""
    account = world.account(Permission.OBLIGATION_DECIDE)
    merged = recounting.confirm_and_derive(
        world.engine,
        proposal_id,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    _show(world, account, merged, "confirmed")


@merge.command()
@click.argument("merge_id", type=int)
@click.option("--reason", required=True)
@command
def undo(world: World, merge_id: int, reason: str) -> None:
    """Undo a merge with the reason; the row of the merge stays."""
    account = world.account(Permission.OBLIGATION_DECIDE)
    merged = recounting.undo_and_derive(
        world.engine,
        merge_id,
        reason=reason,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    _show(world, account, merged, "undone")


@merge.command()
@click.argument("proposal_id", type=int)
@click.option("--reason", required=True)
@command
def dismiss(world: World, proposal_id: int, reason: str) -> None:
    """Say that two records are of different people; they are not proposed again."""
    account = world.account(Permission.OBLIGATION_DECIDE)
    merge_proposals.dismiss(world.engine, proposal_id, reason=reason, actor=account.actor, now=world.now)
    world.show({"dismissed": proposal_id}, f"Proposal {proposal_id} is dismissed.")


def _show(world: World, account: Account, merged: Merged, what: str) -> None:
    mine = {view.id for view in incidents.list_incidents(world.engine, account)}
    effects = [effect for effect in merged.effects if effect.incident_id in mine]
    lines = [f"Merge {merged.merge_id} {what}.", *(_effect(effect) for effect in effects)]
    world.show({"merge_id": merged.merge_id, "effects": effects}, "\n".join(lines))


def _effect(effect: Effect) -> str:
    return (
        f"  {effect.reference}: people before {effect.people_before:,}, after {effect.people_after:,}; "
        f"notices before {effect.notices_before:,}, after {effect.notices_after:,}"
    )


def _lines(view: ProposalView) -> list[str]:
    merged = f", merge {view.merge_id}" if view.merge_id else ""
    lines = [f"{view.id:>6}  {view.state}{merged}: {'; '.join(words.en for words in view.reasons)}"]
    for record in (view.first, view.second):
        values = [record.name, record.email, record.phone, record.postal_address]
        lines.append(f"        {record.customer_number}  {record.kind}  {'  '.join(value or '-' for value in values)}")
    return lines
