"""`incident-app obligations`: what is due to whom, why and by when."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.conditions import DECIDABLE
from incident_app.services import facts, moving_texts, obligation_history
from incident_app.services import obligations as duties
from incident_app.services import roles as data_roles


@click.group()
def obligations() -> None:
    """List and decide duties."""


@obligations.command("list")
@click.argument("reference")
@click.option("--regime", help="Only the duties of one regime; policy is one too.")
@command
def list_duties(world: World, reference: str, regime: str | None) -> None:
    """List the duties of an incident, nearest due first."""
    view, _ = world.incident(reference)
    found = duties.list_obligations(world.engine, view.id, regime=regime)
    lines = []
    for duty in found:
        when = jst(duty.due_at) if duty.due_at else duty.deadline_state
        marks = "".join(
            [" (provisional)" if duty.provisional else "", " (guideline)" if duty.guideline else ""],
        )
        lines.append(
            f"{duty.id:>4}  {duty.status:<18} {when}{marks}  {duty.regime} {duty.title_en} -> {duty.addressee_en}"
        )
        if duty.decide_en:
            lines.append(f"        {duty.decide_en}")
    world.show(found, "\n".join(lines) or "No duties yet: determine the impact first.")


@obligations.command()
@click.argument("reference")
@command
def history(world: World, reference: str) -> None:
    """Show the life of every duty: what it said when, why that changed, and what settled it."""
    view, _ = world.incident(reference)
    found = obligation_history.duty_lives(world.engine, view.id)
    lines = []
    for life in found:
        lines.append(f"{life.id:>4}  {life.status:<18} {life.rule} {life.title_en} -> {life.addressee_en}")
        lines += [f"        {jst(entry.at)}  {entry.what_en}" for entry in life.entries]
    world.show(found, "\n".join(lines) or "No duties yet: determine the impact first.")


@obligations.command()
@click.argument("reference")
@command
def roles(world: World, reference: str) -> None:
    """Show our role for each data set that was touched, and which reports follow from it."""
    view, _ = world.incident(reference)
    found = data_roles.store_roles(world.engine, view.id)
    lines = []
    for row in found:
        lines.append(f"{row.store} ({row.operator_en}): {row.our_role}")
        lines += [
            f"    {duty.regime} {duty.title.en}" + ("" if duty.is_certain else "  (to decide)") for duty in row.duties
        ]
    world.show(found, "\n".join(lines) or "No data set yet: determine the impact first.")


@obligations.command()
@click.argument("reference")
@click.argument("fact", type=click.Choice(DECIDABLE))
@click.argument("answer", type=click.Choice(["yes", "no"]))
@click.option("--reason", required=True)
@command
def decide(world: World, reference: str, fact: str, answer: str, reason: str) -> None:
    """Decide a fact that no rule can know; the duties are derived anew."""
    view, account = world.incident(reference, Permission.OBLIGATION_DECIDE)
    facts.decide_fact(
        world.engine, view.id, fact, value=answer == "yes", reason=reason, actor=account.actor, now=world.now
    )
    duties.derive_if_determined(
        world.engine,
        view.id,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    world.show({fact: answer}, f"{fact}: {answer}. The duties were derived anew.")


@obligations.command("ask-waiver")
@click.argument("reference")
@click.argument("obligation_id", type=int)
@click.option("--reason", required=True)
@command
def ask_waiver(world: World, reference: str, obligation_id: int, reason: str) -> None:
    """Ask a second person to judge a duty not required."""
    view, account = world.incident(reference, Permission.OBLIGATION_DECIDE)
    request_id = duties.ask_waiver(
        world.engine, view.id, obligation_id, reason=reason, actor=account.actor, now=world.now
    )
    world.show({"request_id": request_id}, f"Approval request {request_id}; then `obligations waive`.")


@obligations.command()
@click.argument("reference")
@click.argument("obligation_id", type=int)
@command
def waive(world: World, reference: str, obligation_id: int) -> None:
    """Mark a duty not required, once a second person has granted it."""
    view, account = world.incident(reference, Permission.OBLIGATION_DECIDE)
    duties.waive(world.engine, view.id, obligation_id, actor=account.actor, now=world.now)
    world.show({"waived": obligation_id}, f"Obligation {obligation_id} is not required.")


@obligations.command()
@click.argument("reference")
@command
def texts(world: World, reference: str) -> None:
    """List the newer texts of law and policy that this incident is not judged by; nothing moves by itself."""
    view, _ = world.incident(reference)
    found = moving_texts.offered_texts(world.engine, view.id)
    lines = [f"{text.kind} {text.code}: {text.version or '(not held)'} -> {text.newest}" for text in found]
    world.show(found, "\n".join(lines) or "This incident is judged by the newest texts that are loaded.")


@obligations.command()
@click.argument("reference")
@click.argument("code")
@click.option("--reason", required=True)
@command
def adopt(world: World, reference: str, code: str, reason: str) -> None:
    """Judge this incident by the newest text of one playbook from now on; its duties are derived anew."""
    view, account = world.incident(reference, Permission.OBLIGATION_DECIDE)
    moved = moving_texts.move_to_newest(
        world.engine,
        view.id,
        code,
        reason=reason,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    world.show(moved, f"{moved.code}: {moved.version or '(not held)'} -> {moved.newest}. The duties were derived anew.")
