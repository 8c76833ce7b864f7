"""`incident-app demo`: the whole story on embedded defaults, in a fresh instance folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click
from argon2 import PasswordHasher
from sqlalchemy.engine import Engine

from incident_app.cli.context import World, command, jst
from incident_app.cli.progress import progress_bar
from incident_app.cli.serve import make_worker, serve_pages, utc_now, worker_beside
from incident_app.demo.story import Stage, Told, play
from incident_app.keys import make_home, own_key
from incident_app.paths import files_in, find_file, search_path
from incident_app.persistence.database import make_engine
from incident_app.rendering.notices import NoticeTemplates
from incident_app.rendering.reports import ReportForms
from incident_app.services import commitment, exports, impact_verification, obligations, report_papers, reports
from incident_app.services.timeline import verify_timeline
from incident_app.services.worker import Worker
from incident_app.settings import Settings
from notifications.retry import RetryPolicy
from notifications.sink import MailSink, SinkScript

DEMO_RETRY = RetryPolicy(first_delay=timedelta(milliseconds=300), jitter=0.0)
PURPOSE = "demonstration"


@click.command()
@click.option("--customers", type=click.IntRange(min=200), default=10_000, show_default=True)
@click.option("--no-serve", is_flag=True, help="End after the summary instead of serving the pages.")
@command
def demo(world: World, customers: int, no_serve: bool) -> None:
    """Play the whole story with synthetic people into a fresh folder, then serve the pages on loopback."""
    home = fresh_home()
    settings = replace(
        Settings.from_environment({"INCIDENT_APP_HOME": str(home)}),
        smtp_host="127.0.0.1",
        smtp_security="plaintext_loopback_only",
        listen_port=0,
    )
    engine = make_engine(settings.database_url)
    say: Callable[[str], None] = lambda line: click.echo(line, err=world.as_json)  # noqa: E731 - bound once, here
    say(f"Instance folder: {home}")
    with MailSink(script=refusals(), maildir=home / "mails") as sink, progress_bar("Working") as progress:
        settings = replace(settings, smtp_port=sink.port)
        worker = make_worker(engine, settings, retry=DEMO_RETRY)
        told = play(stage_in(settings, engine, worker, say, progress), customers=customers)
        files = write_papers(settings, engine, told)
        summary = summarise(engine, told, files)
        world.show(summary, summary_text(engine, told, files))
        if no_serve:
            engine.dispose()
            return
        serve_demo(settings, engine, worker, told)


def fresh_home() -> Path:
    """Return a new folder: below INCIDENT_APP_HOME when that is set, else in the system's temporary folder."""
    base = os.environ.get("INCIDENT_APP_HOME")
    if base:
        Path(base).mkdir(mode=0o700, parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="incident-app-demo-", dir=base))
    make_home(home)
    return home


def refusals() -> SinkScript:
    """Let the mail server refuse a few recipients: some for good, some once."""
    seen: set[str] = set()

    def recipient(address: str) -> str | None:
        local_part = address.partition("@")[0]
        if local_part.endswith("13"):
            return "550 5.1.1 no such mailbox"
        if local_part.endswith("57") and address not in seen:
            seen.add(address)
            return "451 4.2.1 try again later"
        return None

    return SinkScript(recipient=recipient)


def stage_in(
    settings: Settings,
    engine: Engine,
    worker: Worker,
    say: Callable[[str], None],
    progress: Callable[[int, int], None] | None,
) -> Stage:
    """Set the stage from settings."""
    inventory = find_file("playbooks", "inventories/gpu-cloud-example.toml", settings.home)
    if inventory is None:
        raise FileNotFoundError("inventories/gpu-cloud-example.toml")
    templates = search_path("templates", settings.home)
    return Stage(
        engine=engine,
        worker=worker,
        templates=NoticeTemplates(templates),
        forms=ReportForms(templates),
        playbook_files=lambda folder: list(files_in("playbooks", folder, settings.home)),
        inventory_file=inventory,
        policy=settings.policy,
        address_key=own_key(settings.home, "address"),
        evidence_folder=settings.home / "evidence",
        sender_address=settings.sender_address,
        clock=utc_now,
        hasher=PasswordHasher(),
        say=say,
        progress=progress,
    )


def write_papers(settings: Settings, engine: Engine, told: Told) -> dict[str, Path]:
    """Write report, timeline and commitment as files."""
    folder = settings.home / "papers"
    folder.mkdir(exist_ok=True)
    lead, incident, now = told.cast.lead.actor, told.incident.id, utc_now()
    forms = ReportForms(search_path("templates", settings.home))
    texts = {
        "report.json": reports.report_as_json(engine, incident, told.report.id),
        "report.ja.html": reports.report_as_html(engine, incident, told.report.id, forms, language="ja"),
        "report.en.html": reports.report_as_html(engine, incident, told.report.id, forms, language="en"),
        "commitment.md": exports.export_commitment(engine, incident, "markdown", purpose=PURPOSE, actor=lead, now=now),
        "commitment.json": exports.export_commitment(engine, incident, "json", purpose=PURPOSE, actor=lead, now=now),
    }
    for form, name in (("csv", "timeline.csv"), ("json", "timeline.json"), ("markdown", "timeline.md")):
        texts[name] = exports.export_timeline(engine, incident, form, purpose=PURPOSE, actor=lead, now=now)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    files = {
        "report.ja.pdf": report_papers.report_as_pdf(engine, incident, told.report.id, forms, language="ja"),
        "report.ja.docx": report_papers.report_as_word(engine, incident, told.report.id, forms, language="ja"),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {"mails": settings.home / "mails", **{name: folder / name for name in (*texts, *files)}}


def summarise(engine: Engine, told: Told, files: dict[str, Path]) -> dict[str, object]:
    """Return the summary as one document."""
    verification = verify_timeline(engine)
    return {
        "incident": told.incident.reference,
        "files": {name: str(path) for name, path in files.items()},
        "accounts": told.cast.passwords,
        "obligations": obligations.list_obligations(engine, told.incident.id),
        "commitment": commitment.commitment_rows(engine, told.incident.id),
        "impact_repeats": impact_verification.all_repeat(impact_verification.verify_impact(engine, told.incident.id)),
        "chain_whole": verification.broken is None,
        "events": verification.events,
    }


def summary_text(engine: Engine, told: Told, files: dict[str, Path]) -> str:
    """Return the summary for people."""
    lines = ["", f"Summary of {told.incident.reference}", "  Due:"]
    for duty in obligations.list_obligations(engine, told.incident.id):
        if duty.regime == "policy":
            continue
        when = jst(duty.due_at) if duty.due_at else "promptly (no fixed deadline)"
        mark = " (guideline)" if duty.guideline else ""
        lines.append(f"    {duty.status:<10} {when}{mark}  {duty.regime} {duty.title_en} -> {duty.addressee_en}")
    lines.append("  Promise of the policy:")
    lines += [
        f"    [{'x' if row.discharged else ' '}] {row.part}: {row.found_en}"
        for row in commitment.commitment_rows(engine, told.incident.id)
        if row.clause == "leak-response"
    ]
    lines.append("  Files:")
    lines += [f"    {name}: {path}" for name, path in files.items()]
    repeats = impact_verification.all_repeat(impact_verification.verify_impact(engine, told.incident.id))
    lines.append(f"  Impact: every version {'repeats' if repeats else 'DOES NOT REPEAT'} from its inputs.")
    found = verify_timeline(engine)
    lines.append(f"  Chain: {found.broken.en if found.broken else f'{found.events:,} events, unbroken'}.")
    lines.append("  Accounts:")
    lines += [f"    {email}  password: {password}" for email, password in told.cast.passwords.items()]
    return "\n".join(lines)


def serve_demo(settings: Settings, engine: Engine, worker: Worker, told: Told) -> None:
    """Serve the pages of the demonstration until interrupted."""
    with worker_beside(worker) as beside:
        serve_pages(
            settings,
            lambda port: click.echo(
                f"\nServing on http://127.0.0.1:{port}/incidents/{told.incident.reference} (Ctrl-C ends it)", err=True
            ),
            is_well=lambda: beside.is_well,
        )
    engine.dispose()
