"""`incident-app count`: numbers of natural persons, how sure they are, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping

import click

from incident_app.cli.context import World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.person_counts import Count
from incident_app.domain.vocabulary import CountKind
from incident_app.domain.words import Words
from incident_app.services import count_subjects, person_counts, recounting
from incident_app.services.counts import ALL
from incident_app.services.person_counts import NumberView


@click.group()
def count() -> None:
    """Set and show numbers of natural persons."""


@count.command("set")
@click.argument("reference")
@click.option(
    "--subject",
    default=ALL,
    help="all, card, share:RECIPIENT (what one authority is told of), or a code of your own.",
    show_default=True,
)
@click.option("--kind", type=click.Choice([kind.value for kind in CountKind]), required=True)
@click.option("--value", type=int, required=True)
@click.option("--basis", required=True, help="What the number rests on; papers quote it.")
@click.option("--reason", help="Needed for a number that contradicts what is known; kept apart.")
@command
def set_number(
    world: World, reference: str, subject: str, kind: str, value: int, basis: str, reason: str | None
) -> None:
    """Record a number that somebody knows better than the records say; the duties are derived anew."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    count_id = recounting.set_count_and_derive(
        world.engine,
        view.id,
        kind=CountKind(kind),
        value=value,
        basis=basis,
        subject=subject,
        reason=reason,
        designated_operator=world.settings.designated_operator,
        actor=account.actor,
        now=world.now,
    )
    world.show(
        {"count_id": count_id}, f"Count {count_id}: {value:,} ({kind}, {subject}). The duties were derived anew."
    )


@count.command()
@click.argument("reference")
@command
def show(world: World, reference: str) -> None:
    """Show the number that drives the law, everything said beside it, and what contradicts what."""
    view, _ = world.incident(reference)
    found = person_counts.show_numbers(world.engine, view.id)
    names = count_subjects.subject_names(world.engine, view.id, {number.subject for number in found})
    lines = [line for number in found for line in _lines(number, names)]
    world.show(found, "\n".join(lines) or "No number yet: determine the impact, or run `count set`.")


@count.command()
@click.argument("reference")
@click.option("--subject")
@command
def history(world: World, reference: str, subject: str | None) -> None:
    """List every number that was ever recorded, oldest first, with its basis and what it replaced."""
    view, _ = world.incident(reference)
    found = person_counts.history(world.engine, view.id, subject)
    lines = []
    for row in found:
        replaced = f", replaces {row.replaces_id}" if row.replaces_id else ""
        lines.append(f"{jst(row.count.at)}  {_text(row.count)}{replaced}")
        if row.reason:
            lines.append(f"      reason: {row.reason}")
    world.show(found, "\n".join(lines) or "No number was recorded yet.")


def _lines(number: NumberView, names: Mapping[str, Words]) -> list[str]:
    name = f" ({names[number.subject].en})" if number.subject in names else ""
    lines = [f"{number.subject}{name}: {_text(number.for_law) if number.for_law else 'no number'}"]
    stands = number.standing
    beside = [stands.exact, stands.maximum, stands.estimate, stands.determined]
    lines += [f"  beside it: {_text(found)}" for found in beside if found is not None and found != number.for_law]
    if number.composition is not None:
        lines.append(f"  the records: {number.composition.words().en}")
    if number.told:
        lines.append(f"  told already: {number.told:,}")
    return lines + [f"  CONTRADICTION: {finding.en}" for finding in number.findings]


def _text(found: Count) -> str:
    return f"{found.value:,} {found.kind} (count {found.id}, {found.subject}, by {found.origin}: {found.basis_en})"
