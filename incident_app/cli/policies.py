"""`incident-app policy`: check a policy file, show the one in force."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command
from incident_app.domain.policies import JointUse, Policy, Procedure, read_policy
from incident_app.paths import read_text
from incident_app.services.policies import any_policy
from incident_app.services.transaction import reading


@click.group()
def policy() -> None:
    """Check and show the company's policy."""


@policy.command()
@click.argument("path", type=FILE)
@command
def check(world: World, path: Path) -> None:
    """Validate a policy file; name key, line and reason of every fault. Exit 1 when there is one."""
    found = read_policy(read_text(path), file=path.name)
    text = (
        f"{path.name}: {len(found.items)} items in {len(found.categories)} categories, {len(found.parties)} parties, "
    )
    text += f"{len(found.commitments)} parts of promises. No fault."
    lines = [text, *(f"  warning: {warning}" for warning in found.warnings)]
    world.show({"valid": True, "digest": found.digest, "warnings": found.warnings}, "\n".join(lines))


@policy.command()
@command
def show(world: World) -> None:
    """Show the policy in force: data, joint use, procedures for requests, and what is no leak."""
    with reading(world.engine) as session:
        found = any_policy(session)
    lines = [f"{found.name.en} ({found.code}, version {found.version})"]
    for category in found.categories:
        items = ", ".join(item.name_en for item in found.items if item.category == category.code)
        lines.append(f"  {category.name_en}: {items}")
    lines += [f"Joint use: {line}" for group in found.joint_use for line in _joint_use(found, group)]
    lines += [line for procedure in found.procedures for line in _procedure(procedure)]
    lines += [f"Not a leak: {rule.text.en} (section {rule.section})" for rule in found.not_a_leak]
    world.show(found, "\n".join(lines))


def _joint_use(policy: Policy, group: JointUse) -> list[str]:
    """Say who uses what; an open-ended list leaves every further item uncertain, never out."""
    items = ", ".join(item.name_en for item in policy.items if item.code in group.items)
    lines = [f"{group.name.en}: {', '.join(group.members)}; {group.responsible} answers for it; {items}"]
    if group.open_ended:
        further = ", ".join(item.name_en for item in policy.items if item.code not in group.items)
        lines.append(f"{group.name.en}, uncertain (the published list is open-ended): {further}")
    return lines


def _procedure(procedure: Procedure) -> list[str]:
    fee = "depends on what is asked for" if procedure.fee_jpy is None else f"{procedure.fee_jpy:,} yen"
    lines = [f"Request: {procedure.name.en}; fee: {fee}; answered {procedure.sent_by.en} (section {procedure.section})"]
    lines += [f"  document: {document.en}" for document in procedure.documents]
    lines += [f"  send to: {procedure.send_to.en}"] if procedure.send_to else []
    return lines + ([f"  {procedure.not_by.en}"] if procedure.not_by else [])
