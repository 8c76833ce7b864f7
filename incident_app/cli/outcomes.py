"""`incident-app dispatch outcomes`: what became of each message, per person, as a file with a manifest beside it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from incident_app.cli.context import World, command, plain
from incident_app.domain.access import Permission
from incident_app.domain.ids import CampaignId
from incident_app.services import accounts, waves
from incident_app.services import outcomes as service
from incident_app.services.outcomes import Addresses, Manifest, Wanted


@click.command()
@click.argument("reference")
@click.argument("campaign_id", type=int, required=False)
@click.option("--purpose", required=True, help="Why it is exported; kept on the timeline.")
@click.option("--format", "form", type=click.Choice(service.FORMATS), help="csv, or json with --json.")
@click.option(
    "--addresses",
    type=click.Choice([word.value for word in Addresses]),
    default="masked",
    show_default=True,
    help="Full addresses need the permission dispatch.run as well.",
)
@click.option("--items", type=click.Choice(["codes", "digest"]), default="codes", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="The file to write.")
@command
def outcomes(
    world: World,
    reference: str,
    campaign_id: int | None,
    *,
    purpose: str,
    form: str | None,
    addresses: str,
    items: str,
    out: Path | None,
) -> None:
    """Export one row per person and message, of one wave or of a whole incident, with the sums recounted from them."""
    view, account = world.incident(reference, Permission.RECIPIENTS_READ)
    if Addresses(addresses) is Addresses.FULL:
        accounts.require(account, Permission.DISPATCH_RUN)
    wave = waves.get_wave_of(world.engine, view.id, CampaignId(campaign_id)) if campaign_id is not None else None
    wanted = Wanted(
        incident_id=view.id,
        campaign_id=wave.id if wave else None,
        form=form or ("json" if world.as_json and out is None else "csv"),
        addresses=Addresses(addresses),
        name_items=items == "codes",
        message_domain=world.settings.bounce_domain,
    )
    with _staged(out) as file:
        manifest = service.write_outcomes(
            world.engine, wanted, file.write, purpose=purpose, actor=account.actor, now=world.now
        )
        if out is None:
            _hand_over(file)
    if out is None:
        click.echo(_summary(manifest), err=True)
        return
    beside = out.with_name(f"{out.name}.manifest.json")
    beside.write_text(json.dumps(plain(manifest), indent=2) + "\n", encoding="utf-8")
    world.show({"file": str(out), "manifest": manifest}, f"Written to {out}, with {beside.name}.\n{_summary(manifest)}")


@contextmanager
def _staged(target: Path | None) -> Iterator[IO[bytes]]:
    """Give a file that only its owner reads, and put it in its place when all of it was written and recorded."""
    if target is None:
        with tempfile.TemporaryFile() as file:
            yield file
        return
    draft = target.with_name(f".{secrets.token_hex(8)}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _hand_over(file: IO[bytes]) -> None:
    file.seek(0)
    shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _summary(manifest: Manifest) -> str:
    lines = [
        f"Wave {wave.wave}: planned {wave.planned:,} = sent {wave.sent:,} + failed {wave.failed:,} + skipped "
        f"{wave.skipped:,} + in doubt {wave.in_doubt:,} + waiting {wave.waiting:,}"
        + ("" if wave.agrees else " - DOES NOT ADD UP")
        for wave in manifest.waves
    ]
    lines.append(f"{manifest.rows:,} rows, {manifest.people_in_no_message:,} of them people in no message.")
    lines.append(f"Digest of the rows {manifest.rows_digest}")
    return "\n".join(lines)
