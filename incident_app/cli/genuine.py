"""`incident-app notice verify-page` and `withdraw`: what the public may check, and what holds no longer."""

from __future__ import annotations

from pathlib import Path

import click

from incident_app.cli.context import World, command
from incident_app.domain.access import Permission
from incident_app.domain.ids import NoticeId
from incident_app.paths import search_path
from incident_app.rendering.genuine import GenuinePages
from incident_app.services import genuine


@click.command("verify-page")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write.")
@command
def verify_page(world: World, out: Path) -> None:
    """Write the static pages that confirm the notices sent: Japanese and English, no scripts, no tracking."""
    account = world.account(Permission.DISPATCH_RUN)
    pages = GenuinePages(search_path("templates", world.settings.home))
    written = genuine.write_genuine_pages(world.engine, out, pages, actor=account.actor, now=world.now)
    text = f"{written.notices} notices, {written.codes:,} codes in {written.files:,} files, the largest "
    world.show(written, f"{text}{written.largest_file:,} octets. Put {out} on the web site that people know.")


@click.command()
@click.argument("reference")
@click.argument("notice_id", type=int)
@click.argument("version", type=int)
@click.option("--reason", required=True)
@command
def withdraw(world: World, reference: str, notice_id: int, version: int, reason: str) -> None:
    """Say that a version of a notice holds no longer: no wave sends it any more, and the public page says so."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    genuine.retract_notice(
        world.engine, view.id, NoticeId(notice_id), version, reason=reason, actor=account.actor, now=world.now
    )
    world.show(
        {"notice_id": notice_id, "version": version},
        f"Version {version} of notice {notice_id} is withdrawn. Write the public pages anew: `notice verify-page`.",
    )
