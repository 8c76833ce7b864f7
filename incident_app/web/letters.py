"""The pages of letters: prepared in batches, printed, handed over, returned by their codes."""

from __future__ import annotations

import unicodedata
from datetime import date

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.letters import LetterState
from incident_app.domain.vocabulary import JobKind, Language, Subject
from incident_app.domain.zones import JST
from incident_app.rendering.letters import ENCODINGS
from incident_app.services import approvals, jobs, letters_posting, letters_shown, notices, unreached
from incident_app.services.accounts import names_by_actor
from incident_app.services.letter_addressees import BATCH_SIZE
from incident_app.services.letters_posting import Receipt
from incident_app.services.letters_shown import SHOWN_AT_ONCE, BatchView
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.unreached import listed, number_asked

blueprint = flask.Blueprint("letters", __name__, url_prefix="/incidents/<reference>/letters")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    drafted = notices.list_notices(context.engine(), view.id)
    return incident_page(
        "letters/show.html",
        view,
        batches=letters_shown.list_batches(context.engine(), view.id),
        done=unreached.completion(context.engine(), view.id),
        notices=[(notice.id, f"{notice.title} ({notice.version})") for notice in drafted],
        sender=letters_shown.usual_sender(context.engine()),
        size=BATCH_SIZE,
        today=_today().isoformat(),
        jobs=jobs.list_jobs(context.engine(), view.id, JobKind.LETTERS, most=2),
    )


@blueprint.post("/prepare")
@requires(Permission.DISPATCH_RUN)
@shown_at("letters.show")
def prepare(reference: str) -> Response:
    view = context.incident_of(reference)
    jobs.ask_for(
        context.engine(),
        JobKind.LETTERS,
        incident_id=view.id,
        parameters={
            "sender": {language.value: context.typed(f"sender_{language}") for language in Language},
            "printed_on": _day("printed_on").isoformat(),
            "notice_id": int(word) if context.is_number(word := context.typed("notice_id")) else None,
            "batch_size": _size(),
            "go_on": bool(context.typed("go_on")),
        },
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("letters.asked")
    return flask.redirect(flask.url_for("letters.show", reference=reference))


@blueprint.post("/approval")
@requires(Permission.NOTICE_WRITE)
@shown_at("letters.show")
def ask_approval(reference: str) -> Response:
    view = context.incident_of(reference)
    word = context.typed("notice_id")
    if not context.is_number(word):
        raise BadInput(field="notice_id", problem="choose a notice")
    approvals.request_approval(
        context.engine(), view.id, Subject.NOTICE, int(word), actor=context.account().actor, now=context.now()
    )
    context.done("approvals.asked")
    return flask.redirect(flask.url_for("letters.show", reference=reference))


@blueprint.post("/returned")
@requires(Permission.DISPATCH_RUN)
@shown_at("letters.show")
def returned(reference: str) -> Response:
    view = context.incident_of(reference)
    found = letters_posting.record_returned(
        context.engine(),
        listed("codes"),
        incidents={view.id},
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("letters.came_back", letters=found.letters, unchanged=found.unchanged, people=found.people)
    return flask.redirect(flask.url_for("letters.show", reference=reference))


@blueprint.post("/not-returned")
@requires(Permission.DISPATCH_RUN)
@shown_at("letters.show")
def take_back_return(reference: str) -> Response:
    view = context.incident_of(reference)
    number = letters_posting.take_back_return(
        context.engine(),
        listed("codes"),
        reason=context.typed("reason"),
        incidents={view.id},
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("letters.return_taken_back", letters=number)
    return flask.redirect(flask.url_for("letters.show", reference=reference))


@blueprint.get("/find")
@requires(Permission.INCIDENT_READ)
@shown_at("letters.show")
def find(reference: str) -> Response:
    view = context.incident_of(reference)
    found = letters_shown.find_letter(context.engine(), flask.request.args.get("code", ""), {view.id})
    place = flask.url_for(
        "letters.one", reference=reference, code=found.batch, after=found.number - 1, _anchor=found.code
    )
    return flask.redirect(place)


@blueprint.get("/<code>")
@requires(Permission.INCIDENT_READ)
def one(reference: str, code: str) -> str:
    view = context.incident_of(reference)
    batch = letters_shown.batch_of(context.engine(), view.id, code)
    word = flask.request.args.get("state", "")
    state = LetterState(word) if word in set(LetterState) else None
    rows = letters_shown.list_letters(context.engine(), batch.code, state=state, after=number_asked("after"))
    return incident_page(
        "letters/one.html",
        view,
        batch=batch,
        rows=rows,
        state=state,
        next_after=rows[-1].number if len(rows) == SHOWN_AT_ONCE else None,
        encodings=[(encoding, encoding) for encoding in ENCODINGS],
        today=_today().isoformat(),
        names=names_by_actor(context.engine()),
    )


@blueprint.post("/<code>/handed-over")
@requires(Permission.DISPATCH_RUN)
@shown_at("letters.one")
def handed_over(reference: str, code: str) -> Response:
    batch = _batch(reference, code)
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    receipt = None
    if content and upload is not None:
        receipt = Receipt(source=content, folder=context.parts().evidence, file_name=upload.filename or "")
    people = letters_posting.hand_over(
        context.engine(),
        batch.code,
        on=_day("date"),
        receipt=receipt,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("letters.was_handed_over", people=people)
    return _back(reference, code)


@blueprint.post("/<code>/take-back")
@requires(Permission.DISPATCH_RUN)
@shown_at("letters.one")
def take_back(reference: str, code: str) -> Response:
    batch = _batch(reference, code)
    letters_posting.take_back(
        context.engine(), batch.code, reason=context.typed("reason"), actor=context.account().actor, now=context.now()
    )
    context.done("letters.hand_over_taken_back")
    return _back(reference, code)


@blueprint.post("/<code>/discard")
@requires(Permission.DISPATCH_RUN)
@shown_at("letters.one")
def discard(reference: str, code: str) -> Response:
    batch = _batch(reference, code)
    letters_posting.discard(
        context.engine(), batch.code, reason=context.typed("reason"), actor=context.account().actor, now=context.now()
    )
    context.done("letters.was_discarded")
    return _back(reference, code)


@blueprint.post("/<code>/letters.pdf")
@requires(Permission.RECIPIENTS_READ)
@shown_at("letters.one")
def print_pdf(reference: str, code: str) -> Response:
    batch = _batch(reference, code)
    content = letters_shown.export_pdf(
        context.engine(),
        batch.code,
        folder=context.parts().evidence,
        purpose=context.typed("purpose"),
        actor=context.account().actor,
        now=context.now(),
    )
    return _file(content, "application/pdf", f"{batch.code}.pdf")


@blueprint.post("/<code>/addresses.csv")
@requires(Permission.RECIPIENTS_READ)
@shown_at("letters.one")
def addresses(reference: str, code: str) -> Response:
    batch = _batch(reference, code)
    content = letters_shown.export_addresses(
        context.engine(),
        batch.code,
        encoding=context.typed("encoding"),
        purpose=context.typed("purpose"),
        actor=context.account().actor,
        now=context.now(),
    )
    return _file(content, "text/csv", f"{batch.code}.csv")


def _file(content: bytes, media: str, name: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return flask.Response(content, mimetype=media, headers=headers)


def _batch(reference: str, code: str) -> BatchView:
    view = context.incident_of(reference)
    return letters_shown.batch_of(context.engine(), view.id, code)


def _back(reference: str, code: str) -> Response:
    return flask.redirect(flask.url_for("letters.one", reference=reference, code=code))


def _today() -> date:
    return context.now().astimezone(JST).date()


def _day(field: str) -> date:
    try:
        return date.fromisoformat(unicodedata.normalize("NFKC", context.typed(field)) or _today().isoformat())
    except ValueError:
        raise BadInput(field=field, problem="write a day like 2026-11-24") from None


def _size() -> int:
    digits = unicodedata.normalize("NFKC", context.typed("batch_size")).replace(",", "")
    if not context.is_number(digits):
        raise BadInput(field="batch_size", problem="write how many letters a batch holds")
    return int(digits)
