"""`incident-app report`: draft, check, export and file reports."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from incident_app.cli.context import MOMENT, World, command
from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import ReportId
from incident_app.domain.reports import check_ready
from incident_app.paths import search_path
from incident_app.rendering.reports import ReportForms
from incident_app.services import reports


def forms_of(world: World) -> ReportForms:
    """Return the forms of this instance."""
    return ReportForms(search_path("templates", world.settings.home))


@click.group()
def report() -> None:
    """Draft, check, export and file reports to authorities."""


@report.command()
@click.argument("form", required=False)
@command
def forms(world: World, form: str | None) -> None:
    """List the forms, or the fields of one: the field's code for --gap, its fact for --fact."""
    if form is None:
        world.show(forms_of(world).codes(), "\n".join(forms_of(world).codes()))
        return
    found = forms_of(world).form(form)
    lines = [f"{found.code}: {found.title.en}", f"{'item':<9} {'--gap FIELD':<22} {'--fact NAME':<22} field"]
    for field in found.fields:
        needed = " (required)" if field.required else ""
        if field.needed:
            needed = f" (required when {field.needed.field} is {' or '.join(field.needed.answers)})"
        lines.append(f"{field.item:<9} {field.code:<22} {field.fact:<22} {field.label.en}{needed}")
        if field.choices:
            lines.append(f"{'':<56}one of: {', '.join(choice.code for choice in field.choices)}")
    world.show(found, "\n".join(lines))


@report.command()
@click.argument("reference")
@click.argument("form")
@click.option(
    "--fact",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="A fact that only you know; NAME.en=VALUE says it in English.",
)
@click.option("--gap", "gaps", multiple=True, metavar="FIELD=REASON", help="Why a field is empty.")
@click.option("--obligation", "obligation_id", type=int, help="The duty that this report fulfils once filed.")
@click.option("--report", "report_id", type=int, help="Write a new version of this report.")
@command
def draft(
    world: World,
    reference: str,
    form: str,
    given: tuple[str, ...],
    gaps: tuple[str, ...],
    obligation_id: int | None,
    report_id: int | None,
) -> None:
    """Draft a report from the facts of the incident."""
    view, account = world.incident(reference, Permission.REPORT_WRITE)
    facts, reasons = _pairs(given, "--fact"), _pairs(gaps, "--gap")
    if report_id is not None:  # a new version says what the last one said, but for what is given now
        asked = forms_of(world).form(form)
        before = reports.get_report(world.engine, view.id, ReportId(report_id))
        facts = asked.still_asked(before.given_facts) | facts
        reasons = {code: text for code, text in before.stated_gaps.items() if code in asked.field_codes} | reasons
    drafted = reports.draft_report(
        world.engine,
        view.id,
        forms_of(world),
        form=form,
        given=facts,
        stated_gaps=reasons,
        obligation_id=obligation_id,
        report_id=ReportId(report_id) if report_id is not None else None,
        actor=account.actor,
        now=world.now,
    )
    fact_of = {field.code: field.fact for field in forms_of(world).form(form).fields}
    lines = [f"Report {drafted.id}, version {drafted.version}. Gaps without reason: {len(drafted.filled.gaps)}."]
    lines += [f"  {code}: fill it by --fact {fact_of[code]}=..., or --gap {code}=..." for code in drafted.filled.gaps]
    world.show(drafted, "\n".join(lines))


@report.command()
@click.argument("reference")
@click.argument("report_id", type=int)
@command
def check(world: World, reference: str, report_id: int) -> None:
    """Say whether a report may be put before a second person. Exit 1 when a gap has no reason."""
    view, _ = world.incident(reference)
    found = reports.get_report(world.engine, view.id, ReportId(report_id))
    check_ready(found.filled)
    world.show({"ready": True}, "Every gap is stated.")


@report.command()
@click.argument("reference")
@click.argument("report_id", type=int)
@click.option("--format", "form", type=click.Choice(["json", "html"]), default="json", show_default=True)
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path))
@command
def export(world: World, reference: str, report_id: int, form: str, language: str, target: Path | None) -> None:
    """Write a report as JSON or as a printable document."""
    view, _ = world.incident(reference)
    if form == "json":
        text = reports.report_as_json(world.engine, view.id, ReportId(report_id))
    else:
        text = reports.report_as_html(world.engine, view.id, ReportId(report_id), forms_of(world), language=language)
    if target is None:
        click.echo(text, nl=False)
        return
    target.write_text(text, encoding="utf-8")
    world.show({"file": str(target)}, f"Written to {target}.")


@report.command()
@click.argument("reference")
@click.argument("report_id", type=int)
@click.option("--channel", required=True, help="web form, telephone, post ...")
@click.option("--receipt")
@click.option("--at", "submitted_at", type=MOMENT)
@command
def filed(
    world: World, reference: str, report_id: int, channel: str, receipt: str | None, submitted_at: datetime | None
) -> None:
    """Record that an approved report was transmitted; it fulfils its duty."""
    view, account = world.incident(reference, Permission.REPORT_FILE)
    reports.file_report(
        world.engine,
        view.id,
        ReportId(report_id),
        channel=channel,
        receipt=receipt,
        submitted_at=submitted_at,
        actor=account.actor,
        now=world.now,
    )
    world.show({"filed": report_id}, f"Report {report_id} is filed.")


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for entry in given:
        name, separator, value = entry.partition("=")
        if not separator:
            raise BadInput(field=option, problem=f"{entry!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs
