"""`incident-app notice`: draft and preview notices."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command
from incident_app.domain.access import Permission
from incident_app.domain.ids import NoticeId
from incident_app.domain.notices import read_fact_texts
from incident_app.paths import read_text, search_path
from incident_app.rendering.notices import NoticeTemplates
from incident_app.services import notices


def templates_of(world: World) -> NoticeTemplates:
    """Return the templates of this instance."""
    return NoticeTemplates(search_path("templates", world.settings.home))


@click.group()
def notice() -> None:
    """Draft, check and preview notices."""


@notice.command()
@click.argument("kind")
@command
def facts(world: World, kind: str) -> None:
    """List the facts that a kind of notice needs."""
    found = notices.facts_needed(templates_of(world), kind)
    lines = []
    for language, needed in found.items():
        lines.append(f"[{language}]")
        lines += [f"  {fact.name}{'' if fact.required else ' (optional)'}: {fact.label.en}" for fact in needed]
    world.show(found, "\n".join(lines))


@notice.command()
@click.argument("reference")
@click.argument("facts_file", type=FILE)
@click.option("--kind", default="leak_notice", show_default=True)
@click.option("--notice", "notice_id", type=int, help="Write a new version of this notice; voids its approvals.")
@click.option("--title", default="")
@command
def draft(world: World, reference: str, facts_file: Path, kind: str, notice_id: int | None, title: str) -> None:
    """Draft a notice from a TOML file with a table of facts per language ([ja], [en])."""
    view, account = world.incident(reference, Permission.NOTICE_WRITE)
    content = read_fact_texts(read_text(facts_file), file=facts_file.name)
    drafted = notices.draft_notice(
        world.engine,
        view.id,
        templates_of(world),
        kind=kind,
        facts=content,
        title=title,
        notice_id=NoticeId(notice_id) if notice_id is not None else None,
        actor=account.actor,
        now=world.now,
    )
    lines = [f"Notice {drafted.id}, version {drafted.version}: {', '.join(drafted.texts)}."]
    lines += [f"  {finding.severity}: {finding.what.en}" for finding in drafted.findings]
    world.show({"notice_id": drafted.id, "version": drafted.version, "findings": drafted.findings}, "\n".join(lines))


@notice.command()
@click.argument("reference")
@click.argument("notice_id", type=int)
@click.argument("customer_number")
@command
def preview(world: World, reference: str, notice_id: int, customer_number: str) -> None:
    """Show one person's copy as it would be sent."""
    view, _ = world.incident(reference, Permission.RECIPIENTS_READ)
    subject, text, html = notices.preview(world.engine, view.id, NoticeId(notice_id), customer_number)
    world.show({"subject": subject, "text": text, "html": html}, f"{subject}\n\n{text}")
