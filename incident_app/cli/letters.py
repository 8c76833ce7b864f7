"""`incident-app letters`: prepare, print, hand over, and record what came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import click

from incident_app.cli.context import FILE, World, command
from incident_app.domain.access import Permission
from incident_app.domain.code_lists import Line, lines_of_list
from incident_app.domain.encodings import decode
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.letters import LetterState
from incident_app.domain.vocabulary import Language
from incident_app.domain.zones import JST
from incident_app.paths import find_file
from incident_app.rendering.letters import ENCODINGS
from incident_app.services import incidents, letters_posting, letters_shown
from incident_app.services import letters as preparing
from incident_app.services.accounts import Account
from incident_app.services.letter_addressees import BATCH_SIZE, LetterPlan
from incident_app.services.letters import Prepared, Printing
from incident_app.services.letters_posting import Receipt
from incident_app.services.letters_shown import BatchView, LetterView

DAY = click.DateTime(["%Y-%m-%d"])
PRINTED = "letters prepare --out"


@click.group()
def letters() -> None:
    """Write by post to those whom mail does not reach: prepare, print, hand over, record what came back."""


@letters.command()
@click.argument("reference")
@click.option("--batch-size", type=int, default=BATCH_SIZE, show_default=True, help="Letters in one batch.")
@click.option("--batches", type=int, help="Prepare at most so many batches; else all.")
@click.option("--notice", "notice_id", type=int, help="The notice to print; else the newest approved, not a follow-up.")
@click.option("--sender-ja", help="Name and return address in Japanese; \\n ends a line. Else the policy's.")
@click.option("--sender-en", help="The same in English.")
@click.option("--date", "printed_on", type=DAY, help="The date on the letters; else today.")
@click.option("--go-on", is_flag=True, help="Print 〓 where the font lacks a character, instead of refusing.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write BATCH.pdf, BATCH.csv to."
)
@command
def prepare(
    world: World,
    reference: str,
    *,
    batch_size: int,
    batches: int | None,
    notice_id: int | None,
    sender_ja: str | None,
    sender_en: str | None,
    printed_on: datetime | None,
    go_on: bool,
    out: Path | None,
) -> None:
    """Prepare letters to everybody whom post reaches next: a PDF and a list of addresses for each batch."""
    view, account = world.incident(reference, Permission.DISPATCH_RUN)
    usual = letters_shown.usual_sender(world.engine)
    plan = LetterPlan(
        sender={
            language: (given.replace("\\n", "\n") if given else usual[language])
            for language, given in ((Language.JA, sender_ja), (Language.EN, sender_en))
        },
        printed_on=printed_on.date() if printed_on else _today(world),
        notice_id=notice_id,
        batch_size=batch_size,
        most_batches=batches,
        go_on=go_on,
    )
    made = preparing.prepare_letters(world.engine, view.id, plan, _printing(world), actor=account.actor, now=world.now)
    if out is not None:
        for one in made:
            _write(world, account, one, out)
    lines = [f"Batch {one.batch}: {one.letters:,} letters." + _missing(one) for one in made]
    world.show(made, "\n".join([*lines, "Print on one side only: two letters must not share a sheet."]))


def _missing(one: Prepared) -> str:
    return f" Printed as 〓: {' '.join(one.missing)}" if one.missing else ""


def _printing(world: World) -> Printing:
    template = find_file("templates", preparing.LETTER, world.settings.home)
    if template is None:
        raise NotFound(what="template", name=preparing.LETTER)
    return Printing(folder=world.evidence_folder, template=template)


def _write(world: World, account: Account, one: Prepared, out: Path) -> None:
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    letters_shown.export_pdf(
        world.engine,
        one.batch,
        folder=world.evidence_folder,
        purpose=PRINTED,
        hand_over=(out / f"{one.batch}.pdf").write_bytes,
        actor=account.actor,
        now=world.now,
    )
    letters_shown.export_addresses(
        world.engine,
        one.batch,
        encoding=ENCODINGS[0],
        purpose=PRINTED,
        hand_over=(out / f"{one.batch}.csv").write_bytes,
        actor=account.actor,
        now=world.now,
    )


@letters.command("list")
@click.argument("reference")
@command
def list_(world: World, reference: str) -> None:
    """List the batches of an incident, newest first."""
    view, _ = world.incident(reference)
    found = letters_shown.list_batches(world.engine, view.id)
    world.show(found, "\n".join(map(_batch_line, found)) or "No letters are prepared.")


@letters.command()
@click.argument("batch")
@click.option("--state", type=click.Choice([state.value for state in LetterState]))
@click.option("--after", type=int, default=0, help="Go on after this number.")
@command
def show(world: World, batch: str, state: str | None, after: int) -> None:
    """Show a batch and its letters, without names and addresses."""
    found, _ = _batch(world, batch, Permission.INCIDENT_READ)
    wanted = LetterState(state) if state else None
    rows = letters_shown.list_letters(world.engine, found.code, state=wanted, after=after)
    text = "\n".join([_batch_line(found), *map(_letter_line, rows)])
    world.show({"batch": found, "letters": rows}, text)


@letters.command("print")
@click.argument("batch")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The PDF to write.")
@click.option("--purpose", required=True, help="Why it is exported; kept on the timeline.")
@command
def print_(world: World, batch: str, out: Path, purpose: str) -> None:
    """Write the PDF of a batch again, byte for byte as it was printed first."""
    found, account = _batch(world, batch, Permission.RECIPIENTS_READ)
    letters_shown.export_pdf(
        world.engine,
        found.code,
        folder=world.evidence_folder,
        purpose=purpose,
        hand_over=out.write_bytes,
        actor=account.actor,
        now=world.now,
    )
    world.show({"file": str(out)}, f"Written to {out}.")


@letters.command()
@click.argument("batch")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--encoding", type=click.Choice(list(ENCODINGS)), default=ENCODINGS[0], show_default=True)
@click.option("--purpose", required=True, help="Why it is exported; kept on the timeline.")
@command
def addresses(world: World, batch: str, out: Path, encoding: str, purpose: str) -> None:
    """Write the addresses of a batch for a mailing house, as CSV. Characters the encoding lacks are named."""
    found, account = _batch(world, batch, Permission.RECIPIENTS_READ)
    letters_shown.export_addresses(
        world.engine,
        found.code,
        encoding=encoding,
        purpose=purpose,
        hand_over=out.write_bytes,
        actor=account.actor,
        now=world.now,
    )
    world.show({"file": str(out)}, f"Written to {out}.")


@letters.command("handed-over")
@click.argument("batch")
@click.option("--date", "on", type=DAY, help="The day it was handed over; else today.")
@click.option("--receipt", type=FILE, help="Receipt of the post office or the mailing house; kept as evidence.")
@command
def handed_over(world: World, batch: str, on: datetime | None, receipt: Path | None) -> None:
    """Record that a batch was handed over: its people are told by post."""
    found, account = _batch(world, batch, Permission.DISPATCH_RUN)
    kept = Receipt(source=receipt, folder=world.evidence_folder, file_name=receipt.name) if receipt else None
    day = on.date() if on else _today(world)
    people = letters_posting.hand_over(
        world.engine, found.code, on=day, receipt=kept, actor=account.actor, now=world.now
    )
    text = f"Batch {found.code} was handed over on {day.isoformat()}: {people:,} people told."
    world.show({"batch": found.code, "letters": found.letters, "people": people}, text)


@letters.command()
@click.argument("codes", nargs=-1)
@click.option("--codes", "list_file", type=FILE, help="A file with one code a line.")
@command
def returned(world: World, codes: tuple[str, ...], list_file: Path | None) -> None:
    """Record that letters came back, by the codes printed on them: their people are on the worklist again."""
    account = world.account(Permission.DISPATCH_RUN)
    found = letters_posting.record_returned(
        world.engine,
        lines_given(codes, list_file),
        incidents=_mine(world, account),
        actor=account.actor,
        now=world.now,
    )
    text = f"{found.letters:,} letters came back ({found.unchanged:,} known before), {found.people:,} people to tell."
    world.show(found, text)


@letters.command("take-back-return")
@click.argument("codes", nargs=-1)
@click.option("--codes", "list_file", type=FILE, help="A file with one code a line.")
@click.option("--reason", required=True, help="What was wrong with the record.")
@command
def take_back_return(world: World, codes: tuple[str, ...], list_file: Path | None, reason: str) -> None:
    """Take back that letters came back."""
    account = world.account(Permission.DISPATCH_RUN)
    number = letters_posting.take_back_return(
        world.engine,
        lines_given(codes, list_file),
        reason=reason,
        incidents=_mine(world, account),
        actor=account.actor,
        now=world.now,
    )
    world.show({"letters": number}, f"{number:,} letters did not come back.")


@letters.command("take-back")
@click.argument("batch")
@click.option("--reason", required=True, help="What was wrong with the record.")
@command
def take_back(world: World, batch: str, reason: str) -> None:
    """Take back that a batch was handed over."""
    found, account = _batch(world, batch, Permission.DISPATCH_RUN)
    number = letters_posting.take_back(world.engine, found.code, reason=reason, actor=account.actor, now=world.now)
    world.show({"batch": found.code, "letters": number}, f"Batch {found.code} is prepared, not handed over.")


@letters.command()
@click.argument("batch")
@click.option("--reason", required=True, help="Why it is not sent.")
@command
def discard(world: World, batch: str, reason: str) -> None:
    """Discard a batch that was never handed over; its people may be put into another."""
    found, account = _batch(world, batch, Permission.DISPATCH_RUN)
    number = letters_posting.discard(world.engine, found.code, reason=reason, actor=account.actor, now=world.now)
    world.show({"batch": found.code, "letters": number}, f"Batch {found.code} is discarded.")


@letters.command()
@click.argument("code")
@command
def find(world: World, code: str) -> None:
    """Find a letter by the code that is printed on it."""
    account = world.account(Permission.INCIDENT_READ)
    found = letters_shown.find_letter(world.engine, code, _mine(world, account))
    world.show(found, _letter_line(found))


def lines_given(given: Sequence[str], list_file: Path | None) -> tuple[Line, ...]:
    """Return what was named one by one and in a file, as lines; a file in any Japanese encoding."""
    typed = tuple(Line(number=place, text=text) for place, text in enumerate(given, start=1))
    return typed + (lines_of_list(decode(list_file.read_bytes())) if list_file is not None else ())


def _batch(world: World, code: str, permission: Permission) -> tuple[BatchView, Account]:
    """Return a batch of an incident that this person may see."""
    account = world.account(permission)
    found = letters_shown.show_batch(world.engine, code)
    incidents.get_incident(world.engine, found.reference, account)
    return found, account


def _mine(world: World, account: Account) -> set[IncidentId]:
    return {view.id for view in incidents.list_incidents(world.engine, account)}


def _today(world: World) -> date:
    return world.now.astimezone(JST).date()


def _batch_line(batch: BatchView) -> str:
    states = ", ".join(f"{number:,} {state}" for state, number in batch.by_state.items())
    day = f" on {batch.handed_over_on.isoformat()}" if batch.handed_over_on else ""
    return f"{batch.code}  {batch.status}{day}  {batch.letters:,} letters ({states})"


def _letter_line(letter: LetterView) -> str:
    return f"{letter.code}  {letter.state}  customer {letter.customer_number}  {letter.at.isoformat()}"
