"""`incident-app bounces` and `suppressions`: what came back, whose it is, and which addresses it closed."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command
from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.returned_mail import BounceKind
from incident_app.services import bounces as returned
from incident_app.services import bounces_by_hand, bounces_shown, incidents
from notifications.bounces.imap import IMAPS, ImapSettings, MailboxUnavailable, mails_on_server
from notifications.bounces.sources import FoundMail, mails_in, mails_of

STANDARD_INPUT = "-"
PLACE = click.Path(exists=True, allow_dash=True, path_type=Path)


class CannotReadMailbox(IncidentAppError):
    """The mailbox on the server cannot be read: {problem}."""

    ja = "サーバー上のメールボックスを読めません：{problem}"


@dataclass(frozen=True, kw_only=True)
class _Server:
    """A mailbox on a server, as it was named."""

    settings: ImapSettings
    since: date | None


@click.group()
def bounces() -> None:
    """Read what came back, and settle what nobody knows the message of."""


@bounces.command()
@click.argument("paths", nargs=-1, type=PLACE)
@click.option("--dry-run", is_flag=True, help="Only judge: store nothing, move nothing.")
@click.option("--imap", metavar="HOST[:PORT]", help="Also read a mailbox on a server, over TLS; nothing in it changes.")
@click.option("--imap-user", help="Who signs in there.")
@click.option("--imap-password-file", type=FILE, help="The file that holds the password.")
@click.option("--imap-folder", default="INBOX", show_default=True)
@click.option("--imap-ca-file", type=FILE, help="Certificate authority of that server; else the system's.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Of the server's mailbox: from this day on.")
@command
def read(
    world: World,
    paths: tuple[Path, ...],
    *,
    dry_run: bool,
    imap: str | None,
    imap_user: str | None,
    imap_password_file: Path | None,
    imap_folder: str,
    imap_ca_file: Path | None,
    since: datetime | None,
) -> None:
    """Read returned mail from files, folders (with all below them), Maildirs, mbox files, `-`, or a server."""
    server = None
    if imap is not None:
        server = _server(imap, imap_user, imap_password_file, imap_folder, imap_ca_file, since)
    if not paths and server is None:
        raise BadInput(field="paths", problem="name a file, a folder, - for standard input, or a server with --imap")
    mails = _mails(paths, server)
    if dry_run:
        found = list(returned.look_at_mails(mails, world.known_return_path))
    else:
        account = world.account(Permission.DISPATCH_RUN)
        found = returned.read_mails(world.engine, mails, world.bounce_tools, actor=account.actor, now=world.now)
    world.show(found, _summary(found, dry_run=dry_run))


@bounces.command("list")
@click.argument("reference", required=False)
@click.option("--unmatched", is_flag=True, help="What nobody knows the message of yet.")
@click.option("--kind", type=click.Choice([kind.value for kind in BounceKind]))
@click.option("--after", type=int, default=0, help="Go on after this number.")
@command
def list_(world: World, reference: str | None, *, unmatched: bool, kind: str | None, after: int) -> None:
    """List what came back of an incident's messages, or (--unmatched) the open items."""
    if unmatched:
        account = world.account(Permission.DISPATCH_RUN)
        mine = [view.id for view in incidents.list_incidents(world.engine, account)]
        items = bounces_shown.open_items(world.engine, mine, folder=world.evidence_folder, after=after)
        world.show(items, "\n".join(map(_item_line, items)) or "There is no open item.")
        return
    if reference is None:
        raise BadInput(field="reference", problem="name an incident, or list the open items with --unmatched")
    view, _ = world.incident(reference, Permission.DISPATCH_RUN)
    shown = bounces_shown.returned_of(world.engine, view.id, kind=BounceKind(kind) if kind else None, after=after)
    world.show(shown, "\n".join(map(_line, shown)) or "Nothing came back.")


@bounces.command()
@click.argument("reference")
@click.argument("bounce_id", type=int)
@click.argument("customer_number")
@click.option("--reason", required=True, help="How you know.")
@command
def match(world: World, reference: str, bounce_id: int, customer_number: str, reason: str) -> None:
    """Say by hand which customer's newest message of an incident a returned mail is about."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    delivery_id = bounces_by_hand.match_by_hand(
        world.engine, view.id, bounce_id, customer_number, reason=reason, actor=account.actor, now=world.now
    )
    world.show({"bounce_id": bounce_id, "delivery_id": delivery_id}, f"It is about delivery {delivery_id}.")


@bounces.command("set-aside")
@click.argument("bounce_id", type=int)
@click.option("--reason", required=True, help="Why it is about none of our messages.")
@command
def set_aside(world: World, bounce_id: int, reason: str) -> None:
    """Close an open item that is about none of our messages."""
    account = world.account(Permission.DISPATCH_RUN)
    bounces_by_hand.set_aside(world.engine, bounce_id, reason=reason, actor=account.actor, now=world.now)
    world.show({"bounce_id": bounce_id, "settled": "set_aside"}, f"Returned mail {bounce_id} is set aside.")


@click.group()
def suppressions() -> None:
    """Show the addresses that mail is not sent to, and let them be written to again."""


@suppressions.command("list")
@click.option("--lifted", is_flag=True, help="Those that were lifted.")
@click.option("--after", type=int, default=0, help="Go on after this number.")
@command
def list_suppressions(world: World, *, lifted: bool, after: int) -> None:
    """List closed addresses, masked. A complaint never holds back a legal notice."""
    world.account(Permission.DISPATCH_RUN)
    found = bounces_shown.list_suppressions(world.engine, lifted=lifted, after=after)
    lines = [
        f"{row.id}  {row.recipient}  {row.reason}  since {row.since.isoformat()}  closed to {', '.join(row.closed_to)}"
        for row in found
    ]
    world.show(found, "\n".join(lines) or "No address is closed.")


@suppressions.command()
@click.argument("suppression_id", type=int)
@click.option("--reason", required=True, help="How you know that the address is good, or that mail is wanted.")
@command
def lift(world: World, suppression_id: int, reason: str) -> None:
    """Let an address be written to again."""
    account = world.account(Permission.DISPATCH_RUN)
    bounces_by_hand.lift_suppression(world.engine, suppression_id, reason=reason, actor=account.actor, now=world.now)
    world.show({"suppression_id": suppression_id, "lifted": True}, "The address may be written to again.")


def _mails(paths: Sequence[Path], server: _Server | None) -> Iterator[FoundMail]:
    yield from itertools.chain.from_iterable(_mails_at(path) for path in paths)
    if server is not None:
        try:
            yield from mails_on_server(server.settings, since=server.since)
        except MailboxUnavailable as trouble:
            raise CannotReadMailbox(problem=str(trouble)) from trouble


def _mails_at(path: Path) -> Iterable[FoundMail]:
    return mails_of(sys.stdin.buffer, STANDARD_INPUT) if str(path) == STANDARD_INPUT else mails_in(path)


def _server(
    place: str, user: str | None, password: Path | None, folder: str, authority: Path | None, since: datetime | None
) -> _Server:
    host, _, port = place.rpartition(":") if place.rpartition(":")[2].isdecimal() else (place, "", "")
    if user is None or password is None:
        raise BadInput(field="imap", problem="name the account and the file of its password")
    settings = ImapSettings(
        host=host.strip("[]"),
        port=int(port or IMAPS),
        username=user,
        password=password.read_text(encoding="utf-8").strip(),
        folder=folder,
        ca_file=authority,
    )
    return _Server(settings=settings, since=since.date() if since else None)


def _summary(found: Sequence[returned.JudgedMail], *, dry_run: bool) -> str:
    counts = {kind: sum(mail.kind is kind for mail in found) for kind in BounceKind}
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in counts.items() if number)
    matched = sum(mail.matched for mail in found)
    end = "; nothing was stored." if dry_run else "."
    return f"{len(found):,} mails read ({kinds or 'none'}), {matched:,} matched{end}"


def _line(mail: bounces_shown.ReturnedView) -> str:
    words = [str(mail.id), mail.kind, mail.status or "-", mail.read_at.isoformat()]
    return "  ".join([*words, *([f"wave {mail.wave}"] if mail.wave else []), *mail.customer_numbers])


def _item_line(item: bounces_shown.OpenItem) -> str:
    candidates = [f"perhaps {number} of {reference}" for reference, number in item.candidates]
    return "  ".join([_line(item.mail), *item.recipients, *candidates])
