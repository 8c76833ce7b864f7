"""`incident-app notice`: draft and preview notices."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import click

from incident_app.cli.context import FILE, REFUSED, World, command
from incident_app.cli.serve import mail_signer, utc_now
from incident_app.domain.access import Permission
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import CampaignId, NoticeId
from incident_app.domain.notice_lint import Finding, LintRule, unwaived
from incident_app.domain.notices import read_fact_texts
from incident_app.domain.vocabulary import Language, PersonKind
from incident_app.paths import read_text, search_path
from incident_app.rendering.notices import NoticeTemplates
from incident_app.services import notice_checks, notices, previews, waves
from incident_app.services.composing import NoticeComposer


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


@notice.command("lint")
@click.argument("reference")
@click.argument("notice_id", type=int)
@command
def lint_notice(world: World, reference: str, notice_id: int) -> None:
    """Show what the linter finds: place, reason and remedy. Exit 1 when a finding stops approval."""
    view, _ = world.incident(reference)
    found = notices.get_notice(world.engine, view.id, NoticeId(notice_id))
    lines = [line for finding in found.findings for line in _finding(finding, waived=found.is_waived(finding))]
    world.show({"findings": found.findings, "waived": found.waived}, "\n".join(lines) or "Nothing was found.")
    if unwaived(found.findings, {(entry.language.value, entry.rule) for entry in found.waived}):
        sys.exit(REFUSED)


def _finding(finding: Finding, *, waived: bool) -> list[str]:
    severity = f"{finding.severity}{' (accepted)' if waived else ''}"
    return [
        f"{severity} [{finding.language}] {finding.rule}: {finding.place.en}: {finding.what.en}",
        f"    {finding.remedy.en}",
    ]


@notice.command()
@click.argument("reference")
@click.argument("notice_id", type=int)
@click.argument("language", type=click.Choice([word.value for word in Language]))
@click.argument("rule", type=click.Choice([word.value for word in LintRule]))
@click.option("--reason", required=True, help="Why the finding may stay.")
@command
def waive(world: World, reference: str, notice_id: int, language: str, rule: str, reason: str) -> None:
    """Accept a finding that stops approval, for the current version of a notice."""
    view, account = world.incident(reference, Permission.NOTICE_WRITE)
    notice_checks.waive(
        world.engine,
        view.id,
        NoticeId(notice_id),
        Language(language),
        LintRule(rule),
        reason=reason,
        actor=account.actor,
        now=world.now,
    )
    world.show({"waived": rule, "language": language}, f"{rule} [{language}] is accepted.")


@notice.command()
@click.argument("reference")
@click.argument("notice_id", type=int)
@click.argument("customer_number")
@click.option("--wave", "campaign_id", type=int, metavar="CAMPAIGN", help="The mail of this wave, byte for byte.")
@command
def preview(world: World, reference: str, notice_id: int, customer_number: str, campaign_id: int | None) -> None:
    """Show one person's copy as it would be sent."""
    view, _ = world.incident(reference, Permission.RECIPIENTS_READ)
    if campaign_id is not None:
        wave = waves.get_wave_of(world.engine, view.id, CampaignId(campaign_id))
        if wave.notice_id != notice_id:
            raise NotFound(what="wave", name=campaign_id)
        found = previews.preview_in_wave(world.engine, composer_of(world), wave.id, customer_number)
        mail = found.content.decode()
        world.show({"delivery_id": found.delivery_id, "people": found.people, "mail": mail}, mail)
        return
    subject, text, html = notices.preview(world.engine, view.id, NoticeId(notice_id), customer_number)
    world.show({"subject": subject, "text": text, "html": html}, f"{subject}\n\n{text}")


@notice.command("write-to")
@click.argument("reference")
@click.argument("notice_id", type=int)
@click.option("--name", required=True, help="Who it is written to.")
@click.option("--organisation", is_flag=True, help="The name is a company's.")
@click.option("--language", type=click.Choice([word.value for word in Language]), default="ja", show_default=True)
@click.option("--item", "items", multiple=True, required=True, help="An item of data that it is about; again for more.")
@click.option("--assumed", is_flag=True, help="It is not confirmed that these items leaked.")
@command
def write_to(
    world: World,
    reference: str,
    notice_id: int,
    *,
    name: str,
    organisation: bool,
    language: str,
    items: tuple[str, ...],
    assumed: bool,
) -> None:
    """Write a notice to somebody who is in no wave: another company, or whoever received the data."""
    view, _ = world.incident(reference, Permission.NOTICE_WRITE)
    subject, text, html = previews.write_by_hand(
        world.engine,
        view.id,
        NoticeId(notice_id),
        previews.ByHand(
            name=name,
            kind=PersonKind.ORGANISATION if organisation else PersonKind.PERSON,
            language=Language(language),
            items=frozenset(items),
            assumed=assumed,
        ),
        token=secrets.token_hex(12),
    )
    world.show({"subject": subject, "text": text, "html": html}, f"{subject}\n\n{text}")


def composer_of(world: World) -> NoticeComposer:
    """Return the composer that the worker of this instance uses."""
    return NoticeComposer(
        world.engine,
        clock=utc_now,
        bounce_domain=world.settings.bounce_domain,
        message_domain=world.settings.bounce_domain,
        signer=mail_signer(world.settings),
        return_path=world.known_return_path,
    )
