"""`incident-app severity`: how grave the breach is, by which inputs, and why."""

from __future__ import annotations

import sys

import click

from incident_app.cli.context import REFUSED, World, command
from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.services import severity as assessments
from incident_app.services.severity import AssessmentView, InputView


@click.group()
def severity() -> None:
    """Weigh how grave a breach is, by the method of ENISA."""


@severity.command()
@click.argument("reference")
@click.option("--decide", "decisions", multiple=True, metavar="QUESTION=OPTION", help="Decide an input; repeatable.")
@click.option("--reason", default="", help="What the decisions rest on; needed with --decide.")
@click.option("--reset", multiple=True, metavar="QUESTION", help="Let the rules answer an input again; repeatable.")
@command
def assess(world: World, reference: str, decisions: tuple[str, ...], reason: str, reset: tuple[str, ...]) -> None:
    """Assess the newest determination; what nobody has decided yet makes the score a range."""
    view, account = world.incident(reference, Permission.IMPACT_DETERMINE)
    found = assessments.assess_severity(
        world.engine,
        view.id,
        decisions=_decisions(decisions),
        reason=reason,
        reset=reset,
        actor=account.actor,
        now=world.now,
    )
    world.show(found, _text(found))


@severity.command()
@click.argument("reference")
@click.option("--version", type=int)
@command
def show(world: World, reference: str, version: int | None) -> None:
    """Show an assessment with every input and its reason."""
    view, _ = world.incident(reference)
    found = assessments.get_severity(world.engine, view.id, version)
    if found is None:
        world.show({"version": None}, "The severity was not assessed yet: run `severity assess`.")
        return
    world.show(found, _text(found))


@severity.command()
@click.argument("reference")
@command
def verify(world: World, reference: str) -> None:
    """Re-run every stored assessment from its inputs. Exit 1 when one differs."""
    view, _ = world.incident(reference)
    found = assessments.verify_severity(world.engine, view.id)
    lines = [f"version {version}: {'repeats' if same else 'DIFFERS'}" for version, same in found.items()]
    world.show({"versions": found, "repeats": all(found.values())}, "\n".join(lines) or "There is no version yet.")
    if not all(found.values()):
        sys.exit(REFUSED)


def _decisions(entries: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        question, sign, option = entry.partition("=")
        if not sign or not question or not option:
            raise BadInput(field="decide", problem=f"{entry!r} is not QUESTION=OPTION, such as simple=as_is")
        if found.setdefault(question, option) != option:
            raise BadInput(field="decide", problem=f"{question} is decided twice")
    return found


def _text(found: AssessmentView) -> str:
    score = found.lowest if found.lowest == found.highest else f"{found.lowest} to {found.highest}"
    bands = list(dict.fromkeys([found.lowest_band.en, found.highest_band.en]))
    mark = " (unchanged)" if found.unchanged else ""
    title = f"Severity version {found.version}{mark}, impact version {found.determination_version}"
    lines = [f"{title}: {score} ({' to '.join(bands)})", f"  {found.method.en}, {found.method_version}"]
    lines += [line for entry in found.inputs for line in _lines(entry)]
    lines += [f"  note: {flag.en}" for flag in found.flags]
    if not found.is_current:
        lines.append("  A newer determination exists: run `severity assess` again.")
    return "\n".join(lines)


def _lines(entry: InputView) -> list[str]:
    chosen = [option for option in entry.options if option.chosen]
    mark = "NEEDS DECISION" if entry.needs_decision else "by a person" if entry.decided_by_person else "by rule"
    lines = [f"  {entry.question} [{mark}]: {' | '.join(f'{option.code} ({option.name.en})' for option in chosen)}"]
    lines.append(f"      {entry.persons_reason or entry.reason.en}")
    return lines
