"""`incident-app report`: draft, check, export and file reports."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from incident_app.cli.context import FILE, MOMENT, REFUSED, World, command, jst
from incident_app.domain.access import Permission
from incident_app.domain.consistency import Mismatch
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import IncidentId, ReportId
from incident_app.domain.reports import FieldState, FilledField, check_ready
from incident_app.paths import search_path
from incident_app.rendering.glyphs import named_glyphs
from incident_app.rendering.reports import ReportForms
from incident_app.rendering.word_template import shipped_template
from incident_app.services import consistency as papers
from incident_app.services import report_papers, report_views, reports
from incident_app.services.report_filing import Proof


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
    stated = found.filled.fields_in(FieldState.STATED_GAP)
    left = [field.code for field in found.filled.fields_in(FieldState.LEFT_OPEN)]
    lines = ["Every gap is stated.", *(f"  {field.code}: {field.reason}" for field in stated)]
    lines += [f"Left open, not required: {', '.join(left)}"] if left else []
    lacking = named_glyphs(report_papers.unprintable_in(world.engine, found, forms_of(world)))
    lines += [f"WARNING: no PDF can be made, its font lacks {lacking}."] if lacking else []
    reasons = {field.code: field.reason for field in stated}
    world.show({"ready": True, "stated_gaps": reasons, "left_open": left, "not_in_pdf_font": lacking}, "\n".join(lines))


@report.command(name="consistency")
@click.argument("reference")
@command
def show_consistency(world: World, reference: str) -> None:
    """Say where the papers of an incident contradict each other or the records. Exit 1 when one has no reason."""
    view, _ = world.incident(reference)
    found = papers.show_consistency(world.engine, view.id, now=world.now)
    lines = [f"[{one.digest[:12]}] {one.words.en}" for one in found.open]
    lines += [f"[{one.mismatch.digest[:12]}] {one.mismatch.words.en} Reason: {one.reason}" for one in found.explained]
    lines += [f"Filed before it was known: {one.words.en}" for one in found.overtaken]
    world.show(
        {
            "agree": not found.open,
            "open": [_shown(one) for one in found.open],
            "explained": [{**_shown(one.mismatch), "reason": one.reason} for one in found.explained],
            "overtaken": [_shown(one) for one in found.overtaken],
        },
        "\n".join(lines) or "All papers say the same.",
    )
    if found.open:
        sys.exit(REFUSED)


def _shown(mismatch: Mismatch) -> dict[str, object]:
    words = {"ja": mismatch.words.ja, "en": mismatch.words.en}
    return {"question": mismatch.question, "digest": mismatch.digest, "words": words, "papers": sorted(mismatch.blamed)}


@report.command(name="explain")
@click.argument("reference")
@click.argument("digest")
@click.option("--reason", required=True, help="Why the papers may differ.")
@command
def explain_difference(world: World, reference: str, digest: str, reason: str) -> None:
    """Say why papers may differ on a question; it holds until one of them says something else."""
    view, account = world.incident(reference, Permission.REPORT_WRITE)
    found = papers.show_consistency(world.engine, view.id, now=world.now)
    whole = next((one.digest for one in found.open if one.digest.startswith(digest.lower()) and digest), digest)
    papers.explain(world.engine, view.id, whole, reason=reason, actor=account.actor, now=world.now)
    world.show({"explained": whole}, "The reason is recorded.")


@report.command()
@click.argument("reference")
@click.argument("report_id", type=int)
@command
def versions(world: World, reference: str, report_id: int) -> None:
    """List every version of a report, newest first: when it was written, its gaps, and when it was filed."""
    view, _ = world.incident(reference)
    found = report_views.list_versions(world.engine, view.id, ReportId(report_id))
    lines = [
        f"{one.version:>3}  {jst(one.written_at)}  gaps {one.gaps:<3} {one.content_digest[:12]}"
        + (f"  filed {jst(one.submitted_at)}" if one.submitted_at else "")
        for one in found
    ]
    world.show(found, "\n".join(lines))


@report.command()
@click.argument("reference")
@click.argument("report_id", type=int)
@click.option("--version", type=int, help="The later version; by default the current one.")
@click.option("--against", type=int, help="Another report to compare with; by default the same one.")
@click.option("--against-version", type=int, help="Its version; by default the one before, or the other's current one.")
@command
def diff(
    world: World,
    reference: str,
    report_id: int,
    version: int | None,
    against: int | None,
    against_version: int | None,
) -> None:
    """Say what changed between two versions of a report, or between two reports."""
    view, _ = world.incident(reference)
    found = report_views.compare_reports(
        world.engine,
        view.id,
        ReportId(report_id),
        version=version,
        against=ReportId(against) if against is not None else None,
        against_version=against_version,
    )
    lines = [f"{found.before.form} version {found.before.version} -> {found.after.form} version {found.after.version}"]
    for field in found.fields:
        lines += [
            f"{field.item} {field.code} ({field.change})",
            f"  - {said(field.before)}",
            f"  + {said(field.after)}",
        ]
    shown = {"before": found.before.version, "after": found.after.version, "fields": found.fields}
    world.show(shown, "\n".join(lines if found.fields else [*lines, "They say the same."]))


def said(field: FilledField | None) -> str:
    """Return what a field says, on one line."""
    if field is None or (field.value is None and field.reason is None):
        return "(empty)"
    text = field.value.ja if field.value else f"(not filled: {field.reason})"
    return " / ".join(text.splitlines())


@report.command()
@click.argument("reference")
@click.argument("report_id", type=int)
@click.option("--format", "form", type=click.Choice(["json", "html", "pdf", "docx"]), default="json", show_default=True)
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@click.option("--version", type=int, help="An earlier version; by default the current one.")
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path))
@command
def export(
    world: World,
    reference: str,
    report_id: int,
    form: str,
    language: str,
    version: int | None,
    target: Path | None,
) -> None:
    """Write a report as JSON, as a printable document, as PDF or as a Word file."""
    view, _ = world.incident(reference)
    content = _written(world, view.id, ReportId(report_id), form, language, version)
    if target is None and form in {"pdf", "docx"}:
        raise BadInput(field="--to", problem="name the file to write")
    if target is None:
        click.echo(content.decode(), nl=False)
        return
    target.write_bytes(content)
    world.show({"file": str(target)}, f"Written to {target}.")


def _written(
    world: World, incident_id: IncidentId, report_id: ReportId, form: str, language: str, version: int | None
) -> bytes:
    if form == "json":
        return reports.report_as_json(world.engine, incident_id, report_id, version=version).encode()
    writers: dict[str, Callable[..., str | bytes]] = {
        "html": reports.report_as_html,
        "pdf": report_papers.report_as_pdf,
        "docx": report_papers.report_as_word,
    }
    made = writers[form](world.engine, incident_id, report_id, forms_of(world), language=language, version=version)
    return made if isinstance(made, bytes) else made.encode()


@report.command(name="word-template")
@click.option("--letter", is_flag=True, help="The template of letters to the public instead.")
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path), required=True)
@command
def take_word_template(world: World, letter: bool, target: Path) -> None:
    """Write the shipped Word template to a file, to be edited in Word and put beside the company's own forms."""
    target.write_bytes(shipped_template(letter=letter))
    world.show(
        {"file": str(target)}, f"Written to {target}. Put it into the home folder: templates/reports/report.docx"
    )


@report.command()
@click.argument("reference")
@click.argument("report_id", type=int)
@click.option("--channel", required=True, help="web form, telephone, post ...")
@click.option("--receipt")
@click.option("--at", "submitted_at", type=MOMENT)
@click.option("--proof", type=FILE, help="A file that proves it; kept as evidence.")
@click.option("--nonetheless", default="", help="Why it is filed though facts changed since it was approved.")
@command
def filed(
    world: World,
    reference: str,
    report_id: int,
    channel: str,
    receipt: str | None,
    submitted_at: datetime | None,
    proof: Path | None,
    nonetheless: str,
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
        proof=Proof(source=proof, file_name=proof.name, folder=world.evidence_folder) if proof else None,
        forms=forms_of(world),
        nonetheless=nonetheless,
        designated_operator=world.settings.designated_operator,
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
